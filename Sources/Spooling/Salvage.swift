internal import Glibc
internal import Metering

/// Makes a new spool of what a damaged one still holds. The damaged file is only read.
///
/// Chunks are taken wherever their checksum fits. Sequence numbers that were given and have no chunk any more are gaps;
/// where the end of the spool may be missing, the sidecar bounds how much. What was in flight or settled may not be known
/// whole, so every uplink asks its platform before it sends what is held now.
final class Salvage {
    /// What came of it.
    struct Report: Hashable {
        /// Readings that are kept.
        var kept: Int64 = 0
        /// What is missing.
        var gaps: [Gap] = []
        /// Points whose names are lost.
        var lostPoints = 0

        /// Readings that are known to be missing.
        var lost: Int64 { gaps.reduce(0) { $0 + $1.count } }
    }

    private let source: String
    private var directory: String { SpoolFolder.folder(of: source) }
    private let sidecar: Sidecar?
    private var likelyID: String?
    private let connection: Connection
    private let archive: Archive
    private var remains = Remains()
    private var report = Report()
    /// The gaps that are listed already.
    private lazy var known = remains.rows(of: .gap).map { Gap($0) }.sorted { $0.first < $1.first }
    /// Whether it is known up to which number everything was deleted on purpose: the spool's row tells.
    private var knowsForgotten: Bool { remains.spool != nil }
    /// Else, how many readings may be missing, as far as the sidecar tells.
    private var mostUndelivered: Int64 {
        sidecar?.mostUndelivered ?? .max
    }

    /// Makes the spool `target`, which must not be in use, of the file `source` and its log.
    ///
    /// - Parameter isForLooking: whether nothing will be written to it: then it may go by a name that is only likely.
    static func rescue(
        from source: String, sidecar: Sidecar?, into target: String, isForLooking: Bool = false
    ) throws(SpoolError) -> Report {
        unlink(target)
        // A copy in a folder that is everybody's is nobody else's business. (Not by umask, which is all threads'.)
        if isForLooking {
            let descriptor = open(target, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw SpoolError(errno: errno, operation: "open", path: target) }
            Glibc.close(descriptor)
        }
        do throws(SpoolError) {
            let salvage = try Salvage(source, sidecar, target)
            if isForLooking { salvage.likelyID = Spares.onlySpool(in: salvage.directory) }
            defer { salvage.connection.close() }
            try salvage.connection.transaction { () throws(SpoolError) in try salvage.run() }
            // In a transaction of its own, when all the rest is on the disk: what has the mark is whole.
            try salvage.connection.execute("PRAGMA application_id = \(Schema.application)", operation: "rescue")
            // `parthe spool repair` may be root; the agent is not.
            if !isForLooking { SpoolFolder.adopt(target, like: source, in: SpoolFolder.folder(of: source)) }
            return salvage.report
        } catch {
            unlink(target)
            throw error
        }
    }

    private init(_ source: String, _ sidecar: Sidecar?, _ target: String) throws(SpoolError) {
        (self.source, self.sidecar) = (source, sidecar)
        connection = try Connection(target, .create, busyTimeout: .zero)
        archive = Archive(connection)
        // A rescue that is cut short is begun anew: it needs no journal. Each transaction is on the disk at its end.
        try connection.execute(
            """
            PRAGMA page_size = \(Schema.pageSize); PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL;
            PRAGMA secure_delete = OFF; PRAGMA cache_size = -8192
            """, operation: "rescue")
        try connection.execute(Schema.tables, operation: "rescue")
    }

    private func run() throws(SpoolError) {
        let insert = try connection.statement(
            """
            INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (sequence) DO UPDATE SET count = excluded.count, boot = excluded.boot,
            earliest = excluded.earliest, latest = excluded.latest, stored = excluded.stored, body = excluded.body
            WHERE excluded.count >> 16 > count >> 16
            """)
        var found = remains
        try found.collect(try PageStore(source)) { (chunk) throws(SpoolError) in
            let header = chunk.header
            insert.bind(header.sequence, header.counts, header.boot, header.earliest, header.latest, header.stored)
            try SpoolStore.run(insert, blob: chunk.body, at: 7)
        }
        remains = found
        var row = remains.spool ?? SpoolRow(id: sidecar?.spoolID ?? likelyID ?? SpoolRow.randomID())
        remains.complete(with: Spares(of: row.id, in: directory))
        let newest = try keepChunks(&row)
        try copyRows(newest: newest?.last ?? 0)
        try keepDictionary()
        try keepTimes()
        try keepMemory()
        for gap in report.gaps { try gap.write(to: connection) }
        row.damaged += report.lost
        row.format = Schema.version
        try row.write(to: connection)
        try connection.execute("PRAGMA user_version = \(Schema.version)", operation: "rescue")
    }

