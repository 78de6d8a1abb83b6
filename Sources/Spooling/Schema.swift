/// Makes the tables of a new spool and tells a spool from everything else.
enum Schema {
    /// "PRTH": marks the file as a spool (https://www.sqlite.org/pragma.html#pragma_application_id).
    static let application: Int64 = 0x5052_5448
    /// The version of the format. A newer one than this parthe knows is refused, an older one is brought forward at its
    /// opening: see Migration.swift.
    static let version: Int64 = 4
    /// SQLite's page size, in bytes: a commit writes whole pages, and most commits are small.
    static let pageSize: Int64 = 1024

    /// Pages in the write-ahead log at which it is copied back into the file. The more, the fewer times the pages that
    /// every commit touches are copied; 1000 pages are 1 MiB. Small spools get less, so that the log fits their limit.
    static func checkpointPages(maximumBytes: Int64) -> Int64 {
        min(1000, max(64, maximumBytes / 16 / pageSize))
    }

    /// What the log may come to: a checkpoint happens at the end of a transaction, which may be a large one.
    static func logBytes(maximumBytes: Int64) -> Int64 {
        checkpointPages(maximumBytes: maximumBytes) * 2 * pageSize
    }

    /// Opens the database file of an agent: looks before it touches, makes the tables if the file is new, and sees that
    /// the settings on which durability rests are in force.
    static func open(_ path: String, maximumBytes: Int64) throws(SpoolError) -> Connection {
        let connection = try Connection(path, .create, busyTimeout: .seconds(2))
        let isNew = try inspect(connection)
        if isNew { try connection.execute("PRAGMA page_size = \(pageSize)", operation: "open") }
        let pages = checkpointPages(maximumBytes: maximumBytes)
        // secure_delete: Debian's SQLite overwrites freed pages with zeros by default, which doubles what is written.
        try connection.execute(
            """
            PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;
            PRAGMA wal_autocheckpoint = \(pages); PRAGMA journal_size_limit = \(logBytes(maximumBytes: maximumBytes));
            PRAGMA cache_size = -128; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;
            """, operation: "open")
        try rewriteLog(connection)
        if isNew { try create(connection) } else { try Migration.bringForward(connection) }
        try verify(connection)
        return connection
    }

    /// Writes what the log holds into the file, and begins the log anew. After a sync that failed the kernel shows frames
    /// that are not on the disk, and calls them clean (Rebello et al., USENIX ATC 2020): what was committed behind them
    /// would go with them. Copying makes them dirty again, and syncs them.
    private static func rewriteLog(_ connection: Connection) throws(SpoolError) {
        guard try connection.integer("PRAGMA wal_checkpoint(TRUNCATE)") == 0 else {
            throw SpoolError(
                .busy, operation: "open", path: connection.path,
                detail: "another program reads the log, which has to be begun anew")
        }
    }

    /// Opens the database file for looking only.
    static func openForReading(_ path: String) throws(SpoolError) -> Connection {
        let connection = try Connection(path, .read, busyTimeout: .seconds(2))
        guard try !inspect(connection) else {
            throw SpoolError(.missing, operation: "open", path: path, detail: "there is no spool in this file yet")
        }
        let version = try connection.integer("PRAGMA user_version") ?? 0
        guard version == Self.version else {
            throw SpoolError(
                .older, operation: "open", path: path,
                detail: "its format has version \(version), which the agent's next start brings to \(Self.version)")
        }
        return connection
    }

    /// Whether the file is empty; throws when it is not a spool of this version.
    private static func inspect(_ connection: Connection) throws(SpoolError) -> Bool {
        let application: Int64
        do throws(SpoolError) {
            application = try connection.integer("PRAGMA application_id") ?? 0
        } catch {
            guard error.code == .foreign else { throw error }
            throw foreign(connection, "it is not an SQLite database")
        }
        let tables = try connection.integer("SELECT count(*) FROM sqlite_master") ?? 0
        if application == 0, tables == 0 { return true }
        guard application == Self.application else {
            throw foreign(connection, "it is an SQLite database of another program")
        }
        let version = try connection.integer("PRAGMA user_version") ?? 0
        guard version <= Self.version else {
            if let row = try? connection.row(.spool), let format = SpoolRow(row)?.format, format <= Self.version {
                throw connection.damaged("its head says version \(version), its content \(format)")
            }
            throw SpoolError(
                .newer, operation: "open", path: connection.path,
                detail: "its format has version \(version), this parthe knows versions up to \(Self.version)")
        }
        return false
    }

    private static func foreign(_ connection: Connection, _ reason: String) -> SpoolError {
        SpoolError(.foreign, operation: "open", path: connection.path, detail: "this is no spool of parthe: \(reason)")
    }

