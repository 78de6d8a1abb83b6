/// How long to wait before the next attempt: exponential ceilings with full jitter.
///
/// Each failure doubles the ceiling, and the wait is a random share of it ("full jitter", Marc Brooker, AWS
/// Architecture Blog 2015): a thousand gateways do not come back in step after the platform's restart. Success takes
/// back failures one by one, at most one in the time of the first ceiling, and only a sustained success forgets them
/// all: a link that flaps is not hammered.
public struct Backoff: Hashable, Sendable {
    /// The bounds of a backoff.
    public struct Limits: Hashable, Sendable {
        /// The ceiling after the first failure.
        public var first: Duration
        /// The ceiling that is never exceeded, but by a server's own wish.
        public var largest: Duration
        /// How long success must last until all failures are forgotten.
        public var sustained: Duration

        /// Limits with every property given.
        public init(first: Duration, largest: Duration, sustained: Duration) {
            precondition(first > .zero && largest >= first, "a backoff from \(first) to \(largest)")
            self.first = first
            self.largest = largest
            self.sustained = sustained
        }
    }

    /// Longest time a server's Retry-After is obeyed: an hour. A longer wish is a mistake more often than a plan.
    public static let longestRetryAfter = Duration.seconds(3600)

    /// The bounds.
    public let limits: Limits
    /// Failures that are not yet made good.
    public private(set) var failures = 0
    private var healthySince: Instant?
    private var creditedAt: Instant?

    /// A backoff without failures.
    public init(_ limits: Limits) {
        self.limits = limits
    }

    /// Notes a failure and returns the moment of the next attempt.
    ///
    /// `jitter` is a random number in 0…1; a wait is never under a tenth of the first ceiling. `retryAfter`, the
    /// server's own wish, is the least wait, up to an hour.
    public mutating func failed(at now: Instant, jitter: Double, retryAfter: Duration? = nil) -> Instant {
        if let healthySince, now - healthySince >= limits.sustained { failures = 0 }
        healthySince = nil
        creditedAt = nil
        let share = jitter > 0 ? min(jitter, 1) : 0
        let nanoseconds = Double(ceiling.wholeNanoseconds) * share
        failures += 1
        var wait = max(Duration.nanoseconds(Int64(nanoseconds)), limits.first / 10)
        if let retryAfter { wait = max(wait, min(retryAfter, Self.longestRetryAfter)) }
        return now + wait
    }

    /// Notes a success.
    public mutating func succeeded(at now: Instant) {
        if healthySince == nil { healthySince = now }
        if let creditedAt, now - creditedAt < limits.first { return }
        creditedAt = now
        if failures > 0 { failures -= 1 }
    }

    /// first × 2^failures, at most `largest`.
    private var ceiling: Duration {
        // 2^40 × 1 ns is over 18 minutes, and the shift stays far from overflow.
        let doublings = min(failures, 40)
        let first = limits.first.wholeNanoseconds
        let largest = limits.largest.wholeNanoseconds
        return first > largest >> Int64(doublings) ? limits.largest : .nanoseconds(first << Int64(doublings))
    }
}
