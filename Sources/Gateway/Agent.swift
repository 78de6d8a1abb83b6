internal import Configuration
internal import Delivery
internal import DigitalInputs
internal import Dispatch
internal import Fieldbus
internal import Glibc
public import Logging
internal import Metering
internal import Posix
internal import Spooling

/// The agent: puts the parts together, keeps them running, and ends them in order.
///
/// The main thread supervises: it waits for signals and for questions on the control socket. Each bus, the spool and
/// each uplink runs on a thread of its own. SIGHUP replaces buses and uplinks by those of the configuration as it then
/// stands, if it is right; digital inputs that stay as they are go on counting. SIGTERM stops reading, commits what was read, and ends within 5 s.
public final class Agent {
    /// Where the agent finds and keeps its things.
    public struct Options: Sendable {
        /// The configuration file.
        public var configuration: String
        /// The folder of the spool.
        public var state: String
        /// The path of the control socket.
        public var socket: String
        /// The folder with `meters/` and `boards/`, where it is not in its usual place.
        public var share: String?

        /// Options with every path given.
        public init(configuration: String, state: String, socket: String, share: String?) {
            self.configuration = configuration
            self.state = state
            self.socket = socket
            self.share = share
        }
    }

    private let options: Options
    private let log: Logger
    private let started = BootClock.now
    private let writtenAtStart = OwnProcess.writtenBytes ?? 0
    private let signals: SignalQueue
    private let listener: UnixListener
    private let intake: Intake
    private let spool: Spool
    private let spoolEnded = DispatchGroup()
    private var clock: ClockWatch
    private var configuration: AgentConfiguration
    private var services: Services
    private var refusal: StatusReport.Refusal?
    private var isStartOver = false

    /// Buses and uplinks get this long to stop, the last commit gets the same: together below the 5 s of a clean end.
    private static let stopLimit = DispatchTimeInterval.seconds(2)

    /// How long nobody asks before free memory goes back to the kernel.
    private static let trimInterval = Duration.seconds(10)
    private var trimTime: Instant

    /// Reads the configuration, opens the spool and the control socket. Call on the main thread, before any other
    /// thread runs.
    public init(_ options: Options, log: Logger) throws(AgentError) {
        self.options = options
        self.log = log
        Memory.shareOneArena()
        do {
            signals = try SignalQueue()
        } catch {
            throw AgentError(code: .system, message: "\(error)", hint: nil)
        }
        configuration = try AgentConfiguration(checked: options)
        listener = try Self.listen(options.socket)
        intake = Intake()
        do {
            spool = try Spool(
                directory: options.state, settings: configuration.spool, uplinks: configuration.uplinks.map(\.id),
                intake: intake
            ) { event in
                switch event {
                case .failing(let error): log.error("spool: \(error); readings wait in memory – \(error.hint)")
                case .recovered(let after): log.notice("spool: commits go through again after \(after.rounded)")
                case .mended(let mending): log.error("spool: \(mending.text)")
                case .homeless(let error):
                    let fate = "its file was removed while it is in use; what it holds is lost when the agent ends"
                    log.error("spool: \(fate): \(error)")
                case .dropping: log.warning("spool: \(Spool.Event.dropText)")
                case .admission(let change):
                    log.warning("spool: \(change.text)\(change.hint.map { "; " + $0 } ?? "")")
                // Points have their numbers in the spool now: buses, inputs and uplinks take them up as with SIGHUP.
                case .opened: kill(getpid(), SIGHUP)
                }
            }
        } catch {
            throw AgentError(code: .spool, message: "\(error)", hint: error.hint)
        }
        clock = ClockWatch(
            history: spool.knownTime.history, floor: spool.timeBeforeBoot, patience: configuration.spool.clockWait,
            log: log)
        trimTime = started + Self.trimInterval
        if let time = clock.look() { spool.know(time) }
        services = try Self.assemble(
            configuration, spool: spool, directory: options.state, inputs: nil, intake: intake, log: log)
    }

    /// Runs until SIGTERM or SIGINT; throws when a new configuration finds the spool's disk gone, and when readings are
    /// lost at the end because the disk did not take them.
    public func run() throws(AgentError) {
        let spool = spool
        spoolEnded.enter()
        Task.detached(executorPreference: spool.thread) { [spoolEnded] in
            await spool.run()
            spoolEnded.leave()
        }
        startServices()
        let points = configuration.things.reduce(0) { $0 + $1.points.count }
        log.notice(
            """
            parthe \(PartheVersion.text) runs as \(configuration.gateway.id): \
            meters \(configuration.meters.count), inputs \(configuration.inputs.count), points \(points), uplinks \(configuration.uplinks.count); \
            spool in \(options.state)
            """)
        while try supervise() {}
        try end()
    }

