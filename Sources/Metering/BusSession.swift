/// Decides what a bus does next: polls in their slots, and now and then a probe of a unit that does not answer.
///
/// - A unit that gives no answer is away: its polls are left out, and after a wait that doubles (`UnitBackoff`) one
///   cheap probe is made, within a tenth of the bus's time (`ProbeBudget`). So a dead unit costs the others next to
///   nothing.
/// - A unit that leaves some of its requests unanswered goes on, but what waiting for it takes counts as probing, too.
/// - A unit that answers a probe is polled again: a poll that it missed in the slot that still runs is made up for. Only
///   an answered poll makes it well; until then what its polls wait in vain for counts as probing.
/// - While others send without a pause nobody is to blame: whoever seemed away for that is asked again as soon as
///   anybody answers.
/// - A bus without connection leaves all polls out and tries again after 0.5 s … 10 s: nobody on it can be read anyway.
/// - A bus with more to do than time degrades evenly: whose slot began first comes first, and among these the longer
///   interval, of which a missed slot costs most.
///
/// Pure: no clock, no I/O; time comes in.
public struct BusSession: Hashable, Sendable {
    /// One poll that recurs.
    public struct Entry: Hashable, Sendable {
        /// The unit that it asks, by its place among the bus's units.
        public var unit: Int
        /// How often.
        public var interval: Duration
        /// Whether it asks only what may wait: at a slow pace it is made every fourth time.
        public var mayWait: Bool

        /// A poll of `unit` every `interval`.
        public init(unit: Int, interval: Duration, mayWait: Bool = false) {
            self.unit = unit
            self.interval = interval
            self.mayWait = mayWait
        }
    }

    /// What the bus does next.
    public enum Action: Hashable, Sendable {
        /// Poll entry `entry` now; its slot began at `slot`.
        case poll(entry: Int, slot: Timestamp)
        /// Ask `unit` one short question, to see whether it answers again.
        case probe(unit: Int)
        /// Connect; nothing else can be done before.
        case connect
        /// Nothing to do before this moment.
        case wait(until: Instant)
    }

    /// How a poll or a probe ended.
    public enum Outcome: Hashable, Sendable {
        /// The unit has answered every request, if only with an exception.
        case answered
        /// It has answered some requests; waiting for the others took so long.
        case partly(cost: Duration)
        /// It took so long, and no request was answered.
        case silent(cost: Duration)
        /// It took so long, and the line was never quiet enough to ask or to hear.
        case blocked(cost: Duration)
        /// There is no connection.
        case disconnected
    }

    /// The longest wait between two tries to connect, and between two tries with a unit that has the bus to itself.
    public static let longestReconnect = Duration.seconds(10)

    /// The wait while a port is not there: to look for it costs nothing.
    public static let absentPort = Duration.milliseconds(300)

    /// The longest wait while others keep the line busy.
    public static let longestBlocked = Duration.seconds(5)

    private let entries: [Entry]
    /// Whether nobody else pays for asking a unit often: it has the bus to itself.
    private let isLone: Bool
    private var schedule: PollSchedule
    private var units: [UnitBackoff]
    private var connection = UnitBackoff(longest: BusSession.longestReconnect)
    private var budget = ProbeBudget()
    /// Units that could not be asked or heard because of others.
    private var isBlocked: [Bool]
    /// Units that left requests of their last poll unanswered.
    private var isHalting: [Bool]
    /// Entries whose poll in the slot that runs was left out or brought nothing.
    private var isOwed: [Bool]
    /// Polls left out because the unit, or the connection, was away.
    private var omitted: [UInt64]

    /// A bus of `unitCount` units with these polls.
    public init(entries: [Entry], unitCount: Int) {
        self.entries = entries
        schedule = PollSchedule(intervals: entries.map(\.interval), mayWait: entries.map(\.mayWait))
        isLone = unitCount == 1
        let longest = isLone ? Self.longestReconnect : UnitBackoff.longest
        units = Array(repeating: UnitBackoff(longest: longest), count: unitCount)
        isBlocked = Array(repeating: false, count: unitCount)
        isHalting = Array(repeating: false, count: unitCount)
        isOwed = Array(repeating: false, count: entries.count)
        omitted = Array(repeating: 0, count: entries.count)
    }

    /// Slots of `entry` that passed without a poll because the bus was busy.
    public func overruns(of entry: Int) -> UInt64 { schedule.overruns(of: entry) }

    /// Slots of `entry` without a poll because its unit or the connection was away.
    public func omitted(of entry: Int) -> UInt64 { omitted[entry] }

    /// When the silent `unit` will be asked again; nil while it answers.
    public func nextTry(of unit: Int) -> Instant? { units[unit].nextTry ?? connection.nextTry }

    /// Whether `unit` is left alone but for probes.
    public func isAway(_ unit: Int) -> Bool { units[unit].isAway }

    /// Whether any unit, or the connection, is away.
    public var isAnyoneAway: Bool { connection.isAway || units.contains(where: \.isAway) }

