internal import Glibc
public import Posix

/// Files that the lab writes.
public enum LabFile {
    /// Writes `bytes` as the whole content of `path`.
    public static func write(_ bytes: [UInt8], to path: String) throws(PosixError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw PosixError("create", path, code: errno) }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw PosixError("write", path, code: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// A new folder of its own under the system's temporary folder.
    public static func temporaryFolder(_ name: String) throws(PosixError) -> String {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/\(name)-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        guard made else { throw PosixError("make folder", "\(base)/\(name)", code: errno) }
        return template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    /// Removes a folder with everything in it.
    public static func remove(folder: String) {
        for name in (try? File.names(in: folder)) ?? [] {
            let path = folder + "/" + name
            if File.isFolder(path) { remove(folder: path) } else { unlink(path) }
        }
        rmdir(folder)
    }

    /// Bytes of the files in a folder.
    static func bytes(in folder: String) -> Int64 {
        ((try? File.names(in: folder)) ?? []).reduce(0) { sum, name in
            var facts = stat()
            return stat(folder + "/" + name, &facts) == 0 ? sum + Int64(facts.st_size) : sum
        }
    }

    /// Writes the files in a folder to the disk and lets the kernel forget them.
    static func forget(folder: String) {
        for name in (try? File.names(in: folder)) ?? [] {
            let descriptor = open(folder + "/" + name, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            fsync(descriptor)
            posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
            close(descriptor)
        }
    }
}
