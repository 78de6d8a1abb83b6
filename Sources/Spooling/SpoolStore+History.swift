internal import Metering

// History: chunks that every uplink has settled stay until they are older than the settings say, take more than half of
// the limit, or their room is needed; then they go, the oldest first, in batches, in the transaction of an append.
//
// Where older readings still wait (a lease of the newest goes before them), one chunk without readings stays in the place
// of a batch and stands for its numbers; neighbours of one boot become one. It goes when nothing older is left.
//
// Age is measured in the spool's running time: instants of this boot plus the running times of the boots before. A clock
// that is set wrongly can therefore neither shorten nor lengthen it; the time that the agent was off does not count.

extension SpoolStore {
    /// Readings of a batch: the totals of all points are rewritten once for it, and it must not hold an append up.
    static let batchReadings: Int64 = 65_536
    /// Share of the history's length after which a batch is taken though it is small: 3 h of 48 h.
    static let lateness: Int64 = 16

    /// The runs of it, see `History`.
    var history: [ClosedRange<Int64>] {
        guard let oldest = state.oldest, let newest = state.newest else { return [] }
        return History.runs(from: oldest, before: newest, uplinks: state.uplinks, state.vacancies)
    }

    /// The oldest run of history that can be deleted, and its first chunk that is whole. There is none in an oldest run of
    /// nothing but damaged rows: these have to go, or nothing behind them would.
    private func oldestHistory() throws(SpoolError) -> (run: ClosedRange<Int64>, first: ChunkHeader?)? {
        for run in history {
            let first = try archive.wholeHeader(from: run.lowerBound)
            if let first, first.last <= run.upperBound { return (run, first) }
            if run.lowerBound == state.oldestSequence { return (run, nil) }
        }
        return nil
    }

    /// Deletes one batch of history when it is due.
    func forgetHistory() throws(SpoolError) {
        guard let newest = state.newest else { return }
        try forgetEmptied(before: newest)
        guard let (run, first) = try oldestHistory() else { return }
        guard let first else {
            try forgetDamaged(run)
            return
        }
        let limit = newest.latest + state.boot.age - settings.history.wholeNanoseconds
        if try runningTime(of: first) < limit {
            let isLate = try runningTime(of: first) < limit - settings.history.wholeNanoseconds / Self.lateness
            // The last chunk of a full batch: is it over age, the batch is worth its totals.
            let end = try archive.header(through: min(run.upperBound, first.sequence + Self.batchReadings - 1))
            let isFull = (end?.last ?? 0) - first.sequence + 1 >= Self.batchReadings / 2
            if let end, isFull, try runningTime(of: end) < limit {
                try forget(run.lowerBound...max(first.last, min(run.upperBound, end.last)), from: first)
                return
            } else if isLate {
                try forget(run, from: first) { header throws(SpoolError) in
                    try self.runningTime(of: header) < limit
                }
                return
            }
        }
        var isDue = try isShortOfDisk()
        if !isDue { isDue = try isTooMuch(before: newest) }
        if isDue { try forget(run, from: first) }
    }

    /// Whether history has more than its half of the limit.
    private func isTooMuch(before newest: ChunkHeader) throws(SpoolError) -> Bool {
        let half = settings.maximumBytes / 2
        // All that is held is the most that it can be.
        guard newest.stored - (state.oldest?.stored ?? 0) > half else { return false }
        return try archive.bytes(of: history) > half
    }

    /// Whether the next commits would make the file grow though others are short of the disk: then history goes at once.
    private func isShortOfDisk() throws(SpoolError) -> Bool {
        guard try connection.integer("PRAGMA freelist_count") ?? 0 < Self.reservedBytes / Schema.pageSize,
            try (connection.integer("PRAGMA page_count") ?? 0) * Schema.pageSize > SpoolFill.least
                - Schema.logBytes(maximumBytes: settings.maximumBytes)
        else { return false }
        return SpoolFolder.free(directory) < settings.freeBytes
    }

    /// Makes sure that `bytes` more fit into the limit, if need be at the cost of history; false when they do not.
    ///
    /// Looking costs more than a small commit, so what was free last time is used up first. Each commit is charged
    /// twice, for the file and for the log, and for the pages that it touches otherwise.
    func makeRoom(for bytes: Int64) throws(SpoolError) -> Bool {
        let charge = 2 * (bytes + 32 * Schema.pageSize)
        if state.room < charge { state.room = try measureRoom(for: bytes) }
        while state.room < 0 {
            guard let (run, first) = try oldestHistory() else { return false }
            if let first { try forget(run, from: first) } else { try forgetDamaged(run) }
            state.room = try measureRoom(for: bytes)
        }
        state.room = max(0, state.room - charge)
        return true
    }

