internal import Metering

/// What the pages of a damaged spool still hold: rows whose checksums fit, wherever they stand.
///
/// The same row may be found in several versions, since freed pages keep what they held. By table there is a rule for
/// which one counts: the one that is later, as far as that can be told, or else the one with which nothing can be
/// delivered twice.
struct Remains {
    /// The newest row of the spool.
    var spool: SpoolRow?
    /// By table and key (see `key(of:in:)`): the row that counts. Those of `delivery` are in `settled`, those of `spool` above.
    private(set) var rows: [SealedTable: [Cell: [Cell]]] = [:]
    /// By uplink: ranges that were settled.
    private(set) var settled: [Int64: [ClosedRange<Int64>]] = [:]
    /// By number: the sealed body of a shape.
    private(set) var shapes: [Int64: [UInt8]] = [:]
    /// Pages that were looked at.
    private(set) var pages = 0

    /// A chunk that was found.
    struct Chunk {
        var header: ChunkHeader
        var body: [UInt8]
    }

    /// The rows of a table that count, by their keys.
    func rows(of table: SealedTable) -> [[Cell]] {
        (rows[table] ?? [:]).values.sorted { a, b in
            a[0].integer != b[0].integer ? a[0].integer < b[0].integer : a[0].text < b[0].text
        }
    }

    /// Takes everything from the file and its log; chunks go to `take` as they are found, in any order and more than once.
    mutating func collect(_ store: PageStore, take: (Chunk) throws(SpoolError) -> Void) throws(SpoolError) {
        let reader = RecordReader(pages: store)
        for number in 1..<UInt32(store.count + 1) {
            guard let page = store.filePage(number) else { continue }
            try collect(number, page, reader, take)
        }
        try collectLog(store.read, store, reader, take)
        try collectUnread(store, take: take)
    }

    /// Takes what the log holds beyond what SQLite believes.
    mutating func collectUnread(
        _ store: PageStore, take: (Chunk) throws(SpoolError) -> Void
    ) throws(SpoolError) {
        try collectLog(store.unread, store, RecordReader(pages: store, unread: true), take)
    }

    private mutating func collectLog(
        _ images: [(page: UInt32, start: Int)], _ store: PageStore, _ reader: RecordReader,
        _ take: (Chunk) throws(SpoolError) -> Void
    ) throws(SpoolError) {
        for image in images {
            guard let page = store.image(at: image.start) else { continue }
            try collect(image.page, page, reader, take)
        }
    }

    private mutating func collect(
        _ number: UInt32, _ page: [UInt8], _ reader: RecordReader, _ take: (Chunk) throws(SpoolError) -> Void
    ) throws(SpoolError) {
        pages += 1
        var chunks: [Chunk] = []
        reader.records(of: number, in: page) { record in
            if let chunk = Self.chunk(record) { chunks.append(chunk) } else { add(record) }
        }
        for chunk in chunks { try take(chunk) }
    }

    private static func chunk(_ record: RawRecord) -> Chunk? {
        guard let sequence = record.rowID, record.columns.count == 7, case .blob(let body) = record.columns[6],
            body.count > 4
        else { return nil }
        let numbers = record.columns[1..<6].map { if case .cell(let cell) = $0 { cell.integer } else { Int64(-1) } }
        let header = ChunkHeader(
            sequence: sequence, counts: numbers[0], boot: numbers[1], earliest: numbers[2], latest: numbers[3],
            stored: numbers[4])
        guard header.isSound, body.withUnsafeBytes({ ChunkDecoder.isWhole($0, header) }) else { return nil }
        return Chunk(header: header, body: body)
    }

    private mutating func add(_ record: RawRecord) {
        if let number = record.rowID, record.columns.count == 2, case .blob(let body) = record.columns[1] {
            if (try? body.withUnsafeBytes { try Shape.unseal($0, number: number, pointCount: SpoolStore.maximumPoints) })
                != nil
            {
                shapes[number] = body
            }
            return
        }
        var cells = record.columns.map { if case .cell(let cell) = $0 { cell } else { Cell.null } }
        guard case .integer(let checksum) = cells.popLast() else { return }
        for table in SealedTable.allCases where table.columns.count == cells.count {
            var row = cells
            if table.hasRowID { row[0] = Cell(record.rowID) }
            if table.checksum(row) == checksum { return add(row, to: table) }
        }
    }

    private mutating func add(_ row: [Cell], to table: SealedTable) {
        switch table {
        case .spool:
            guard let new = SpoolRow(row) else { return }
            guard var best = spool else { return spool = new }
            let isNewer = (new.run, new.next, new.forgotten) >= (best.run, best.next, best.forgotten)
            let (forgotten, next) = (max(best.forgotten, new.forgotten), max(best.next, new.next))
            if isNewer { best = new }
            (best.forgotten, best.next) = (forgotten, next)
            spool = best
        case .delivery:
            // What was settled stays so; what was in flight may have arrived or not, and is asked for.
            guard row[4].integer == 1, row[1].integer >= 1, row[1].integer <= row[2].integer,
                row[2].integer <= ChunkHeader.limit
            else { return }
            settled[row[0].integer, default: []].append(row[1].integer...row[2].integer)
            if settled[row[0].integer, default: []].count > 10_000 {
                settled[row[0].integer] = settledRanges(of: row[0].integer)
            }
        default:
            let key = Self.key(of: row, in: table)
            if let before = rows[table]?[key], !Self.counts(row, before: before, in: table) { return }
            rows[table, default: [:]][key] = row
        }
    }

    /// What tells a row from the others of its table: the first column, but a boot has several rows in `clock`.
    private static func key(of row: [Cell], in table: SealedTable) -> Cell {
        table == .clock ? .text("\(row[0].integer)/\(row[1].integer)") : row[0]
    }

    /// Whether a row counts rather than another one with its key.
    private static func counts(_ row: [Cell], before other: [Cell], in table: SealedTable) -> Bool {
        switch table {
        case .boot:
            (row[4].optional ?? .min, row[5].integer) >= (other[4].optional ?? .min, other[5].integer)
        case .clock: (row[2].integer, row[4].integer) >= (other[2].integer, other[4].integer)
        case .frozen: row[1].integer >= other[1].integer
        case .uplink: row[3].integer >= other[3].integer
        case .total: row[1].integer >= other[1].integer
        case .memory: row[2].integer >= other[2].integer
        default: true
        }
    }

    /// Takes points and shapes that were lost from their copy.
    mutating func complete(with spares: Spares) {
        for (number, key) in spares.points where rows[.point]?[.integer(number)] == nil {
            rows[.point, default: [:]][.integer(number)] = [.integer(number), .text(key), .null]
        }
        for (number, body) in spares.shapes where shapes[number] == nil { shapes[number] = body }
    }

    /// The ranges that an uplink had settled, in order and joined.
    func settledRanges(of uplink: Int64) -> [ClosedRange<Int64>] {
        var joined: [ClosedRange<Int64>] = []
        for range in (settled[uplink] ?? []).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, range.lowerBound <= last.upperBound + 1 {
                joined[joined.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        return joined
    }
}
