import Metering
import Testing

@testable import Spooling

/// Spools of earlier versions are brought forward with all they hold.
@Suite struct MigrationTests {
    /// The tables of versions 1 and 2, as they were.
    private static let formerTables = """
        CREATE TABLE spool (
            id TEXT NOT NULL, run INTEGER NOT NULL, quarantined INTEGER NOT NULL, damaged INTEGER NOT NULL);
        CREATE TABLE point (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, note TEXT);
        CREATE TABLE boot (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL, age INTEGER NOT NULL, "offset" INTEGER NOT NULL,
            highest INTEGER);
        CREATE TABLE frozen (
            first INTEGER PRIMARY KEY, last INTEGER NOT NULL, boot INTEGER NOT NULL, "offset" INTEGER NOT NULL,
            raised INTEGER NOT NULL, latest INTEGER NOT NULL);
        CREATE TABLE uplink (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, active INTEGER NOT NULL, doubtful INTEGER NOT NULL);
        CREATE TABLE delivery (
            uplink INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, lease INTEGER NOT NULL,
            settled INTEGER NOT NULL, PRIMARY KEY (uplink, first)) WITHOUT ROWID;
        CREATE TABLE quarantine (
            id INTEGER PRIMARY KEY, uplink TEXT NOT NULL, sequence INTEGER NOT NULL, point INTEGER NOT NULL,
            time INTEGER NOT NULL, value TEXT NOT NULL, reason TEXT NOT NULL);
        CREATE TABLE total (
            point INTEGER PRIMARY KEY, count INTEGER NOT NULL, hash INTEGER NOT NULL, first INTEGER, last INTEGER);
        CREATE TABLE remark (
            sequence INTEGER PRIMARY KEY, "from" INTEGER, "to" INTEGER, members TEXT NOT NULL);
        CREATE TABLE memory (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE event (
            id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, instant INTEGER NOT NULL, subject TEXT NOT NULL,
            kind TEXT NOT NULL, text TEXT NOT NULL);
        """

    /// Makes a spool one of `version`: of the chunks and shapes the format is the same.
    static func age(_ folder: String, to version: Int64, without dropped: [String] = []) throws {
        let connection = try Connection(SpoolFolder.file(in: folder), .create, busyTimeout: .zero)
        let tables = SealedTable.allCases.filter { $0 != .gap && $0 != .clock }
        for table in tables { try connection.execute("ALTER TABLE \(table) RENAME TO new_\(table)") }
        try connection.execute(formerTables)
        for table in tables {
            let columns =
                switch table {
                case .spool: "id, run, quarantined, damaged"
                case .memory: "name, value"
                case .boot: "number, id, age, \"offset\", highest"
                case .frozen: "first, last, boot, \"offset\", raised, latest"
                default: table.columns.map { "\"\($0)\"" }.joined(separator: ", ")
                }
            try connection.execute("INSERT INTO \(table) SELECT \(columns) FROM new_\(table); DROP TABLE new_\(table)")
        }
        try connection.execute(
            """
            DROP TABLE gap; DROP TABLE clock;
            CREATE TABLE damage (sequence INTEGER PRIMARY KEY, count INTEGER NOT NULL, reason TEXT NOT NULL);
            INSERT INTO damage VALUES (3, 2, 'checksum');
            PRAGMA user_version = \(version)
            """)
        for table in dropped { try connection.execute("DROP TABLE \(table)") }
        connection.close()
    }

    private func open(_ folder: String) throws -> SpoolStore {
        try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
    }

