internal import Glibc
public import Metering

// Room for a spool that fills up: what waits is thinned, and then dropped, as SpoolAdmission and ReliefSearch say. Only
// chunks are touched that no uplink has leased or settled, so that no platform ever sees a reading both raw and thinned.
//
// A thinned run becomes few chunks that stand for all of its sequence numbers (ChunkHeader.removed); what it took away is
// no gap. What is dropped is one, and counts as settled for every uplink.

extension SpoolStore {
    /// How full it is.
    public func fill() throws(SpoolError) -> SpoolFill {
        let pages = try connection.integer("PRAGMA page_count") ?? 0
        let free = try connection.integer("PRAGMA freelist_count") ?? 0
        let log = SpoolFolder.size(connection.path + "-wal")
        let usual = max(log, Schema.logBytes(maximumBytes: settings.maximumBytes))
        let settled = try archive.bytes(of: history)
        return SpoolFill(
            used: max(0, (pages - free) * Schema.pageSize + usual + Self.reservedBytes - settled),
            file: pages * Schema.pageSize + log,
            limit: settings.maximumBytes, free: SpoolFolder.free(directory), floor: settings.freeBytes)
    }

    /// Makes some room, as far as `step` allows it: thins a run, or drops a chunk. In a transaction of its own.
    ///
    /// - Returns: what was done; nil where nothing can be.
    @discardableResult
    public func relieve(
        at step: SpoolAdmission.Step, by rules: ThinningRules
    ) throws(SpoolError) -> SpoolRelief? {
        var found = try findRelief(at: step, by: rules)
        if found == nil { found = try findDelivered(at: step) }
        guard let relief = found else { return nil }
        try commit { () throws(SpoolError) in
            switch relief {
            case .thin(let first, let last, let level):
                try thin(first.rawValue, through: last.rawValue, to: level, by: rules)
            case .drop(let first, let last):
                try drop(first.rawValue, through: last.rawValue)
            }
            // No settlement without its refusals, no mark without the times that its readings have.
            try writePending()
            if state.row != state.storedRow { try state.row.write(to: connection) }
            state.didCommit()
            state.room = 0
        }
        return relief
    }

    // MARK: - What goes

    private func findRelief(
        at step: SpoolAdmission.Step, by rules: ThinningRules
    ) throws(SpoolError) -> SpoolRelief? {
        guard let newest = state.newest else { return nil }
        var search = ReliefSearch(at: step, hasPreferred: rules.hasPreferred)
        let minute = likelyOffset
        let current = minute.timestamp(of: Instant(nanoseconds: newest.latest)).milliseconds / 60_000
        var (stretch, boot, expected) = (0, Int64(0), Int64(0))
        var times: FrozenRange?
        try archive.headers(from: firstUnsettled) { (header) throws(SpoolError) in
            guard header.sequence < newest.sequence else { return false }
            // The minute that is not over belongs together.
            let time = minute.timestamp(of: Instant(nanoseconds: header.latest)).milliseconds / 60_000
            if header.boot == newest.boot, time >= current { return false }
            guard isWaiting(header) else {
                stretch += 1
                return true
            }
            if header.boot != boot || header.sequence != expected { stretch += 1 }
            (boot, expected) = (header.boot, header.last + 1)
            // What is thinned together gets its times together, so they have to have the same already.
            if times?.contains(header.sequence) != true {
                let isOpen = header.sequence > state.lastRange?.last ?? 0
                let own = isOpen ? nil : try range(of: header.sequence)
                if own != times { stretch += 1 }
                times = own
            }
            return search.look(
                at: WaitingChunk(
                    first: SequenceNumber(rawValue: header.sequence), last: SequenceNumber(rawValue: header.last),
                    count: Int(header.count), level: ThinningLevel(rawValue: Int(header.level)) ?? .hour,
                    stretch: stretch))
        }
        return search.relief
    }

