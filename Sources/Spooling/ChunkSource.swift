internal import Metering

/// Reads the chunks of a file that an agent may be writing to: what is new in its dictionary since is looked up, what was
/// thinned meanwhile is found again, and a row that is not what was written stops nothing.
final class ChunkSource {
    /// A chunk's row.
    struct Row {
        var header: ChunkHeader
        /// Whether its numbers are possible; whether its checksum fits is seen when it is read.
        var isSound: Bool
    }

    let archive: Archive
    private(set) var keys: [String] = []
    private var book = ShapeBook()
    private var boots: [Int64: Boot] = [:]
    private var range: FrozenRange?
    /// Where the next page begins.
    private var cursor: Int64 = 0
    /// The last row of the page before, where its numbers say nothing of where the next begins.
    private var unbelieved: Int64?
    /// The last chunk that was passed and is whole.
    private(set) var last: ChunkHeader?

    /// Reads the dictionary.
    init(_ archive: Archive) throws(SpoolError) {
        self.archive = archive
        try reload()
    }

    private func reload() throws(SpoolError) {
        keys = try archive.pointKeys()
        book = try archive.shapes(pointCount: keys.count)
    }

    // MARK: - Page by page

    /// Goes to a sequence number.
    func go(to sequence: Int64) { (cursor, unbelieved, last) = (sequence, nil, nil) }

    /// Goes on behind a row.
    ///
    /// - Parameter isWhole: whether its checksum fits: only then its numbers tell where it ends.
    func pass(_ header: ChunkHeader, isWhole: Bool) {
        unbelieved = isWhole ? nil : header.sequence
        cursor = max(cursor, isWhole ? header.last + 1 : header.sequence + 1)
        if isWhole { last = header }
    }

    /// Some rows of chunks.
    struct Page {
        var rows: [Row]
        /// Whether the last chunk is not what it was: thinning gave the readings that it left other numbers. What follows
        /// was found by its time, and may begin with what was passed.
        var isMoved = false
        /// Numbers before these rows of which SQLite reads nothing.
        var unreadable: ClosedRange<Int64>?
    }

    /// What follows on what was passed: rows of chunks until there are `readings` of them, and at least one; none at the end.
    func page(readings: Int64) throws(SpoolError) -> Page {
        do throws(SpoolError) {
            guard let last, try soundHeader(from: last.sequence) != last else {
                return Page(rows: try rows(from: cursor, readings: readings, without: unbelieved))
            }
            (cursor, unbelieved) = (try sequence(after: try runningTime(of: last) - 1), nil)
            return Page(rows: try rows(from: cursor, readings: readings), isMoved: true)
        } catch {
            guard error.code == .damaged else { throw error }
            return try pageBehindDamage(error, readings: readings)
        }
    }

    /// Looks for the next number from which on SQLite reads something: rows stand in the order of their numbers, so that a
    /// page that cannot be read takes a range of them.
    private func pageBehindDamage(_ error: SpoolError, readings: Int64) throws(SpoolError) -> Page {
        guard let end = try archive.connection.integer("SELECT max(sequence) FROM chunk"), cursor <= end else {
            throw error
        }
        var (bad, step) = (cursor, Int64(1))
        while !isReadable(bad + step) {
            (bad, step) = (bad + step, 2 * step)
            if bad > end { throw error }
        }
        var good = bad + step
        while good - bad > 1 {
            let middle = bad + (good - bad) / 2
            if isReadable(middle) { good = middle } else { bad = middle }
        }
        let unreadable = cursor...max(cursor, good - 1)
        (cursor, unbelieved, last) = (good, nil, nil)
        return Page(rows: try rows(from: good, readings: readings), unreadable: unreadable)
    }

    private func isReadable(_ sequence: Int64) -> Bool {
        do throws(SpoolError) { _ = try soundHeader(from: sequence) } catch { return error.code != .damaged }
        return true
    }