    private static func verify(_ connection: Connection) throws(SpoolError) {
        let journal = try connection.statement("PRAGMA journal_mode")
        defer { journal.reset() }
        let mode = try journal.step() ? journal.text(0) : ""
        let synchronous = try connection.integer("PRAGMA synchronous")
        let page = try connection.integer("PRAGMA page_size")
        guard mode == "wal", synchronous == 2, page == pageSize else {
            // No damage that a new file would mend: the file system cannot do what is needed.
            throw SpoolError(
                .inaccessible, operation: "open", path: connection.path,
                detail: "journal_mode is \(mode), synchronous \(synchronous ?? -1), page_size \(page ?? -1); "
                    + "needed are wal, 2 and \(pageSize)")
        }
    }

    /// Makes the tables of a new spool, whose name is random.
    private static func create(_ connection: Connection) throws(SpoolError) {
        try connection.transaction { () throws(SpoolError) in
            try connection.execute(tables, operation: "make tables")
            try SpoolRow(id: SpoolRow.randomID()).write(to: connection)
            try connection.execute(
                "PRAGMA application_id = \(application); PRAGMA user_version = \(version)", operation: "make tables")
        }
    }

    /// What makes each table, by its name, as the file has it.
    static var statements: [String: String] {
        var statements: [String: String] = [:]
        for statement in tables.split(separator: ";") {
            guard let start = statement.firstIndex(where: { !$0.isWhitespace }) else { continue }
            let text = statement[start...]
            let words = text.split(whereSeparator: { " \n(".contains($0) })
            if words.count > 2 { statements[String(words[2])] = String(text) }
        }
        return statements
    }

    /// See the head of SpoolStore.swift for what the tables mean.
    static let tables = """
        CREATE TABLE spool (
            id TEXT NOT NULL, run INTEGER NOT NULL, quarantined INTEGER NOT NULL, damaged INTEGER NOT NULL,
            dropped INTEGER NOT NULL, forgotten INTEGER NOT NULL, next INTEGER NOT NULL, format INTEGER NOT NULL,
            crc INTEGER NOT NULL);
        CREATE TABLE point (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, note TEXT, crc INTEGER NOT NULL);
        CREATE TABLE shape (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
        CREATE TABLE boot (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL, age INTEGER NOT NULL, "offset" INTEGER NOT NULL,
            highest INTEGER, standing INTEGER NOT NULL, first INTEGER, low INTEGER, crc INTEGER NOT NULL);
        CREATE TABLE clock (
            boot INTEGER NOT NULL, place INTEGER NOT NULL, since INTEGER NOT NULL, "offset" INTEGER NOT NULL,
            standing INTEGER NOT NULL, source TEXT NOT NULL, leap INTEGER NOT NULL, crc INTEGER NOT NULL,
            PRIMARY KEY (boot, place)) WITHOUT ROWID;
        CREATE TABLE chunk (
            sequence INTEGER PRIMARY KEY, count INTEGER NOT NULL, boot INTEGER NOT NULL, earliest INTEGER NOT NULL,
            latest INTEGER NOT NULL, stored INTEGER NOT NULL, body BLOB NOT NULL);
        CREATE INDEX thinned ON chunk (count) WHERE count >= 1048576;
        CREATE TABLE frozen (
            first INTEGER PRIMARY KEY, last INTEGER NOT NULL, boot INTEGER NOT NULL, "offset" INTEGER NOT NULL,
            raised INTEGER NOT NULL, latest INTEGER NOT NULL, low INTEGER, high INTEGER, crc INTEGER NOT NULL);
        CREATE TABLE uplink (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, active INTEGER NOT NULL, doubtful INTEGER NOT NULL,
            crc INTEGER NOT NULL);
        CREATE TABLE delivery (
            uplink INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, lease INTEGER NOT NULL,
            settled INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (uplink, first)) WITHOUT ROWID;
        CREATE TABLE quarantine (
            id INTEGER PRIMARY KEY, uplink TEXT NOT NULL, sequence INTEGER NOT NULL, point INTEGER NOT NULL,
            time INTEGER NOT NULL, value TEXT NOT NULL, reason TEXT NOT NULL, crc INTEGER NOT NULL);
        CREATE TABLE total (
            point INTEGER PRIMARY KEY, count INTEGER NOT NULL, hash INTEGER NOT NULL, first INTEGER, last INTEGER,
            crc INTEGER NOT NULL);
        CREATE TABLE remark (
            sequence INTEGER PRIMARY KEY, "from" INTEGER, "to" INTEGER, members TEXT NOT NULL, crc INTEGER NOT NULL);
        CREATE TABLE memory (
            name TEXT PRIMARY KEY, value TEXT NOT NULL, stamp INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE event (
            id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, instant INTEGER NOT NULL, subject TEXT NOT NULL,
            kind TEXT NOT NULL, text TEXT NOT NULL, crc INTEGER NOT NULL);
        CREATE TABLE gap (
            first INTEGER PRIMARY KEY, last INTEGER NOT NULL, count INTEGER NOT NULL, most INTEGER NOT NULL,
            earliest INTEGER, latest INTEGER, noted INTEGER NOT NULL, reason TEXT NOT NULL, crc INTEGER NOT NULL);
        """
}
