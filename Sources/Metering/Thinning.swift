/// Thins the readings of a run of chunks to a coarser interval, on the grid of UTC: what a full spool does before it
/// drops anything. What stays:
///
/// - of a counter the first reading of each interval, which is the one at its edge, as it is; the first and the last of
///   the run; both sides of each fall, of each change of quality and of each event, where it is the reading that has the
///   remark and the one before;
/// - of a gauge one mean for each interval, at the time of the newest reading in it, with its bounds and the number of
///   readings that it stands for; readings that are bad or have an event's remark, as they are;
/// - of a state the first of each run of equal values; the first and the last of the run.
///
/// So a counter's consumption between any two readings that stay is exactly what it was; every change of a contact stays;
/// least and greatest values of a gauge, and how many readings there were, stay too. What is thinned already can be
/// thinned again: means are weighted by what they stand for. Other aggregates (`keep: {every: …, value: max}`) stay what
/// they are. A reading that is alone in its interval stays as it is.
///
/// What is bad, has an event, or is another kind of aggregate ends the mean under way, so that each point's readings go
/// out in the order in which they came, at times at which there was a raw reading. Readings of different points do not:
/// a mean goes out when the next interval begins, or in `finish`. Sort what is written together by its instants, and
/// readings of one poll share them again.
///
/// Pure, and of one pass: memory grows with the points, not with the readings.
public struct Thinning: Sendable {
    private let level: ThinningLevel
    private let rules: ThinningRules
    private let offset: ClockOffset
    private var counters: [PointID: CounterEdges] = [:]
    private var gauges: [PointID: GaugeMeans] = [:]
    private var states: [PointID: StateChanges] = [:]

    /// Thinning to `level` of readings of one boot, whose clock is `offset` from UTC as far as is known.
    public init(to level: ThinningLevel, by rules: ThinningRules, offset: ClockOffset) {
        self.level = level
        self.rules = rules
        self.offset = offset
    }

    /// Takes the next reading and hands over what is sure to stay: at most two readings for one.
    ///
    /// The readings of each point come in the order of their instants, no two with the same.
    public mutating func take(_ reading: Reading, keep: (Reading) -> Void) {
        guard let rule = rules[reading.point], let interval = level.interval(for: rule.policy) else {
            return keep(reading)
        }
        let slot = offset.slot(of: reading.instant, every: interval)
        switch rule.kind {
        case .counter: counters[reading.point, default: CounterEdges()].take(reading, in: slot, keep: keep)
        case .gauge: gauges[reading.point, default: GaugeMeans()].take(reading, in: slot, keep: keep)
        case .state: states[reading.point, default: StateChanges()].take(reading, keep: keep)
        }
    }

    /// The run ends: hands over the rest, oldest first.
    public mutating func finish(keep: (Reading) -> Void) {
        var rest = counters.values.compactMap(\.rest) + gauges.values.compactMap(\.rest)
        rest += states.values.compactMap(\.rest)
        (counters, gauges, states) = ([:], [:], [:])
        rest.sort { ($0.instant, $0.point) < ($1.instant, $1.point) }
        for reading in rest { keep(reading) }
    }
}

/// What stays of a counter.
private struct CounterEdges {
    private var slot = Int64.min
    private var last: Reading?
    private var isKept = true

    mutating func take(_ reading: Reading, in slot: Int64, keep: (Reading) -> Void) {
        defer { (last, self.slot) = (reading, slot) }
        guard let last else { return keep(reading) }
        let isBreak =
            reading.remark != nil || reading.quality != last.quality || reading.value.isLess(than: last.value)
        if isBreak, !isKept { keep(last) }
        isKept = isBreak || slot != self.slot || reading.quality == .bad
        if isKept { keep(reading) }
    }

    var rest: Reading? { isKept ? nil : last }
}

/// What stays of a gauge.
private struct GaugeMeans {
    private var slot = Int64.min
    private var sum: IntervalSum?

    mutating func take(_ reading: Reading, in slot: Int64, keep: (Reading) -> Void) {
        let aggregate = reading.aggregate
        if slot != self.slot || aggregate != sum?.aggregate, let rest {
            keep(rest)
            sum = nil
        }
        self.slot = slot
        guard let aggregate else { return keep(reading) }
        if sum?.add(reading) == nil { sum = IntervalSum(reading, aggregate) }
    }

    var rest: Reading? { sum.map { $0.isSingle ? $0.last : $0.reading } }
}

/// What stays of a state.
private struct StateChanges {
    private var last: Reading?
    private var isKept = true

    mutating func take(_ reading: Reading, keep: (Reading) -> Void) {
        isKept =
            reading.remark != nil || reading.quality == .bad || reading.quality != last?.quality
            || reading.value != last?.value
        last = reading
        if isKept { keep(reading) }
    }

    var rest: Reading? { isKept ? nil : last }
}

extension Reading {
    /// What it becomes together with others of its interval; nil where it stays by itself.
    fileprivate var aggregate: Aggregate? {
        if quality == .bad { return nil }
        if case .text = value { return nil }
        switch remark {
        case nil: return .mean
        case .aggregate(let aggregate, _, _, _, _, _): return aggregate
        default: return nil
        }
    }
}

extension Value {
    /// Whether it is less than `other`, exactly where both are decimals.
    fileprivate func isLess(than other: Value) -> Bool {
        if case .decimal(let a) = self, case .decimal(let b) = other, let difference = a.adding(b.negated) {
            return difference.isNegative
        }
        return approximate < other.approximate
    }
}
