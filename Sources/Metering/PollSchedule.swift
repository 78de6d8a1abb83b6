/// Decides which poll of a bus is next, aligned to UTC: a poll every 10 s happens at :00, :10, :20 …
///
/// Slots are multiples of the interval since 1970 in UTC. The slot that runs at the start is taken at once: nobody waits a
/// quarter of an hour to see whether a meter answers. A poll that comes too late for a slot takes the current one;
/// the slots it missed are overruns, counted, never made up for. When the wall clock steps, the schedule realigns to
/// the new time and goes on with the next slot; a step causes neither a burst nor an overrun.
///
/// At a slow pace entries that may wait have one slot of four, on the same grid: those whose number since 1970 is a
/// multiple of four (`Pace`). Slots that are left out are no overruns.
public struct PollSchedule: Hashable, Sendable {
    /// What the bus does next.
    public enum Action: Hashable, Sendable {
        /// Poll entry `entry` now.
        case poll(entry: Int)
        /// Nothing is due before this moment.
        case wait(until: Instant)
    }

    /// One entry's place in time.
    private struct Entry: Hashable {
        /// From one slot to the next at the pace that holds, in milliseconds.
        var interval: Int64
        /// The slot at which it is due next.
        var due: Timestamp
        /// When it was polled last.
        var taken = Instant(nanoseconds: .min)
        /// Slots that passed without a poll.
        var overruns: UInt64 = 0

        func goesBefore(_ other: Entry) -> Bool {
            if due != other.due { return due < other.due }
            if interval != other.interval { return interval > other.interval }
            return taken < other.taken
        }
    }

    private var entries: [Entry] = []
    private let intervals: [Int64]
    private let mayWait: [Bool]
    private var pace = Pace.normal
    private var offset: ClockOffset?

    /// A wall clock that moves by more than this against the boot clock between two looks was stepped, in nanoseconds.
    /// Slewing (at most 500 ppm, adjtimex(2)) stays below it as long as the schedule is looked at every 10 minutes.
    private static let step: Int64 = 500_000_000

    /// A schedule of one entry for each interval (at least 1 ms); `mayWait` says by entry whether a slow pace holds for
    /// it: for none unless it is given.
    public init(intervals: [Duration], mayWait: [Bool] = []) {
        precondition(mayWait.isEmpty || mayWait.count == intervals.count)
        self.intervals = intervals.map { max(1, $0.wholeMilliseconds) }
        self.mayWait = mayWait
    }

    /// Slots of `entry` that passed without a poll because the bus was busy.
    public func overruns(of entry: Int) -> UInt64 {
        entries.isEmpty ? 0 : entries[entry].overruns
    }

    /// The next deed at `now` and at a `pace`, with UTC as `offset` says. A poll that is returned counts as taken.
    ///
    /// Among several that are due, the one whose slot began first comes first, then the longer interval, then the one
    /// that was polled longest ago, then the earlier entry.
    public mutating func next(at now: Instant, offset: ClockOffset, pace: Pace = .normal) -> Action {
        let utc = offset.timestamp(of: now)
        align(to: utc, offset: offset)
        change(to: pace, at: utc)
        guard let first = entries.indices.min(by: { entries[$0].goesBefore(entries[$1]) }) else {
            return .wait(until: now + .seconds(3600))
        }
        guard take(first, at: now, offset: offset) else { return .wait(until: offset.instant(of: entries[first].due)) }
        return .poll(entry: first)
    }

    /// Takes `entry` if it is due; whether it was.
    public mutating func take(_ entry: Int, at now: Instant, offset: ClockOffset) -> Bool {
        let begun = slotsBegun(of: entry, at: now, offset: offset)
        guard begun > 0 else { return false }
        entries[entry].overruns += UInt64(begun - 1)
        entries[entry].due.milliseconds += Int64(begun) * entries[entry].interval
        entries[entry].taken = now
        return true
    }

    /// How many slots of `entry` have begun since it was taken last.
    public func slotsBegun(of entry: Int, at now: Instant, offset: ClockOffset) -> Int {
        guard !entries.isEmpty else { return 0 }
        let late = offset.timestamp(of: now).milliseconds - entries[entry].due.milliseconds
        return late < 0 ? 0 : Int(late / entries[entry].interval) + 1
    }

    /// The slot in which `entry` was last taken.
    public func slot(of entry: Int) -> Timestamp {
        Timestamp(milliseconds: entries[entry].due.milliseconds - entries[entry].interval)
    }

    /// Makes the slot of `entry` that was taken last due again: its poll could not be made.
    public mutating func recall(_ entry: Int) {
        entries[entry].due = slot(of: entry)
    }

    /// Sets every entry to the slot that runs at the start, and to the next after a step of the wall clock.
    private mutating func align(to utc: Timestamp, offset new: ClockOffset) {
        defer { offset = new }
        if let offset, abs(new.nanoseconds - offset.nanoseconds) < Self.step { return }
        let isStart = offset == nil
        for index in intervals.indices {
            let interval = isStart ? intervals[index] : entries[index].interval
            let running = Self.slot(at: utc, interval)
            if isStart {
                entries.append(Entry(interval: interval, due: Timestamp(milliseconds: running)))
            } else {
                entries[index].due = Timestamp(milliseconds: running + interval)
            }
        }
    }

    /// Sets the entries that may wait to their next slot at another pace.
    private mutating func change(to new: Pace, at utc: Timestamp) {
        guard new != pace else { return }
        pace = new
        for index in mayWait.indices where mayWait[index] {
            let short = intervals[index]
            let long = short * Pace.stride
            let due = entries[index].due
            switch new {
            case .slow:
                entries[index].interval = long
                let slot = Self.slot(at: due, long)
                entries[index].due.milliseconds = slot == due.milliseconds ? slot : slot + long
            case .normal:
                entries[index].interval = short
                let running = Self.slot(at: utc, short)
                // A slot that was taken is not taken again, though the clock was slewed to before it.
                let next = max(running + short, due.milliseconds - long + short)
                entries[index].due.milliseconds = due <= utc ? running : min(due.milliseconds, next)
            }
        }
    }

    /// The slot that runs at `time`.
    private static func slot(at time: Timestamp, _ interval: Int64) -> Int64 {
        let remainder = time.milliseconds % interval
        return time.milliseconds - (remainder >= 0 ? remainder : remainder + interval)
    }
}