    // MARK: - Chunks

    /// Takes away chunks that were deleted or replaced before, and lists the holes; returns the newest chunk.
    private func keepChunks(_ row: inout SpoolRow) throws(SpoolError) -> ChunkHeader? {
        try connection.statement("DELETE FROM chunk WHERE sequence <= \(row.forgotten)").run("rescue")
        let delete = try connection.statement("DELETE FROM chunk WHERE sequence = ?")
        var previous: ChunkHeader?
        var next = row.forgotten + 1
        while let chunk = try archive.header(from: (previous?.sequence ?? 0) + 1) {
            guard chunk.sequence >= next, !isDropped(chunk) else {
                delete.bind(chunk.sequence)
                try delete.run("rescue")
                continue
            }
            if chunk.sequence > next { addHole(next, chunk.sequence - 1, after: previous, before: chunk) }
            report.kept += chunk.count
            previous = chunk
            next = chunk.last + 1
        }
        addEnd(next, &row, after: previous)
        return previous
    }

    /// Whether a chunk was dropped before: what a freed page still holds of it is told as missing already.
    private func isDropped(_ chunk: ChunkHeader) -> Bool {
        known.contains { $0.reason == SpoolStore.dropReason && $0.first <= chunk.sequence && chunk.last <= $0.last }
    }

    /// Lists what of a hole is not listed yet.
    private func addHole(_ first: Int64, _ last: Int64, after: ChunkHeader?, before: ChunkHeader) {
        var hole = Gap(
            first: first, last: last, count: last - first + 1, earliest: after.flatMap { time($0.latest, of: $0) },
            latest: time(before.earliest, of: before), reason: "the spool's file was damaged", noted: 0)
        if after == nil, !knowsForgotten { (hole.count, hole.most) = (0, min(hole.count, mostUndelivered)) }
        report.gaps += hole.parts(beside: known)
    }

    /// What may be missing behind the newest chunk. Its numbers are not given again.
    private func addEnd(_ next: Int64, _ row: inout SpoolRow, after newest: ChunkHeader?) {
        let given = max(row.next, sidecar?.next ?? 1)
        let ceiling = max(given, sidecar?.ceiling ?? given)
        row.next = max(next, ceiling)
        // What an earlier mending listed is listed.
        var next = next
        for gap in known.sorted(by: { $0.first < $1.first }) where (gap.first...max(gap.first, gap.last)).contains(next)
        {
            next = gap.last + 1
        }
        guard ceiling > next else { return }
        var end = Gap(
            first: next, last: ceiling - 1, count: max(0, given - next), most: ceiling - next,
            earliest: newest.flatMap { time($0.latest, of: $0) }, reason: "the end of the spool's file was damaged",
            noted: 0)
        if newest == nil, !knowsForgotten { (end.count, end.most) = (0, min(end.most, mostUndelivered)) }
        report.gaps.append(end)
    }

    /// When an instant of a chunk was, in ms since 1970, as far as that is known.
    private func time(_ instant: Int64, of chunk: ChunkHeader) -> Int64? {
        let range = remains.rows[.frozen]?.values.lazy.map { FrozenRange($0) }.last {
            $0.first <= chunk.sequence && chunk.sequence <= $0.last
        }
        let offset = range?.offset ?? remains.rows[.boot]?[.integer(chunk.boot)].flatMap { Boot($0).likely }
        return offset.map {
            ClockOffset(nanoseconds: $0).timestamp(of: Instant(nanoseconds: instant)).milliseconds
        }
    }

    // MARK: - Rows

    /// Writes the rows that need no thought, and the uplinks, which shall ask about everything up to `newest`.
    private func copyRows(newest: Int64) throws(SpoolError) {
        for table in [SealedTable.quarantine, .remark, .event, .total, .gap] {
            for row in remains.rows(of: table) { try connection.write(row, to: table) }
        }
        for row in remains.rows(of: .uplink) {
            try connection.write([row[0], row[1], row[2], .integer(newest)], to: .uplink)
            for range in remains.settledRanges(of: row[0].integer) {
                try connection.write(
                    [row[0], .integer(range.lowerBound), .integer(range.upperBound), .integer(0), .integer(1)],
                    to: .delivery)
            }
        }
    }

