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
    /// The readings of one interval so far.
    private struct Sum: Hashable {
        var from: Instant
        var last: Reading
        var minimum: Value
        var maximum: Value
        var total: Double
        var count: Int
        /// Digits behind the point of the finest value.
        var exponent: Int8
        var quality: Quality

        /// The mean, with two digits more than its readings have.
        var mean: Value {
            let mean = total / Double(count)
            // One value stays what it is; so does the mean of equal ones.
            if minimum == maximum { return minimum }
            switch last.value {
            case .text: return last.value
            case .float: return Float(mean).isFinite ? .float(Float(mean)) : .double(mean)
            case .double: return .double(mean)
            case .decimal:
                let power = max(-20, Int(exponent) - 2)
                let digits = (mean / ExactDecimal(1, exponent: Int8(power)).approximate).rounded()
                guard let whole = Int64(exactly: digits) else { return .double(mean) }
                return .decimal(ExactDecimal(whole, exponent: Int8(power)))
            }
        }
    }

    private let policy: KeepPolicy
    private let kind: PointKind
    private var slot: Int64?
    private var kept: Reading?
    private var sum: Sum?

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
            let current = Self.slot(of: reading.instant, offset, interval)
            if kind == .gauge {
                if slot != current, let last = close(aggregate) { keep(last) }
                slot = current
                reading.remark == nil ? add(reading) : keep(reading)
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
        guard case .interval(let interval, let aggregate) = policy, sum != nil,
            slot != Self.slot(of: now, offset, interval)
        else { return nil }
        return close(aggregate)
    }

    /// Hands over the interval under way: the agent ends, or the meter is another.
    public mutating func finish() -> Reading? {
        guard case .interval(_, let aggregate) = policy else { return nil }
        return close(aggregate)
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

    private static func slot(of instant: Instant, _ offset: ClockOffset, _ interval: Duration) -> Int64 {
        let time = offset.timestamp(of: instant).milliseconds
        let length = max(1, interval.wholeMilliseconds)
        return time >= 0 ? time / length : (time - length + 1) / length
    }

    // MARK: - Aggregates

    private mutating func add(_ reading: Reading) {
        let number = reading.value.approximate
        guard var sum else {
            sum = Sum(
                from: reading.instant, last: reading, minimum: reading.value, maximum: reading.value, total: number,
                count: 1, exponent: reading.value.exponent, quality: reading.quality)
            return
        }
        sum.last = reading
        sum.total += number
        sum.count += 1
        sum.exponent = min(sum.exponent, reading.value.exponent)
        if number < sum.minimum.approximate { sum.minimum = reading.value }
        if number > sum.maximum.approximate { sum.maximum = reading.value }
        if reading.quality.rawValue > sum.quality.rawValue { sum.quality = reading.quality }
        self.sum = sum
    }

    private mutating func close(_ aggregate: Aggregate) -> Reading? {
        guard let sum else { return nil }
        self.sum = nil
        var reading = sum.last
        switch aggregate {
        case .last: break
        case .min: reading.value = sum.minimum
        case .max: reading.value = sum.maximum
        case .mean: reading.value = sum.mean
        }
        reading.quality = sum.quality
        reading.remark = .aggregate(
            aggregate, from: sum.from, to: sum.last.instant, minimum: sum.minimum, maximum: sum.maximum,
            count: sum.count)
        return reading
    }
}

extension Value {
    fileprivate var exponent: Int8 {
        if case .decimal(let number) = self { number.exponent } else { 0 }
    }
}