    /// The rows of chunks from a number on, until there are `readings` of them, and at least one.
    func rows(from sequence: Int64, readings: Int64, without other: Int64? = nil) throws(SpoolError) -> [Row] {
        let statement = try rows(from: sequence)
        defer { statement.reset() }
        var (rows, count) = ([Row](), Int64(0))
        do throws(SpoolError) {
            while count < readings, try statement.step() {
                let header = Self.header(of: statement)
                if header.sequence == other { continue }
                count += header.isSound ? header.count : 1
                rows.append(Row(header: header, isSound: header.isSound))
            }
        } catch {
            // What comes before a page that cannot be read is there.
            guard error.code == .damaged, !rows.isEmpty else { throw error }
        }
        return rows
    }

    /// The sequence number of the first chunk with readings that were taken after a moment of the spool's running time,
    /// which rises with the numbers.
    func sequence(after moment: Int64) throws(SpoolError) -> Int64 {
        let connection = archive.connection
        var low = try connection.integer("SELECT min(sequence) FROM chunk") ?? 1
        var high = (try connection.integer("SELECT max(sequence) FROM chunk") ?? 0) + 1
        while low < high {
            let middle = low + (high - low) / 2
            guard let chunk = try soundHeader(from: middle) else { break }
            if try runningTime(of: chunk) > moment { high = middle } else { low = max(chunk.last, middle) + 1 }
        }
        return try soundHeader(from: low)?.sequence ?? high
    }

    private func rows(from sequence: Int64) throws(SpoolError) -> Statement {
        let statement = try archive.connection.statement(
            "SELECT sequence, count, boot, earliest, latest, stored FROM chunk WHERE sequence >= ? ORDER BY sequence")
        statement.bind(sequence)
        return statement
    }

    /// The first row with possible numbers from a number on.
    private func soundHeader(from sequence: Int64) throws(SpoolError) -> ChunkHeader? {
        let statement = try rows(from: sequence)
        defer { statement.reset() }
        while try statement.step() {
            let header = Self.header(of: statement)
            if header.isSound { return header }
        }
        return nil
    }

    private static func header(of row: Statement) -> ChunkHeader {
        ChunkHeader(
            sequence: row.integer(0), counts: row.integer(1), boot: row.integer(2), earliest: row.integer(3),
            latest: row.integer(4), stored: row.integer(5))
    }

    // MARK: - A chunk

    /// Decodes a chunk; a fault is returned, and counts for all of it.
    func readings(of header: ChunkHeader) throws(SpoolError) -> (readings: [Reading], fault: ChunkFault?) {
        var readings: [Reading] = []
        readings.reserveCapacity(Int(header.count))
        func decode() throws(SpoolError) -> ChunkFault? {
            readings.removeAll(keepingCapacity: true)
            return try archive.decode(header, book: book, pointCount: keys.count) { readings.append($0) }
        }
        var fault = try decode()
        // Its shapes or points may be newer than this look at the file.
        if case .malformed = fault {
            try reload()
            fault = try decode()
        }
        return fault == nil ? (readings, nil) : ([], fault)
    }

    /// The frozen range that a chunk's times are of; nil while they are open.
    func frozenRange(of header: ChunkHeader) throws(SpoolError) -> FrozenRange? {
        if let range, range.contains(header.sequence) { return range }
        range = try archive.frozenRange(of: header.sequence)
        return range
    }

    /// The boot of a chunk.
    func boot(of header: ChunkHeader) throws(SpoolError) -> Boot? {
        if let boot = boots[header.boot] { return boot }
        let boot = try archive.boot(header.boot)
        if let boot { boots[header.boot] = boot }
        return boot
    }

    /// The latest instant of a chunk, in the spool's running time.
    func runningTime(of chunk: ChunkHeader) throws(SpoolError) -> Int64 {
        chunk.latest + (try boot(of: chunk)?.age ?? 0)
    }
}