    /// Writes points and shapes; a number whose row is lost gets a name, and a shape that fits nothing.
    private func keepDictionary() throws(SpoolError) {
        let points = remains.rows(of: .point)
        var next: Int64 = 1
        for row in points where (next...Int64(SpoolStore.maximumPoints)).contains(row[0].integer) {
            while next < row[0].integer {
                report.lostPoints += 1
                try connection.write([.integer(next), .text("lost/point-\(next)"), .null], to: .point)
                next += 1
            }
            try connection.write(row, to: .point)
            next += 1
        }
        let insert = try connection.statement("INSERT INTO shape VALUES (?, ?)")
        let last = remains.shapes.keys.max() ?? 0
        for number in stride(from: Int64(1), through: min(last, Int64(ShapeBook.maximumShapes)), by: 1) {
            var body = remains.shapes[number] ?? Shape.sealedLoss(number: number)
            let columns = try? body.withUnsafeBytes { try Shape.unseal($0, number: number, pointCount: Int(next) - 1) }
            if columns == nil { body = Shape.sealedLoss(number: number) }
            insert.bind(number)
            try SpoolStore.run(insert, blob: body, at: 2)
        }
    }

    /// Sees to it that every chunk has a boot, and that what was frozen has times. Those of a boot that nobody knows the
    /// clock of lie between bounds: see SpoolStore+Bounds.swift.
    private func keepTimes() throws(SpoolError) {
        for table in [SealedTable.boot, .clock, .frozen] {
            for row in remains.rows(of: table) { try connection.write(row, to: table) }
        }
        let end = try archive.frozenRange(through: .max)
        let following = try connection.statement("SELECT min(first) FROM frozen WHERE first > ?")
        // No chunk from here on is older, in ns since 1970; nil where nothing is known of that.
        var floor: Int64?
        var next: Int64 = 0
        while let chunk = try archive.header(from: next) {
            next = chunk.last + 1
            let range = try archive.frozenRange(of: chunk.sequence)
            var known = try archive.boot(chunk.boot)
            if known == nil {
                let boot = lostBoot(of: chunk, floor: floor)
                try connection.write(boot.cells, to: .boot)
                known = boot
            }
            if range == nil, let end, chunk.sequence <= end.last, let boot = known, boot.isKnown {
                // Its readings had times, which may have been others.
                var filler = FrozenRange(boot: chunk.boot, offset: boot.offset, doubt: .restored)
                (filler.first, filler.last, filler.latest) = (chunk.sequence, chunk.last, end.latest)
                // One that is emptied had several.
                following.bind(chunk.sequence)
                if try following.step(), let next = following.optional(0) { filler.last = min(filler.last, next - 1) }
                following.reset()
                try connection.write(filler.cells, to: .frozen)
            }
            let least = range.map { $0.doubt == .none ? $0.offset : $0.low } ?? known?.likely
            floor = least.map { $0 + chunk.latest + FrozenTimes.minimumStep } ?? floor
        }
    }

    /// A boot in place of one whose row is gone. Its clock is that of its frozen times, or that of the sidecar.
    private func lostBoot(of chunk: ChunkHeader, floor: Int64?) -> Boot {
        let ranges = remains.rows(of: .frozen).map { FrozenRange($0) }.filter { $0.boot == chunk.boot }
        var offset = ranges.last { $0.doubt == .none }?.offset
        if offset == nil, let sidecar, sidecar.boot == chunk.boot, sidecar.offset != 0 { offset = sidecar.offset }
        return Boot(
            number: chunk.boot, id: Boot.lost, age: 0, offset: offset ?? 0, highest: ranges.map(\.offset).max(),
            standing: offset == nil ? .unknown : .set, first: chunk.sequence, low: floor.map { $0 - chunk.earliest })
    }

    /// Writes what is remembered; of the totals of pulses the newer of spool and sidecar.
    private func keepMemory() throws(SpoolError) {
        var rows = remains.rows[.memory] ?? [:]
        for (name, total) in sidecar?.totals ?? [:] where total.stamp > rows[.text(name)]?[2].integer ?? -1 {
            rows[.text(name)] = [.text(name), .text(total.value), .integer(total.stamp)]
        }
        for row in rows.values { try connection.write(row, to: .memory) }
    }
}
