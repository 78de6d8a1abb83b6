/// Decides when the spool commits.
///
/// Flash is worn by pages: a commit writes some six of them, however few readings it brings. So it waits until enough have
/// come to be worth that, but never so long that a power cut costs more than ten seconds; what comes fast is committed
/// each second. Pulses and contacts, and leases that wait for their mark, hasten it.
///
/// Commits stand a quarter of a second behind a multiple of the interval in UTC. Polls are aligned to full seconds: a
/// commit just behind takes what they brought, so that a power cut finds little that is not on disk, and disk, uplink and
/// buses take turns.
///
/// Pure: time and the number of readings come in.
public struct CommitPacing: Hashable, Sendable {
    /// The intervals that an adaptive pacing chooses from, shortest first: each is a part of a minute.
    public static let intervals: [Duration] = [.seconds(1), .seconds(2), .seconds(5), .seconds(10)]
    /// From here on a commit is worth its pages: what it costs beside its readings, some 8 kB of flash, is then less than
    /// the readings themselves cost.
    public static let worthwhile = 2000
    /// A pulse, a contact or a lease that waits for its mark waits at most this long after the last commit.
    public static let longestUrgent = Duration.seconds(1)
    /// The rate is the mean of about this time: a burst does not change the interval, a meter that is gone does.
    public static let window = Duration.seconds(30)
    /// How far the readings of an interval may fall below what is worthwhile before a longer one is chosen: a rate at the
    /// edge of two intervals makes neither flutter.
    static let slack = 0.8
    /// How far behind a multiple of the interval commits stand, at most half of it.
    static let lag = Duration.milliseconds(250)

    /// How long readings wait for their commit at most.
    public private(set) var interval: Duration
    /// When the last commit ended, or was tried.
    public private(set) var last: Instant
    /// When the next is due.
    public private(set) var next: Instant
    private let isFixed: Bool
    /// Readings per second.
    private var rate: Double
    /// Since when readings count that were not committed yet.
    private var counted: Instant

    /// A pacing that keeps to an interval, or, where none is given, goes by the rate: as for a high one at first, because
    /// what is coming is not known.
    public init(fixed interval: Duration?, at now: Instant, offset: ClockOffset) {
        self.interval = interval ?? Self.intervals[0]
        isFixed = interval != nil
        rate = Double(Self.worthwhile) / Self.intervals[0].inSeconds
        (last, next, counted) = (now, now, now)
        next = slot(after: now, every: self.interval, offset)
    }

    /// A commit of so many readings has ended.
    public mutating func committed(_ readings: Int, at now: Instant, offset: ClockOffset) {
        let elapsed = max(0, (now - counted).inSeconds)
        let window = max(Self.window.inSeconds, elapsed)
        rate += (Double(readings) - rate * elapsed) / window
        if !isFixed { choose() }
        (last, counted) = (now, now)
        next = slot(after: now, every: interval, offset)
    }

    /// A commit did not work: what it had comes again with the next, which is soon.
    public mutating func failed(at now: Instant, offset: ClockOffset) {
        last = now
        next = slot(after: now, every: min(interval, Self.longestUrgent), offset)
    }

    /// Something waits that may not wait longer than a second after the last commit. Returns whether that is earlier.
    @discardableResult
    public mutating func hurry() -> Bool {
        hasten(to: last + Self.longestUrgent)
    }

    /// The next commit is due at `deadline` if it would come later. Returns whether that is earlier.
    @discardableResult
    public mutating func hasten(to deadline: Instant) -> Bool {
        guard deadline < next else { return false }
        next = deadline
        return true
    }

    /// The interval for a steady rate, in readings per second: the shortest that is worthwhile, else the longest.
    public static func interval(atRate rate: Double) -> Duration {
        intervals.first { rate * $0.inSeconds >= Double(worthwhile) } ?? intervals[intervals.count - 1]
    }

    private mutating func choose() {
        let wanted = Self.interval(atRate: rate)
        if wanted < interval || rate * interval.inSeconds < Double(Self.worthwhile) * Self.slack { interval = wanted }
    }

    /// The first moment after `now` that is `lag` behind a multiple of `interval` in UTC.
    private func slot(after now: Instant, every interval: Duration, _ offset: ClockOffset) -> Instant {
        let step = max(1, interval.wholeMilliseconds)
        let time = offset.timestamp(of: now).milliseconds - min(Self.lag.wholeMilliseconds, step / 2)
        let passed = time % step
        return now + .milliseconds(step - (passed < 0 ? passed + step : passed))
    }
}

extension Duration {
    fileprivate var inSeconds: Double { Double(wholeNanoseconds) / 1e9 }
}
