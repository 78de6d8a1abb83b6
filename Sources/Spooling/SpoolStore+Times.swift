internal import Metering

// Which times readings get, and when. A reading's time is frozen at its first lease, with what its boot knew of the time
// then: `KnownTime` for this boot, the table `clock` for those before. For boots that never knew it see
// SpoolStore+Bounds.swift.

extension SpoolStore {
    /// The range that holds a sequence number, whether it is in the file already or not.
    func range(of sequence: Int64) throws(SpoolError) -> FrozenRange? {
        if let last = state.lastRange, last.contains(sequence) { return last }
        if let pending = state.pendingRanges.first(where: { $0.contains(sequence) }) { return pending }
        return try archive.frozenRange(of: sequence)
    }

    /// The last range that begins before a sequence number.
    func rangeBefore(_ sequence: Int64) throws(SpoolError) -> FrozenRange? {
        if let last = state.lastRange, last.first < sequence { return last }
        let stored = try archive.frozenRange(through: sequence - 1)
        let pending = state.pendingRanges.filter { $0.first < sequence }.max { $0.first < $1.first }
        guard let pending, let stored else { return pending ?? stored }
        return pending.first >= stored.first ? pending : stored
    }

    /// Whether a chunk has no times yet, and its boot's clock, or better bounds for it, may still come.
    func waits(_ chunk: ChunkHeader) throws(SpoolError) -> Bool {
        if chunk.boot == state.boot.number, state.time.readiness > .waiting { return false }
        if try range(of: chunk.sequence) != nil { return false }
        guard chunk.boot != state.boot.number else { return true }
        let boot = try boot(of: chunk)
        guard !boot.isKnown else { return false }
        let bounds = try bounds(of: boot, from: chunk, after: try rangeBefore(chunk.sequence))
        return !bounds.isDecided && !bounds.isContradiction
    }

    func boot(of chunk: ChunkHeader) throws(SpoolError) -> Boot {
        if chunk.boot == state.boot.number { return state.boot }
        if let boot = state.pendingBoots[chunk.boot] { return boot }
        if let boot = try archive.boot(chunk.boot) { return boot }
        throw archive.damaged("chunk \(chunk.sequence) is of boot \(chunk.boot), which has no row")
    }

    /// Freezes the times of chunks, from the first on, and says how many have theirs now: the others wait.
    ///
    /// - Parameter isForced: whether none may wait.
    func freeze(_ chunks: [ChunkHeader], isForced: Bool = false) throws(SpoolError) -> Int {
        var rest = chunks[...]
        while let first = rest.first {
            if let range = try range(of: first.sequence) {
                rest = rest.drop { range.contains($0.sequence) }
                continue
            }
            if !isForced, try waits(first) { break }
            let group = rest.prefix { $0.boot == first.boot }
            try freeze(group: group, try boot(of: first))
            rest = rest.dropFirst(group.count)
        }
        return chunks.count - rest.count
    }

    /// Freezes chunks of one boot that have no times yet.
    private func freeze(group: ArraySlice<ChunkHeader>, _ boot: Boot) throws(SpoolError) {
        let isCurrent = boot.number == state.boot.number
        guard isCurrent ? state.time.readiness > .waiting : boot.isKnown else {
            return try freezeBetweenBounds(group, boot)
        }
        let history = isCurrent ? state.time.history : try archive.clockHistory(of: boot)
        var rest = group
        while let chunk = rest.first {
            let offset = history.offset(at: Instant(nanoseconds: chunk.earliest))
            let part = rest.prefix { history.offset(at: Instant(nanoseconds: $0.earliest)) == offset }
            try freeze(part, boot, wanted: offset?.nanoseconds ?? boot.offset)
            rest = rest.dropFirst(part.count)
        }
    }

    /// Gives chunks of a boot that knew its time the offset that is `wanted`; as many as have to wait for that, because
    /// such times were given before, the next better one.
    private func freeze(_ chunks: ArraySlice<ChunkHeader>, _ boot: Boot, wanted: Int64) throws(SpoolError) {
        var rest = chunks
        while !rest.isEmpty {
            let known = boot.number == state.boot.number ? state.boot : state.pendingBoots[boot.number] ?? boot
            let choice = FrozenTimes.choose(
                wanted: wanted, earliest: rest.reduce(Int64.max) { min($0, $1.earliest) }, boot: boot.number,
                highest: known.highest, last: state.lastRange)
            var range = FrozenRange(boot: boot.number, offset: choice.offset, doubt: boot.isKnown ? .none : .restored)
            var part = rest
            if choice.isRaised {
                (range.doubt, range.low, range.high) = (.setBack, wanted, wanted)
                var latest = Int64.min
                part = rest.prefix { chunk in
                    defer { latest = max(latest, chunk.latest) }
                    return latest == .min || chunk.earliest + wanted <= latest + choice.offset + FrozenTimes.minimumStep
                }
            }
            try add(range, to: part, after: state.lastRange, known)
            rest = rest.dropFirst(part.count)
        }
    }

    /// Gives chunks a range, which goes on with the one before if it can.
    func add(
        _ new: FrozenRange, to chunks: ArraySlice<ChunkHeader>, after before: FrozenRange?, _ boot: Boot
    ) throws(SpoolError) {
        guard let first = chunks.first?.sequence, let last = chunks.last?.last else { return }
        let latest = Instant(nanoseconds: chunks.reduce(Int64.min) { max($0, $1.latest) })
        var range = new
        range.first = first
        // What a damaged disk left may have times behind these already.
        if let before, before.last < first, before.goesOn(with: range) { range.first = before.first }
        range.last = last
        range.latest = max(range.timestamp(of: latest).milliseconds, before?.latest ?? .min)
        state.pendingRanges.removeAll { $0.first == range.first }
        state.pendingRanges.append(range)
        if last > state.lastRange?.last ?? 0 { state.lastRange = range }
        guard range.offset > boot.highest ?? .min else { return }
        if boot.number == state.boot.number {
            state.boot.highest = range.offset
            state.isBootDirty = true
        } else {
            state.pendingBoots[boot.number, default: boot].highest = range.offset
        }
    }
}
