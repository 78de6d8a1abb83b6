/// How often producers read what may wait: the spool says it, through the intake.
///
/// Counters and states are read at their own interval at any pace: the edges of intervals, and changes, are what must
/// not be missed.
public enum Pace: String, Hashable, Sendable, CaseIterable {
    /// Everything at its own interval.
    case normal
    /// The spool fills up: gauges every fourth time.
    case slow

    /// Of so many slots, a slow pace takes one for what may wait.
    public static let stride: Int64 = 4

    /// Whether what may wait is read in the slot that began at `slot`. Those in which it is are multiples of four
    /// intervals since 1970 in UTC: the same whenever the pace changed.
    public func takesAll(in slot: Timestamp, every interval: Duration) -> Bool {
        self == .normal || slot.milliseconds % (max(1, interval.wholeMilliseconds) * Self.stride) == 0
    }
}

extension Point {
    /// Whether it may be read less often while the spool fills up: a gauge. One of which the configuration keeps one value
    /// an interval fills no spool by being read often, and its means are better for it.
    public var mayWait: Bool {
        if case .interval = keep { false } else { definition.kind == .gauge }
    }
}
