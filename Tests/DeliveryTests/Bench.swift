import Delivery
import Lab
import Metering
import Posix
import Testing

/// A runner at work against a platform, ended with its test.
struct Bench {
    let runner: UplinkRunner
    let source: TestSource
    let plan: DeliveryPlan
    let task: Task<Void, Never>

    init(
        url: String, source: TestSource, plan: DeliveryPlan, credentials: UplinkSettings.Credentials = .none,
        rows: Int = 200, responseTimeout: Duration = .seconds(2), timing: DeliveryTiming = TestInstallation.quick,
        certificateAuthority: String? = nil, isClockSet: @escaping @Sendable () -> Bool = { true }
    ) {
        SignalQueue.ignorePipe()
        let settings = UplinkSettings(
            id: "city", url: url, credentials: credentials, certificateAuthority: certificateAuthority,
            readingsPerRequest: rows, responseTimeout: responseTimeout)
        let runner = UplinkRunner(
            settings: settings, plan: plan, source: source, version: "test", timing: timing, isClockSet: isClockSet)
        self.runner = runner
        self.source = source
        self.plan = plan
        task = Task { await runner.run() }
    }

    /// Waits until everything is delivered. Returns false after a minute.
    func drained() async throws -> Bool {
        try await until { source.isEmpty && runner.status.condition == .idle }
    }

    /// Waits for a condition, at most four minutes: on two cores hundreds of tests share them with it.
    func until(_ condition: () -> Bool) async throws -> Bool {
        let end = BootClock.now + .seconds(240)
        while !condition() {
            if BootClock.now > end { return false }
            try await Task.sleep(for: .milliseconds(10))
        }
        return true
    }

    func stop() async {
        runner.stop()
        await task.value
    }
}

/// Compares what a platform holds with what was to be delivered: every reading once, with its value.
func expectDelivered(
    _ readings: [SpooledReading], to platform: ReferencePlatform, plan: DeliveryPlan,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let audit = try platform.audit()
    #expect(audit.copies == 0, sourceLocation: sourceLocation)
    #expect(audit.rows == readings.count, sourceLocation: sourceLocation)
    var digests: [PointID: ReadingDigest] = [:]
    for reading in readings {
        digests[reading.point, default: ReadingDigest()].add(
            reading.phenomenonTime, reading.value)
    }
    for (key, id) in plan.ids {
        guard let digest = digests[id] else { continue }
        let line = audit["\(plan.gateway.id)/\(key)"]
        #expect(line?.digest == digest, "\(key)", sourceLocation: sourceLocation)
    }
}