    /// The next deed at `now` and at a `pace`, with UTC as `offset` says. What is returned counts as begun.
    public mutating func next(at now: Instant, offset: ClockOffset, pace: Pace = .normal) -> Action {
        var wake: Instant
        while true {
            switch schedule.next(at: now, offset: offset, pace: pace) {
            case .wait(let due):
                wake = due
            case .poll(let entry):
                isOwed[entry] = false
                guard canPoll(entries[entry].unit, at: now) else {
                    omitted[entry] += 1
                    isOwed[entry] = true
                    continue
                }
                return .poll(entry: entry, slot: schedule.slot(of: entry))
            }
            break
        }
        if let nextTry = connection.nextTry {
            return nextTry <= now ? .connect : .wait(until: min(wake, nextTry))
        }
        if let (unit, nextTry) = firstProbe() {
            let begin = max(nextTry, budget.opens(at: now))
            if begin <= now { return .probe(unit: unit) }
            wake = min(wake, begin)
        }
        return .wait(until: wake)
    }

    /// Those of `others` that are due as well: they ask the same meter as a poll that was returned just now, and are polled
    /// with it. What is returned counts as begun.
    public mutating func join(_ others: [Int], at now: Instant, offset: ClockOffset) -> [(entry: Int, slot: Timestamp)]
    {
        others.compactMap { entry in
            guard schedule.take(entry, at: now, offset: offset) else { return nil }
            isOwed[entry] = false
            return (entry, schedule.slot(of: entry))
        }
    }

    /// The poll of `polled` entries of one unit has ended.
    public mutating func polled(_ polled: [Int], _ outcome: Outcome, at now: Instant) {
        guard let first = polled.first else { return }
        let unit = entries[first].unit
        if case .silent(let cost) = outcome, units[unit].isOnTrial { spend(cost, at: now) }
        note(outcome, of: unit, at: now)
        switch outcome {
        case .answered, .partly: break
        case .silent, .blocked, .disconnected: for entry in polled { isOwed[entry] = true }
        }
    }

    /// What the time up to `now`, in which the bus was lent, has cost: polls that are late for it, and slots that passed
    /// without one.
    public func delayed(at now: Instant, offset: ClockOffset) -> (late: Int, missed: Int) {
        entries.indices.reduce(into: (0, 0)) { sum, entry in
            guard !connection.isAway, !units[entries[entry].unit].isAway else { return }
            let passed = schedule.slotsBegun(of: entry, at: now, offset: offset)
            if passed > 0 { sum = (sum.0 + 1, sum.1 + passed - 1) }
        }
    }

    /// The probe of `unit` has ended.
    public mutating func probed(_ unit: Int, _ outcome: Outcome, at now: Instant) {
        switch outcome {
        case .silent(let cost), .blocked(let cost): spend(cost, at: now)
        case .partly, .disconnected: break
        case .answered:
            units[unit].tried()
            for entry in entries.indices where entries[entry].unit == unit { makeUp(entry) }
            return unblock(at: now)
        }
        note(outcome, of: unit, at: now)
    }

    /// A try to connect has ended; `isAbsent`: the port is not there at all.
    public mutating func connected(_ isConnected: Bool, isAbsent: Bool = false, at now: Instant) {
        guard isConnected else {
            return connection.failed(at: now, limit: isAbsent ? Self.absentPort : Self.longestReconnect)
        }
        connection.answered()
        for entry in entries.indices where !units[entries[entry].unit].isAway { makeUp(entry) }
    }

    private mutating func spend(_ cost: Duration, at now: Instant) {
        if !isLone { budget.spend(cost, at: now) }
    }

    private mutating func canPoll(_ unit: Int, at now: Instant) -> Bool {
        if connection.isAway || units[unit].isAway { return false }
        return !isHalting[unit] && !units[unit].isOnTrial || budget.opens(at: now) <= now
    }

    private mutating func note(_ outcome: Outcome, of unit: Int, at now: Instant) {
        switch outcome {
        case .answered:
            isHalting[unit] = false
            isBack(unit)
            unblock(at: now)
        case .partly(let cost):
            isHalting[unit] = true
            spend(cost, at: now)
            isBack(unit)
            unblock(at: now)
        case .silent:
            units[unit].failed(at: now)
            isBlocked[unit] = false
        case .blocked:
            // Nobody loses anything by a try while the line cannot be used.
            units[unit].failed(at: now, limit: Self.longestBlocked)
            isBlocked[unit] = true
        case .disconnected:
            connection.failed(at: now)
        }
    }

    private mutating func isBack(_ unit: Int) {
        let wasAway = units[unit].isAway
        units[unit].answered()
        guard wasAway else { return }
        for entry in entries.indices where entries[entry].unit == unit { makeUp(entry) }
    }

    private mutating func unblock(at now: Instant) {
        for unit in units.indices where isBlocked[unit] {
            isBlocked[unit] = false
            units[unit].hasten(to: now)
        }
    }

    private mutating func makeUp(_ entry: Int) {
        guard isOwed[entry] else { return }
        isOwed[entry] = false
        schedule.recall(entry)
    }

    private func firstProbe() -> (unit: Int, nextTry: Instant)? {
        var first: (unit: Int, nextTry: Instant)?
        for unit in units.indices {
            guard let nextTry = units[unit].nextTry, first.map({ nextTry < $0.nextTry }) ?? true else { continue }
            first = (unit, nextTry)
        }
        return first
    }
}