    /// Bytes that stay below the limit when `bytes` more are written; negative when they do not fit.
    private func measureRoom(for bytes: Int64) throws(SpoolError) -> Int64 {
        let pages = try connection.integer("PRAGMA page_count") ?? 0
        let free = try connection.integer("PRAGMA freelist_count") ?? 0
        // The log grows to its checkpoint and a transaction more, however small it is at the moment; a reader that holds
        // it can make it grow beyond. Some pages are kept back for marks and settlements, which pass a full spool.
        let log = max(
            SpoolFolder.size(connection.path + "-wal"), Schema.logBytes(maximumBytes: settings.maximumBytes))
        return settings.maximumBytes - (pages - free) * Schema.pageSize - log - Self.reservedBytes - bytes
    }

    /// What is kept back for marks and settlements.
    static let reservedBytes = 64 * Schema.pageSize

    private func runningTime(of chunk: ChunkHeader) throws(SpoolError) -> Int64 {
        let boot = chunk.boot == state.boot.number ? state.boot : try archive.boot(chunk.boot)
        return chunk.latest + (boot?.age ?? 0)
    }

    /// Deletes at most a batch of a run's chunks, from its first whole one on, and adds their readings to the totals.
    private func forget(
        _ run: ClosedRange<Int64>, from first: ChunkHeader,
        while isDue: (ChunkHeader) throws(SpoolError) -> Bool = { _ in true }
    ) throws(SpoolError) {
        var chunks: [ChunkHeader] = []
        let end = first.sequence + Self.batchReadings
        let isOldest = run.lowerBound == state.oldestSequence
        try archive.wholeHeaders(from: first.sequence) { (header) throws(SpoolError) in
            guard header.last <= run.upperBound, chunks.isEmpty || header.last < end, try isDue(header),
                isOldest || header.boot == first.boot
            else { return false }
            chunks.append(header)
            return true
        }
        guard let last = chunks.last else { return }
        for hole in holes(between: chunks, from: isOldest ? run.lowerBound : first.sequence) {
            try setAsideDamaged(hole.first, through: hole.last)
            try write(hole)
        }
        // Without an uplink that waits for them, readings are deleted whose times are still open: they get them now.
        _ = try freeze(chunks, isForced: true)
        try writeTimes()
        var tally = Tally(keys: state.keys)
        for chunk in chunks {
            let range = try archive.frozenRange(of: chunk.sequence)
            if let fault = try tally.add(chunk, range, archive, book: state.shapes) {
                try write(gap(of: chunk, fault, range))
            }
        }
        try addTotals(tally)
        if isOldest { try delete(through: last.last) } else { try empty(chunks) }
    }

    /// Deletes the oldest run, in which nothing is whole.
    private func forgetDamaged(_ run: ClosedRange<Int64>) throws(SpoolError) {
        try setAsideDamaged(run.lowerBound, through: run.upperBound)
        if let next = try archive.wholeHeader(from: run.upperBound + 1) ?? state.newest {
            try write(hole(run.lowerBound, through: run.upperBound, before: next))
        }
        try delete(through: run.upperBound)
    }

    private func addTotals(_ tally: Tally) throws(SpoolError) {
        for (index, own) in tally.lines.enumerated() where own.digest.count > 0 {
            var line = AuditLine(key: own.key)
            if let row = try connection.row(.total, "WHERE point = ?", Int64(index + 1)) { line.add(totals: row) }
            line.digest.add(own.digest)
            if let first = own.first, let last = own.last { line.widen(first: first, last: last) }
            try connection.write(
                [
                    .integer(Int64(index + 1)), .integer(Int64(clamping: line.digest.count)),
                    .integer(Int64(bitPattern: line.digest.hash)), Cell(line.first?.milliseconds),
                    Cell(line.last?.milliseconds),
                ], to: .total)
        }
    }

    /// Deletes everything up to a sequence number.
    func delete(through last: Int64) throws(SpoolError) {
        let chunks = try connection.statement("DELETE FROM chunk WHERE sequence <= ?")
        chunks.bind(last)
        try chunks.run("delete history")
        let remarks = try connection.statement("DELETE FROM remark WHERE sequence <= ?")
        remarks.bind(last)
        try remarks.run("delete history")
        state.oldest = try archive.header(from: last + 1)
        state.row.forgotten = max(state.row.forgotten, last)
        state.vacancies.remove(0...last)
        // The newest range stays in any case: it holds the latest time ever given.
        let ranges = try connection.statement(
            "DELETE FROM frozen WHERE last < ?1 AND last < (SELECT max(last) FROM frozen)")
        ranges.bind(state.oldestSequence)
        try ranges.run("delete history")
        let boots = try connection.statement(
            "DELETE FROM boot WHERE number < ? AND number NOT IN (SELECT boot FROM event)")
        boots.bind(min(state.oldest?.boot ?? state.boot.number, state.boot.number))
        try boots.run("delete history")
        try connection.statement("DELETE FROM clock WHERE boot NOT IN (SELECT number FROM boot)").run("delete history")
    }
}
