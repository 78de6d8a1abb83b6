internal import Metering

// Which readings a lease gets: from the oldest on, what an outage left, or from the newest back, what is measured now. Both
// cost the same however many readings lie between. Windows from the newest leave what is older for later, so an uplink's
// free numbers come in several runs; their number is limited.

extension SpoolStore {
    /// What a lease covers: whole chunks that no span covers, with their times frozen.
    struct Window {
        var first: Int64
        var last: Int64
        /// Numbers in it that no chunk has any more. They are covered along, so that they hold nothing up.
        var holes: [Gap] = []
    }

    /// The next window for an uplink; nil when nothing waits that may have its times.
    func nextWindow(
        of uplink: Progress, from end: LeaseEnd, limit: Int64
    ) throws(SpoolError) -> Window? {
        let runs = uplink.freeRuns(from: state.oldestSequence, through: state.nextSequence - 1)
        switch end {
        case .oldest:
            for run in runs {
                if let window = try oldestWindow(in: run, limit: limit) { return window }
            }
        case .newest:
            // One more run would be too many: then this one is taken from its start, until the others are done.
            let isLimited = runs.count >= Progress.maximumRuns
            for run in runs.reversed() {
                let window = try isLimited ? oldestWindow(in: run, limit: limit) : newestWindow(in: run, limit: limit)
                if let window { return window }
            }
        }
        return nil
    }

    /// The oldest chunks of a run whose times need not wait.
    private func oldestWindow(in run: ClosedRange<Int64>, limit: Int64) throws(SpoolError) -> Window? {
        var start = run.lowerBound
        while start <= run.upperBound {
            guard let oldest = try archive.wholeHeader(from: start), oldest.last <= run.upperBound else {
                return try emptyWindow(start...run.upperBound)
            }
            if try waits(oldest) {
                guard let next = try firstSequence(behindWaiting: oldest.boot), next > oldest.sequence else {
                    return nil
                }
                start = next
                continue
            }
            var chunks: [ChunkHeader] = []
            var room = limit
            try archive.wholeHeaders(from: start) { (chunk) throws(SpoolError) in
                guard chunk.last <= run.upperBound, chunks.isEmpty || chunk.count <= room else { return false }
                chunks.append(chunk)
                room -= chunk.count
                return room > 0
            }
            let last = chunks[try freeze(chunks) - 1].last
            // Numbers of a thinned or emptied chunk of which the uplink has others are no hole.
            let before = chunks[0].sequence > start ? try archive.wholeHeader(backFrom: start) : nil
            let expected = max(start, (before?.last ?? 0) + 1)
            return Window(
                first: start, last: last, holes: holes(between: chunks, from: expected).filter { $0.last < last })
        }
        return nil
    }

    /// The newest chunks of a run whose times need not wait, all of one boot.
    private func newestWindow(in run: ClosedRange<Int64>, limit: Int64) throws(SpoolError) -> Window? {
        var end = run.upperBound
        while end >= run.lowerBound {
            guard let newest = try archive.wholeHeader(backFrom: end), newest.sequence >= run.lowerBound,
                newest.last <= run.upperBound
            else { return try emptyWindow(run.lowerBound...end) }
            if try waits(newest) {
                // Those before it of its boot that have their times from an earlier run do not wait.
                let range = try rangeBefore(newest.sequence)
                let begin = try boot(of: newest).first
                let timed = range?.boot == newest.boot ? range?.last : begin.map { $0 - 1 }
                guard let before = timed, before < newest.sequence else { return nil }
                end = before
                continue
            }
            var chunks: [ChunkHeader] = []
            var room = limit
            try archive.wholeHeaders(backFrom: newest.sequence) { (chunk) throws(SpoolError) in
                guard chunk.sequence >= run.lowerBound, chunk.boot == newest.boot,
                    chunks.isEmpty || chunk.count <= room
                else { return false }
                chunks.append(chunk)
                room -= chunk.count
                return room > 0
            }
            chunks.reverse()
            try freezeOlder(than: chunks[0])
            _ = try freeze(chunks, isForced: true)
            return Window(
                first: chunks[0].sequence, last: newest.last, holes: holes(between: chunks, from: chunks[0].sequence))
        }
        return nil
    }

    /// Numbers of a run that no chunk has any more; nil where new ones may still come behind them.
    private func emptyWindow(_ numbers: ClosedRange<Int64>) throws(SpoolError) -> Window? {
        guard let next = try archive.wholeHeader(from: numbers.upperBound + 1) else { return nil }
        var window = Window(first: numbers.lowerBound, last: numbers.upperBound)
        // A thinned chunk may stand for them and for others that the uplink has: then nothing is missing.
        let before = try archive.wholeHeader(backFrom: numbers.upperBound)
        if before.map({ $0.last < numbers.lowerBound }) ?? true {
            window.holes = [hole(numbers.lowerBound, through: numbers.upperBound, before: next)]
        }
        return window
    }

    /// The numbers before and between chunks that no chunk has any more.
    func holes(between chunks: [ChunkHeader], from first: Int64) -> [Gap] {
        var holes: [Gap] = []
        var expected = first
        for chunk in chunks {
            if chunk.sequence > expected { holes.append(hole(expected, through: chunk.sequence - 1, before: chunk)) }
            expected = chunk.last + 1
        }
        return holes
    }

    /// The gap of numbers that the chunk behind them follows: between the last reading before them and the first behind.
    func hole(_ first: Int64, through last: Int64, before next: ChunkHeader) -> Gap {
        let before = try? archive.wholeHeader(backFrom: first - 1)
        return Gap(
            first: first, last: last, count: last - first + 1,
            earliest: before.flatMap { (try? archive.timestamp(of: $0.latest, in: $0))??.milliseconds },
            latest: (try? archive.timestamp(of: next.earliest, in: next))??.milliseconds,
            reason: "the spool's file was damaged", noted: state.now)
    }
}
