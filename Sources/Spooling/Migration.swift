/// Brings spools of earlier formats forward: in one transaction, so that a power cut leaves the one or the other.
///
/// Version 2 had texts, which version 1 had not. Version 3 gave every row a checksum, the table `gap` in place of
/// `damage`, stamps to what is remembered, and the clock a history. Version 4 has emptied chunks, which version 3 would have
/// taken for damage.
enum Migration {
    /// - Throws: never `.database`: a file that is well, but cannot be brought forward, must not be taken for a damaged one.
    static func bringForward(_ connection: Connection) throws(SpoolError) {
        do throws(SpoolError) {
            try bring(connection)
        } catch {
            guard error.code == .database else { throw error }
            var error = error
            error.code = .inaccessible
            throw error
        }
    }

    /// The tables that there were.
    private static let former = SealedTable.allCases.filter { $0 != .gap && $0 != .clock }

    private static func bring(_ connection: Connection) throws(SpoolError) {
        let version = try connection.integer("PRAGMA user_version") ?? 0
        guard version < Schema.version else { return }
        if version == 3 { return try bringThirdForward(connection) }
        // Bytes of the file's head that changed on the disk can look like an earlier format.
        guard try connection.integer("SELECT count(*) FROM sqlite_master WHERE name = 'gap'") == 0 else {
            throw connection.damaged("its version is \(version), its tables are those of a later one")
        }
        try connection.transaction { () throws(SpoolError) in
            try complete(connection)
            for table in former {
                try connection.execute(
                    "ALTER TABLE \(table) RENAME TO old_\(table)", operation: "bring the format forward")
            }
            let statements = Schema.statements
            for table in SealedTable.allCases {
                guard let statement = statements[table.name] else { continue }
                try connection.execute(statement, operation: "bring the format forward")
            }
            try connection.execute(
                "DROP INDEX IF EXISTS thinned; " + (statements["thinned"] ?? ""), operation: "bring the format forward")
            for table in former { try copy(table, connection) }
            try copyDamage(connection)
            try connection.execute(
                "PRAGMA user_version = \(Schema.version)", operation: "bring the format forward")
        }
    }

    /// The tables are the same, and hold nothing new yet.
    private static func bringThirdForward(_ connection: Connection) throws(SpoolError) {
        var row = try SpoolRow.read(from: connection)
        guard row.format == 3 else {
            throw connection.damaged("its head says version 3, its content \(row.format)")
        }
        row.format = Schema.version
        let new = row
        try connection.transaction { () throws(SpoolError) in
            try new.write(to: connection)
            try connection.execute(
                "PRAGMA user_version = \(Schema.version)", operation: "bring the format forward")
        }
    }

    /// Adds what the first spools did not have.
    private static func complete(_ connection: Connection) throws(SpoolError) {
        let notes = try connection.integer("SELECT count(*) FROM pragma_table_info('point') WHERE name = 'note'")
        if notes == 0 { try connection.execute("ALTER TABLE point ADD COLUMN note TEXT", operation: "complete tables") }
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS remark (
                sequence INTEGER PRIMARY KEY, "from" INTEGER, "to" INTEGER, members TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS memory (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS event (
                id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, instant INTEGER NOT NULL, subject TEXT NOT NULL,
                kind TEXT NOT NULL, text TEXT NOT NULL);
            """, operation: "complete tables")
    }

    /// 2020-01-01T00:00:00Z, in ns since 1970.
    private static let year2020: Int64 = 1_577_836_800_000_000_000

    /// Copies a table's rows, each with its checksum, and drops the old one.
    private static func copy(_ table: SealedTable, _ connection: Connection) throws(SpoolError) {
        func quoted(_ column: String) -> String { "\"\(column)\"" }
        let columns: [String] =
            switch table {
            case .spool: ["id", "run", "quarantined", "damaged", "0", "0", "0", "0"]
            case .memory: ["name", "value", "0"]
            // What boots had for a clock is believed from 2020 on: what it was worth stood nowhere.
            case .boot:
                table.columns.dropLast(3).map(quoted) + ["2 * (\"offset\" >= \(year2020))", "held.first", "NULL"]
            case .frozen: table.columns.dropLast(2).map(quoted) + ["NULL", "NULL"]
            default: table.columns.map(quoted)
            }
        var source = "old_\(table)"
        if table == .boot {
            source += " LEFT JOIN (SELECT boot, min(sequence) AS first FROM chunk GROUP BY boot) AS held"
            source += " ON held.boot = number"
        }
        let rows = try connection.statement("SELECT \(columns.joined(separator: ", ")) FROM \(source)")
        while try rows.step() {
            var cells = columns.indices.map { rows.cell(Int32($0)) }
            if table == .spool {
                cells[5] = .integer((try connection.integer("SELECT min(sequence) FROM chunk") ?? 1) - 1)
                cells[6] = .integer(1)
                cells[7] = .integer(Schema.version)
            }
            try connection.write(cells, to: table)
        }
        rows.reset()
        try connection.execute("DROP TABLE old_\(table)", operation: "bring the format forward")
    }

    private static func copyDamage(_ connection: Connection) throws(SpoolError) {
        let rows = try connection.statement("SELECT sequence, count, reason FROM damage")
        while try rows.step() {
            let (first, count) = (rows.integer(0), rows.integer(1))
            try Gap(
                first: first, last: first + count - 1, count: count, reason: "damaged: \(rows.text(2))", noted: 0
            ).write(to: connection)
        }
        rows.reset()
        try connection.execute("DROP TABLE damage", operation: "bring the format forward")
    }
}
