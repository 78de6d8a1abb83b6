import Delivery
import Lab
import Metering
import Testing

/// Delivery through everything that goes wrong on the way. The judge is the platform's own database.
@Suite struct WeatherTests {
    /// Every way in which a request that stores goes wrong, in a row and with good ones between.
    @Test(arguments: [
        Fault.refuse, .cutRequest, .commitThenCut, .halfAnswer, .lateCommit(after: .milliseconds(200)),
        .slow(.milliseconds(100)), .tooManyRequests(retryAfter: 0), .unavailable(retryAfter: 0), .serverError,
        .serverErrorAfterCommit, .wrongLengthArray, .garbage201, .rowErrors(every: 3), .unauthorized,
        .tooLarge(over: 4000),
    ])
    func everyReadingArrivesOnce(fault: Fault) async throws {
        let script: [Fault?] = [fault, fault, nil, fault, fault, fault, nil, nil, fault]
        if case .lateCommit = fault {
            try await deliver(FaultPlan(scope: .observations, script: script), settle: .seconds(3))
        } else {
            try await deliver(FaultPlan(scope: .observations, script: script))
        }
    }

    /// The platform never answers, and the client gives up.
    @Test func blackHole() async throws {
        let plan = FaultPlan(scope: .observations, script: [.blackHole, nil, .blackHole])
        try await deliver(plan, responseTimeout: .milliseconds(300))
    }

    /// The client gives up, and the platform commits all the same, while it is being asked.
    @Test func commitAfterTheClientGaveUp() async throws {
        let plan = FaultPlan(scope: .observations, script: [.slow(.milliseconds(500)), nil, .slow(.milliseconds(500))])
        try await deliver(plan, responseTimeout: .milliseconds(300), settle: .seconds(3))
    }

    /// Questions fail too, and so does what makes the Datastreams.
    @Test(arguments: [
        Fault.refuse, .commitThenCut, .halfAnswer, .serverError, .serverErrorAfterCommit, .garbage201, .unauthorized,
        .tooManyRequests(retryAfter: 0), .unavailable(retryAfter: 0),
    ])
    func everythingFailsNowAndThen(fault: Fault) async throws {
        let plan = FaultPlan(scope: .all, chances: [.init(fault, 0.3)], seed: 7)
        try await deliver(plan, rounds: 40, rows: 50)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func chaos(seed: UInt64) async throws {
        try await deliver(
            FaultPlan.chaos(seed: seed), points: 4, rounds: 40, rows: 20, settle: .seconds(2))
    }

    private func deliver(
        _ faults: FaultPlan, points: Int = 10, rounds: Int = 60, rows: Int = 100,
        responseTimeout: Duration = .seconds(2), settle: Duration? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let readings = TestInstallation.readings(points: points, rounds: rounds)
        let platform = try ReferencePlatform(faults: faults)
        defer { platform.stop() }
        // Whoever commits late does so within the settle time, on a busy machine as well.
        var timing = TestInstallation.quick
        if let settle { timing.settle = settle }
        let bench = Bench(
            url: platform.url, source: TestSource(readings),
            plan: TestInstallation.plan(TestInstallation.meters(2, points: points / 2)), rows: rows,
            responseTimeout: responseTimeout, timing: timing)
        let isDrained = try await bench.drained()
        #expect(isDrained, "\(bench.runner.status)", sourceLocation: sourceLocation)
        await bench.stop()
        try expectDelivered(readings, to: platform, plan: bench.plan, sourceLocation: sourceLocation)
        #expect(bench.source.rejected.isEmpty, sourceLocation: sourceLocation)
        #expect(!platform.faultCounts.isEmpty, "nothing went wrong", sourceLocation: sourceLocation)
        // Entities were made once, too.
        #expect(Set(try platform.audit().lines.map(\.name)).count == points, sourceLocation: sourceLocation)
        #expect(try platform.audit().lines.count == points, sourceLocation: sourceLocation)
    }
}
