internal import CSQLite

/// One SQLite connection with its prepared statements; used by one thread at a time.
final class Connection {
    /// What the connection may do.
    enum Access {
        /// Read and write; the file is made when it is missing.
        case create
        /// Read only; a missing file is an error.
        case read
    }

    let path: String
    // SAFETY: owned by this object, closed once. `sqlite3_close_v2` waits for statements that are still to be finalised.
    private var handle: OpaquePointer?
    private var statements: [String: Statement] = [:]

    init(_ path: String, _ access: Access, busyTimeout: Duration) throws(SpoolError) {
        self.path = path
        // SQLite would throw the log of an empty file away.
        if SpoolFolder.size(path) == 0, SpoolFolder.size(path + "-wal") > 0 {
            throw damaged("the file is empty, its log is not")
        }
        let flags =
            switch access {
            case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            case .read: SQLITE_OPEN_READONLY
            }
        let code = sqlite3_open_v2(path, &handle, flags | SQLITE_OPEN_NOMUTEX, nil)
        guard code == SQLITE_OK, let handle else {
            let error = failure(code, "open")
            close()
            throw error
        }
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, Int32(clamping: busyTimeout.components.seconds * 1000))
    }

    deinit {
        close()
    }

    /// Closes the file. Whoever closes the last connection to it also empties the write-ahead log.
    func close() {
        statements.removeAll()
        sqlite3_close_v2(handle)
        handle = nil
    }

    /// Leaves the log alone when the file is closed: what stands under its name may be another's.
    func keepLog() throws(SpoolError) {
        var one: CInt = 1
        try check(sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &one), "keep the log")
    }

    /// The prepared statement for `sql`, kept for the life of the connection.
    func statement(_ sql: String) throws(SpoolError) -> Statement {
        if let known = statements[sql] { return known }
        var prepared: OpaquePointer?
        try check(
            sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil), "prepare \(sql)")
        guard let prepared else {
            throw SpoolError(.database, operation: "prepare", path: path, detail: "no statement in: \(sql)")
        }
        let statement = Statement(prepared, connection: self)
        statements[sql] = statement
        return statement
    }

    /// Runs statements that give no rows.
    func execute(_ sql: String, operation: String = "execute") throws(SpoolError) {
        try check(sqlite3_exec(handle, sql, nil, nil, nil), operation)
    }

    /// The first column of the first row, or nil where there is none.
    func integer(_ sql: String) throws(SpoolError) -> Int64? {
        let statement = try statement(sql)
        defer { statement.reset() }
        guard try statement.step(), !statement.isNull(0) else { return nil }
        return statement.integer(0)
    }

    /// Runs `body` in one write transaction: all of it is on disk when this returns, or none of it ever happened.
    func transaction(_ body: () throws(SpoolError) -> Void) throws(SpoolError) {
        try statement("BEGIN IMMEDIATE").run("begin")
        do {
            try body()
            try statement("COMMIT").run("commit")
        } catch {
            // SQLite rolls back by itself after some failures (disk full, I/O); a second ROLLBACK would only fail.
            if let handle, sqlite3_get_autocommit(handle) == 0 { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
            throw error
        }
    }

    /// Runs `body` on one unchanging view of the file.
    func snapshot<Result>(_ body: () throws(SpoolError) -> Result) throws(SpoolError) -> Result {
        try statement("BEGIN").run("begin")
        defer { sqlite3_exec(handle, "COMMIT", nil, nil, nil) }
        return try body()
    }

    /// Rows that the last statement changed.
    var changes: Int64 {
        handle.map { Int64(sqlite3_changes($0)) } ?? 0
    }

    /// Throws what an unsuccessful result code says.
    func check(_ code: Int32, _ operation: String) throws(SpoolError) {
        guard code == SQLITE_OK else { throw failure(code, operation) }
    }

    /// The error that a result code stands for, with SQLite's words.
    func failure(_ code: Int32, _ operation: String) -> SpoolError {
        let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(code))
        let errno = handle.map { sqlite3_system_errno($0) } ?? 0
        return SpoolError(sqlite: code, errno: errno, message: message, operation: operation, path: path)
    }
}
