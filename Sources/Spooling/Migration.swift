/// Brings spools of earlier formats forward: in one transaction, so that a power cut leaves the one or the other.
///
/// Version 2 had texts, which version 1 had not. Version 3 gave every row a checksum, the table `gap` in place of
/// `damage`, and stamps to what is remembered.
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

    private static func bring(_ connection: Connection) throws(SpoolError) {
        let version = try connection.integer("PRAGMA user_version") ?? 0
        guard version < Schema.version else { return }
        // Bytes of the file's head that changed on the disk can look like an earlier format.
        guard try connection.integer("SELECT count(*) FROM sqlite_master WHERE name = 'gap'") == 0 else {
            throw connection.damaged("its version is \(version), its tables are those of a later one")
        }
        try connection.transaction { () throws(SpoolError) in
            try complete(connection)
            for table in SealedTable.allCases where table != .gap {
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
            for table in SealedTable.allCases where table != .gap { try copy(table, connection) }
            try copyDamage(connection)
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

    /// Copies a table's rows, each with its checksum, and drops the old one.
    private static func copy(_ table: SealedTable, _ connection: Connection) throws(SpoolError) {
        let columns: [String] =
            switch table {
            case .spool: ["id", "run", "quarantined", "damaged", "0", "0", "0", "0"]
            case .memory: ["name", "value", "0"]
            default: table.columns.map { "\"\($0)\"" }
            }
        let rows = try connection.statement("SELECT \(columns.joined(separator: ", ")) FROM old_\(table)")
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
