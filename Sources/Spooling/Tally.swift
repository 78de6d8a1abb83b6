internal import Metering

/// The sum of readings per point.
struct Tally {
    /// By point number − 1.
    var lines: [AuditLine]

    init(keys: [String]) {
        lines = keys.map { AuditLine(key: $0) }
    }

    /// Adds a chunk's readings, with the times of `range`, or as unfrozen where there is none. Of a damaged chunk
    /// nothing is added and the fault is returned.
    mutating func add(
        _ chunk: ChunkHeader, _ range: FrozenRange?, _ archive: Archive, book: ShapeBook
    ) throws(SpoolError) -> ChunkFault? {
        // The checksum is looked at before the first reading, so a fault behind it means a file made by hand; then some
        // readings of that chunk may stay in the sum.
        try archive.decode(chunk, book: book, pointCount: lines.count) { reading in
            let index = Int(reading.point.rawValue) - 1
            if let range {
                lines[index].add(reading.value, at: range.timestamp(of: reading.instant))
            } else {
                lines[index].unfrozen += 1
            }
        }
    }
}

extension AuditLine {
    /// Adds a row of the table `total`.
    mutating func add(totals row: [Cell]) {
        digest.add(ReadingDigest(count: UInt64(row[1].integer), hash: UInt64(bitPattern: row[2].integer)))
        guard let first = row[3].optional, let last = row[4].optional else { return }
        widen(first: Timestamp(milliseconds: first), last: Timestamp(milliseconds: last))
    }
}

extension Archive {
    /// What the spool ever committed, point by point in the order of their keys.
    func audit() throws(SpoolError) -> [AuditLine] {
        try connection.snapshot { () throws(SpoolError) in
            let keys = try pointKeys()
            let book = try shapes(pointCount: keys.count)
            var tally = Tally(keys: keys)
            try addTotals(to: &tally)
            var headers: [ChunkHeader] = []
            var next: Int64 = 0
            repeat {
                headers.removeAll(keepingCapacity: true)
                try self.headers(from: next) { (header) throws(SpoolError) in
                    headers.append(header)
                    return headers.count < 1000
                }
                for header in headers {
                    _ = try tally.add(header, try frozenRange(of: header.sequence), self, book: book)
                    next = header.last + 1
                }
            } while !headers.isEmpty
            return tally.lines.sorted { $0.key < $1.key }
        }
    }

    private func addTotals(to tally: inout Tally) throws(SpoolError) {
        let points = tally.lines.count
        try connection.rows(.total) { (row) throws(SpoolError) in
            guard points > 0, (1...Int64(points)).contains(row[0].integer),
                (0...ChunkHeader.limit).contains(row[1].integer)
            else { throw damaged("impossible numbers in the totals of point \(row[0].integer)") }
            tally.lines[Int(row[0].integer) - 1].add(totals: row)
            return true
        }
    }

    /// The statistics of the file, but for what is undelivered.
    func statistics(_ row: SpoolRow, _ vacancies: Vacancies) throws(SpoolError) -> SpoolStatistics {
        let oldest = try header(from: 0)
        let newest = try header(through: .max)
        let committed = newest?.last ?? 0
        let first = oldest?.sequence ?? committed + 1
        let runs = first <= committed ? History.withoutEmptied([first...committed], vacancies) : []
        return SpoolStatistics(
            spoolID: row.id, committed: committed,
            held: first <= committed ? vacancies.all.count(in: first...committed) : 0, undelivered: [:],
            quarantined: row.quarantined, damaged: row.damaged, dropped: row.dropped,
            oldest: try oldest.flatMap { header throws(SpoolError) in try timestamp(of: header.earliest, in: header) },
            newest: try newest.flatMap { header throws(SpoolError) in try timestamp(of: header.latest, in: header) },
            fileBytes: SpoolFolder.size(connection.path) + SpoolFolder.size(connection.path + "-wal"),
            storedBytes: try bytes(of: runs))
    }
}

extension SpoolStore {
    /// What the spool ever committed, point by point in the order of their keys. Decodes every chunk held: seconds for
    /// tens of millions of readings.
    public func audit() throws(SpoolError) -> [AuditLine] {
        try archive.audit()
    }

    /// Readings that each uplink has not settled yet, by its name. Looks at no file.
    var undelivered: [String: Int64] {
        let (first, last) = (state.oldestSequence, state.nextSequence - 1)
        return state.uplinks.reduce(into: [:]) {
            $0[$1.name] = first <= last ? state.vacancies.all.count(outside: $1.settled, in: first...last) : 0
        }
    }

    /// What the spool holds now. Costs the same however much that is.
    public func statistics() throws(SpoolError) -> SpoolStatistics {
        var statistics = try archive.statistics(state.row, state.vacancies)
        statistics.undelivered = undelivered
        statistics.commits = state.commits
        statistics.waitingForClock = try waitingForClock()
        statistics.latestGiven = state.lastRange.map { Timestamp(milliseconds: $0.latest) }
        return statistics
    }
}
