internal import Glibc

/// A system call that failed: which, on what, and why.
public struct PosixError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The call or the deed: `open`, `read`, `bind`.
    public var operation: String
    /// The file, address or descriptor it was done to.
    public var subject: String
    /// The errno.
    public var code: Int32

    /// The failure of `operation` on `subject` with errno `code`.
    public init(_ operation: String, _ subject: String, code: Int32) {
        self.operation = operation
        self.subject = subject
        self.code = code
    }

    /// `/etc/parthe/parthe.yaml: cannot open: No such file or directory`.
    public var description: String {
        "\(subject): cannot \(operation): \(Self.text(code))"
    }

    /// The system's words for an errno.
    public static func text(_ code: Int32) -> String {
        String(cString: strerror(code))
    }
}
