public import Metering

/// What comes into a spool, from its newest chunks.
public struct SpoolRate: Hashable, Sendable {
    /// What comes of one point.
    public struct Point: Hashable, Sendable {
        /// Its key.
        public var key: String
        /// Readings per second.
        public var readings: Double
        /// Changes of value per second.
        public var changes: Double
    }

    /// Readings per second.
    public var readings: Double
    /// Bytes per second that the file needs for them.
    public var bytes: Double
    /// The running time that was looked at.
    public var over: Duration
    /// Point by point, from the newest of these readings.
    public var points: [Point]
}

/// How full a spool is, seen from outside.
public struct SpoolSurvey: Sendable {
    /// What it holds.
    public var statistics: SpoolStatistics
    /// How full it is, with the settings given.
    public var fill: SpoolFill
    /// What of `fill.used` is no readings.
    public var overheadBytes: Int64
    /// From the oldest reading that waits to the newest, in running time.
    public var waiting: Duration
    /// What comes in; nil where less than a minute was recorded.
    public var rate: SpoolRate?
    /// The number that the next reading gets.
    public var next: Int64
    /// Gaps that are listed.
    public var gaps: [Gap]
    /// Readings that thinning took away, and of which means and edges that are held tell.
    public var thinnedAway: Int64
    /// Refused readings that are kept.
    public var quarantineKept: Int64
}

extension SpoolReader {
    /// So much running time is looked at for what comes in.
    static let rateWindow = Duration.seconds(6 * 3600)
    /// What is shorter is no time without an agent.
    static let leastPause = Duration.seconds(60)
    /// Less says nothing.
    static let leastRateWindow = Duration.seconds(60)
    /// So many of the newest readings say which point brings how many.
    static let sampledReadings: Int64 = 65_536

    /// Looks at everything that costs the same however much is held, on one view of the file.
    public func survey(_ settings: SpoolSettings) throws(SpoolError) -> SpoolSurvey {
        try connection.snapshot { () throws(SpoolError) in
            let count = try count()
            let oldest = try archive.header(from: 0)
            let newest = try archive.header(through: .max)
            var unsettled = oldest
            var history: Int64 = 0
            if let oldest, let newest {
                let through =
                    count.uplinks.map { $0.settledThrough(from: oldest.sequence) }.min() ?? newest.sequence - 1
                unsettled = try archive.header(from: through + 1)
                history = try archive.bytes(
                    of: History.runs(from: oldest, before: newest, uplinks: count.uplinks, count.vacancies))
            }
            let pages = try connection.integer("PRAGMA page_count") ?? 0
            let free = try connection.integer("PRAGMA freelist_count") ?? 0
            let log = SpoolFolder.size(connection.path + "-wal")
            // As the agent measures it: see SpoolStore.fill().
            let overhead =
                max(log, Schema.logBytes(maximumBytes: settings.maximumBytes)) + SpoolStore.reservedBytes
            let fill = SpoolFill(
                used: max(0, (pages - free) * Schema.pageSize + overhead - history),
                file: pages * Schema.pageSize + log, limit: settings.maximumBytes,
                free: SpoolFolder.free(SpoolFolder.folder(of: connection.path)),
                floor: settings.freeBytes)
            var waiting: Int64 = 0
            if let unsettled, let newest { waiting = try runningTime(of: newest) - runningTime(of: unsettled) }
            return SpoolSurvey(
                statistics: count.statistics, fill: fill, overheadBytes: overhead,
                waiting: .nanoseconds(max(0, waiting)), rate: try rate(count.gaps),
                next: max(count.statistics.committed + 1, try SpoolRow.read(from: connection).next), gaps: count.gaps,
                thinnedAway: try thinnedAway(),
                quarantineKept: try quarantineCounts().kept)
        }
    }

    private func thinnedAway() throws(SpoolError) -> Int64 {
        var sum: Int64 = 0
        try archive.thinned { if !$0.isEmptied { sum += $0.removed } }
        return sum
    }

