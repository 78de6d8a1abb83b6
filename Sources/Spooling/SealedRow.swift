/// A value of a row.
enum Cell: Hashable {
    case integer(Int64)
    case text(String)
    case null

    /// The number; 0 where there is none.
    var integer: Int64 { if case .integer(let number) = self { number } else { 0 } }
    /// The number, or nil where there is none.
    var optional: Int64? { if case .integer(let number) = self { number } else { nil } }
    /// The text; empty where there is none.
    var text: String { if case .text(let text) = self { text } else { "" } }

    init(_ number: Int64?) { self = number.map(Cell.integer) ?? .null }
    init(_ text: String?) { self = text.map(Cell.text) ?? .null }
}

/// A table whose rows each carry a checksum in their last column: what a disk has changed is never believed. The checksum
/// covers the table, too, so that a row that is found in a damaged file says whose it is.
enum SealedTable: Int64, CaseIterable {
    case spool = 1, point, boot, frozen, uplink, delivery, quarantine, remark, memory, event, total, gap, clock

    /// The table's name.
    var name: String { "\(self)" }

    /// Its columns without the checksum, in their order.
    var columns: [String] {
        switch self {
        case .spool: ["id", "run", "quarantined", "damaged", "dropped", "forgotten", "next", "format"]
        case .point: ["id", "key", "note"]
        case .boot: ["number", "id", "age", "offset", "highest", "standing", "first", "low"]
        case .frozen: ["first", "last", "boot", "offset", "raised", "latest", "low", "high"]
        case .uplink: ["id", "name", "active", "doubtful"]
        case .delivery: ["uplink", "first", "last", "lease", "settled"]
        case .quarantine: ["id", "uplink", "sequence", "point", "time", "value", "reason"]
        case .remark: ["sequence", "from", "to", "members"]
        case .memory: ["name", "value", "stamp"]
        case .event: ["id", "boot", "instant", "subject", "kind", "text"]
        case .total: ["point", "count", "hash", "first", "last"]
        case .gap: ["first", "last", "count", "most", "earliest", "latest", "noted", "reason"]
        case .clock: ["boot", "place", "since", "offset", "standing", "source", "leap"]
        }
    }

    /// Whether the first column is the rowid, which a record does not repeat.
    var hasRowID: Bool {
        switch self {
        case .spool, .delivery, .memory, .clock: false
        default: true
        }
    }

    /// Writes a row, in place of the one with its key.
    var insert: String {
        let names = columns.map { "\"\($0)\"" }.joined(separator: ", ")
        let marks = Array(repeating: "?", count: columns.count + 1).joined(separator: ", ")
        return "INSERT OR REPLACE INTO \(name) (\(names), crc) VALUES (\(marks))"
    }

    /// Reads rows: a clause may follow.
    var select: String {
        "SELECT " + columns.map { "\"\($0)\"" }.joined(separator: ", ") + ", crc FROM \(name)"
    }

    /// The checksum of a row.
    func checksum(_ cells: [Cell]) -> Int64 {
        var writer = ByteWriter()
        for cell in cells {
            switch cell {
            case .null: writer.bytes.append(0)
            case .integer(let number):
                writer.bytes.append(1)
                writer.little(UInt64(bitPattern: number), count: 8)
            case .text(let text):
                writer.bytes.append(2)
                writer.varint(UInt64(text.utf8.count))
                writer.bytes.append(contentsOf: text.utf8)
            }
        }
        return writer.bytes.withUnsafeBytes { Int64(CRC32C.checksum(words: [rawValue], $0)) }
    }
}

extension Statement {
    /// Sets the parameters from the first on to a row and its checksum.
    func bind(_ table: SealedTable, _ cells: [Cell]) {
        for (index, cell) in cells.enumerated() {
            switch cell {
            case .integer(let number): bind(number, at: Int32(index + 1))
            case .null: bind(nil, at: Int32(index + 1))
            case .text(let text): bind(text, at: Int32(index + 1))
            }
        }
        bind(table.checksum(cells), at: Int32(cells.count + 1))
    }

    /// The current row of a `select`; nil where its checksum does not fit.
    func row(_ table: SealedTable) -> [Cell]? {
        let cells = table.columns.indices.map { cell(Int32($0)) }
        return integer(Int32(cells.count)) == table.checksum(cells) ? cells : nil
    }
}

extension Connection {
    /// Writes a row with its checksum.
    func write(_ cells: [Cell], to table: SealedTable) throws(SpoolError) {
        precondition(cells.count == table.columns.count, "\(cells.count) cells for the table \(table)")
        let insert = try statement(table.insert)
        insert.bind(table, cells)
        try insert.run("write \(table)")
    }

    /// Hands out rows until `take` returns false; throws where a row's checksum does not fit.
    func rows(
        _ table: SealedTable, _ clause: String = "", _ parameters: Int64..., take: ([Cell]) throws(SpoolError) -> Bool
    ) throws(SpoolError) {
        let statement = try statement(table.select + " " + clause)
        for (index, parameter) in parameters.enumerated() { statement.bind(parameter, at: Int32(index + 1)) }
        defer { statement.reset() }
        while try statement.step() {
            guard let cells = statement.row(table) else {
                throw damaged("a row of the table \(table) is not what was written")
            }
            guard try take(cells) else { return }
        }
    }

    /// The first row, or nil where there is none.
    func row(_ table: SealedTable, _ clause: String = "", _ parameters: Int64...) throws(SpoolError) -> [Cell]? {
        let statement = try statement(table.select + " " + clause)
        for (index, parameter) in parameters.enumerated() { statement.bind(parameter, at: Int32(index + 1)) }
        defer { statement.reset() }
        guard try statement.step() else { return nil }
        guard let cells = statement.row(table) else {
            throw damaged("a row of the table \(table) is not what was written")
        }
        return cells
    }

    /// What is said of a file whose content is not what was written.
    func damaged(_ detail: String) -> SpoolError {
        SpoolError(.damaged, operation: "read", path: path, detail: detail)
    }
}
