/// Which readings of a point are kept: chosen before the spool, so that a meter can be polled fast for plausibility and
/// delivered seldom, for volume and privacy.
///
/// What every policy keeps: readings with a remark, such as the first one after a meter was swapped.
public enum KeepPolicy: Hashable, Sendable {
    /// Every reading.
    case all
    /// Readings that differ from the last one kept by at least `deadband` (0: at all), and one each `heartbeat`.
    case changes(deadband: Double, heartbeat: Duration)
    /// One reading for each interval, aligned to UTC: of a gauge its aggregate; of a counter the first reading, which
    /// is the one at the interval's edge; of a state every change, too.
    case interval(Duration, Aggregate)
}

/// Applies a policy to the readings of one point.
///
/// Pure: time comes in with the readings.
public struct KeepFilter: Hashable, Sendable {
    private let policy: KeepPolicy
    private let kind: PointKind
    private var slot: Int64?
    private var kept: Reading?
    /// The readings of the interval under way.
    private var sum: IntervalSum?

    /// A filter for the readings of a point of `kind`.
    public init(_ policy: KeepPolicy, kind: PointKind) {
        self.policy = policy
        self.kind = kind
    }

    /// Whether an interval is under way that has readings.
    public var isOpen: Bool { sum != nil }

    /// Takes a reading, which `offset` says the time of, and hands over what is kept now.
    ///
    /// At most two readings for one: the interval before, and this one.
    public mutating func take(_ reading: Reading, offset: ClockOffset, keep: (Reading) -> Void) {
        switch policy {
        case .all: keep(reading)
        case .changes(let deadband, let heartbeat):
            guard isChange(reading, deadband, heartbeat) else { return }
            kept = reading
            keep(reading)
        case .interval(let interval, let aggregate):
            let current = offset.slot(of: reading.instant, every: interval)
            if kind == .gauge {
                if slot != current, let last = close() { keep(last) }
                slot = current
                reading.remark == nil ? add(reading, to: aggregate) : keep(reading)
            } else {
                let isNew = slot != current || reading.remark != nil || reading.quality != .good
                guard isNew || kind == .state && kept?.value != reading.value else { return }
                (slot, kept) = (current, reading)
                keep(reading)
            }
        }
    }

    /// Hands over an interval that is over at `now` though no reading has come since.
    public mutating func end(at now: Instant, offset: ClockOffset) -> Reading? {
        guard case .interval(let interval, _) = policy, sum != nil,
            slot != offset.slot(of: now, every: interval)
        else { return nil }
        return close()
    }

    /// Hands over the interval under way: the agent ends, or the meter is another.
    public mutating func finish() -> Reading? {
        close()
    }

    private func isChange(_ reading: Reading, _ deadband: Double, _ heartbeat: Duration) -> Bool {
        guard let kept, reading.remark == nil, reading.quality == kept.quality else { return true }
        if reading.instant - kept.instant >= heartbeat - Self.jitter { return true }
        guard reading.value != kept.value else { return false }
        // Of texts there is no telling how far they are apart.
        if case .text = reading.value { return true }
        return deadband == 0 || abs(reading.value.approximate - kept.value.approximate) >= deadband
    }

    /// A poll comes a little later or earlier within its slot; the heartbeat must not miss one for that.
    private static let jitter = Duration.milliseconds(500)

    // MARK: - Aggregates

    private mutating func add(_ reading: Reading, to aggregate: Aggregate) {
        // In place: a copy for every reading would cost more than the addition.
        if sum?.add(reading) == nil { sum = IntervalSum(reading, aggregate) }
    }

    private mutating func close() -> Reading? {
        defer { sum = nil }
        return sum?.reading
    }
}
