/// What stands between a meter's registers and the intake: the guards of its counters, and the choice of what is kept.
///
/// One for each meter. Pure: values, instants and the clock's offset come in; readings, events and what has to
/// be remembered over a restart go out.
public struct ReadingGate: Sendable {
    private let ids: [PointID]
    private let keys: [String]
    /// By point; nil for what is no counter. Empty where there is none.
    private var guards: [CounterGuard?]
    /// By point. Empty where every reading is kept.
    private var filters: [KeepFilter]
    /// Counters whose remembered value is older than it should be.
    private var remembered: Instant?
    private var hasNews = false

    /// How old a remembered counter may be: after a restart it is a lower limit, so that it need not be the last one.
    public static let memoryInterval = Duration.seconds(3600)

    /// A gate for `points`, whose numbers in the spool are `ids`; `memory` is what was remembered.
    public init(points: [Point], ids: [PointID], ratedPower: ExactDecimal?, memory: [String: String]) {
        self.ids = ids
        let isGuarded = points.contains { $0.definition.kind == .counter }
        guards =
            !isGuarded
            ? []
            : points.map { point in
                guard point.definition.kind == .counter else { return nil }
                let last = memory[Self.name(ofCounter: point.key)].flatMap { ExactDecimal($0) }
                return CounterGuard(
                    .init(point.definition, ratedPower: ratedPower), last: last.map { .decimal($0) })
            }
        filters =
            points.allSatisfy { $0.keep == .all } ? [] : points.map { KeepFilter($0.keep, kind: $0.definition.kind) }
        keys = isGuarded ? points.map(\.key) : []
    }

    /// The most readings that a poll of `count` points can hand over, with the intervals that end meanwhile and what is
    /// withheld.
    public func capacity(asking count: Int) -> Int { count + open + withheld }

    /// Intervals under way that have readings.
    public var open: Int { filters.reduce(0) { $0 + ($1.isOpen ? 1 : 0) } }

    /// How many readings are withheld.
    public var withheld: Int { guards.reduce(0) { $0 + ($1?.isWithholding == true ? 1 : 0) } }

    /// Whether the value of the point at `index` would be a surprise that another meter explains.
    public func isSurprise(_ index: Int, _ value: Value, at instant: Instant) -> Bool {
        !guards.isEmpty && guards[index]?.isSurprise(value, at: instant) == true
    }

    /// Takes the value of the point at `index`, whose registers are `words`.
    public mutating func take(
        _ index: Int, _ value: Value, at instant: Instant, words: some Collection<UInt16>, offset: ClockOffset,
        keep: (Reading) -> Void, tell: (MeterEvent) -> Void
    ) {
        var reading = Reading(point: ids[index], instant: instant, value: value)
        guard !guards.isEmpty, guards[index] != nil else { return pass(reading, index, offset, keep) }
        // In place: a copy of a guard for every reading would cost more than its judgement.
        guard let ruling = guards[index]?.judge(&reading, words: Array(words)) else { return }
        tellAll(ruling, index, at: ruling.held?.instant ?? instant, tell)
        if let held = ruling.held { pass(held, index, offset, keep) }
        if ruling.keeps { pass(reading, index, offset, keep) }
    }

    /// The meter has another serial number since the last poll; the one before was seen last at `seen`. Means end here:
    /// none is of two meters.
    public mutating func swapped(
        old: String, new: String, seen: Instant?, at instant: Instant, offset: ClockOffset, keep: (Reading) -> Void,
        tell: (MeterEvent) -> Void
    ) {
        finish(keep: keep)
        for index in guards.indices {
            guard let ruling = guards[index]?.swapped(old: old, new: new, seen: seen) else { continue }
            tellAll(ruling, index, at: instant, tell)
            if let held = ruling.held { pass(held, index, offset, keep) }
        }
        hasNews = true
    }

    /// Hands over the intervals that are over at `now` though no reading has come since.
    public mutating func end(at now: Instant, offset: ClockOffset, keep: (Reading) -> Void) {
        for index in filters.indices {
            if let reading = filters[index].end(at: now, offset: offset) { keep(reading) }
        }
    }

    /// Hands over the intervals under way: the agent ends.
    public mutating func finish(keep: (Reading) -> Void) {
        for index in filters.indices {
            if let reading = filters[index].finish() { keep(reading) }
        }
    }

    /// What is to be remembered now, by name; empty when it was remembered lately.
    public mutating func memory(at now: Instant, isEnd: Bool = false) -> [String: String] {
        guard !guards.isEmpty else { return [:] }
        let isDue = remembered.map { now - $0 >= Self.memoryInterval } ?? true
        guard isDue || hasNews || isEnd else { return [:] }
        (remembered, hasNews) = (now, false)
        var memory: [String: String] = [:]
        for index in guards.indices {
            if let last = guards[index]?.last { memory[Self.name(ofCounter: keys[index])] = last.description }
        }
        return memory
    }

    /// The name under which a counter is remembered.
    static func name(ofCounter key: String) -> String { "counter " + key }

    private mutating func tellAll(
        _ ruling: CounterGuard.Ruling, _ index: Int, at instant: Instant, _ tell: (MeterEvent) -> Void
    ) {
        guard !ruling.events.isEmpty else { return }
        hasNews = true
        for kind in ruling.events { tell(MeterEvent(subject: keys[index], instant: instant, kind: kind)) }
    }

    private mutating func pass(_ reading: Reading, _ index: Int, _ offset: ClockOffset, _ keep: (Reading) -> Void) {
        guard !filters.isEmpty else { return keep(reading) }
        filters[index].take(reading, offset: offset, keep: keep)
    }
}