    /// Where every uplink but one is done with the oldest chunks, these go as well.
    private func findDelivered(at step: SpoolAdmission.Step) throws(SpoolError) -> SpoolRelief? {
        guard step == .drop, let newest = state.newest else { return nil }
        var found: SpoolRelief?
        try archive.headers(from: firstUnsettled) { (header) throws(SpoolError) in
            guard header.sequence < newest.sequence else { return false }
            let isOut = state.uplinks.contains { uplink in
                uplink.spans.contains { $0.state != .settled && $0.first <= header.last && header.sequence <= $0.last }
            }
            // What all of them have is history, and no gap.
            let isLacking = state.uplinks.contains { uplink in
                !uplink.spans.contains { $0.first <= header.sequence && header.last <= $0.last }
            }
            guard !isOut, isLacking, !header.isEmptied else { return true }
            found = .drop(
                first: SequenceNumber(rawValue: header.sequence), last: SequenceNumber(rawValue: header.last))
            return false
        }
        return found
    }

    /// The first number that some uplink has not settled.
    private var firstUnsettled: Int64 {
        let oldest = state.oldestSequence
        return state.uplinks.map { $0.settledThrough(from: oldest) + 1 }.min() ?? oldest
    }

    private func isWaiting(_ chunk: ChunkHeader) -> Bool {
        func touches(_ span: Progress.Span) -> Bool { span.first <= chunk.last && chunk.sequence <= span.last }
        return !chunk.isEmptied && !state.uplinks.contains { $0.spans.contains(where: touches) }
            && !state.absent.contains(where: touches)
    }

    // MARK: - Thinning

    private func thin(
        _ first: Int64, through last: Int64, to level: ThinningLevel, by rules: ThinningRules
    ) throws(SpoolError) {
        var headers: [ChunkHeader] = []
        try archive.wholeHeaders(from: first) { (header) throws(SpoolError) in
            guard header.last <= last else { return false }
            headers.append(header)
            return true
        }
        if headers.reduce(0, { $0 + $1.last - $1.sequence + 1 }) < last - first + 1 {
            try setAsideDamaged(first, through: last)
        }
        guard let end = headers.last else {
            // Nothing of it can be read: its numbers become a hole, which the next lease lists.
            return try delete(first, through: last)
        }
        for hole in holes(between: headers, from: first) { try write(hole) }
        if end.last < last, let next = try archive.wholeHeader(from: last + 1) ?? state.newest {
            try write(hole(end.last + 1, through: last, before: next))
        }
        var clock = likelyOffset
        if end.boot != state.boot.number, let boot = try archive.boot(end.boot) {
            clock = ClockOffset(nanoseconds: boot.likely ?? boot.offset)
        }
        var kept: [Reading] = []
        var thinning = Thinning(to: level, by: rules, offset: clock)
        for header in headers {
            for reading in try readings(of: header) { thinning.take(reading) { kept.append($0) } }
        }
        thinning.finish { kept.append($0) }
        // Readings of one poll share their instant again, which is what packs them well.
        kept.sort { ($0.instant, $0.point) < ($1.instant, $1.point) }
        try delete(first, through: last)
        guard !kept.isEmpty else { return }
        try write(kept, standingFor: first...last, boot: end.boot, level: level, stored: end.stored)
        try moveGaps(toEndOf: first...last)
    }

    /// Gives gaps the last numbers of a run that is thinned: what is kept is numbered anew from its first.
    private func moveGaps(toEndOf numbers: ClosedRange<Int64>) throws(SpoolError) {
        var gaps: [Gap] = []
        try connection.rows(
            .gap, "WHERE first >= ? AND last <= ? ORDER BY first DESC", numbers.lowerBound, numbers.upperBound
        ) { (row) throws(SpoolError) in
            gaps.append(Gap(row))
            return true
        }
        let delete = try connection.statement("DELETE FROM gap WHERE first = ?")
        for gap in gaps {
            delete.bind(gap.first)
            try delete.run("move gaps")
        }
        var last = numbers.upperBound
        for var gap in gaps {
            (gap.first, gap.last) = (last - (gap.last - gap.first), last)
            last = gap.first - 1
            try gap.write(to: connection)
        }
    }

