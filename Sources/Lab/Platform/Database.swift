internal import CSQLite

/// One SQLite connection with its prepared statements. Not for use by two threads at once.
final class Database {
    private let handle: OpaquePointer
    private var statements: [String: Statement] = [:]

    /// Opens `file`, or a database that vanishes when it is closed.
    ///
    /// The lab's platform may lose rows when the machine loses power, never when its process is killed: the kernel
    /// has the pages then. That makes it quick enough to be judged against.
    init(file: String?) throws(LabError) {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        guard sqlite3_open_v2(file ?? "", &opened, flags, nil) == SQLITE_OK, let opened else {
            let reason = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(opened)
            throw LabError(.database, "\(file ?? "temporary database"): cannot open: \(reason)")
        }
        handle = opened
        sqlite3_busy_timeout(handle, 5000)
        try run("PRAGMA journal_mode=\(file == nil ? "MEMORY" : "WAL")")
        try run("PRAGMA synchronous=OFF")
        try run("PRAGMA foreign_keys=OFF")
        try run("PRAGMA cache_size=-16000")
    }

    deinit {
        statements.removeAll()
        sqlite3_close_v2(handle)
    }

    /// Runs SQL that needs no arguments.
    func run(_ sql: String) throws(LabError) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure() }
    }

    /// The statement of `sql`, prepared once, reset and without arguments.
    func statement(_ sql: String) throws(LabError) -> Statement {
        if let known = statements[sql] {
            known.reset()
            return known
        }
        // Queries of clients have a bounded number of forms; this bounds what a stranger can make of it.
        if statements.count > 200 { statements.removeAll() }
        var prepared: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &prepared, nil) == SQLITE_OK, let prepared else { throw failure() }
        let statement = Statement(prepared)
        statements[sql] = statement
        return statement
    }

    /// The id that the last insertion gave.
    var lastID: Int64 { sqlite3_last_insert_rowid(handle) }

    /// How many rows the last statement changed.
    var changes: Int { Int(sqlite3_changes(handle)) }

    /// What SQLite says of the last failure.
    func failure() -> LabError {
        LabError(.database, "database: \(String(cString: sqlite3_errmsg(handle)))")
    }

    /// Runs `body` as one transaction; everything is undone when it throws.
    func transaction<Result>(_ body: () throws -> Result) throws -> Result {
        try run("BEGIN IMMEDIATE")
        do {
            let result = try body()
            try run("COMMIT")
            return result
        } catch {
            // The first failure is the one to tell of; a failing ROLLBACK leaves nothing more to undo.
            sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
            throw error
        }
    }
}

/// An argument of a statement.
enum SQLValue: Hashable {
    case integer(Int64)
    case text(String)
    case null
}

/// A prepared statement; arguments count from 1, columns from 0.
final class Statement {
    private let handle: OpaquePointer

    fileprivate init(_ handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        sqlite3_finalize(handle)
    }

    func reset() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    func bind(_ index: Int32, _ value: Int64?) {
        if let value { sqlite3_bind_int64(handle, index, value) } else { sqlite3_bind_null(handle, index) }
    }

    func bind(_ index: Int32, _ text: String?) {
        guard var text else {
            sqlite3_bind_null(handle, index)
            return
        }
        // SQLITE_TRANSIENT: SQLite takes its own copy.
        text.withUTF8 {
            $0.withMemoryRebound(to: CChar.self) { characters in
                _ = sqlite3_bind_text(
                    handle, index, characters.baseAddress, Int32(characters.count),
                    unsafeBitCast(-1, to: sqlite3_destructor_type.self))
            }
        }
    }

    func bind(_ values: [SQLValue]) {
        for (index, value) in values.enumerated() {
            switch value {
            case .integer(let number): bind(Int32(index + 1), number)
            case .text(let text): bind(Int32(index + 1), text)
            case .null: bind(Int32(index + 1), nil as Int64?)
            }
        }
    }

    /// Goes to the next row; false at the end.
    func step() throws(LabError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let reason = String(cString: sqlite3_errmsg(sqlite3_db_handle(handle)))
            throw LabError(.database, "database: \(reason)")
        }
    }

    /// Runs a statement without result to its end.
    func run() throws(LabError) {
        while try step() {}
    }

    func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    func optionalInteger(_ column: Int32) -> Int64? {
        isNull(column) ? nil : integer(column)
    }

    func text(_ column: Int32) -> String {
        guard let characters = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: characters, count: count), as: UTF8.self)
    }
}
