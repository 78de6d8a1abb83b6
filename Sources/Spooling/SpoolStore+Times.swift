internal import Metering

// Which times readings get, and when. A reading's time is frozen at its first lease, or at that of a newer reading, with
// what its boot knew of the time then: `KnownTime` for this boot, the table `clock` for those before. For boots that never knew it see
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
        let bounds = try bounds(of: boot, from: chunk.earliest, after: try rangeBefore(chunk.sequence))
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
            try freeze(Stretch(group), try boot(of: first))
            rest = rest.dropFirst(group.count)
        }
        return chunks.count - rest.count
    }

    /// Freezes what is older than a chunk and neither has its times nor waits, so that the chunk can get its own: as if all
    /// of that had been leased before it. It costs a look at some hundred chunks of each boot; at all of them only where a
    /// clock was set back.
    func freezeOlder(than end: ChunkHeader) throws(SpoolError) {
        if try range(of: end.sequence) != nil { return }
        var next = max(state.oldestSequence, (state.lastRange?.last ?? 0) + 1)
        // Readings that were passed over, and get their times now, are older than what has them already.
        if next > end.sequence { next = state.oldestSequence }
        while let chunk = try archive.wholeHeader(from: next), chunk.sequence < end.sequence {
            if let range = try range(of: chunk.sequence) {
                next = range.last + 1
                continue
            }
            let numbers = chunk.sequence...end.sequence - 1
            let behind = try archive.firstWholeHeader(in: numbers) { $0.boot > chunk.boot }
            let last = (behind?.sequence ?? end.sequence) - 1
            if try !waits(chunk), let stretch = try stretch(from: chunk.sequence, through: last) {
                try freeze(stretch, try boot(of: chunk))
            }
            next = last + 1
        }
    }

    /// Freezes a stretch that has no times yet.
    private func freeze(_ stretch: Stretch, _ boot: Boot) throws(SpoolError) {
        let isCurrent = boot.number == state.boot.number
        guard isCurrent ? state.time.readiness > .waiting : boot.isKnown else {
            return try freezeBetweenBounds(stretch, boot)
        }
        let history = isCurrent ? state.time.history : try archive.clockHistory(of: boot)
        func wanted(at instant: Int64) -> Int64 {
            history.offset(at: Instant(nanoseconds: instant))?.nanoseconds ?? boot.offset
        }
        var rest = stretch
        var moment = rest.earliest
        // What comes before a leap second has another offset than what comes behind it.
        for leap in history.leapSeconds.map(\.nanoseconds) where leap <= rest.latest {
            if rest.earliest < leap {
                guard let border = try archive.firstWholeHeader(in: rest.numbers, where: { $0.latest >= leap }) else {
                    break
                }
                let parts = try split(rest, at: border.sequence)
                if let behind = parts.1 {
                    try freeze(parts.0, boot, wanted: wanted(at: moment))
                    rest = behind
                }
            }
            moment = leap
        }
        try freeze(rest, boot, wanted: wanted(at: moment))
    }

    /// Gives a stretch of a boot that knew its time the offset that is `wanted`; as much of it as has to wait for that,
    /// because such times were given before, the next better one.
    private func freeze(_ stretch: Stretch, _ boot: Boot, wanted: Int64) throws(SpoolError) {
        var rest: Stretch? = stretch
        while var part = rest {
            rest = nil
            let known = boot.number == state.boot.number ? state.boot : state.pendingBoots[boot.number] ?? boot
            if wanted < known.highest ?? .min, let earliest = try earliest(in: part.numbers) {
                part.earliest = earliest
            }
            let choice = FrozenTimes.choose(
                wanted: wanted, earliest: part.earliest, boot: boot.number, highest: known.highest,
                last: state.lastRange)
            var range = FrozenRange(boot: boot.number, offset: choice.offset, doubt: boot.isKnown ? .none : .restored)
            if choice.isRaised {
                (range.doubt, range.low, range.high) = (.setBack, wanted, wanted)
                let pause = choice.offset - wanted + FrozenTimes.minimumStep
                (part, rest) = try split(part, at: try endOfRaised(in: part, pause: pause))
            }
            try add(range, to: part, after: state.lastRange, known)
        }
    }

    /// Gives a stretch a range, which goes on with the one before if it can.
    func add(
        _ new: FrozenRange, to stretch: Stretch, after before: FrozenRange?, _ boot: Boot
    ) throws(SpoolError) {
        var range = new
        range.first = stretch.first
        // What a damaged disk left may have times behind these already.
        if let before, before.last < stretch.first, before.goesOn(with: range) { range.first = before.first }
        range.last = stretch.last
        let latest = range.timestamp(of: Instant(nanoseconds: stretch.latest)).milliseconds
        range.latest = max(latest, before?.latest ?? .min)
        state.pendingRanges.removeAll { $0.first == range.first }
        state.pendingRanges.append(range)
        if stretch.last > state.lastRange?.last ?? 0 { state.lastRange = range }
        guard range.offset > boot.highest ?? .min else { return }
        if boot.number == state.boot.number {
            state.boot.highest = range.offset
            state.isBootDirty = true
        } else {
            state.pendingBoots[boot.number, default: boot].highest = range.offset
        }
    }
}