    private func runningTime(of chunk: ChunkHeader) throws(SpoolError) -> Int64 {
        chunk.latest + (try archive.boot(chunk.boot)?.age ?? 0)
    }

    private func rate(_ gaps: [Gap]) throws(SpoolError) -> SpoolRate? {
        guard let oldest = try archive.header(from: 0), let newest = try archive.header(through: .max) else {
            return nil
        }
        let source = try ChunkSource(archive)
        let end = try source.runningTime(of: newest)
        let start = try source.sequence(after: end - Self.rateWindow.wholeNanoseconds - 1)
        guard let first = try archive.header(from: max(oldest.sequence, start)), first.sequence < newest.sequence else {
            return nil
        }
        let pauses = try pauses(behind: first)
        let time = try end - source.runningTime(of: first) - pauses.reduce(0) { $0 + $1.length }
        guard time >= Self.leastRateWindow.wholeNanoseconds else { return nil }
        // Numbers that damage left out were never given to a reading, or not for sure.
        let left = gaps.filter {
            $0.first > first.last && $0.last <= newest.last && $0.reason != SpoolStore.dropReason
        }
        .reduce(0) { $0 + max(0, $1.last - $1.first + 1 - $1.count) }
        let readings = newest.last - first.last - left
        let bytes = newest.stored - first.stored
        guard readings > 0, bytes > 0 else { return nil }
        let seconds = Double(time) / 1e9
        let sample = try sample(from: first, newest: newest, source, pauses)
        let chunks = max(1, Double(readings) / max(1, sample.readingsPerChunk))
        let body = Double(bytes) / chunks
        return SpoolRate(
            readings: Double(readings) / seconds,
            bytes: chunks * Self.fileBytes(ofBody: body, beside: newest) / seconds,
            over: .nanoseconds(time), points: sample.points)
    }

    /// Running time in which no agent ran, by the chunk that follows, as far as chunks tell: what is far longer than they
    /// usually are apart. A row that says nonsense is left out: this only has to be about right.
    private func pauses(behind first: ChunkHeader) throws(SpoolError) -> [(before: Int64, length: Int64)] {
        var pauses: [(before: Int64, length: Int64)] = []
        var before = first
        try archive.anyHeaders(from: first.last + 1) { header in
            guard header.isSound else { return true }
            if header.boot == before.boot, header.level == 0, before.level == 0 {
                pauses.append((header.sequence, max(0, header.earliest - before.latest)))
            }
            before = header
            return true
        }
        guard !pauses.isEmpty else { return [] }
        let usual = pauses.map(\.length).sorted()[pauses.count / 2]
        let least = max(Self.leastPause.wholeNanoseconds, 5 * usual)
        return pauses.filter { $0.length > least }.map { ($0.before, $0.length - usual) }
    }

    private struct Sample {
        var points: [SpoolRate.Point] = []
        var readingsPerChunk = 1.0
    }

    /// What came of which point in the newest chunks.
    private func sample(
        from first: ChunkHeader, newest: ChunkHeader, _ source: ChunkSource,
        _ pauses: [(before: Int64, length: Int64)]
    ) throws(SpoolError) -> Sample {
        var rows = try source.rows(
            from: max(first.last + 1, newest.last - Self.sampledReadings + 1), readings: Self.sampledReadings)
        // What was emptied says nothing.
        if let emptied = rows.lastIndex(where: { $0.isSound && $0.header.isEmptied }) {
            rows.removeSubrange(...emptied)
        }
        guard let start = rows.first?.header, start.isSound else { return Sample() }
        var seen: [PointID: (readings: Int, changes: Int, last: Value)] = [:]
        var (chunks, count) = (0, Int64(0))
        for row in rows where row.isSound && row.header.level == 0 {
            chunks += 1
            count += row.header.count
            for reading in try source.readings(of: row.header).readings {
                if let before = seen[reading.point] {
                    seen[reading.point]?.readings += 1
                    if before.last != reading.value { seen[reading.point]?.changes += 1 }
                    seen[reading.point]?.last = reading.value
                } else {
                    seen[reading.point] = (1, 0, reading.value)
                }
            }
        }
        // From the end of the chunk before: its readings are those since then.
        let before = try archive.header(through: start.sequence - 1) ?? start
        let paused = pauses.reduce(0) { $0 + ($1.before > before.sequence ? $1.length : 0) }
        let time = try source.runningTime(of: newest) - source.runningTime(of: before) - paused
        let seconds = Double(time) / 1e9
        guard seconds > 0, chunks > 0 else { return Sample() }
        var points: [SpoolRate.Point] = []
        for (point, sum) in seen where Int(point.rawValue) <= source.keys.count {
            points.append(
                SpoolRate.Point(
                    key: source.keys[Int(point.rawValue) - 1], readings: Double(sum.readings) / seconds,
                    changes: Double(sum.changes) / seconds))
        }
        points.sort { $0.key < $1.key }
        return Sample(points: points, readingsPerChunk: Double(count) / Double(chunks))
    }

