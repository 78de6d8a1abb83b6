internal import Metering

// A boot that never knew its time lies between its neighbours. Its first reading came after the last one of the boot
// before (`Boot.low`), its last one before the start of the next boot that knew its time, less what ran in between. Its
// readings get the middle of that, all with one offset: half the width is the most that they can be wrong by. They wait
// until that next boot has its final word on the time (`KnownTime.Readiness`); meanwhile leases pass over them, as long
// as there is room for them between what was given before and what is given now.

extension SpoolStore {
    /// Where a boot's offset lies.
    struct Bounds {
        var low: Int64?
        var high: Int64?
        /// The least offset with which its times come after those that were given before, true or not; the greatest with
        /// which they come before those that the next boot was given, or is about to be given.
        var floor: Int64?
        var ceiling: Int64?
        /// Whether the next boot that knew its time has its final word on it.
        var isDecided = false

        /// Whether the clocks contradict each other: then there is nothing to wait for.
        var isContradiction: Bool { max(low ?? .min, floor ?? .min) > min(high ?? .max, ceiling ?? .max) }

        /// The middle, or what comes nearest.
        var offset: Int64 {
            // A first boot before one that nothing stands behind has no bound at all: it was before that one.
            var middle = low ?? high ?? floor ?? ceiling ?? 0
            if let low, let high, high > low { middle = low / 2 + high / 2 }
            return max(min(middle, ceiling ?? .max), floor ?? .min)
        }
    }

    /// Gives a stretch of a boot that never knew its time one between its bounds.
    func freezeBetweenBounds(_ stretch: Stretch, _ boot: Boot) throws(SpoolError) {
        let before = try rangeBefore(stretch.first)
        var range = FrozenRange(boot: boot.number, offset: 0, doubt: .neverKnown)
        if let before, before.boot == boot.number, before.doubt == .neverKnown {
            (range.offset, range.low, range.high) = (before.offset, before.low, before.high)
        } else {
            let bounds = try bounds(of: boot, from: stretch.earliest, after: before)
            (range.offset, range.low, range.high) = (bounds.offset, bounds.low, bounds.high)
            // Then an earlier clock was ahead; that the next boot came later is sure all the same.
            if let low = bounds.low, let high = bounds.high, low > high { range.low = nil }
        }
        try add(range, to: stretch, after: before, boot)
    }

    /// The bounds of a boot whose readings from the instant `earliest` on have no times yet; `before` is the range before
    /// them.
    func bounds(
        of boot: Boot, from earliest: Int64, after before: FrozenRange?
    ) throws(SpoolError) -> Bounds {
        var bounds = Bounds(low: boot.least)
        if let before { bounds.floor = (before.latest + 1) * 1_000_000 - earliest }
        guard let next = try nextKnown(after: boot.number) else { return bounds }
        // From the next boot back to this one: each must have ended before the one behind it began.
        var between: Int64 = 0
        var sequence = next.first ?? state.nextSequence
        while let last = try archive.header(through: sequence - 1), last.boot >= boot.number {
            between = min(ChunkHeader.limit, between + last.latest + FrozenTimes.minimumStep)
            guard last.boot > boot.number, let begin = try archive.boot(last.boot)?.first, begin < sequence else {
                break
            }
            sequence = begin
        }
        // A clock that goes on from where it was stopped is late: how late, nobody knows.
        bounds.high = next.isKnown ? next.offset - between : nil
        let given = try next.first.flatMap { first throws(SpoolError) in try range(of: first)?.offset }
        bounds.ceiling = (given ?? next.offset) - between
        bounds.isDecided = next.number < state.boot.number || state.time.readiness == .all
        return bounds
    }

    /// The first boot after `number` that knew its time, or this one if its readings get theirs.
    private func nextKnown(after number: Int64) throws(SpoolError) -> Boot? {
        if let boot = try archive.knownBoot(after: number), boot.number < state.boot.number { return boot }
        return number < state.boot.number && state.time.readiness > .waiting ? state.boot : nil
    }

    /// Where readings begin whose times do not have to wait, when those of boot `number` do; nil when there are none.
    func firstSequence(behindWaiting number: Int64) throws(SpoolError) -> Int64? {
        try nextKnown(after: number)?.first
    }
}
