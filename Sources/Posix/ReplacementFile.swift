internal import Glibc

/// A file that takes its place only when it is whole: until then what stood there stands there, and nothing is left of it
/// when it does not come so far.
public final class ReplacementFile {
    private let path: String
    private let part: String
    // SAFETY: owned, closed once.
    private let descriptor: Int32
    private var isInPlace = false

    /// Begins a file that will stand at `path`, beside it (mode 0640).
    public init(_ path: String) throws(PosixError) {
        if let kind = File.kind(path), kind != .file { throw PosixError("replace", path, code: EEXIST) }
        self.path = path
        part = "\(path).\(getpid()).part"
        let opened = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard opened >= 0 else { throw PosixError("write", path, code: errno) }
        descriptor = opened
    }

    deinit {
        close(descriptor)
        if !isInPlace { unlink(part) }
    }

    /// Adds to it.
    public func write(_ bytes: [UInt8]) throws(PosixError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw PosixError("write", path, code: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// It is whole: it is on the disk, and in its place, when this returns.
    public func finish() throws(PosixError) {
        guard fsync(descriptor) == 0, rename(part, path) == 0 else { throw PosixError("write", path, code: errno) }
        isInPlace = true
    }
}