    @Test(arguments: [Int64(1), 2]) func whatAnEarlierVersionWroteIsKept(version: Int64) throws {
        try withFolder { folder in
            var audit: [AuditLine] = []
            var id = ""
            do {
                let store = try open(folder)
                let points = try store.identify(["a", "b"], notes: ["a": "volts"])
                for second in 1...6 {
                    let content = Intake.Content(
                        readings: readings(points, at: Int64(second) * 1000, Float(second)),
                        memory: ["input gas": "\(second) 0 0"],
                        events: [
                            MeterEvent(subject: "a", instant: Instant(nanoseconds: 1), kind: .lostEdges(2, pulses: 1))
                        ])
                    try store.append(content, offset: offset)
                    guard second < 4 else { continue }
                    let lease = try #require(try store.lease(uplink: "city", maximumReadings: 2, offset: offset))
                    if second < 3 { try store.settle(lease.id, rejected: []) }
                }
                (audit, id) = (try store.audit(), store.state.row.id)
            }
            try Self.age(folder, to: version)
            #expect(throws: SpoolError.self) { try SpoolStore.openForReading(directory: folder) }
            let store = try open(folder)
            #expect(try store.audit() == audit && store.state.row.id == id)
            #expect(try store.memory() == ["input gas": "6 0 0"])
            #expect(try store.events(atMost: 9).count == 6)
            #expect(try store.connection.integer("SELECT count FROM gap WHERE first = 3") == 2)
            #expect(try store.connection.integer("PRAGMA user_version") == Schema.version)
            // The window in flight comes first, as an unclear one.
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 100, offset: offset))
            #expect(lease.isUnclear && lease.readings.map(\.sequence.rawValue) == [5, 6])
            let rest = try #require(try store.lease(uplink: "city", maximumReadings: 100, offset: offset))
            #expect(rest.readings.map(\.sequence.rawValue) == Array(7...12))
            #expect(try SpoolStore.openForReading(directory: folder).note(of: "a") == "volts")
        }
    }

    /// Version 3 had the same tables. A file that only says in its head that it is of that version is a damaged one.
    @Test(arguments: [Int64(3), Schema.version]) func theThirdVersionOnlyGetsAnotherNumber(content: Int64) throws {
        try withFolder { folder in
            var audit: [AuditLine] = []
            do {
                let store = try open(folder)
                let points = try store.identify(["a", "b"])
                for second in 1...6 {
                    try store.append(readings(points, at: Int64(second) * 1000, Float(second)), offset: offset)
                }
                store.state.row.format = content
                try store.append(readings(points, at: 7000), offset: offset)
                try store.connection.execute("PRAGMA user_version = 3")
                audit = try store.audit()
            }
            #expect(throws: SpoolError.self) { try SpoolStore.openForReading(directory: folder) }
            let store = try open(folder)
            #expect((store.mending != nil) == (content == Schema.version), "\(String(describing: store.mending))")
            #expect(try store.audit() == audit && store.state.row.format == Schema.version)
            #expect(try store.connection.integer("PRAGMA user_version") == Schema.version)
        }
    }

    /// What a damaged head says of the version is no reason to refuse a spool.
    @Test(arguments: [Int64(3), Schema.version]) func aDamagedHeadIsNoNewerVersion(content: Int64) throws {
        try withFolder { folder in
            do {
                let store = try open(folder)
                store.state.row.format = content
                try store.append(readings(try store.identify(["a"]), at: 1000), offset: offset)
                try store.connection.execute("PRAGMA user_version = 7")
            }
            let store = try open(folder)
            #expect(store.mending != nil)
            #expect(try store.statistics().held == 1 && store.state.row.format == Schema.version)
        }
    }

    /// The first spools had neither notes nor remarks, memory and events.
    @Test func theFirstSpoolsAreCompleted() throws {
        try withFolder { folder in
            do {
                let store = try open(folder)
                try store.append(readings(try store.identify(["a"]), at: 1000), offset: offset)
            }
            try Self.age(folder, to: 1, without: ["remark", "memory", "event"])
            let connection = try Connection(SpoolFolder.file(in: folder), .create, busyTimeout: .zero)
            try connection.execute("ALTER TABLE point DROP COLUMN note")
            connection.close()
            let store = try open(folder)
            let points = try store.identify(["a"], notes: ["a": "volts"])
            try store.append(readings(points, at: 2000), offset: offset)
            #expect(try store.statistics().committed == 2)
        }
    }
}
