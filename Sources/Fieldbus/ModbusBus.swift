public import Metering
internal import Posix
internal import Synchronization

/// Reads the meters of one bus: one actor, one thread; the poll loop runs inside it, one hand-over a poll.
///
/// Flow: `PollSchedule` says which poll is due → room is promised by the intake → `MeterPoll` asks the meter and decodes
/// → the readings go to the intake → the status is published. Blocking libmodbus calls hold only this bus's thread.
///
/// Not promised here: fairness towards a dead unit on a shared endpoint. Each silent poll costs the bus one response
/// timeout and no more.
public actor ModbusBus {
    /// Something that a log should say: told when it begins and when it ends, not at every poll.
    public enum Event: Sendable {
        /// The meter's polls began to fail.
        case failing(meter: String, ModbusError)
        /// The meter's polls are complete again.
        case recovered(meter: String, after: Duration)
    }

    /// The polls of one meter: one for each interval among its points.
    private struct Entry {
        var meter: Int
        var poll: MeterPoll
        var ids: [PointID]
    }

    /// The executor that the actor runs on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// The thread that `run()` should be started on.
    public nonisolated var thread: any TaskExecutor { executor }

    private nonisolated let executor: ThreadExecutor
    private let entries: [Entry]
    private let intake: Intake
    private let onEvent: @Sendable (Event) -> Void
    private var link: ModbusLink
    private var schedule: PollSchedule
    private var load = LoadMeter()
    private nonisolated let shared: Mutex<BusStatus>
    private nonisolated let isStopping = Atomic(false)

    /// The schedule is looked at again at least this often, so that a step of the wall clock is noticed.
    private static let longestSleep = Duration.seconds(2)

    /// The bus `settings` with its `meters`; `ids` names the spool's number of every point key.
    public init(
        settings: BusSettings, meters: [Meter], ids: [String: PointID], intake: Intake,
        onEvent: @escaping @Sendable (Event) -> Void
    ) {
        var entries: [Entry] = []
        for (index, meter) in meters.enumerated() {
            let intervals = Set(meter.points.map(\.interval)).sorted()
            for interval in intervals {
                // The usual meter has one interval, and shares its points with the configuration.
                let points = intervals.count == 1 ? meter.points : meter.points.filter { $0.interval == interval }
                guard let numbers = Self.lookUp(points, in: ids) else {
                    preconditionFailure("a point of \(meter.id) has no number in the spool")
                }
                let poll = MeterPoll(meter: meter, points: points, cost: RequestCost(of: meter, on: settings))
                entries.append(Entry(meter: index, poll: poll, ids: numbers))
            }
        }
        self.entries = entries
        self.intake = intake
        self.onEvent = onEvent
        link = ModbusLink(settings)
        schedule = PollSchedule(intervals: entries.map { $0.poll.points[0].interval })
        executor = ThreadExecutor(name: "bus " + settings.id)
        shared = Mutex(
            BusStatus(
                id: settings.id, endpoint: settings.endpoint.description,
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

    /// Polls until `stop()`. Call once.
    public func run() async {
        while !isStopping.load(ordering: .acquiring) {
            let now = BootClock.now
            switch schedule.next(at: now, offset: BootClock.offset) {
            case .poll(let entry): poll(entry)
            case .wait(let deadline): await executor.sleep(until: min(deadline, now + Self.longestSleep))
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

    private func poll(_ index: Int) {
        let entry = entries[index]
        let overruns = schedule.overruns(of: index)
        guard intake.promise(entry.ids.count) else {
            shared.withLock { $0.meters[entry.meter].skippedPolls += 1 }
            return
        }
        var readings: [Reading] = []
        readings.reserveCapacity(entry.ids.count)
        let begin = BootClock.now
        let outcome = entry.poll.run(on: &link) { point, arrived, value in
            readings.append(Reading(point: entry.ids[point], instant: arrived, value: value))
        }
        let end = BootClock.now
        let last = readings.last?.instant
        intake.put(readings, promised: entry.ids.count)
        load.add(from: begin, to: end)
        let event = shared.withLock { status -> Event? in
            status.isConnected = link.isConnected
            status.lateAnswers = link.counters.lateAnswers
            status.load = load.share
            return status.meters[entry.meter].record(
                outcome, lastReading: last, begin: begin, end: end, overruns: overruns)
        }
        if let event { onEvent(event) }
    }
}

extension MeterStatus {
    /// Books one poll; returns what a log should say about it.
    fileprivate mutating func record(
        _ outcome: MeterPoll.Outcome, lastReading last: Instant?, begin: Instant, end: Instant, overruns: UInt64
    ) -> ModbusBus.Event? {
        polls += 1
        readings += UInt64(outcome.values)
        notAvailable = outcome.notAvailable
        self.overruns = max(self.overruns, overruns)
        lastReading = last ?? lastReading
        let before = error
        error = outcome.error
        if let error = outcome.error {
            failedPolls += 1
            let isNew = failingSince == nil || before?.code != error.code
            failingSince = failingSince ?? begin
            return isNew ? .failing(meter: id, error) : nil
        }
        lastDuration = end - begin
        defer { failingSince = nil }
        return failingSince.map { .recovered(meter: id, after: end - $0) }
    }
}

/// The share of time that requests take, over the last full minute (or what there is of the first).
private struct LoadMeter {
    private var start: Instant?
    private var busy = Duration.zero
    private(set) var share = 0.0
    private var hasFullMinute = false

    mutating func add(from begin: Instant, to end: Instant) {
        let start = start ?? begin
        self.start = start
        busy += end - begin
        let elapsed = max(end - start, .milliseconds(1))
        if elapsed >= .seconds(60) || !hasFullMinute && elapsed >= .seconds(1) { share = min(1, busy / elapsed) }
        if elapsed >= .seconds(60) {
            hasFullMinute = true
            self.start = end
            busy = .zero
        }
    }
}
