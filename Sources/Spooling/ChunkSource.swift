internal import Metering

/// Reads the chunks of a file that an agent may be writing to: what is new in its dictionary since is looked up, and a row
/// that is not what was written stops nothing.
final class ChunkSource {
    let archive: Archive
    private(set) var keys: [String] = []
    private var book = ShapeBook()
    private var boots: [Int64: Boot] = [:]
    private var range: FrozenRange?

    /// Reads the dictionary.
    init(_ archive: Archive) throws(SpoolError) {
        self.archive = archive
        try reload()
    }

    private func reload() throws(SpoolError) {
        keys = try archive.pointKeys()
        book = try archive.shapes(pointCount: keys.count)
    }

    /// A chunk's row.
    struct Row {
        var header: ChunkHeader
        /// Whether its numbers are possible; whether its checksum fits is seen when it is read.
        var isSound: Bool
    }

    /// Where the next page begins.
    private var cursor: Int64 = 0
    /// The last row of the page before, where its numbers say nothing of where the next begins.
    private var unbelieved: Int64?

    /// Goes to a sequence number.
    func go(to sequence: Int64) { (cursor, unbelieved) = (sequence, nil) }

    /// What follows on what was passed.
    func page(readings: Int64) throws(SpoolError) -> [Row] {
        try rows(from: cursor, readings: readings, without: unbelieved)
    }

    /// Whether a row is of a chunk that was made of others of which some are passed: thinning did that meanwhile.
    func overlaps(_ header: ChunkHeader) -> Bool { header.sequence < cursor }

    /// Goes on behind a row.
    ///
    /// - Parameter isWhole: whether its checksum fits: only then its numbers tell where it ends.
    func pass(_ header: ChunkHeader, isWhole: Bool) {
        unbelieved = isWhole ? nil : header.sequence
        cursor = max(cursor, isWhole ? header.last + 1 : header.sequence + 1)
    }

    /// The rows of chunks that have `sequence` or come after it, until there are `readings` of them, and at least one. A
    /// chunk that thinning made meanwhile may begin before.
    func rows(from sequence: Int64, readings: Int64, without other: Int64? = nil) throws(SpoolError) -> [Row] {
        let statement = try archive.connection.statement(
            """
            SELECT sequence, count, boot, earliest, latest, stored FROM chunk
            WHERE sequence >= coalesce((SELECT max(sequence) FROM chunk WHERE sequence <= ?1), ?1) ORDER BY sequence
            """)
        statement.bind(sequence)
        defer { statement.reset() }
        var (rows, count) = ([Row](), Int64(0))
        while count < readings, try statement.step() {
            let header = ChunkHeader(
                sequence: statement.integer(0), counts: statement.integer(1), boot: statement.integer(2),
                earliest: statement.integer(3), latest: statement.integer(4), stored: statement.integer(5))
            let isSound = header.isSound
            if header.sequence == other || header.sequence < sequence && (!isSound || header.last < sequence) {
                continue
            }
            count += isSound ? header.count : 1
            rows.append(Row(header: header, isSound: isSound))
        }
        return rows
    }

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
}
