internal import Glibc
internal import Posix

/// The right to write to a spool: one process at a time, on one machine. The kernel takes it back when the process ends,
/// however it ends.
struct SpoolLock: ~Copyable {
    // SAFETY: owned, closed once; closing gives the lock back. The file stays: removing it would race with a successor.
    private let descriptor: Int32

    /// Takes the lock of a spool, or says who holds it.
    init(directory: String) throws(SpoolError) {
        let path = directory + "/parthe.lock"
        // Root may be the one who opens it, and the folder another's: no link leads it to a file elsewhere.
        descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else {
            throw SpoolError(errno: errno, operation: "open", path: path)
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let content = (try? File.read(path, limit: 32)) ?? []
            let pid = String(decoding: content.prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self)
            close(descriptor)
            throw SpoolError(
                .held, operation: "open", path: directory,
                detail: "another agent\(pid.isEmpty ? "" : ", process \(pid),") has this spool open")
        }
        let text = Array("\(getpid())\n".utf8)
        // The number is for people; the lock holds without it, so a full disk does not matter here.
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    deinit {
        // A child process that was just started may share the descriptor until its exec: closing alone would leave the
        // lock with it for that moment.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}

/// The folder of a spool.
enum SpoolFolder {
    /// The database file.
    static func file(in directory: String) -> String {
        directory + "/parthe.spool"
    }

    /// Makes the folder and those above it, on disk before this returns: a folder that a power cut takes away takes
    /// the spool with it.
    static func make(_ directory: String) throws(SpoolError) {
        guard !File.isFolder(directory) else { return }
        let above = parent(of: directory)
        if let above { try make(above) }
        do throws(PosixError) {
            try File.makeFolder(directory)
        } catch {
            throw SpoolError(errno: error.code, operation: "make folder", path: directory)
        }
        sync(above ?? ".")
    }

    /// Puts a folder's names on the disk.
    static func sync(_ directory: String) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    /// Adds lines to a file beside the spool, on disk when this returns. What goes wrong here costs nothing now.
    static func append(_ text: String, to path: String) {
        guard !text.isEmpty else { return }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        _ = write(descriptor, bytes, bytes.count)
        fdatasync(descriptor)
    }

    static func exists(_ path: String) -> Bool {
        File.exists(path)
    }

    /// Bytes of a file, 0 where there is none. It is not opened: closing it would drop SQLite's locks on it.
    static func size(_ path: String) -> Int64 {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : 0
    }

    /// Bytes that its file system has free for this user.
    static func free(_ directory: String) -> Int64 {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return .max / 2 }
        return Int64(clamping: status.f_bavail).multipliedReportingOverflow(by: Int64(clamping: status.f_frsize)).0
    }

    private static func parent(of path: String) -> String? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
