public import Metering
internal import Posix
internal import Synchronization

/// Reads the meters of one bus: one actor, one thread; the poll loop runs inside it, one hand-over a poll.
///
/// Flow: `BusSession` says what to do next, a poll or a probe of a silent unit → room is promised by the intake →
/// `MeterPoll` asks the meter and decodes → `ReadingGate` judges counters and chooses what is kept → the readings go to
/// the intake → the status is published. Between two polls the bus can be lent, so that a technician's questions go over
/// the connection that there is. Blocking libmodbus calls hold only this bus's thread.
public actor ModbusBus {
    /// Something that a log should say: told when it begins and when it ends, not at every poll.
    public enum Event: Sendable {
        /// The meter's polls began to fail.
        case failing(meter: String, ModbusError)
        /// The meter's polls are complete again.
        case recovered(meter: String, after: Duration)
        /// The meter refuses these points whatever is tried: they are not asked any more.
        case dropped(meter: String, points: [String])
        /// Something happened to a meter or its counter.
        case happened(MeterEvent)
    }

    /// Something to do with the link between two polls, with the bus's settings, for 2 s at most.
    public typealias Loan = @Sendable (inout ModbusLink, BusSettings) -> Void

    /// The polls of one meter: one for each interval among its points.
    private struct Entry {
        var meter: Int
        var unit: Int
        var interval: Duration
        var poll: MeterPoll
        /// When the points that the meter refuses were last asked again.
        var reconsidered: Instant?
        /// How long the last complete poll took; before it, what the wire takes.
        var duration = Duration.zero
    }

    /// Which device a meter is.
    private struct Identity {
        let register: MeterIdentity.Register
        let meter: String
        var watch: SerialWatch

        /// The name under which the serial number is remembered.
        static func name(of meter: String) -> String { "serial " + meter }
    }

    /// The executor that the actor runs on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// The thread that `run()` should be started on.
    public nonisolated var thread: any TaskExecutor { executor }

    /// The bus's settings.
    public nonisolated let settings: BusSettings

    private nonisolated let executor: ThreadExecutor
    private var entries: [Entry]
    /// By entry.
    private var gates: [ReadingGate]
    /// By meter; nil where its definition does not say where the serial number stands.
    private var identities: [Identity?]
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

    /// The bus `settings` with its `meters`; `ids` names the spool's number of every point key, `memory` is what was
    /// remembered over a restart.
    public init(
        settings: BusSettings, meters: [Meter], ids: [String: PointID], memory: [String: String] = [:],
        intake: Intake, onEvent: @escaping @Sendable (Event) -> Void
    ) {
        var entries: [Entry] = []
        var gates: [ReadingGate] = []
        let units = Array(Set(meters.map(\.unit))).sorted()
        for (index, meter) in meters.enumerated() {
            guard let unit = units.firstIndex(of: meter.unit) else { continue }
            for (interval, points) in meter.pointsByInterval {
                guard let numbers = Self.lookUp(points, in: ids) else {
                    preconditionFailure("a point of \(meter.id) has no number in the spool")
                }
                let poll = MeterPoll(meter: meter, points: points, cost: RequestCost(of: meter, on: settings))
                entries.append(Entry(meter: index, unit: unit, interval: interval, poll: poll))
                gates.append(
                    ReadingGate(
                        points: points, ids: numbers, ratedPower: meter.definition.ratedPower, memory: memory))
            }
        }
        self.settings = settings
        self.entries = entries
        self.gates = gates
        identities = meters.map { meter in
            meter.definition.identity?.serial.map {
                Identity(
                    register: $0, meter: meter.id, watch: SerialWatch(serial: memory[Identity.name(of: meter.id)]))
            }
        }
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
                endIntervals()
                if loans.withLock({ $0.isEmpty }) {
                    await executor.sleep(until: min(deadline, now + Self.longestSleep))
                }
            }
        }
        link.close()
        finish()
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
        let meter = entries[index].meter
        let room = gates[index].capacity + pending(of: meter, but: index)
        guard intake.promise(room) else {
            shared.withLock { $0.meters[meter].skippedPolls += 1 }
            return
        }
        let begin = BootClock.now
        reconsider(index, at: begin)
        var taken = Taken(offset: BootClock.offset)
        taken.readings.reserveCapacity(room)
        var answers = Answers()
        // What is kept says nothing of when the meter was read.
        var lastArrival: Instant?
        let isIdentified = identities[meter] != nil
        let outcome = entries[index].poll.run(on: &link, isStopped: { isStopping.load(ordering: .acquiring) }) {
            point, arrived, result, words in
            guard case .value(let value) = result else { return }
            lastArrival = arrived
            if isIdentified {
                answers.add(point, value, at: arrived, words)
            } else {
                take(point, value, at: arrived, words, of: index, &taken)
            }
        }
        if isDoubtful(answers, of: index, at: begin) { lookAtSerial(ofMeter: meter, by: index, &taken) }
        answers.forEach { take($0, $1, at: $2, $3, of: index, &taken) }
        let end = BootClock.now
        gates[index].end(at: end, offset: taken.offset) { taken.readings.append($0) }
        intake.put(
            taken.readings, promised: room,
            memory: taken.memory.merging(gates[index].memory(at: end)) { new, _ in new },
            events: taken.events)
        load.add(from: begin, to: end)
        if outcome.session != .answered { identities[meter]?.watch.suspect(at: end) }
        session.polled(index, outcome.session, at: end)
        if outcome.error == nil { entries[index].duration = end - begin }
        publish(index, outcome, taken, slot: slot, last: lastArrival, begin: begin, end: end)
    }

    /// What one poll brought, after judgement.
    private struct Taken {
        let offset: ClockOffset
        var readings: [Reading] = []
        var events: [MeterEvent] = []
        var memory: [String: String] = [:]
    }

    private func take(
        _ point: Int, _ value: Value, at arrived: Instant, _ words: some Collection<UInt16>, of index: Int,
        _ taken: inout Taken
    ) {
        gates[index].take(
            point, value, at: arrived, words: words, offset: taken.offset, keep: { taken.readings.append($0) },
            tell: { taken.events.append($0) })
    }

    /// What the meter's other entries hold back, which the news of a swap releases.
    private func pending(of meter: Int, but index: Int) -> Int {
        guard identities[meter] != nil, entries.count > 1 else { return 0 }
        return entries.indices.reduce(0) { $1 != index && entries[$1].meter == meter ? $0 + gates[$1].pending : $0 }
    }

    /// Whether the serial number is to be looked at before `answers` are judged: they may be another device's.
    private func isDoubtful(_ answers: Answers, of index: Int, at now: Instant) -> Bool {
        guard let watch = identities[entries[index].meter]?.watch, !answers.isEmpty else { return false }
        return watch.isDue(at: now)
            || watch.isWorthALook(at: now)
                && answers.contains { gates[index].isSurprise($0, $1, at: $2) }
    }

    /// Asks the meter for its serial number; another one than before means another device.
    private func lookAtSerial(ofMeter meter: Int, by index: Int, _ taken: inout Taken) {
        guard let register = identities[meter]?.register, let name = identities[meter]?.meter else { return }
        let poll = entries[index].poll
        do throws(ModbusError) {
            let arrived = try link.read(register.span, unit: poll.unit, timing: poll.timing)
            let (known, seen) = (identities[meter]?.watch.serial, identities[meter]?.watch.lastSeen)
            let old = identities[meter]?.watch.saw(register.text(link.words) ?? "", at: arrived)
            guard let new = identities[meter]?.watch.serial, new != known else { return }
            taken.memory[Identity.name(of: name)] = new
            guard let old else { return }
            taken.events.append(
                MeterEvent(subject: name, instant: arrived, kind: .swap(oldSerial: old, newSerial: new)))
            for other in entries.indices where entries[other].meter == meter {
                gates[other].swapped(
                    old: old, new: new, seen: seen, at: arrived, offset: taken.offset,
                    keep: { taken.readings.append($0) }, tell: { taken.events.append($0) })
            }
        } catch {
            identities[meter]?.watch.refused(at: BootClock.now)
        }
    }

    /// Hands over the intervals that are over though their meter is away.
    private func endIntervals() {
        guard session.isAnyoneAway else { return }
        let room = gates.reduce(0) { $0 + $1.open }
        // Without room they stay open.
        guard room > 0, intake.promise(room) else { return }
        var readings: [Reading] = []
        let (now, offset) = (BootClock.now, BootClock.offset)
        for index in gates.indices { gates[index].end(at: now, offset: offset) { readings.append($0) } }
        intake.put(readings, promised: room)
    }

    /// The last of what was gathered: the agent ends, or its configuration is replaced.
    private func finish() {
        var readings: [Reading] = []
        var memory: [String: String] = [:]
        let now = BootClock.now
        for index in gates.indices {
            gates[index].finish { readings.append($0) }
            memory.merge(gates[index].memory(at: now, isEnd: true)) { new, _ in new }
        }
        let isTaken = intake.promise(readings.count)
        intake.put(isTaken ? readings : [], promised: isTaken ? readings.count : 0, memory: memory)
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
        identities[entries[index].meter]?.watch.suspect(at: end)
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
        _ index: Int, _ outcome: MeterPoll.Outcome, _ taken: Taken, slot: Timestamp, last: Instant?, begin: Instant,
        end: Instant
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
            status.meters[entry.meter].readings += UInt64(taken.readings.count)
            status.meters[entry.meter].withheld = entries.indices.reduce(0) {
                entries[$1].meter == entry.meter ? $0 + gates[$1].withheld : $0
            }
            status.meters[entry.meter].serial = identities[entry.meter]?.watch.serial
            for case .glitch in taken.events.lazy.map(\.kind) { status.meters[entry.meter].glitches += 1 }
            return status.meters[entry.meter].record(outcome, of: entry.poll, lastReading: last, begin: begin, end: end)
        }
        for event in events { onEvent(event) }
        for event in taken.events { onEvent(.happened(event)) }
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
            if isNew || !isFailureTold { events.append(.failing(meter: id, error)) }
            isFailureTold = true
        } else {
            lastDuration = end - begin
            if let failingSince, isFailureTold { events.append(.recovered(meter: id, after: end - failingSince)) }
            (failingSince, isFailureTold) = (nil, false)
        }
        return events
    }
}
