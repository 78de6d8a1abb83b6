internal import Metering

// History: chunks that every uplink has settled stay until they are older than the settings say, take more than half of
// the limit, or their room is needed; then they go, the oldest first, in batches, in the transaction of an append.
//
// Age is measured in the spool's running time: instants of this boot plus the running times of the boots before. A clock
// that is set wrongly can therefore neither shorten nor lengthen it; the time that the agent was off does not count.

extension SpoolStore {
    /// Readings of a batch: the totals of all points are rewritten once for it, and it must not hold an append up.
    static let batchReadings: Int64 = 65_536
    /// Share of the history's length after which a batch is taken though it is small: 3 h of 48 h.
    static let lateness: Int64 = 16

    /// Deletes one batch of history when it is due.
    func forgetHistory() throws(SpoolError) {
        guard let oldest = state.oldest, let through = deletableThrough(from: oldest), let newest = state.newest else {
            return
        }
        let now = newest.latest + state.boot.age
        let history = settings.history.wholeNanoseconds
        if try runningTime(of: oldest) < now - history {
            let isLate = try runningTime(of: oldest) < now - history - history / Self.lateness
            // The last chunk of a full batch: is it over age, the batch is worth its totals.
            let end = try archive.header(through: min(through, oldest.sequence + Self.batchReadings - 1))
            let isFull = (end?.last ?? 0) - oldest.sequence + 1 >= Self.batchReadings / 2
            if let end, isFull, try runningTime(of: end) < now - history {
                return try forget(from: oldest, through: end.last)
            } else if isLate {
                return try forget(from: oldest, through: through) { header throws(SpoolError) in
                    try self.runningTime(of: header) < now - history
                }
            }
        }
        let half = settings.maximumBytes / 2
        guard newest.stored - oldest.stored > half else { return }
        let settled = try archive.header(through: through)?.stored ?? 0
        if settled - oldest.stored > half { try forget(from: oldest, through: through) }
    }

    /// Makes sure that `bytes` more fit into the limit, if need be at the cost of history; false when they do not.
    ///
    /// Looking costs more than a small commit, so what was free last time is used up first. Each commit is charged
    /// twice, for the file and for the log, and for the pages that it touches otherwise.
    func makeRoom(for bytes: Int64) throws(SpoolError) -> Bool {
        let charge = 2 * (bytes + 32 * Schema.pageSize)
        if state.room < charge { state.room = try measureRoom(for: bytes) }
        while state.room < 0 {
            guard let oldest = state.oldest, let through = deletableThrough(from: oldest) else { return false }
            try forget(from: oldest, through: through)
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

    /// The last sequence number that is history, or nil when there is none. Without uplinks nothing waits for delivery.
    func deletableThrough(from oldest: ChunkHeader) -> Int64? {
        guard let newest = state.newest, newest.sequence > oldest.sequence else { return nil }
        var through = newest.sequence - 1
        for uplink in state.uplinks {
            through = min(through, uplink.settledThrough(from: oldest.sequence))
        }
        return through >= oldest.last ? through : nil
    }

    private func runningTime(of chunk: ChunkHeader) throws(SpoolError) -> Int64 {
        let boot = chunk.boot == state.boot.number ? state.boot : try archive.boot(chunk.boot)
        return chunk.latest + (boot?.age ?? 0)
    }

    /// Deletes at most a batch of chunks and adds their readings to the totals.
    private func forget(
        from oldest: ChunkHeader, through: Int64, while isDue: (ChunkHeader) throws(SpoolError) -> Bool = { _ in true }
    ) throws(SpoolError) {
        var chunks: [ChunkHeader] = []
        var expected = oldest.sequence
        let end = oldest.sequence + Self.batchReadings
        try archive.wholeHeaders(from: oldest.sequence) { (header) throws(SpoolError) in
            guard header.last <= through, chunks.isEmpty || header.last < end, try isDue(header) else { return false }
            if header.sequence > expected { try write(hole(expected, before: header)) }
            chunks.append(header)
            expected = header.last + 1
            return true
        }
        guard let last = chunks.last else { return }
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
        try delete(through: last.last)
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

    private func delete(through last: Int64) throws(SpoolError) {
        let chunks = try connection.statement("DELETE FROM chunk WHERE sequence <= ?")
        chunks.bind(last)
        try chunks.run("delete history")
        let remarks = try connection.statement("DELETE FROM remark WHERE sequence <= ?")
        remarks.bind(last)
        try remarks.run("delete history")
        state.oldest = try archive.header(from: last + 1)
        state.row.forgotten = max(state.row.forgotten, last)
        state.thinned.removeAll { $0.last <= last }
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
