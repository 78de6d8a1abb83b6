/// Everything about one digital input that is no input or output: from edges and the passing of time to readings.
///
/// Pure: edges, instants and the clock's offset come in; readings, events and what has to be remembered go out.
public struct InputLogic: Sendable {
    /// What comes of it.
    public struct Output: Sendable {
        /// Readings to hand over.
        public var readings: [Reading] = []
        /// What happened.
        public var events: [MeterEvent] = []
        /// What has to be committed within a second; nil when nothing changed.
        public var memory: [String: String] = [:]

        /// Nothing yet.
        public init() {}
    }

    private enum State {
        case pulses(PulseCounter, PulseRate?)
        case contact(ContactState)
    }

    /// The input's name.
    public let id: String
    private let use: InputSettings.Use
    private let period: Duration
    private let kernelDebounces: Bool
    private let ids: [PointID]
    /// Whether a slow pace leaves out the rate, three times of four.
    private let mayRateWait: Bool
    /// By point: which readings are kept.
    private var filters: [KeepFilter]
    /// The total of a pulse input, which is known before its line is.
    public private(set) var total: PulseTotal?
    private var state: State?
    private var filter: LineDebounce?
    private var watchedSince = Instant(nanoseconds: 0)
    private var awaySince: Instant?
    private var nextSlot: Timestamp?
    private var hasNews = false
    /// Lost edges and recovered pulses since the last reading.
    private var lost: (edges: UInt64, pulses: UInt64) = (0, 0)
    /// What the configuration changed about the total since it was counted, until it is told.
    private var change: PulseTotal.Change?

    /// The logic of `settings`; `ids` are the spool's numbers of its meter's points, total or state first, then the rate.
    public init(
        _ settings: InputSettings, ids: [PointID], memory: [String: String] = [:], kernelDebounces: Bool = true
    ) {
        id = settings.id
        use = settings.use
        period = settings.debounce
        self.ids = ids
        mayRateWait = settings.meter.points.last?.mayWait ?? false
        filters = settings.meter.points.map { KeepFilter($0.keep, kind: $0.definition.kind) }
        self.kernelDebounces = kernelDebounces
        guard case .pulses(let pulses) = settings.use, let unit = settings.meter.points.first?.definition.unit else {
            return
        }
        let known = PulseTotal.restored(
            memory[Self.name(of: settings.id)], perUnit: pulses.perUnit, unit: unit.ucum)
        (total, change) = known
        hasNews = change != nil
    }

    /// The name under which a total is remembered.
    static func name(of input: String) -> String { "input " + input }

    // MARK: - What the status shows

    /// The counter of a pulse input, once the line was found.
    public var counter: PulseCounter? { if case .pulses(let counter, _) = state { counter } else { nil } }
    /// What has to be remembered of it at any time: the total.
    public var memory: [String: String] { total.map { [Self.name(of: id): $0.memory] } ?? [:] }
    /// The state of a contact, once the line was found.
    public var contact: ContactState? { if case .contact(let contact) = state { contact } else { nil } }
    /// Edges that bounced, where this program filters them.
    public var bounces: UInt64 { filter?.bounces ?? 0 }

    /// The rate now.
    public func rate(at now: Instant) -> Double? {
        guard case .pulses(let counter, let rate?) = state else { return nil }
        return rate.value(last: counter.last, spacing: counter.spacing, since: watchedSince, at: now)
    }

    // MARK: - Events

    /// The line is watched from now on, and is at `level`.
    public mutating func attach(level: Bool, at now: Instant) -> Output {
        var output = Output()
        watchedSince = now
        filter = kernelDebounces ? nil : LineDebounce(period: period, level: level)
        if let awaySince {
            self.awaySince = nil
            output.events.append(MeterEvent(subject: id, instant: now, kind: .away(now - awaySince)))
        }
        switch state {
        case .pulses(var counter, let rate):
            counter.resume(level: level)
            state = .pulses(counter, rate)
        case .contact(var contact):
            if let report = contact.resume(level: level, at: now) { output.readings.append(reading(report)) }
            state = .contact(contact)
        case nil: begin(level)
        }
        return output
    }

    /// The line cannot be watched any more.
    public mutating func detach(at now: Instant) {
        if state != nil { awaySince = awaySince ?? now }
    }

    /// Takes an edge that the kernel saw.
    public mutating func take(_ edge: LineEdge, into output: inout Output) {
        guard filter != nil else {
            var edge = edge
            // The kernel's time stamp is the end of the period in which the level had to last (gpio-v2 documentation).
            edge.instant = edge.instant - period
            return pass(edge, &output)
        }
        var passed: [LineEdge] = []
        filter?.take(edge) { passed.append($0) }
        for edge in passed { pass(edge, &output) }
    }

    /// The total is `dial` now, says `who`: a reading, an event and something to remember.
    public mutating func set(
        total dial: ExactDecimal, by who: String, at now: Instant, offset: ClockOffset, into output: inout Output
    ) -> Bool {
        guard let before = total?.value else { return false }
        total?.set(dial: dial)
        hasNews = true
        remember(at: now, &output)
        output.events.append(
            MeterEvent(subject: id, instant: now, kind: .preset(before: before, value: .decimal(dial), by: who)))
        hand(
            Reading(point: ids[0], instant: now, value: .decimal(dial), remark: .preset(before: before, by: who)),
            offset, &output)
        return true
    }

