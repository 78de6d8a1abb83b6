/// A moment on the gateway's boot clock (Linux CLOCK_BOOTTIME): nanoseconds since this boot.
///
/// It never jumps and goes on during suspend, so every order, age, interval and timeout is measured with it.
/// It means nothing on another boot.
public struct Instant: Hashable, Comparable, Codable, Sendable {
    /// Nanoseconds since boot.
    public var nanoseconds: Int64

    /// A moment `nanoseconds` after boot.
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// Orders moments of one boot.
    public static func < (a: Instant, b: Instant) -> Bool {
        a.nanoseconds < b.nanoseconds
    }

    /// This moment, or the last before it that is a whole multiple of `step`.
    public func floored(to step: Duration) -> Instant {
        let step = max(1, step.wholeNanoseconds)
        let rest = nanoseconds % step
        return Instant(nanoseconds: nanoseconds - (rest < 0 ? rest + step : rest))
    }

    /// The moment `duration` later.
    public static func + (instant: Instant, duration: Duration) -> Instant {
        Instant(nanoseconds: instant.nanoseconds + duration.wholeNanoseconds)
    }

    /// The moment `duration` earlier.
    public static func - (instant: Instant, duration: Duration) -> Instant {
        Instant(nanoseconds: instant.nanoseconds - duration.wholeNanoseconds)
    }

    /// The time from `b` to `a`; negative when `a` is earlier.
    public static func - (a: Instant, b: Instant) -> Duration {
        .nanoseconds(a.nanoseconds - b.nanoseconds)
    }
}

extension Duration {
    /// This duration in nanoseconds, rounded toward zero.
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    /// This duration in milliseconds, rounded toward zero.
    public var wholeMilliseconds: Int64 {
        wholeNanoseconds / 1_000_000
    }
}
