internal import Glibc
public import Metering

/// A committed reading as it is handed out for people and other programs.
public struct ExportedReading: Hashable, Sendable {
    /// Its number in the spool.
    public var sequence: Int64
    /// The point's key.
    public var key: String
    /// When the value was true, in UTC; nil where nothing is known of its boot's clock.
    public var time: Timestamp?
    /// Whether that time is frozen: no later knowledge of the clock changes it.
    public var isFrozen: Bool
    /// The value.
    public var value: Value
    /// How far it can be relied on.
    public var quality: Quality
    /// What is delivered beside the value; nil for nearly all.
    public var parameters: ReadingParameters?
    /// The number of its boot in the spool.
    public var boot: Int64
    /// When the value was true on that boot's clock.
    public var instant: Instant
    /// How far its chunk is thinned.
    public var level: ThinningLevel
}

/// Which readings are wanted.
public struct ReadingSelection: Hashable, Sendable {
    /// Patterns of point keys, in which `*`, `?` and `[a-z]` stand for others (fnmatch(3)); none means all points.
    public var points: [String]
    /// None before.
    public var from: Timestamp?
    /// None from then on.
    public var to: Timestamp?

    /// A selection with every property given.
    public init(points: [String] = [], from: Timestamp? = nil, to: Timestamp? = nil) {
        (self.points, self.from, self.to) = (points, from, to)
    }

    fileprivate func wants(_ key: String) -> Bool {
        points.isEmpty || points.contains { fnmatch($0, key, 0) == 0 }
    }

    /// Whether it may want something of a chunk.
    fileprivate func mayWant(_ earliest: Timestamp?, _ latest: Timestamp?) -> Bool {
        if let to, let earliest, earliest >= to { return false }
        if let from, let latest, latest < from { return false }
        return true
    }

    fileprivate func wants(_ time: Timestamp?) -> Bool {
        guard from != nil || to != nil else { return true }
        guard let time else { return false }
        return (from.map { $0 <= time } ?? true) && (to.map { time < $0 } ?? true)
    }
}

/// Hands out what a spool holds, in the order of sequence numbers, some thousand readings at a time. Each look at the file is
/// short, so that the agent's log does not grow for it. It ends with the reading that was the newest when it began.
public final class SpoolExport {
    /// Readings of a page, but for a last chunk.
    private static let pageReadings: Int64 = 4096

    /// The spool's random name.
    public let spoolID: String
    /// The keys that are wanted, sorted.
    public let keys: [String]
    /// All keys, sorted.
    public var allKeys: [String] { source.keys.sorted() }
    /// Readings handed out.
    public private(set) var count: Int64 = 0
    /// Sequence numbers passed that have no reading, or one that cannot be read.
    public private(set) var missing: Int64 = 0
    /// Sequence numbers to go through, from and to.
    public let numbers: ClosedRange<Int64>?
    /// The next of them.
    public private(set) var next: Int64

    private let archive: Archive
    private let source: ChunkSource
    private let selection: ReadingSelection
    /// By point number − 1: whether it is wanted.
    private let isWanted: [Bool]
    private var isOver = false
    /// Each point's last reading, and its boot: where what follows was thinned meanwhile, nothing is handed out twice.
    private var lastInstants: [PointID: Instant] = [:]
    private var lastBoot: Int64 = 0
    private var mayRepeat = false

    init(_ archive: Archive, _ selection: ReadingSelection) throws(SpoolError) {
        self.archive = archive
        self.selection = selection
        let (source, row, first, last) = try archive.connection.snapshot { () throws(SpoolError) in
            let source = try ChunkSource(archive)
            return (
                source, try SpoolRow.read(from: archive.connection),
                try archive.connection.integer("SELECT min(sequence) FROM chunk"),
                try archive.connection.integer("SELECT max(sequence) FROM chunk")
            )
        }
        self.source = source
        spoolID = row.id
        isWanted = source.keys.map(selection.wants)
        keys = source.keys.filter(selection.wants).sorted()
        next = first ?? 1
        if let first, let last, first <= last { numbers = first...last } else { numbers = nil }
    }