    /// Lets time pass until `now`, at a `pace`: readings that are due, and edges that have lasted.
    public mutating func advance(
        to now: Instant, offset: ClockOffset, pace: Pace = .normal, into output: inout Output
    ) {
        var passed: [LineEdge] = []
        filter?.settle(at: now) { passed.append($0) }
        for edge in passed { pass(edge, &output) }
        switch state {
        case .pulses: readTotal(at: now, offset, pace, &output)
        case .contact(var contact):
            // A line that is away has no state.
            if awaySince == nil, let report = contact.heartbeat(at: now) { output.readings.append(reading(report)) }
            state = .contact(contact)
        case nil: break
        }
        remember(at: now, &output)
    }

    /// Hands over the intervals under way: the agent ends.
    public mutating func finish(into output: inout Output) {
        for index in filters.indices {
            if let reading = filters[index].finish() { output.readings.append(reading) }
        }
    }

    /// When `advance` is to be called next, if nothing happens before.
    public func deadline(offset: ClockOffset) -> Instant? {
        var deadlines = [filter?.deadline]
        if let nextSlot { deadlines.append(offset.instant(of: nextSlot)) }
        if case .contact(let contact) = state, awaySince == nil { deadlines.append(contact.deadline) }
        return deadlines.compactMap { $0 }.min()
    }

    // MARK: - Within

    private mutating func begin(_ level: Bool) {
        switch use {
        case .pulses(let pulses):
            let rate =
                ids.count > 1
                ? PulseRate(perPulse: 1 / pulses.perUnit.approximate, silence: pulses.silence) : nil
            state = .pulses(PulseCounter(pulses.rule, level: level), rate)
        case .contact(let contact):
            state = .contact(ContactState(heartbeat: contact.heartbeat, level: level))
        }
    }

    private mutating func pass(_ edge: LineEdge, _ output: inout Output) {
        switch state {
        case .pulses(var counter, let rate):
            let before = counter.recovered
            let outcome = counter.take(edge)
            total?.add(outcome.pulses)
            state = .pulses(counter, rate)
            if outcome.pulses > 0 { hasNews = true }
            tell(outcome.lostEdges, pulses: counter.recovered - before, at: edge.instant, &output)
        case .contact(var contact):
            let (lostEdges, report) = contact.take(edge)
            state = .contact(contact)
            tell(lostEdges, pulses: 0, at: edge.instant, &output)
            if let report { output.readings.append(reading(report)) }
        case nil: break
        }
    }

    private mutating func tell(_ edges: UInt64, pulses: UInt64, at instant: Instant, _ output: inout Output) {
        lost = (lost.edges + edges, lost.pulses + pulses)
        guard edges > 0 else { return }
        output.events.append(MeterEvent(subject: id, instant: instant, kind: .lostEdges(edges, pulses: pulses)))
    }

    private mutating func readTotal(at now: Instant, _ offset: ClockOffset, _ pace: Pace, _ output: inout Output) {
        guard case .pulses(let pulses) = use, case .pulses = state else { return }
        let time = offset.timestamp(of: now)
        let length = max(1, pulses.interval.wholeMilliseconds)
        let slot = Timestamp(milliseconds: (time.milliseconds / length + 1) * length)
        guard let next = nextSlot else {
            nextSlot = slot
            return
        }
        // A clock that was set back leaves the slot far ahead.
        guard time >= next || next.milliseconds - time.milliseconds > length else { return }
        nextSlot = slot
        hand(total(at: now), offset, &output)
        guard ids.count > 1 else { return }
        let begun = Timestamp(milliseconds: slot.milliseconds - length)
        if mayRateWait, !pace.takesAll(in: begun, every: pulses.interval) { return }
        if awaySince == nil, let rate = rate(at: now) {
            let reading = Reading(point: ids[1], instant: now, value: .float(Float(rate)))
            filters[1].take(reading, offset: offset) { output.readings.append($0) }
        } else if let last = filters[1].end(at: now, offset: offset) {
            output.readings.append(last)
        }
    }

    /// The total as a reading, with what it has to tell.
    private mutating func total(at now: Instant) -> Reading {
        var reading = Reading(point: ids[0], instant: now, value: total?.value ?? .decimal(.zero))
        // What happens on a line that cannot be watched is not known.
        if awaySince != nil { reading.quality = .uncertain }
        if lost.edges > 0 || lost.pulses > 0 {
            reading.quality = .uncertain
            reading.remark = .recovered(pulses: lost.pulses, lostEdges: lost.edges)
            lost = (0, 0)
        }
        return reading
    }

    private mutating func hand(_ total: Reading, _ offset: ClockOffset, _ output: inout Output) {
        filters[0].take(total, offset: offset) { output.readings.append($0) }
    }

    private func reading(_ report: ContactState.Report) -> Reading {
        Reading(point: ids[0], instant: report.instant, value: .decimal(ExactDecimal(report.isActive ? 1 : 0)))
    }

    private mutating func remember(at now: Instant, _ output: inout Output) {
        guard hasNews, let total else { return }
        hasNews = false
        output.memory[Self.name(of: id)] = total.memory
        guard let change else { return }
        self.change = nil
        output.events.append(MeterEvent(subject: id, instant: now, kind: .recounted(change, value: total.value)))
    }
}
