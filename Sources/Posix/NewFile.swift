internal import Glibc

extension File {
    /// Writes a new file (mode 0644) and has it on disk when it returns. What stands at `path` already is left alone:
    /// that is an error (EEXIST).
    public static func create(_ path: String, _ bytes: [UInt8]) throws(PosixError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw PosixError("write", path, code: errno) }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let code = errno
                unlink(path)
                throw PosixError("write", path, code: code)
            }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw PosixError("write", path, code: errno) }
    }
}
