internal import CSQLite
internal import Glibc

/// A file system for SQLite that syncs nothing and says that it did: with it, a power cut must lose readings, or the test
/// that finds none lost proves nothing.
enum UnsyncedFiles {
    /// Makes it the default of this process, for good.
    static func install() {
        guard let own = sqlite3_vfs_find(nil) else { return }
        var vfs = own.pointee
        vfs.zName = UnsafePointer(strdup("unsynced"))
        vfs.pNext = nil
        // Of SQLite's own calls only xOpen looks at what stands here, and that one is called with its own.
        vfs.pAppData = UnsafeMutableRawPointer(own)
        vfs.xOpen = { vfs, path, file, flags, result in
            guard let own = vfs?.pointee.pAppData?.assumingMemoryBound(to: sqlite3_vfs.self), let file else {
                return SQLITE_MISUSE
            }
            let code = own.pointee.xOpen(own, path, file, flags, result)
            guard code == SQLITE_OK, var methods = file.pointee.pMethods?.pointee else { return code }
            methods.xSync = { _, _ in SQLITE_OK }
            file.pointee.pMethods = UnsafePointer(UnsafeMutablePointer.forever(methods))
            return code
        }
        sqlite3_vfs_register(.forever(vfs), 1)
    }
}

extension UnsafeMutablePointer {
    /// A copy that is never freed: SQLite keeps it.
    fileprivate static func forever(_ value: Pointee) -> Self {
        let copy = allocate(capacity: 1)
        copy.initialize(to: value)
        return copy
    }
}