    /// Waits for one thing to do; false when it is time to end.
    private func supervise() throws(AgentError) -> Bool {
        let descriptors = [signals.descriptor, listener.descriptor] + (clock.descriptor.map { [$0] } ?? [])
        let rest = (min(trimTime, clock.next) - BootClock.now).wholeMilliseconds + 1
        let ready = Poller.readable(descriptors, within: Int32(clamping: max(0, rest)))
        if ready.contains(where: { $0 != clock.descriptor }) { trimTime = BootClock.now + Self.trimInterval }
        if BootClock.now >= trimTime { tidy() }
        if clock.descriptor.map(ready.contains) ?? false || BootClock.now >= clock.next { lookAtClock() }
        if ready.contains(listener.descriptor) { listener.serve { answer($0, $1) } }
        if ready.contains(signals.descriptor) {
            switch signals.next() {
            case .terminate: return false
            case .hangUp: try reload()
            case nil: break
            }
        }
        return true
    }

    /// For quiet moments: leaves to others the memory that nothing needs now.
    private func tidy() {
        trimTime = BootClock.now + Self.trimInterval
        Memory.trim()
        if !isStartOver { Memory.releaseCode() }
        isStartOver = true
    }

    /// Looks at the clock; what it brings to known time can be delivered at once.
    private func lookAtClock() {
        guard let time = clock.look() else { return }
        spool.know(time)
        for uplink in services.uplinks { uplink.notify() }
    }

