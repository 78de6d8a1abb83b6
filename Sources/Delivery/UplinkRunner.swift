// Delivery: readings from the spool to an OGC SensorThings 1.1 platform, each exactly once.
//
// Constraints
// - Platforms know no idempotency keys and store the same Observation twice. The identity of a reading is (Datastream,
//   phenomenonTime); whatever ends unclear is asked for by it before anything is sent again.
// - libcurl blocks, so each uplink is an actor on a thread of its own.
// - An uplink holds one lease of at most 4096 readings, one request of at most 8 MiB of answer, and the ids of its
//   Datastreams: nothing else grows.
//
// Flow
//     ReadingSource.lease ─▶ DeliveryMachine (Metering) ─action─▶ UplinkRunner ─▶ Provisioner, PostBody ─▶ Platform
//            ▲ settle                  ▲                                                                     │
//            └─────────────────────────┴──────────event────── Replies ◀── HTTPTransport (libcurl) ◀──────────┘
//
// Not promised
// - The platform may get a copy when it commits a request after it was asked, later than the settle wait: DeliveryTiming.
// - A reading that the platform has with another value is not corrected; it is counted as a conflict.
internal import CCurl
public import Metering
internal import Posix
internal import Synchronization

/// Delivers the readings of one source to one platform: performs what a `DeliveryMachine` decides.
public actor UplinkRunner {
    /// The version of the libcurl in use.
    public static var libraryVersion: String {
        // "libcurl/7.88.1 OpenSSL/3.0.15 …": the first word, without its own name.
        String(String(cString: curl_version()).prefix { $0 != " " }.drop { $0 != "/" }.dropFirst())
    }

    /// The uplink's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// The thread that `run()` should be started on.
    public nonisolated var thread: any TaskExecutor { executor }

    private nonisolated let executor: ThreadExecutor
    private nonisolated let transport: HTTPTransport
    private nonisolated let signals = Signals()
    private nonisolated let board: Mutex<UplinkStatus>
    private nonisolated let isClockSet: @Sendable () -> Bool
    private nonisolated let onChange: @Sendable (UplinkStatus) -> Void

    private let id: String
    private let source: any ReadingSource
    private let platform: Platform
    private var provisioner: Provisioner
    private var machine: DeliveryMachine
    private var body = PostBody()
    private var random = SystemRandomNumberGenerator()
    private var hasRun = false

    /// What other threads tell the runner.
    private final class Signals: Sendable {
        let isStopped = Atomic<Bool>(false)
        /// New readings were committed since the last wait.
        let isNotified = Atomic<Bool>(false)
    }

    /// An uplink that does nothing until `run()`.
    ///
    /// `version` goes into the User-Agent. `isClockSet` says whether the readings of now get their times; if not, the
    /// source may have some with a time, but that it has none does not mean that everything is delivered. `onChange` is
    /// called on the uplink's thread whenever the status's words change.
    public init(
        settings: UplinkSettings, plan: DeliveryPlan, source: any ReadingSource, version: String,
        timing: DeliveryTiming = DeliveryTiming(), isClockSet: @escaping @Sendable () -> Bool = { true },
        onChange: @escaping @Sendable (UplinkStatus) -> Void = { _ in }
    ) {
        var http = HTTPTransport.Settings(userAgent: "parthe/" + version)
        http.responseTimeout = settings.responseTimeout
        http.certificateAuthority = settings.certificateAuthority
        executor = ThreadExecutor(name: "uplink " + settings.id)
        transport = HTTPTransport(http)
        board = Mutex(UplinkStatus(settings, at: BootClock.now))
        self.isClockSet = isClockSet
        self.onChange = onChange
        id = settings.id
        self.source = source
        let platform = Platform(settings, transport: transport)
        self.platform = platform
        provisioner = Provisioner(plan, platform: platform)
        machine = DeliveryMachine(
            rowsPerPost: settings.readingsPerRequest, responseTimeout: settings.responseTimeout, timing: timing)
    }

    deinit {
        executor.stop()
    }

    /// How the uplink is doing; callable from any thread.
    public nonisolated var status: UplinkStatus { board.withLock { $0 } }

    /// Says that new readings were committed; callable from any thread, cheap, and never too often.
    public nonisolated func notify() {
        // A notice that the runner has not taken yet needs no second wake-up.
        guard !signals.isNotified.exchange(true, ordering: .sequentiallyConsistent) else { return }
        executor.wake()
    }

    /// Ends `run()` within a second, in the middle of a request too; callable from any thread. A lease in work stays
    /// unsettled: the next run gets it again, marked unclear, and asks for it.
    public nonisolated func stop() {
        signals.isStopped.store(true, ordering: .sequentiallyConsistent)
        transport.abort()
        executor.wake()
    }

    /// Delivers until `stop()`. To be called once; a second call returns at once.
    public func run() async {
        guard !hasRun else { return }
        hasRun = true
        var event = DeliveryMachine.Event.wake
        while true {
            if isStopped { event = .stop }
            let action = machine.event(event, at: BootClock.now, jitter: Double.random(in: 0...1, using: &random))
            publish()
            if case .finish = action { return }
            event = await perform(action)
        }
    }

    private var isStopped: Bool { signals.isStopped.load(ordering: .sequentiallyConsistent) }

    private func perform(_ action: DeliveryMachine.Action) async -> DeliveryMachine.Event {
        do {
            switch action {
            case .none, .finish:
                // Each action is answered by one event that its state knows.
                preconditionFailure("nothing to do in state \(machine.state)")
            case .wait(let until):
                await wait(until: until)
                return .wake
            case .lease: return try await lease()
            case .settle(let lease, let rejected):
                try await source.settle(lease, rejected: rejected)
                return .settled
            case .provision(let points, let forgetting):
                if forgetting { provisioner.forget() }
                return .provisioned(missing: try provisioner.provision(points))
            case .post(let range): return .posted(failed: try post(range))
            case .single(let position):
                let reading = machine.window.readings[position]
                body.write(single: reading, datastream: datastream(of: reading.point))
                _ = try platform.post("Observations", body.bytes)
                return .stored
            case .ask(let question):
                let (found, isComplete) = try Replies.observations(
                    platform.get(path(of: question)), pageSize: Platform.pageSize)
                return .asked(found, isComplete: isComplete)
            case .check(let point):
                _ = try Replies.entity(platform.get("Datastreams(\(datastream(of: point).path))?$select=id,name"))
                return .present
            }
        } catch let failure as DeliveryFailure {
            return .failed(failure)
        } catch {
            return .failed(DeliveryFailure(.spool, "the spool: \(error)", hint: "see the spool's line of the status"))
        }
    }

    /// Suspends until a moment, a notice or the stop. The thread stays free meanwhile.
    private func wait(until: Instant) async {
        while !isStopped, !signals.isNotified.exchange(false, ordering: .sequentiallyConsistent), BootClock.now < until
        {
            await executor.sleep(until: until)
        }
    }

    private func lease() async throws -> DeliveryMachine.Event {
        let lease = try await source.lease(uplink: id, maximumReadings: DeliveryMachine.readingsPerLease)
        return lease == nil && !isClockSet() ? .clockUnset : .leased(lease)
    }

    private func post(_ range: Range<Int>) throws(DeliveryFailure) -> [DeliveryMachine.FailedRow] {
        body.write(machine.window, range, datastreams: provisioner.datastreams)
        let answer = try platform.post("CreateObservations", body.bytes)
        return try Replies.failedRows(answer.body, rows: machine.window.count(in: range, .open))
    }

    private func path(of question: DeliveryMachine.Question) -> String {
        let filter = "phenomenonTime ge \(question.from) and phenomenonTime le \(question.to)"
        return "Datastreams(\(datastream(of: question.point).path))/Observations?$filter=\(URLText.encoded(filter))"
            + "&$select=id,phenomenonTime,result&$top=\(Platform.pageSize)"
    }

    private func datastream(of point: PointID) -> EntityID {
        guard let id = provisioner.datastreams[point] else {
            preconditionFailure("point \(point.rawValue) is sent without a Datastream, state \(machine.state)")
        }
        return id
    }

    private func publish() {
        let now = BootClock.now
        let changed = board.withLock { status in
            status.update(
                from: machine, requests: platform.requests, datastreams: provisioner.datastreams.count,
                platformTime: platform.time, at: now) ? status : nil
        }
        if let changed { onChange(changed) }
    }
}
