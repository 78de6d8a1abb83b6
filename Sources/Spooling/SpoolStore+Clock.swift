public import Metering

// What the spool is told of the clock, and what it keeps of it.

extension SpoolStore {
    /// What this store knows of this boot's clock; at first what an earlier run knew.
    public var knownTime: KnownTime { state.time }

    /// The newest time known from before this boot; nil when nothing is.
    public var timeBeforeBoot: Timestamp? {
        state.boot.low.map { ClockOffset(nanoseconds: $0).timestamp(of: Instant(nanoseconds: 0)) }
    }

    /// Takes what is known of this boot's clock from now on. It is on disk with the next append.
    public func know(_ time: KnownTime) throws(SpoolError) {
        guard time != state.time else { return }
        for entry in time.history.entries {
            guard (-ChunkHeader.offsetLimit...ChunkHeader.offsetLimit).contains(entry.offset.nanoseconds) else {
                throw failure(
                    .invalidReading, "use the clock", "an offset of \(entry.offset.nanoseconds) ns is beyond 146 years")
            }
        }
        if time.history != state.time.history { state.isTimeDirty = true }
        state.time = time
        state.boot.offset = time.history.best?.offset.nanoseconds ?? 0
        state.boot.standing = time.history.best?.standing ?? .unknown
    }

    /// The offset of this boot's clock as far as it is known.
    var likelyOffset: ClockOffset {
        ClockOffset(nanoseconds: state.boot.likely ?? state.boot.offset)
    }

    /// Readings that are in the file and wait for a clock.
    func waitingForClock() throws(SpoolError) -> Int64 {
        var boots: [(number: Int64, first: Int64)] = []
        let rows = try connection.statement(
            """
            SELECT number, first FROM boot WHERE standing < \(ClockStanding.set.rawValue) AND number < ?
            AND first IS NOT NULL ORDER BY number
            """)
        rows.bind(state.boot.number)
        while try rows.step() { boots.append((rows.integer(0), rows.integer(1))) }
        rows.reset()
        if state.bootIsStored, state.time.readiness == .waiting, let first = state.boot.first {
            boots.append((state.boot.number, first))
        }
        var count: Int64 = 0
        for boot in boots {
            let end = try archive.firstSequence(after: boot.number) ?? state.nextSequence
            let timed = try rangeBefore(end).flatMap { $0.boot == boot.number ? $0.last : nil } ?? boot.first - 1
            count += max(0, end - max(state.oldestSequence, timed + 1))
        }
        return count
    }

    // MARK: - The file

    /// Notes this boot with its first readings.
    func noteBoot(first readings: [Reading]) throws(SpoolError) {
        guard !state.bootIsStored || state.boot.first == nil else { return }
        state.boot.first = state.nextSequence
        defer { state.bootIsStored = true }
        guard !state.bootIsStored else { return try writeBoot() }
        let earliest = readings.reduce(Int64.max) { min($0, $1.instant.nanoseconds) }
        // The spool's running time goes on where the boot before left it: see History.
        if let newest = state.newest, let before = try archive.boot(newest.boot) {
            state.boot.age = before.age + newest.latest - earliest
        }
        // No reading of this boot may count as earlier than the first: FrozenTimes relies on it.
        state.instantFloor = earliest - FrozenTimes.minimumStep
        for index in state.lastInstants.indices { state.lastInstants[index] = state.instantFloor }
        try writeBoot()
    }

    /// Writes the times that were frozen since the last commit, and what is known of the clock.
    func writeTimes() throws(SpoolError) {
        for range in state.pendingRanges { try connection.write(range.cells, to: .frozen) }
        for boot in state.pendingBoots.values { try connection.write(boot.cells, to: .boot) }
        if state.bootIsStored, state.isTimeDirty || state.isBootDirty { try writeBoot() }
    }

    private func writeBoot() throws(SpoolError) {
        try connection.write(state.boot.cells, to: .boot)
        guard state.isTimeDirty else { return }
        let delete = try connection.statement("DELETE FROM clock WHERE boot = ?")
        delete.bind(state.boot.number)
        try delete.run("note the clock")
        for (place, entry) in state.time.history.entries.enumerated() {
            try connection.write(entry.cells(boot: state.boot.number, place: place), to: .clock)
        }
    }
}

extension ClockHistory.Entry {
    /// A row of the table `clock`.
    init(_ cells: [Cell]) {
        self.init(
            since: Instant(nanoseconds: cells[2].integer), offset: ClockOffset(nanoseconds: cells[3].integer),
            standing: ClockStanding(rawValue: UInt8(clamping: cells[4].integer)) ?? .unknown,
            source: ClockSource(rawValue: cells[5].text) ?? .other, isLeapSecond: cells[6].integer != 0)
    }

    func cells(boot: Int64, place: Int) -> [Cell] {
        [
            .integer(boot), .integer(Int64(place)), .integer(since.nanoseconds), .integer(offset.nanoseconds),
            .integer(Int64(standing.rawValue)), .text(source.rawValue), .integer(isLeapSecond ? 1 : 0),
        ]
    }
}

extension Archive {
    /// The settings that the clock had in a boot.
    func clockHistory(of boot: Boot) throws(SpoolError) -> ClockHistory {
        var entries: [ClockHistory.Entry] = []
        try connection.rows(.clock, "WHERE boot = ? ORDER BY place", boot.number) { (row) throws(SpoolError) in
            let entry = ClockHistory.Entry(row)
            guard (-ChunkHeader.offsetLimit...ChunkHeader.offsetLimit).contains(entry.offset.nanoseconds) else {
                throw damaged("impossible numbers in the clock of boot \(boot.number)")
            }
            entries.append(entry)
            return true
        }
        // The first spools had one offset for each boot, and no word on it.
        if entries.isEmpty, boot.standing > .unknown {
            entries.append(
                ClockHistory.Entry(
                    since: Instant(nanoseconds: 0), offset: ClockOffset(nanoseconds: boot.offset),
                    standing: boot.standing, source: .nobody))
        }
        return ClockHistory(entries)
    }

    /// The least offset that a boot can have which begins now: the newest reading is older.
    func leastOffsetOfNextBoot() throws(SpoolError) -> Int64? {
        guard let newest = try header(through: .max), let boot = try boot(newest.boot) else {
            // Without readings, the latest time that was given.
            return try frozenRange(through: .max).map { ($0.latest + 1) * 1_000_000 }
        }
        return boot.likely.map { min($0 + newest.latest + FrozenTimes.minimumStep, ChunkHeader.offsetLimit) }
    }

    /// Where the readings of the next boot begin.
    func firstSequence(after boot: Int64) throws(SpoolError) -> Int64? {
        let row = try connection.statement("SELECT min(first) FROM boot WHERE number > ?")
        row.bind(boot)
        defer { row.reset() }
        return try row.step() ? row.optional(0) : nil
    }
}