    private func answer(_ question: String, _ asker: UnixAsker) {
        if question == "status" {
            _ = asker.send(report().json)
        } else if let question = BusQuestion(text: question) {
            services.buses.ask(question, for: asker)
        } else if question.hasPrefix(EdgeLine.word) {
            let id = question.dropFirst(EdgeLine.word.count)
            if let inputs = services.inputs?.inputs, let input = configuration.inputs.first(where: { $0.id == id }) {
                inputs.show(input, to: asker)
            } else {
                _ = asker.send(EdgeLine.noInput.json)
            }
        } else if let question = TotalQuestion(text: question) {
            question.ask(services.inputs?.inputs, for: asker)
        } else if question.hasPrefix(TraceLine.word) {
            services.trace(String(question.dropFirst(TraceLine.word.count)), for: asker)
        } else {
            _ = asker.send(Array(#"{"error":"unknown question"}"#.utf8))
        }
    }

    private func report() -> StatusReport {
        StatusReport(
            configuration: configuration, buses: services.buses.map(\.status),
            inputs: services.inputs?.inputs.status ?? [], intake: intake.fill, spool: spool.status,
            uplinks: services.uplinks.map(\.status), refusal: refusal,
            written: OwnProcess.writtenBytes.map { $0 - writtenAtStart }, started: started, now: BootClock.now,
            clock: clock.clock)
    }

    /// Replaces buses and uplinks by what the configuration now asks for; a wrong one is refused and nothing changes.
    private func reload() throws(AgentError) {
        log.notice("reading \(options.configuration) again")
        let new: AgentConfiguration
        do {
            new = try AgentConfiguration(checked: options)
        } catch {
            refuse(error)
            return
        }
        do {
            // The dictionary has a limit; what does not fit must be known while the old services still run.
            _ = try Self.identify(new, spool: spool)
        } catch {
            refuse(error)
            return
        }
        if !services.stop(within: Self.stopLimit) { log.warning("a bus did not stop in time; it ends by itself") }
        let spool = spool
        do {
            try Self.orAgentError(spool) { () async throws(SpoolError) in
                try await spool.configure(new.spool, uplinks: new.uplinks.map(\.id))
            }
            configuration = new
            clock.patience = new.spool.clockWait
            refusal = nil
            log.notice("the new configuration is in force: meters \(new.meters.count)")
        } catch {
            refuse(error)
        }
        services = try Self.assemble(
            configuration, spool: spool, directory: options.state, inputs: services.inputs, intake: intake, log: log)
        startServices()
    }

    private func refuse(_ error: AgentError) {
        let reason = error.message.prefix { !$0.isNewline }
        refusal = .init(time: BootClock.now, reason: String(reason), hint: error.hint)
        log.error("the new configuration is refused, the old one goes on: \(error)")
    }

    private func startServices() {
        let uplinks = services.uplinks
        let spool = spool
        blocking(on: spool.thread) { await spool.onCommit { for uplink in uplinks { uplink.notify() } } }
        services.start()
    }

    private func end() throws(AgentError) {
        log.notice("ending: finishing the commit")
        services.inputs?.inputs.stop()
        if !services.stop(within: Self.stopLimit) { log.warning("a bus did not stop in time; it is left behind") }
        if let inputs = services.inputs, !inputs.end(within: .milliseconds(500)) {
            log.warning("the inputs did not stop in time; what they counted last is lost")
        }
        spool.stop()
        if spoolEnded.wait(timeout: .now() + Self.stopLimit) == .timedOut {
            throw AgentError(
                code: .spool, message: "the last commit did not end in time: the disk does not answer",
                hint: "look at dmesg for disk errors; \(lost(intake.fill.waiting))")
        }
        let waiting = intake.fill.waiting
        if waiting > 0, let error = spool.status.error {
            throw AgentError(code: .spool, message: "\(error); \(lost(waiting))", hint: error.hint)
        }
        log.notice("ended")
    }

    private func lost(_ readings: Int) -> String {
        readings == 1
            ? "1 reading could not be committed and is lost"
            : "\(readings) readings could not be committed and are lost"
    }

    private static func listen(_ path: String) throws(AgentError) -> UnixListener {
        do {
            return try UnixListener(path: path)
        } catch {
            let hint =
                switch error.code {
                case EADDRINUSE: "another agent runs with this socket: stop it, or choose another path with --socket"
                case EEXIST: "what stands there is no socket: choose another path with --socket"
                case ENAMETOOLONG: "a socket's path has 107 bytes at most: choose a shorter one with --socket"
                default: "choose a path that this user may write with --socket"
                }
            throw AgentError(code: .system, message: "\(error)", hint: hint)
        }
    }

    private static func assemble(
        _ configuration: AgentConfiguration, spool: Spool, directory: String, inputs: InputService?, intake: Intake,
        log: Logger
    ) throws(AgentError) -> Services {
        let ids = try identify(configuration, spool: spool)
        let memory = try orAgentError(spool) { () async throws(SpoolError) in try await spool.memory() }
        // Where notes cannot be read now, points that are gone are not thinned.
        let rules = (try? PointNote.thinningRules(of: configuration, ids: ids, directory: directory)) ?? ThinningRules()
        blocking(on: spool.thread) { await spool.thin(by: rules) }
        return try Services(
            configuration, ids: ids, memory: memory, spool: spool, directory: directory, inputs: inputs, intake: intake,
            log: log)
    }

    /// The spool's whole dictionary, with every point of the configuration in it.
    private static func identify(
        _ configuration: AgentConfiguration, spool: Spool
    ) throws(AgentError) -> [String: PointID] {
        let keys = configuration.things.flatMap(\.points).map(\.key)
        let notes = PointNote.all(of: configuration)
        return try orAgentError(spool) { () async throws(SpoolError) in try await spool.identify(keys, notes: notes) }
    }

    private static func orAgentError<Result: Sendable>(
        _ spool: Spool, _ body: @escaping @Sendable () async throws(SpoolError) -> Result
    ) throws(AgentError) -> Result {
        let result = blocking(on: spool.thread) { () async -> Swift.Result<Result, SpoolError> in
            do throws(SpoolError) { return .success(try await body()) } catch { return .failure(error) }
        }
        switch result {
        case .success(let value): return value
        case .failure(let error): throw AgentError(code: .spool, message: "\(error)", hint: error.hint)
        }
    }
}

/// Runs `body` and waits for it. Only the main thread may: it is no thread of the cooperative pool.
private func blocking<Result: Sendable>(
    on thread: any TaskExecutor, _ body: @escaping @Sendable () async -> Result
) -> Result {
    let box = ResultBox<Result>()
    let done = DispatchSemaphore(value: 0)
    Task.detached(executorPreference: thread) {
        box.value = await body()
        done.signal()
    }
    done.wait()
    guard let value = box.value else { preconditionFailure("a task ended without its result") }
    return value
}

/// SAFETY: written before the semaphore is signalled and read after it was waited for.
private final class ResultBox<Value>: @unchecked Sendable {
    var value: Value?
}