    /// Bytes of the file that a chunk takes whose body has so many: pages are filled one after the other, a row that is
    /// too long for one goes on in pages of its own (https://www.sqlite.org/fileformat2.html, section 1.6).
    static func fileBytes(ofBody body: Double, beside header: ChunkHeader) -> Double {
        let page = Double(Schema.pageSize)
        // Five numbers beside the body and what says their sizes; then what says where in the page the row is, and its key.
        let numbers = [header.counts, header.boot, header.earliest, header.latest, header.stored]
        let payload = body + (body < 58 ? 8 : 9) + numbers.reduce(0) { $0 + size(of: $1) }
        let around = 7.0
        func share(_ local: Double) -> Double { page / max(1, ((page - 8) / (local + around)).rounded(.down)) }
        guard payload > page - 35 else { return share(payload) }
        // What does not fill a whole page more is in the table's own page, but for too much of it.
        let least = (page - 12) * 32 / 255 - 23
        let rest = least + (payload - least).truncatingRemainder(dividingBy: page - 4)
        let local = rest <= page - 35 ? rest : least
        return share(local + 4) + ((payload - local) / (page - 4)).rounded(.up) * page
    }

    /// Bytes of a number in a row (the same, section 2.1).
    private static func size(of number: Int64) -> Double {
        let bits = 65 - (number < 0 ? ~number : number).leadingZeroBitCount
        return number == 0 || number == 1 ? 0 : bits <= 32 ? Double((bits + 7) / 8) : bits <= 48 ? 6 : 8
    }

    // MARK: - What was refused

    /// How many readings were ever refused, and how many of them are kept.
    public func quarantineCounts() throws(SpoolError) -> (ever: Int64, kept: Int64) {
        (
            try SpoolRow.read(from: connection).quarantined,
            try connection.integer("SELECT count(*) FROM quarantine") ?? 0
        )
    }

    /// The newest readings that platforms refused for good, the newest first.
    public func quarantine(atMost count: Int) throws(SpoolError) -> [QuarantinedReading] {
        let keys = try archive.pointKeys()
        var rows: [QuarantinedReading] = []
        try connection.rows(.quarantine, "ORDER BY id DESC LIMIT ?", Int64(count)) { (row) throws(SpoolError) in
            let point = Int(row[3].integer) - 1
            rows.append(
                QuarantinedReading(
                    uplink: row[1].text, sequence: row[2].integer,
                    key: keys.indices.contains(point) ? keys[point] : "point \(row[3].integer)",
                    time: Timestamp(milliseconds: row[4].integer), value: row[5].text, reason: row[6].text))
            return true
        }
        return rows
    }
}

/// A reading that a platform refused for good.
public struct QuarantinedReading: Hashable, Sendable {
    /// The uplink whose platform refused it.
    public var uplink: String
    /// Its number in the spool.
    public var sequence: Int64
    /// The point's key.
    public var key: String
    /// Its phenomenon time.
    public var time: Timestamp
    /// Its value as it was sent.
    public var value: String
    /// Why, in the platform's words.
    public var reason: String
}
