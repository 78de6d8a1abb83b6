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
        /// The meter refuses these points whatever is tried: they are asked rarely.
        case dropped(meter: String, points: [String])
        /// Something happened to a meter or its counter.
        case happened(MeterEvent)
    }

    /// Something to do with the link between two polls, with the bus's settings, for 2 s at most.
    public typealias Loan = @Sendable (inout ModbusLink, BusSettings) -> Void

    /// What recurs: the poll of one meter's points that share an interval.
    private struct Entry {
        var meter: Int
        var unit: Int
        /// Its place among the meter's intervals, the shortest first.
        var group: Int
        var interval: Duration
        /// Whether all of its points may wait.
        var mayWait: Bool
        /// How long its complete polls take; of one with others, what it adds to theirs.
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
    /// By meter: its entries.
    private let entriesOf: [[Int]]
    /// By meter.
    private var polls: [MeterPoll]
    /// By meter.
    private var gates: [ReadingGate]
    /// By meter: the points that it refuses.
    private var refused: [RefusedPoints]
    /// By meter; nil where its definition does not say where the serial number stands.
    private var identities: [Identity?]
    private let intake: Intake
    private let onEvent: @Sendable (Event) -> Void
    private var link: ModbusLink
    private var session: BusSession
    private var load = LoadMeter()
    /// How often what may wait is read: as the intake had it before the last deed.
    private var pace = Pace.normal
    private nonisolated let shared: Mutex<BusStatus>
    private nonisolated let loans = Mutex<[Loan]>([])
    private nonisolated let isStopping = Atomic(false)

    /// The schedule is looked at again at least this often, so that a step of the wall clock is noticed.
    private static let longestSleep = Duration.seconds(2)

    /// The bus `settings` with its `meters`; `ids` names the spool's number of every point key, `memory` is what was
    /// remembered over a restart.
    public init(
        settings: BusSettings, meters: [Meter], ids: [String: PointID], memory: [String: String] = [:],
        intake: Intake, onEvent: @escaping @Sendable (Event) -> Void
    ) {
        var entries: [Entry] = []
        let units = Array(Set(meters.map(\.unit))).sorted()
        for (index, meter) in meters.enumerated() {
            guard let unit = units.firstIndex(of: meter.unit) else { continue }
            for (group, interval) in meter.intervals.enumerated() {
                let mayWait = meter.points.allSatisfy { $0.interval != interval || $0.mayWait }
                entries.append(
                    Entry(meter: index, unit: unit, group: group, interval: interval, mayWait: mayWait))
            }
        }
        polls = meters.map { MeterPoll(meter: $0, points: $0.points, on: settings) }
        gates = meters.map { meter in
            guard let numbers = Self.lookUp(meter.points, in: ids) else {
                preconditionFailure("a point of \(meter.id) has no number in the spool")
            }
            return ReadingGate(
                points: meter.points, ids: numbers, ratedPower: meter.definition.ratedPower, memory: memory)
        }
        refused = meters.map { RefusedPoints(of: $0.points.count) }
        self.settings = settings
        self.entries = entries
        entriesOf = meters.indices.map { meter in entries.indices.filter { entries[$0].meter == meter } }
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
            entries: entries.map { .init(unit: $0.unit, interval: $0.interval, mayWait: $0.mayWait) },
            unitCount: units.count)
        executor = ThreadExecutor(name: "bus " + settings.id)
        shared = Mutex(
            BusStatus(
                id: settings.id, endpoint: settings.endpoint.description, line: settings.line,
                meters: meters.map {
                    MeterStatus(
                        id: $0.id, unit: $0.unit, points: $0.points.count,
                        intervals: $0.intervals.map { IntervalStatus(interval: $0) })
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
            adoptPace()
            let now = BootClock.now
            switch session.next(at: now, offset: BootClock.offset, pace: pace) {
            case .poll(let entry, let slot): poll(entry, slot)
            case .probe(let unit): probe(unit)
            case .connect: connect()
            case .wait(let deadline):
                noticeHangUp()
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

    private func adoptPace() {
        let asked = intake.pace
        guard asked != pace else { return }
        pace = asked
        shared.withLock { $0.pace = asked }
    }

    private func runLoan() {
        guard let loan = loans.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return }
        let (begin, before) = (BootClock.now, BootClock.offset)
        let due = session.delayed(at: begin, offset: before)
        loan(&link, settings)
        let end = BootClock.now
        let cost = session.delayed(at: end, offset: BootClock.offset)
        shared.withLock {
            $0.loans += 1
            $0.lentTime += end - begin
            // What was late before the loan is not late for it.
            $0.loanDelays += UInt64(max(0, cost.late - due.late))
            $0.loanMisses += UInt64(max(0, cost.missed - due.missed))
        }
    }

    private func poll(_ first: Int, _ slot: Timestamp) {
        let meter = entries[first].meter
        let begin = BootClock.now
        var taken = Taken(offset: BootClock.offset)
        // What is due together is asked together.
        let others = entriesOf[meter].filter { $0 != first }
        let due = [(entry: first, slot: slot)] + session.join(others, at: begin, offset: taken.offset)
        let takesAll = due.map { entry, slot in
            entries[entry].mayWait || pace.takesAll(in: slot, every: entries[entry].interval)
        }
        polls[meter].choose(zip(due, takesAll).map { (entries[$0.entry].group, $1) })
        // Before room is asked for: it may ask for more points.
        if refused[meter].isDue(at: begin) { polls[meter].reconsider() }
        let room = gates[meter].capacity(asking: polls[meter].askedPoints)
        guard intake.promise(room) else {
            shared.withLock { $0.meters[meter].skippedPolls += UInt64(due.count) }
            return
        }
        taken.readings.reserveCapacity(room)
        // What is kept says nothing of when the meter was read.
        var lastArrival: Instant?
        var outcome: MeterPoll.Outcome
        if identities[meter] == nil {
            outcome = run(meter) { point, value, arrived, words in
                lastArrival = arrived
                take(point, value, at: arrived, words, of: meter, &taken)
            }
        } else {
            var answers = Answers()
            outcome = run(meter) { answers.add($0, $1, at: $2, $3) }
            if isDoubtful(answers, of: meter, at: begin), lookAtSerial(of: meter, &taken) {
                // Whether these values were the one's before or the other's is not known; the next are the other's.
                answers = Answers()
                outcome = run(meter) { answers.add($0, $1, at: $2, $3) }
            }
            answers.forEach {
                lastArrival = $2
                take($0, $1, at: $2, $3, of: meter, &taken)
            }
        }
        let end = BootClock.now
        gates[meter].end(at: end, offset: taken.offset) { taken.readings.append($0) }
        intake.put(
            taken.readings, promised: room,
            memory: taken.memory.merging(gates[meter].memory(at: end)) { new, _ in new }, events: taken.events)
        load.add(from: begin, to: end)
        if outcome.session != .answered { identities[meter]?.watch.suspect(at: end) }
        session.polled(due.map(\.entry), outcome.session, at: end)
        // What a poll of some of its points takes says nothing of what the bus has to bear.
        if outcome.error == nil, takesAll.allSatisfy(\.self) { book(end - begin, for: due.map(\.entry)) }
        if let turnaround = link.turnaround(of: polls[meter].unit) { polls[meter].learn(turnaround: turnaround) }
        publish(meter, outcome, taken, due, last: lastArrival, begin: begin, end: end)
    }

    /// Asks the meter, and gives each value with its point, when it arrived, and its registers.
    private func run(
        _ meter: Int, _ take: (Int, Value, Instant, Slice<UnsafeBufferPointer<UInt16>>) -> Void
    ) -> MeterPoll.Outcome {
        polls[meter].run(on: &link, isStopped: { isStopping.load(ordering: .acquiring) }) {
            point, arrived, result, words in
            if case .value(let value) = result { take(point, value, arrived, words) }
        }
    }

    /// Of a poll for several intervals the longest has what it added to the others, as far as those are known. A poll
    /// that was held up once says little of what the next ones take: what is known rises by a quarter at most.
    private func book(_ duration: Duration, for polled: [Int]) {
        guard let longest = polled.max(by: { entries[$0].interval < entries[$1].interval }) else { return }
        let others = polled.reduce(Duration.zero) { $1 == longest ? $0 : $0 + entries[$1].duration }
        let (new, known) = (max(.zero, duration - others), entries[longest].duration)
        entries[longest].duration = known == .zero ? new : min(new, known * 5 / 4)
    }

    /// What one poll brought, after judgement.
    private struct Taken {
        let offset: ClockOffset
        var readings: [Reading] = []
        var events: [MeterEvent] = []
        var memory: [String: String] = [:]
    }

    private func take(
        _ point: Int, _ value: Value, at arrived: Instant, _ words: some Collection<UInt16>, of meter: Int,
        _ taken: inout Taken
    ) {
        gates[meter].take(
            point, value, at: arrived, words: words, offset: taken.offset, keep: { taken.readings.append($0) },
            tell: { taken.events.append($0) })
    }

    /// Whether the serial number is to be looked at before `answers` are judged: they may be another device's.
    private func isDoubtful(_ answers: Answers, of meter: Int, at now: Instant) -> Bool {
        guard let watch = identities[meter]?.watch, !answers.isEmpty else { return false }
        return watch.isDue(at: now)
            || watch.isWorthALook(at: now) && answers.contains { gates[meter].isSurprise($0, $1, at: $2) }
    }

    /// Asks the meter for its serial number; another one than before means another device. Returns whether it is one.
    private func lookAtSerial(of meter: Int, _ taken: inout Taken) -> Bool {
        guard let register = identities[meter]?.register, let name = identities[meter]?.meter else { return false }
        do throws(ModbusError) {
            let arrived = try link.read(register.span, unit: polls[meter].unit, timing: polls[meter].timing)
            let (known, seen) = (identities[meter]?.watch.serial, identities[meter]?.watch.lastSeen)
            let old = identities[meter]?.watch.saw(register.text(link.words) ?? "", at: arrived)
            guard let new = identities[meter]?.watch.serial, new != known else { return false }
            taken.memory[Identity.name(of: name)] = new
            guard let old else { return false }
            taken.events.append(
                MeterEvent(subject: name, instant: arrived, kind: .swap(oldSerial: old, newSerial: new)))
            gates[meter].swapped(
                old: old, new: new, seen: seen, at: arrived, offset: taken.offset,
                keep: { taken.readings.append($0) }, tell: { taken.events.append($0) })
            return true
        } catch {
            identities[meter]?.watch.refused(at: BootClock.now)
            return false
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

    private func probe(_ unit: Int) {
        let meters = Set(entries.filter { $0.unit == unit }.map(\.meter))
        guard let first = meters.min() else { return }
        let begin = BootClock.now
        let (outcome, error) = polls[first].probe(on: &link)
        let end = BootClock.now
        load.add(from: begin, to: end)
        session.probed(unit, outcome, at: end)
        guard outcome == .answered else {
            // Why a unit is away may change: another answers in its place where there was silence.
            return shared.withLock { status in for meter in meters { status.meters[meter].error = error } }
        }
        for meter in meters {
            // It may be another device that answers now.
            identities[meter]?.watch.suspect(at: end)
            polls[meter].reconsider()
        }
    }

    /// Between two polls: an adapter that is gone must be let go of at once, or it comes back under another number. A far
    /// end that hangs up between polls, as many gateways do, is connected to again with the next one.
    private func noticeHangUp() {
        guard link.noticeHangUp() else { return }
        if case .serial = settings.endpoint { connect() } else { shared.withLock { $0.isConnected = false } }
    }

    private func connect() {
        let begin = BootClock.now
        var failure: ModbusError?
        do throws(ModbusError) { try link.connect() } catch { failure = error }
        var isAbsent = false
        if case .noPort = failure?.code { isAbsent = true }
        session.connected(failure == nil, isAbsent: isAbsent, at: BootClock.now)
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
        _ meter: Int, _ outcome: MeterPoll.Outcome, _ taken: Taken, _ due: [(entry: Int, slot: Timestamp)],
        last: Instant?, begin: Instant, end: Instant
    ) {
        let needed = entries.reduce(0) { $0 + $1.duration / $1.interval }
        let refusedBefore = refused[meter].points
        let newlyRefused = judgeRefusals(of: meter, outcome, at: end)
        let events = shared.withLock { status -> [Event] in
            status.isConnected = link.isConnected
            status.port = link.portReport
            status.counters = link.counters
            status.load = load.share
            status.needed = needed
            publishCounts(of: meter, &status.meters[meter])
            status.meters[meter].turnaround = link.turnaround(of: polls[meter].unit)
            if let last {
                // By the clock that the slots are of: it may have been set meanwhile.
                let arrived = taken.offset.timestamp(of: last).milliseconds
                for (entry, slot) in due {
                    status.meters[meter].intervals[entries[entry].group].book(
                        skew: .milliseconds(arrived - slot.milliseconds))
                }
            }
            if !outcome.changes.isEmpty || refused[meter].points != refusedBefore {
                publishLessons(of: meter, &status.meters[meter])
            }
            status.meters[meter].readings += UInt64(taken.readings.count)
            status.meters[meter].withheld = gates[meter].withheld
            status.meters[meter].serial = identities[meter]?.watch.serial
            for case .glitch in taken.events.lazy.map(\.kind) { status.meters[meter].glitches += 1 }
            let dropped = Event.dropped(meter: status.meters[meter].id, points: newlyRefused)
            return (newlyRefused.isEmpty ? [] : [dropped])
                + status.meters[meter].record(outcome, lastReading: last, begin: begin, end: end)
        }
        for event in events { onEvent(event) }
        for event in taken.events { onEvent(.happened(event)) }
    }

    /// Who is away, and until when: it changes without a poll.
    private func publishAbsence() {
        guard session.isAnyoneAway else { return }
        shared.withLock { status in
            for meter in status.meters.indices { publishCounts(of: meter, &status.meters[meter]) }
        }
    }

    private func publishCounts(of meter: Int, _ status: inout MeterStatus) {
        let own = entriesOf[meter]
        status.overruns = own.reduce(0) { $0 + session.overruns(of: $1) }
        status.omittedPolls = own.reduce(0) { $0 + session.omitted(of: $1) }
        status.nextTry = own.first.flatMap { session.nextTry(of: entries[$0].unit) }
    }

    private func publishLessons(of meter: Int, _ status: inout MeterStatus) {
        status.droppedPoints = names(of: refused[meter].points.sorted(), of: meter)
        status.learntHoles = polls[meter].plan.learntHoles
    }

    private func names(of points: [Int], of meter: Int) -> [String] {
        points.map { polls[meter].points[$0].definition.name }
    }

    /// Keeps the account of what the meter refuses; returns the names of what it did not refuse before.
    private func judgeRefusals(of meter: Int, _ outcome: MeterPoll.Outcome, at now: Instant) -> [String] {
        if outcome.changes.isEmpty && refused[meter].points.isEmpty { return [] }
        let dropped = outcome.changes.flatMap { change -> [Int] in
            if case .dropped(let points) = change { points } else { [] }
        }
        let new = refused[meter].add(dropped, at: now)
        let plan = polls[meter].plan
        refused[meter].keep(where: plan.isRefused)
        return names(of: new, of: meter)
    }
}

extension MeterStatus {
    /// Books one poll; returns what a log should say about it.
    fileprivate mutating func record(
        _ outcome: MeterPoll.Outcome, lastReading last: Instant?, begin: Instant, end: Instant
    ) -> [ModbusBus.Event] {
        polls += 1
        notAvailable = outcome.notAvailable
        lastReading = last ?? lastReading
        let before = error
        error = outcome.error
        var events: [ModbusBus.Event] = []
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
