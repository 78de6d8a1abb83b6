/// When a unit that does not answer is asked again: the wait doubles from 0.5 s to 60 s, and one answer ends it.
///
/// A dead unit costs its bus one response timeout a try. The fixed waits of other programs either give a dead unit a
/// great share of the bus or let a returned one wait for minutes.
public struct UnitBackoff: Hashable, Sendable {
    /// The first wait.
    public static let first = Duration.milliseconds(500)
    /// The longest wait.
    public static let longest = Duration.seconds(60)

    /// Tries in a row without an answer.
    public private(set) var failures = 0
    /// When the next try may be made; nil while the unit answers.
    public private(set) var nextTry: Instant?
    private let longest: Duration

    /// No failure yet.
    public init(longest: Duration = UnitBackoff.longest) {
        self.longest = longest
    }

    /// Whether the unit is left alone but for probes.
    public var isAway: Bool { nextTry != nil }

    /// A try that ended at `now` brought no answer; the next one is at most `limit` away.
    public mutating func failed(at now: Instant, limit: Duration = UnitBackoff.longest) {
        failures += 1
        let doublings = min(failures - 1, 16)
        nextTry = now + min(Self.first * (1 << doublings), longest, limit)
    }

    /// A unit that is away may be asked again at `now`.
    public mutating func hasten(to now: Instant) {
        if isAway { nextTry = now }
    }

    /// The unit has answered a short question: it may be polled again, but a failure of that counts with those before.
    public mutating func tried() {
        nextTry = nil
    }

    /// Whether it answered a short question after failures, and no poll yet.
    public var isOnTrial: Bool { failures > 0 && nextTry == nil }

    /// The unit has answered, be it with an exception.
    public mutating func answered() {
        failures = 0
        nextTry = nil
    }
}

/// The share of a bus's time that tries with silent units may take: a tenth, on average over some seconds.
public struct ProbeBudget: Hashable, Sendable {
    /// One second of probing for ten seconds of time.
    public static let share = 10
    /// What can be saved up.
    public static let most = Duration.seconds(2)

    private var credit = ProbeBudget.most
    private var updated: Instant?

    /// A full budget.
    public init() {}

    /// When a probe may begin; not later than `now` when it may at once.
    public mutating func opens(at now: Instant) -> Instant {
        earn(until: now)
        return credit > .zero ? now : now + (.milliseconds(1) - credit) * Self.share
    }

    /// Takes the time that a probe has cost.
    public mutating func spend(_ cost: Duration, at now: Instant) {
        earn(until: now)
        credit -= cost
    }

    private mutating func earn(until now: Instant) {
        if let updated, now > updated { credit = min(Self.most, credit + (now - updated) / Self.share) }
        updated = now
    }
}
