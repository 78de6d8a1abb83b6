internal import Glibc

/// Whole small files: configurations, secrets, /proc.
public enum File {
    /// The content of a file of at most `limit` bytes; a larger one is an error (EFBIG). A pipe may be named as well: one that
    /// nobody writes to is empty, and one into which nothing comes for five seconds is an error (ETIMEDOUT).
    public static func read(_ path: String, limit: Int = 1 << 20) throws(PosixError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw PosixError("open", path, code: errno) }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return content }
            if count < 0 {
                let code = errno
                if code == EINTR { continue }
                guard code == EAGAIN else { throw PosixError("read", path, code: code) }
                guard !Poller.readable([descriptor], within: 5000).isEmpty else {
                    throw PosixError("read", path, code: ETIMEDOUT)
                }
                continue
            }
            content.append(contentsOf: buffer[..<count])
            guard content.count <= limit else { throw PosixError("read", path, code: EFBIG) }
        }
    }

    /// The names in a folder, sorted; without `.` and `..`.
    public static func names(in folder: String) throws(PosixError) -> [String] {
        guard let handle = opendir(folder) else { throw PosixError("open", folder, code: errno) }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Whether something stands at `path`.
    public static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// Why this user cannot read the file at `path`; nil when it can.
    public static func obstacle(_ path: String) -> PosixError? {
        access(path, R_OK) == 0 ? nil : PosixError("read", path, code: errno)
    }

    /// Whether `path` is a folder.
    public static func isFolder(_ path: String) -> Bool {
        kind(path) == .folder
    }

    /// What something is.
    public enum Kind: String, Sendable {
        // As people call it.
        case file, folder, device
    }

    /// What is at `path`, behind links; nil where there is nothing.
    public static func kind(_ path: String) -> Kind? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return switch status.st_mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .folder
        default: .device
        }
    }

    /// What a file is, whatever it is called.
    public struct Identity: Hashable, Sendable {
        fileprivate var device: UInt64
        fileprivate var inode: UInt64
    }

    /// What is at `path`, behind links; nil where there is nothing.
    public static func identity(_ path: String) -> Identity? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// Makes a folder and those above it; one that stands already is no error.
    public static func makeFolder(_ path: String, mode: UInt32 = 0o750) throws(PosixError) {
        if isFolder(path) { return }
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try makeFolder(String(path[..<slash]), mode: mode)
        }
        if mkdir(path, mode) != 0, errno != EEXIST { throw PosixError("make folder", path, code: errno) }
        guard isFolder(path) else { throw PosixError("make folder", path, code: ENOTDIR) }
    }
}
