internal import CPosix
internal import Glibc

/// Who somebody is.
public enum User {
    /// The name of the user with this number, or `user NUMBER` where the system has none.
    public static func name(of id: UInt32) -> String {
        // SAFETY: the entry belongs to the C library until the next call; it is copied at once, on one thread.
        guard let entry = getpwuid(id), let name = entry.pointee.pw_name else { return "user \(id)" }
        return String(cString: name)
    }

    /// Who runs this program: behind sudo, the person who called it.
    public static var current: String {
        if getuid() == 0, let name = getenv("SUDO_USER").map({ String(cString: $0) }), !name.isEmpty { return name }
        return name(of: getuid())
    }
}

extension UnixAsker {
    /// The number of the user who asks, as the kernel knows it; nil where it does not.
    public var user: UInt32? { UInt32(exactly: cposix_peer_user(descriptor)) }
}