    /// The next readings, perhaps none; nil after the last.
    public func page() throws(SpoolError) -> [ExportedReading]? {
        guard let numbers, !isOver else { return nil }
        return try archive.connection.snapshot { () throws(SpoolError) in
            let found = try source.page(readings: Self.pageReadings)
            mayRepeat = found.isMoved
            var page: [ExportedReading] = []
            isOver = found.rows.isEmpty
            for row in found.rows {
                guard row.header.sequence <= numbers.upperBound else {
                    isOver = true
                    break
                }
                try add(row, to: &page)
            }
            if isOver { missing += max(0, numbers.upperBound + 1 - next) }
            count += Int64(page.count)
            return page
        }
    }

    private func add(_ row: ChunkSource.Row, to page: inout [ExportedReading]) throws(SpoolError) {
        let header = row.header
        // For how many readings such a row stood is seen from the next.
        guard row.isSound else { return source.pass(header, isWhole: false) }
        let range = try source.frozenRange(of: header)
        let boot = try source.boot(of: header)
        let clock = range.map(\.offset) ?? boot?.offset
        func time(_ instant: Instant) -> Timestamp? {
            clock.map { ClockOffset(nanoseconds: $0).timestamp(of: instant) }
        }
        // Chunks that are out of the time altogether are not decoded.
        if !selection.mayWant(time(Instant(nanoseconds: header.earliest)), time(Instant(nanoseconds: header.latest))) {
            next = max(next, header.last + 1)
            return source.pass(header, isWhole: false)
        }
        let (readings, fault) = try source.readings(of: header)
        if fault == .checksum || fault == .truncated { return source.pass(header, isWhole: false) }
        source.pass(header, isWhole: true)
        missing += max(0, header.sequence - next) + (fault == nil ? 0 : header.count)
        next = header.last + 1
        if header.boot != lastBoot { (lastBoot, lastInstants) = (header.boot, [:]) }
        let remarks = try remarks(of: header)
        let isDoubtful = range.map { $0.doubt != FrozenRange.Doubt.none } ?? !(boot?.isKnown ?? false)
        for (index, reading) in readings.enumerated() {
            if let last = lastInstants[reading.point], mayRepeat, reading.instant <= last { continue }
            lastInstants[reading.point] = reading.instant
            let point = Int(reading.point.rawValue) - 1
            guard point < isWanted.count, isWanted[point], selection.wants(time(reading.instant)) else { continue }
            let sequence = header.sequence + Int64(index)
            let remark = reading.remark.map { Stored(members: $0.members, from: $0.period?.from, to: $0.period?.to) }
            page.append(
                ExportedReading(
                    sequence: sequence, key: source.keys[point], time: time(reading.instant), isFrozen: range != nil,
                    value: reading.value,
                    quality: isDoubtful && reading.quality == .good ? .uncertain : reading.quality,
                    parameters: (remark ?? remarks[sequence]).map {
                        .members($0.members, from: $0.from.flatMap(time), to: $0.to.flatMap(time))
                    }, boot: header.boot, instant: reading.instant,
                    level: ThinningLevel(rawValue: Int(header.level)) ?? .raw))
        }
    }

    /// What is kept beside a reading.
    private struct Stored {
        var members: String
        var from: Instant?
        var to: Instant?
    }

    /// What is remarked on the readings of a chunk, as far as it can be read.
    private func remarks(of header: ChunkHeader) throws(SpoolError) -> [Int64: Stored] {
        let statement = try archive.connection.statement(
            SealedTable.remark.select + " WHERE sequence BETWEEN ? AND ?")
        statement.bind(header.sequence, header.last)
        defer { statement.reset() }
        var remarks: [Int64: Stored] = [:]
        while try statement.step() {
            guard let row = statement.row(.remark) else { continue }
            remarks[row[0].integer] = Stored(
                members: row[3].text, from: row[1].optional.map(Instant.init(nanoseconds:)),
                to: row[2].optional.map(Instant.init(nanoseconds:)))
        }
        return remarks
    }
}

extension SpoolReader {
    /// Begins to hand out readings.
    public func export(_ selection: ReadingSelection) throws(SpoolError) -> SpoolExport {
        try SpoolExport(archive, selection)
    }
}
