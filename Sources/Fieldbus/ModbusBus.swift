public import Metering
internal import Posix
internal import Synchronization

/// Reads the meters of one bus: one actor, one thread; the poll loop runs inside it, one hand-over a poll.
///
/// Flow: `BusSession` says what to do next, a poll or a probe of a silent unit → room is promised by the intake →
/// `MeterPoll` asks the meter and decodes → the readings go to the intake → the status is published. Between two polls
/// the bus can be lent, so that a technician's questions go over the connection that there is. Blocking libmodbus calls
/// hold only this bus's thread.
public actor ModbusBus {
    /// Something that a log should say: told when it begins and when it ends, not at every poll.
    public enum Event: Sendable {
        /// The meter's polls began to fail.
        case failing(meter: String, ModbusError)
        /// The meter's polls are complete again.
        case recovered(meter: String, after: Duration)
        /// The meter refuses these points whatever is tried: they are not asked any more.
        case dropped(meter: String, points: [String])
    }

    /// Something to do with the link between two polls, with the bus's settings, for 2 s at most.
    public typealias Loan = @Sendable (inout ModbusLink, BusSettings) -> Void

    /// The polls of one meter: one for each interval among its points.
    private struct Entry {
        var meter: Int
        var unit: Int
        var interval: Duration
        var poll: MeterPoll
        var ids: [PointID]
        /// When the points that the meter refuses were last asked again.
        var reconsidered: Instant?
        /// How long the last complete poll took; before it, what the wire takes.
        var duration = Duration.zero
    }

    /// The executor that the actor runs on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// The thread that `run()` should be started on.
    public nonisolated var thread: any TaskExecutor { executor }

    /// The bus's settings.
    public nonisolated let settings: BusSettings

    private nonisolated let executor: ThreadExecutor
    private var entries: [Entry]
    private let intake: Intake
    private let onEvent: @Sendable (Event) -> Void
    private var link: ModbusLink
    private var session: BusSession
    private var load = LoadMeter()
    private nonisolated let shared: Mutex<BusStatus>
    private nonisolated let loans = Mutex<[Loan]>([])
    private nonisolated let isStopping = Atomic(false)

    /// The schedule is looked at again at least this often, so that a step of the wall clock is noticed.
    private static let longestSleep = Duration.seconds(2)
    /// Points that a meter refuses are asked again after so long: its firmware may have changed.
    private static let reconsiderInterval = Duration.seconds(24 * 3600)
    /// The same where it refuses all of them.
    private static let reconsiderSoon = Duration.seconds(60)

    /// The bus `settings` with its `meters`; `ids` names the spool's number of every point key.
    public init(
        settings: BusSettings, meters: [Meter], ids: [String: PointID], intake: Intake,
        onEvent: @escaping @Sendable (Event) -> Void
    ) {
        var entries: [Entry] = []
        let units = Array(Set(meters.map(\.unit))).sorted()
        for (index, meter) in meters.enumerated() {
            guard let unit = units.firstIndex(of: meter.unit) else { continue }
            for (interval, points) in meter.pointsByInterval {
                guard let numbers = Self.lookUp(points, in: ids) else {
                    preconditionFailure("a point of \(meter.id) has no number in the spool")
                }
                let poll = MeterPoll(meter: meter, points: points, cost: RequestCost(of: meter, on: settings))
                entries.append(Entry(meter: index, unit: unit, interval: interval, poll: poll, ids: numbers))
            }
        }
        self.settings = settings
        self.entries = entries
        self.intake = intake
        self.onEvent = onEvent
        link = ModbusLink(settings)
        session = BusSession(
            entries: entries.map { .init(unit: $0.unit, interval: $0.interval) }, unitCount: units.count)
        executor = ThreadExecutor(name: "bus " + settings.id)
        shared = Mutex(
            BusStatus(
                id: settings.id, endpoint: settings.endpoint.description, line: settings.line,
                meters: meters.map {
                    MeterStatus(
                        id: $0.id, unit: $0.unit, points: $0.points.count,
                        interval: $0.points.map(\.interval).min() ?? .zero)
                }))
    }

    private static func lookUp(_ points: [Point], in ids: [String: PointID]) -> [PointID]? {
        let found = points.compactMap { ids[$0.key] }
        return found.count == points.count ? found : nil
    }

    /// What the bus is doing. Never waits for the bus.
    public nonisolated var status: BusStatus {
        shared.withLock { $0 }
    }

    /// Lends the bus: `loan` is run on the bus's thread between two polls. Loans take turns with polls; what is polled
    /// late for it counts as any other delay. A loan that is not taken before `stop()` is never run.
    public nonisolated func lend(_ loan: @escaping Loan) {
        loans.withLock { $0.append(loan) }
        executor.wake()
    }

    /// Polls until `stop()`. Call once.
    public func run() async {
        while !isStopping.load(ordering: .acquiring) {
            runLoan()
            let now = BootClock.now
            switch session.next(at: now, offset: BootClock.offset) {
            case .poll(let entry, let slot): poll(entry, slot)
            case .probe(let unit): probe(unit)
            case .connect: connect()
            case .wait(let deadline):
                publishAbsence()
                if loans.withLock({ $0.isEmpty }) {
                    await executor.sleep(until: min(deadline, now + Self.longestSleep))
                }
            }
        }
        link.close()
        executor.stop()
    }

    /// Ends `run()`: at once when it sleeps, else after the request under way (at most one response timeout).
    public nonisolated func stop() {
        isStopping.store(true, ordering: .releasing)
        executor.wake()
    }

    private func runLoan() {
        guard let loan = loans.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return }
        let begin = BootClock.now
        loan(&link, settings)
        let end = BootClock.now
        shared.withLock {
            $0.loans += 1
            $0.lentTime += end - begin
        }
    }

    private func poll(_ index: Int, _ slot: Timestamp) {
        guard intake.promise(entries[index].ids.count) else {
            let meter = entries[index].meter
            shared.withLock { $0.meters[meter].skippedPolls += 1 }
            return
        }
        let ids = entries[index].ids
        var readings: [Reading] = []
        readings.reserveCapacity(ids.count)
        let begin = BootClock.now
        reconsider(index, at: begin)
        let outcome = entries[index].poll.run(on: &link, isStopped: { isStopping.load(ordering: .acquiring) }) {
            point, arrived, result, _ in
            if case .value(let value) = result {
                readings.append(Reading(point: ids[point], instant: arrived, value: value))
            }
        }
        let end = BootClock.now
        intake.put(readings, promised: ids.count)
        load.add(from: begin, to: end)
        session.polled(index, outcome.session, at: end)
        if outcome.error == nil { entries[index].duration = end - begin }
        publish(index, outcome, slot: slot, last: readings.last?.instant, begin: begin, end: end)
    }

    /// Gives points that were refused another chance, at times.
    private func reconsider(_ index: Int, at now: Instant) {
        guard !entries[index].poll.plan.dropped.isEmpty else { return }
        let wait = entries[index].poll.plan.requests.isEmpty ? Self.reconsiderSoon : Self.reconsiderInterval
        guard let last = entries[index].reconsidered else {
            entries[index].reconsidered = now
            return
        }
        guard now - last >= wait else { return }
        entries[index].reconsidered = now
        entries[index].poll.reconsider()
    }

    private func probe(_ unit: Int) {
        guard let index = entries.firstIndex(where: { $0.unit == unit }) else { return }
        let begin = BootClock.now
        let outcome = entries[index].poll.probe(on: &link)
        let end = BootClock.now
        load.add(from: begin, to: end)
        session.probed(unit, outcome, at: end)
        // It may be another device that answers now.
        guard outcome == .answered else { return }
        for index in entries.indices where entries[index].unit == unit { entries[index].poll.reconsider() }
    }

    private func connect() {
        let begin = BootClock.now
        var failure: ModbusError?
        do throws(ModbusError) { try link.connect() } catch { failure = error }
        session.connected(failure == nil, at: BootClock.now)
        shared.withLock { status in
            status.isConnected = failure == nil
            // Why there is no connection may change: the adapter is there again, but another program has it.
            guard let failure else { return }
            for meter in status.meters.indices {
                status.meters[meter].error = failure
                status.meters[meter].failingSince = status.meters[meter].failingSince ?? begin
            }
        }
    }

    // MARK: - Status

    private func publish(
        _ index: Int, _ outcome: MeterPoll.Outcome, slot: Timestamp, last: Instant?, begin: Instant, end: Instant
    ) {
        let entry = entries[index]
        let skew = last.map {
            Duration.milliseconds(BootClock.offset.timestamp(of: $0).milliseconds - slot.milliseconds)
        }
        let needed = entries.reduce(0) { $0 + $1.duration / $1.interval }
        let events = shared.withLock { status -> [Event] in
            status.isConnected = link.isConnected
            status.port = link.portReport
            status.counters = link.counters
            status.load = load.share
            status.needed = needed
            publishCounts(of: entry, &status.meters[entry.meter])
            status.meters[entry.meter].turnaround = link.turnaround(of: entry.poll.unit)
            status.meters[entry.meter].skew = skew ?? status.meters[entry.meter].skew
            if !outcome.changes.isEmpty { publishLessons(of: entry, &status.meters[entry.meter]) }
            return status.meters[entry.meter].record(outcome, of: entry.poll, lastReading: last, begin: begin, end: end)
        }
        for event in events { onEvent(event) }
    }

    /// Who is away, and until when: it changes without a poll.
    private func publishAbsence() {
        guard session.isAnyoneAway else { return }
        shared.withLock { status in
            for entry in entries { publishCounts(of: entry, &status.meters[entry.meter]) }
        }
    }

    private func publishCounts(of entry: Entry, _ status: inout MeterStatus) {
        (status.overruns, status.omittedPolls) = (0, 0)
        for (index, other) in entries.enumerated() where other.meter == entry.meter {
            status.overruns += session.overruns(of: index)
            status.omittedPolls += session.omitted(of: index)
        }
        status.nextTry = session.nextTry(of: entry.unit)
    }

    private func publishLessons(of entry: Entry, _ status: inout MeterStatus) {
        let plans = entries.filter { $0.meter == entry.meter }.map(\.poll)
        status.droppedPoints = plans.flatMap { poll in poll.plan.dropped.map { poll.points[$0].definition.name } }
        status.learntHoles = plans.flatMap(\.plan.learntHoles)
    }
}

extension MeterStatus {
    /// Books one poll; returns what a log should say about it.
    fileprivate mutating func record(
        _ outcome: MeterPoll.Outcome, of poll: MeterPoll, lastReading last: Instant?, begin: Instant, end: Instant
    ) -> [ModbusBus.Event] {
        polls += 1
        readings += UInt64(outcome.values)
        notAvailable = outcome.notAvailable
        lastReading = last ?? lastReading
        let before = error
        error = outcome.error
        var events: [ModbusBus.Event] = []
        for case .dropped(let points) in outcome.changes {
            events.append(.dropped(meter: id, points: points.map { poll.points[$0].definition.name }))
        }
        if let error = outcome.error {
            failedPolls += 1
            let isNew = failingSince == nil || before?.code != error.code
            failingSince = failingSince ?? begin
            if isNew { events.append(.failing(meter: id, error)) }
        } else {
            lastDuration = end - begin
            if let failingSince { events.append(.recovered(meter: id, after: end - failingSince)) }
            failingSince = nil
        }
        return events
    }
}
