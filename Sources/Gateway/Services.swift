internal import Configuration
internal import Delivery
internal import DigitalInputs
internal import Dispatch
internal import Fieldbus
internal import Logging
internal import Metering
internal import Posix
internal import Spooling
internal import Synchronization

/// The buses, inputs and uplinks of one configuration: started together, and stopped together when it is replaced. The
/// inputs alone go on meanwhile: an edge that nobody watches is lost.
struct Services {
    let buses: [ModbusBus]
    /// Nil where there was never one.
    let inputs: InputService?
    let uplinks: [UplinkRunner]
    private let taps: [String: BusTap]
    private let source: SpoolSource
    private let running = DispatchGroup()

    /// Puts together what `configuration` asks for; `ids` holds the spool's number of every point key, `memory` what the
    /// spool remembers of meters, `directory` is the spool's, `inputs` those that run already.
    init(
        _ configuration: AgentConfiguration, ids: [String: PointID], memory: [String: String], spool: Spool,
        directory: String, inputs running: InputService?, intake: Intake, log: Logger
    ) throws(AgentError) {
        buses = configuration.buses.compactMap { bus in
            let meters = configuration.meters.filter { $0.bus == bus.id }
            guard !meters.isEmpty else { return nil }
            return ModbusBus(settings: bus, meters: meters, ids: ids, memory: memory, intake: intake) { event in
                switch event {
                case .failing(let meter, let error): log.warning("meter \(meter): \(error); \(error.hint)")
                case .recovered(let meter, let after):
                    log.notice("meter \(meter): answers again after \(after.rounded)")
                case .dropped(let meter, let points):
                    log.warning(
                        "meter \(meter): refuses \(points.joined(separator: ", ")); asked again at times: check the model"
                    )
                case .happened(let event): log.notice("\(event.subject) \(event.kind.text)")
                }
            }
        }
        taps = Dictionary(uniqueKeysWithValues: buses.map { ($0.settings.id, BusTap()) })
        if let running {
            running.inputs.arrange(configuration.inputs, ids: ids, memory: memory)
            inputs = running
        } else {
            do {
                inputs = try InputService(configuration.inputs, ids: ids, memory: memory, intake: intake, log: log)
            } catch {
                throw AgentError(code: .system, message: "\(error)", hint: nil)
            }
        }
        let plan = DeliveryPlan(gateway: configuration.gateway, meters: configuration.things, ids: ids) { keys in
            try PointNote.meters(of: keys, directory: directory)
        }
        let source = SpoolSource(spool: spool)
        self.source = source
        uplinks = configuration.uplinks.map { settings in
            UplinkRunner(
                settings: settings, plan: plan, source: source, version: PartheVersion.text,
                isClockSet: { (spool.knownTime.history.best?.standing ?? .unknown) > .unknown },
                onChange: UplinkLog(log: log).note)
        }
    }

    /// Starts every loop.
    func start() {
        for bus in buses { launch(on: bus.thread) { await bus.run() } }
        inputs?.start()
        for uplink in uplinks { launch(on: uplink.thread) { await uplink.run() } }
    }

    /// Shows the frames of the bus called `id` to `asker` from now on.
    func trace(_ id: String, for asker: UnixAsker) {
        guard let bus = buses.first(where: { $0.settings.id == id }), let tap = taps[id] else {
            _ = asker.send(TraceLine.noBus.json)
            return
        }
        tap.add(asker, to: bus)
    }

    /// Stops every loop but the inputs' and waits for it; returns whether all ended in time.
    ///
    /// A bus may be waiting for a slow meter's answer; nothing is lost by not waiting for it.
    func stop(within limit: DispatchTimeInterval) -> Bool {
        for uplink in uplinks { uplink.stop() }
        source.stop()
        for bus in buses { bus.stop() }
        for tap in taps.values { tap.end("the agent ends, or has a new configuration") }
        return running.wait(timeout: .now() + limit) == .success
    }

    private func launch(on thread: any TaskExecutor, _ body: @escaping @Sendable () async -> Void) {
        running.enter()
        Task.detached(executorPreference: thread) { [running] in
            await body()
            running.leave()
        }
    }
}

/// The spool as the uplinks of one configuration see it.
final class SpoolSource: ReadingSource {
    private let spool: Spool
    private let isStopped = Atomic(false)

    init(spool: Spool) {
        self.spool = spool
    }

    func lease(uplink: String, maximumReadings: Int) async throws -> Lease? {
        try await spool.lease(uplink: uplink, maximumReadings: maximumReadings) {
            !self.isStopped.load(ordering: .acquiring)
        }
    }

    /// Ends every wait for a mark, which a failing disk could make a long one: nothing is leased any more.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        Task.detached(executorPreference: spool.thread) { [spool] in await spool.endWaits() }
    }

    func settle(_ lease: LeaseID, rejected: [Rejection]) async throws {
        try await spool.settle(lease, rejected: rejected)
    }
}