    /// A chunk's readings, with their remarks; none where it cannot be decoded, which is a gap then.
    private func readings(of header: ChunkHeader) throws(SpoolError) -> [Reading] {
        var readings: [Reading] = []
        readings.reserveCapacity(Int(header.count))
        let fault = try archive.decode(header, book: state.shapes, pointCount: state.keys.count) { readings.append($0) }
        if let fault {
            try write(gap(of: header, fault, try range(of: header.sequence)))
            return []
        }
        try connection.rows(
            .remark, "WHERE sequence BETWEEN ? AND ? ORDER BY sequence", header.sequence, header.last
        ) { (row) throws(SpoolError) in
            let index = Int(row[0].integer - header.sequence)
            guard readings.indices.contains(index) else { return true }
            readings[index].remark = Remark(
                members: row[3].text, from: row[1].optional.map(Instant.init(nanoseconds:)),
                to: row[2].optional.map(Instant.init(nanoseconds:)), value: readings[index].value)
            return true
        }
        return readings
    }

    private func write(
        _ readings: [Reading], standingFor numbers: ClosedRange<Int64>, boot: Int64, level: ThinningLevel, stored: Int64
    ) throws(SpoolError) {
        var pieces: [(header: ChunkHeader, body: [UInt8], readings: ArraySlice<Reading>)] = []
        var sequence = numbers.lowerBound
        for start in stride(from: 0, to: readings.count, by: ChunkHeader.maximumReadings) {
            let piece = readings[start..<min(readings.count, start + ChunkHeader.maximumReadings)]
            let instants = piece.map(\.instant.nanoseconds)
            var header = ChunkHeader(
                sequence: sequence, counts: Int64(piece.count), boot: boot, earliest: instants.min() ?? 0,
                latest: instants.max() ?? 0, stored: 0)
            header.level = Int64(level.rawValue)
            encoder.encode(piece, earliest: header.earliest, book: &state.shapes)
            for number in encoder.newShapes { try writeShape(number) }
            pieces.append((header, encoder.writer.bytes, piece))
            sequence += Int64(piece.count)
        }
        // The last stands for all that is gone, and sums of bytes are right from the newest chunk backwards.
        var total = stored
        for index in pieces.indices.reversed() {
            if index == pieces.count - 1 {
                pieces[index].header.removed = numbers.upperBound - pieces[index].header.last
            }
            pieces[index].header.stored = max(0, total)
            total -= Int64(pieces[index].body.count) + 4
        }
        for piece in pieces {
            try insert(piece.header, ChunkEncoder.sealed(piece.body, piece.header))
            try writeRemarks(on: piece.readings, from: piece.header.sequence)
        }
        guard let end = pieces.last?.header, let start = pieces.first?.header else { return }
        state.vacancies.add(end)
        if state.oldest == nil || state.oldest?.sequence ?? 0 >= start.sequence { state.oldest = start }
    }

    // MARK: - Dropping

    private func drop(_ first: Int64, through last: Int64) throws(SpoolError) {
        var gap = Gap(first: first, last: last, count: 0, reason: Self.dropReason, noted: state.now)
        try archive.headers(from: first) { (header) throws(SpoolError) in
            guard header.last <= last else { return false }
            gap.count += header.count
            let earliest = try archive.timestamp(of: header.earliest, in: header)
            let latest = try archive.timestamp(of: header.latest, in: header)
            gap.earliest = gap.earliest ?? earliest?.milliseconds
            gap.latest = latest?.milliseconds ?? gap.latest
            return true
        }
        gap.most = gap.count
        state.row.dropped += gap.count
        // Neighbours are one gap.
        if let row = try connection.row(.gap, "WHERE last = ?", first - 1), case let before = Gap(row),
            before.reason == Self.dropReason
        {
            gap.first = before.first
            gap.count += before.count
            gap.most += before.most
            gap.earliest = before.earliest
        }
        try gap.write(to: connection)
        try delete(first, through: last)
        state.vacancies.add(gap)
        for index in state.uplinks.indices { state.uplinks[index].pass(over: first, through: last) }
    }

    /// Why readings are missing that were dropped.
    static let dropReason = "the spool was full"

    /// Deletes the chunks of a range of numbers, and what belongs to them alone.
    func delete(_ first: Int64, through last: Int64) throws(SpoolError) {
        for table in ["chunk", "remark"] {
            let delete = try connection.statement("DELETE FROM \(table) WHERE sequence BETWEEN ? AND ?")
            delete.bind(first, last)
            try delete.run("make room")
        }
        state.vacancies.remove(first...last)
        if let oldest = state.oldest, (first...last).contains(oldest.sequence) {
            state.oldest = try archive.header(from: last + 1)
        }
    }
}
