internal import Glibc
internal import Posix

// A file that is removed or replaced while it is open goes on to be written, and is gone when it is closed: what it holds
// is copied in time.

extension SpoolStore {
    /// Whether the files that are open still stand where they should.
    func isInPlace() -> Bool {
        // SQLite makes the log with the first commit, and leaves it there as long as the file is open.
        let log = File.identity(connection.path + "-wal")
        if identityOfLog == nil { identityOfLog = log }
        return File.identity(connection.path) == identity && log == identityOfLog
    }

    /// Copies the file, which stands nowhere any more, into one that the next opening puts in its place. The store is of
    /// no use then: nothing that it commits later would be there.
    ///
    /// - Throws: where that does not work; the store goes on as it was then.
    func saveFromNowhere() throws(SpoolError) {
        try SpoolFolder.make(directory)
        let bytes = try (connection.integer("PRAGMA page_count") ?? 0) * Schema.pageSize
        guard SpoolFolder.free(directory) > bytes else {
            throw failure(.noSpace, "copy", "it was removed, and there is no room for a copy of \(bytes) bytes")
        }
        let copy = SpoolOpening.copyPath(in: directory)
        unlink(copy)
        do throws(SpoolError) {
            // What waits for a commit is in the copy, too.
            try append([])
            try connection.keepLog()
            let vacuum = try connection.statement("VACUUM INTO ?")
            vacuum.bind(copy, at: 1)
            try vacuum.run("copy")
            // SQLite does not wait for the disk here.
            let descriptor = Glibc.open(copy, O_RDONLY | O_CLOEXEC)
            defer { close(descriptor) }
            guard descriptor >= 0, fsync(descriptor) == 0, rename(copy, SpoolOpening.savedPath(in: directory)) == 0
            else { throw SpoolError(errno: errno, operation: "copy", path: copy) }
            SpoolFolder.sync(directory)
        } catch {
            unlink(copy)
            throw error
        }
    }
}
