public import Metering
public import Posix
internal import Synchronization

/// Watches the lines of all digital inputs: one actor, one thread, which waits for the kernel's edges.
///
/// Flow: the kernel's edges, with their own times and numbers → `InputLogic` decides → readings, events and what has to
/// be remembered go to the intake, to be committed together within a second → the status is published. A line that is
/// not there, in use, or whose chip goes away is waited for. A new configuration leaves the lines alone that it does not
/// change: no edge is missed for it.
public actor DigitalInputs {
    /// Something that a log should say.
    public enum Event: Sendable {
        /// A line cannot be watched.
        case failing(input: String, GPIOError)
        /// It is watched again, or for the first time after a failure.
        case recovered(input: String, after: Duration)
        /// Something happened to an input.
        case happened(MeterEvent)
    }

    /// What a watcher of an input is shown.
    public enum Sight: Sendable {
        /// An edge.
        case edge(LineEdge)
        /// The line cannot be watched any more: there is nothing else to come.
        case failed(GPIOError)
    }

    /// A line that is watched, in a box, because collections hold no `~Copyable` values.
    private final class Watched {
        let line: GPIOLine
        /// Where it is, in words.
        let place: String

        init(_ line: consuming GPIOLine) {
            place = "\(line.info.chip) line \(line.info.offset) (\(line.info.device))"
            self.line = line
        }
    }

    private struct Entry {
        let settings: InputSettings
        var logic: InputLogic
        var watched: Watched?
        var backoff = UnitBackoff(longest: DigitalInputs.longestWait)
        var failingSince: Instant?
        var error: GPIOError?
        /// Readings for which the intake had no room, and which nothing that comes later says as well.
        var waiting: [Reading] = []

        var isContact: Bool { if case .contact = settings.use { true } else { false } }
    }

    /// The executor that the actor runs on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// The thread that `run()` should be started on.
    public nonisolated var thread: any TaskExecutor { executor }

    private nonisolated let executor: ThreadExecutor
    private let intake: Intake
    private let onEvent: @Sendable (Event) -> Void
    private nonisolated let waker: Waker
    private nonisolated let shared: Mutex<[InputStatus]>
    private nonisolated let questions = Mutex<[Question]>([])
    private nonisolated let arrangement = Mutex<Arrangement?>(nil)
    private nonisolated let watchers = Mutex<[String: [@Sendable (Sight) -> Bool]]>([:])
    private nonisolated let isStopping = Atomic(false)
    private var entries: [Entry]
    /// When every input was looked at, whether or not something was to be done.
    private var lastLook = Instant(nanoseconds: 0)

    /// A total to set.
    private struct Question {
        var input: String
        var dial: ExactDecimal
        var who: String
        var answer: @Sendable (MeterEvent?) -> Void
    }

    /// What is to be watched from now on.
    private struct Arrangement {
        var settings: [InputSettings]
        var ids: [String: PointID]
        var memory: [String: String]
    }

    /// Changes of a contact, and totals with a remark, that wait at one input for room in the intake; the oldest go, and
    /// are counted.
    public static let mostWaiting = 1000
    /// The longest wait between two tries with a line that is not there.
    public static let longestWait = Duration.seconds(10)
    /// What a line's user is called: seen by others in `gpioinfo`.
    public static let consumer = "parthe"
    /// Every input is looked at this often, so that a step of the wall clock is noticed.
    private static let longestSleep = Duration.seconds(1)

    /// The inputs `settings`; `ids` names the spool's number of every point key, `memory` is what was remembered.
    public init(
        _ settings: [InputSettings], ids: [String: PointID], memory: [String: String], intake: Intake,
        onEvent: @escaping @Sendable (Event) -> Void
    ) throws(PosixError) {
        waker = try Waker()
        entries = settings.map { Self.entry($0, ids: ids, memory: memory) }
        self.intake = intake
        self.onEvent = onEvent
        shared = Mutex(settings.map { InputStatus(id: $0.id, line: $0.line.description) })
        executor = ThreadExecutor(name: "inputs")
    }

    private static func entry(_ input: InputSettings, ids: [String: PointID], memory: [String: String]) -> Entry {
        let points = input.meter.points.compactMap { ids[$0.key] }
        precondition(points.count == input.meter.points.count, "a point of \(input.id) has no number in the spool")
        return Entry(
            settings: input,
            logic: InputLogic(input, ids: points, memory: memory, kernelDebounces: GPIOChips.interface > 1))
    }

    /// Watches the inputs `settings` from now on; those that are as before are watched all along. Totals go on where they
    /// are here, where there is one, else where `memory` says.
    public nonisolated func arrange(_ settings: [InputSettings], ids: [String: PointID], memory: [String: String]) {
        arrangement.withLock { $0 = Arrangement(settings: settings, ids: ids, memory: memory) }
        waker.wake()
    }

    /// What the inputs are doing. Never waits.
    public nonisolated var status: [InputStatus] { shared.withLock { $0 } }

    /// Sets the total of `input` to what its dial shows, says `who`; `answer` gets what happened, or nil when there is no
    /// such pulse input, from another thread.
    public nonisolated func set(
        total dial: ExactDecimal, of input: String, by who: String, answer: @escaping @Sendable (MeterEvent?) -> Void
    ) {
        questions.withLock { $0.append(Question(input: input, dial: dial, who: who, answer: answer)) }
        waker.wake()
    }

    /// So many may watch one input at once.
    public static let mostWatchers = 4

    /// Gives each edge of `input` to `body`, on this actor's thread, until it returns false or the line fails. Returns
    /// whether there was room.
    public nonisolated func watch(_ input: String, _ body: @escaping @Sendable (Sight) -> Bool) -> Bool {
        watchers.withLock { watchers in
            guard (watchers[input]?.count ?? 0) < Self.mostWatchers else { return false }
            watchers[input, default: []].append(body)
            return true
        }
    }

    /// Ends `run()`; what was counted is handed over before.
    public nonisolated func stop() {
        isStopping.store(true, ordering: .releasing)
        waker.wake()
    }

    /// Watches until `stop()`. Call once.
    public func run() async {
        while !isStopping.load(ordering: .acquiring) {
            rearrange()
            attach()
            let ready = wait()
            // An edge costs the work for its own line only.
            let (now, offset) = (BootClock.now, BootClock.offset)
            let isLook = now - lastLook >= Self.longestSleep
            if isLook { lastLook = now }
            for index in entries.indices where isLook || isDue(index, ready, now, offset) { serve(index) }
            answerQuestions()
        }
        // What the kernel still holds counts as well.
        for index in entries.indices { serve(index) }
        answerQuestions()
        for index in entries.indices { finish(index) }
        entries.removeAll()
        executor.stop()
    }

    /// Hands over the interval under way.
    private func finish(_ index: Int) {
        var output = InputLogic.Output()
        entries[index].logic.finish(into: &output)
        hand(output, of: index)
    }

    /// Takes up a new configuration.
    private func rearrange() {
        guard let new = arrangement.withLock({ $0.take() }) else { return }
        var memory = new.memory
        for index in entries.indices {
            serve(index)
            if !new.settings.contains(entries[index].settings) { finish(index) }
            memory.merge(entries[index].logic.memory) { _, now in now }
        }
        let before = status
        // Lines that another input has now are let go of first.
        entries.removeAll { !new.settings.contains($0.settings) }
        entries = new.settings.map { settings in
            entries.first { $0.settings == settings } ?? Self.entry(settings, ids: new.ids, memory: memory)
        }
        shared.withLock { status in
            status = new.settings.map { settings in
                before.first { $0.id == settings.id && $0.line == settings.line.description }
                    ?? InputStatus(id: settings.id, line: settings.line.description)
            }
        }
        for index in entries.indices { publish(index) }
    }

    // MARK: - Lines

    /// Asks for lines that are not watched.
    private func attach() {
        let now = BootClock.now
        for index in entries.indices where entries[index].watched == nil {
            if let next = entries[index].backoff.nextTry, next > now { continue }
            do throws(GPIOError) {
                let line = try GPIOLine(entries[index].settings, consumer: Self.consumer)
                let level = try line.level()
                entries[index].watched = Watched(line)
                entries[index].backoff.answered()
                entries[index].error = nil
                hand(entries[index].logic.attach(level: level, at: now), of: index)
                if let since = entries[index].failingSince {
                    entries[index].failingSince = nil
                    onEvent(.recovered(input: entries[index].settings.id, after: now - since))
                }
                publish(index)
            } catch {
                fail(index, error)
            }
        }
    }

    private func fail(_ index: Int, _ error: GPIOError) {
        let now = BootClock.now
        entries[index].watched = nil
        entries[index].logic.detach(at: now)
        entries[index].backoff.failed(at: now)
        let isNews = entries[index].error?.code != error.code
        entries[index].error = error
        entries[index].failingSince = entries[index].failingSince ?? now
        endWatches(of: entries[index].settings.id, error)
        if isNews { onEvent(.failing(input: entries[index].settings.id, error)) }
        publish(index)
    }

    /// Waits for an edge, for the next thing to do, or to be woken; returns the lines' descriptors that can be read.
    private func wait() -> [Int32] {
        let (now, offset) = (BootClock.now, BootClock.offset)
        var deadline = lastLook + Self.longestSleep
        var descriptors = [waker.descriptor]
        for index in entries.indices {
            if let watched = entries[index].watched {
                descriptors.append(watched.line.descriptor)
            } else if let next = entries[index].backoff.nextTry {
                deadline = min(deadline, next)
            }
            if let next = entries[index].logic.deadline(offset: offset) { deadline = min(deadline, next) }
        }
        let rest = max(0, (deadline - now).wholeMilliseconds + 1)
        let ready = Poller.readable(descriptors, within: Int32(clamping: rest))
        if ready.contains(waker.descriptor) { waker.drain() }
        return ready
    }

    private func isDue(_ index: Int, _ ready: [Int32], _ now: Instant, _ offset: ClockOffset) -> Bool {
        if let watched = entries[index].watched, ready.contains(watched.line.descriptor) { return true }
        return entries[index].logic.deadline(offset: offset).map { $0 <= now } ?? false
    }

    private func serve(_ index: Int) {
        var output = InputLogic.Output()
        var failure: GPIOError?
        if let watched = entries[index].watched {
            do throws(GPIOError) {
                for edge in try watched.line.edges() {
                    show(edge, of: entries[index].settings.id)
                    entries[index].logic.take(edge, into: &output)
                }
            } catch {
                failure = error
            }
        }
        entries[index].logic.advance(
            to: BootClock.now, offset: BootClock.offset, pace: intake.pace, into: &output)
        hand(output, of: index)
        if let failure { return fail(index, failure) }
        publish(index)
    }

    private func show(_ edge: LineEdge, of input: String) {
        watchers.withLock { watchers in
            // Nobody watches, nearly always.
            guard !watchers.isEmpty, let all = watchers[input] else { return }
            let rest = all.filter { $0(.edge(edge)) }
            watchers[input] = rest.isEmpty ? nil : rest
        }
    }

    /// Tells those who watch an input that its line is gone.
    private func endWatches(of input: String, _ error: GPIOError) {
        let all = watchers.withLock { $0.removeValue(forKey: input) }
        for watcher in all ?? [] { _ = watcher(.failed(error)) }
    }

    // MARK: - Hand-over

    private func hand(_ output: InputLogic.Output, of index: Int) {
        let readings = entries[index].waiting + output.readings
        let isTaken = readings.isEmpty || intake.promise(readings.count, again: output.readings.isEmpty)
        intake.put(
            isTaken ? readings : [], promised: isTaken ? readings.count : 0, memory: output.memory,
            events: output.events,
            isUrgent: !output.memory.isEmpty || isTaken && !readings.isEmpty && entries[index].isContact)
        if isTaken {
            entries[index].waiting.removeAll()
        } else {
            // A total is told by the next one as well.
            let isContact = entries[index].isContact
            entries[index].waiting = readings.filter { isContact || $0.remark != nil }.suffix(Self.mostWaiting)
        }
        let skipped = isTaken ? 0 : readings.count - entries[index].waiting.count
        shared.withLock { status in
            if isTaken { status[index].readings += UInt64(readings.count) }
            status[index].skipped += UInt64(skipped)
            status[index].waiting = entries[index].waiting.count
        }
        for event in output.events { onEvent(.happened(event)) }
    }

    private func answerQuestions() {
        let waiting = questions.withLock { questions in
            defer { questions.removeAll() }
            return questions
        }
        for question in waiting {
            guard let index = entries.firstIndex(where: { $0.settings.id == question.input }) else {
                question.answer(nil)
                continue
            }
            var output = InputLogic.Output()
            let isSet = entries[index].logic.set(
                total: question.dial, by: question.who, at: BootClock.now, offset: BootClock.offset, into: &output)
            hand(output, of: index)
            publish(index)
            question.answer(isSet ? output.events.first : nil)
        }
    }

    private func publish(_ index: Int) {
        let entry = entries[index]
        let now = BootClock.now
        shared.withLock { status in
            status[index].place = entry.watched?.place
            status[index].error = entry.error
            status[index].failingSince = entry.failingSince
            status[index].update(entry.logic, entry.settings, at: now)
        }
    }
}

extension InputStatus {
    fileprivate mutating func update(_ logic: InputLogic, _ settings: InputSettings, at now: Instant) {
        bounces = logic.bounces
        total = logic.total?.value
        count = logic.total?.count
        rate = logic.rate(at: now)
        if let counter = logic.counter {
            isActive = counter.isActive
            lastPulse = counter.last
            width = counter.width
            (tooShort, tooLong, tooFast) = (counter.tooShort, counter.tooLong, counter.tooFast)
            (lostEdges, recovered) = (counter.lostEdges, counter.recovered)
        }
        if let contact = logic.contact, case .contact(let use) = settings.use {
            isActive = contact.isActive
            state = contact.isActive ? use.active : use.inactive
            since = contact.since
            changes = contact.changes
            lostEdges = contact.lostEdges
        }
    }
}
