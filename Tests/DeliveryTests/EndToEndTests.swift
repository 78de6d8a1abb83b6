import Delivery
import Lab
import Metering
import Posix
import Synchronization
import Testing

@Suite struct EndToEndTests {
    private let plan = TestInstallation.plan(TestInstallation.meters(4, points: 10))

    @Test func deliversAWindowAndABacklog() async throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let readings = TestInstallation.readings(points: 40, rounds: 120)
        // No answer is given up for being late: the requests are counted.
        let bench = Bench(
            url: platform.url, source: TestSource(readings), plan: plan, responseTimeout: .seconds(60))
        #expect(try await bench.drained())
        await bench.stop()
        try expectDelivered(readings, to: platform, plan: plan)
        let status = bench.runner.status
        #expect(status.counts.delivered == readings.count)
        #expect(status.trouble == nil)
        #expect(status.datastreams == 40)
        #expect(status.condition == .stopped)
        #expect(try platform.audit().lines.count == 40)
        // Looking up and making: per meter 2, per Datastream 1, and the shared entities; then one request a post.
        #expect(status.requests < 4 * 2 + 40 + 2 * 6 + 30)
    }

    @Test func newReadingsGoOutWhenNotified() async throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        var timing = TestInstallation.quick
        timing.idle = .seconds(3600)
        let bench = Bench(url: platform.url, source: TestSource([]), plan: plan, timing: timing)
        for round in 0..<5 {
            #expect(try await bench.until { bench.runner.status.condition == .idle && bench.source.isEmpty })
            bench.source.add(TestInstallation.readings(points: 40, rounds: 1, from: round))
            bench.runner.notify()
            #expect(try await bench.until { bench.source.settledCount == (round + 1) * 40 })
        }
        await bench.stop()
        try expectDelivered(TestInstallation.readings(points: 40, rounds: 5), to: platform, plan: plan)
    }

    /// The agent ends at any moment, without settling: the next run asks before it sends.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func restartsAtAnyMoment(seed: UInt64) async throws {
        let platform = try ReferencePlatform(
            faults: FaultPlan(scope: .observations, chances: [.init(.slow(.milliseconds(5)), 1)], seed: seed))
        defer { platform.stop() }
        let readings = TestInstallation.readings(points: 20, rounds: 50)
        let source = TestSource(readings)
        var random = RandomSource(seed: seed)
        for _ in 0..<6 {
            let bench = Bench(url: platform.url, source: source, plan: plan, rows: 40)
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...700, using: &random)))
            await bench.stop()
        }
        let bench = Bench(url: platform.url, source: source, plan: plan, rows: 40)
        #expect(try await bench.drained())
        await bench.stop()
        try expectDelivered(readings, to: platform, plan: plan)
        #expect(try platform.audit().lines.count == Set(readings.map(\.point)).count)
    }

    /// Ends the run in the middle of a request that would take ten minutes.
    @Test func stopEndsABlackHole() async throws {
        let platform = try ReferencePlatform(
            faults: FaultPlan(scope: .observations, chances: [.init(.blackHole, 1)]))
        defer { platform.stop() }
        let source = TestSource(TestInstallation.readings(points: 40, rounds: 1))
        let bench = Bench(url: platform.url, source: source, plan: plan, responseTimeout: .seconds(600))
        #expect(try await bench.until { platform.faultCounts["blackHole"] == 1 })
        await bench.stop()
        #expect(source.state.withLock { $0.lease?.isUnclear } == true)
        #expect(source.settledCount == 0)
        #expect(bench.runner.status.condition == .stopped)
        // Stopped for good.
        await bench.runner.run()
    }

    @Test func anOutageIsWaitedFor() async throws {
        let folder = try TestFolder()
        let file = folder.path + "/platform.sqlite"
        let port = try HeldPort()
        let first = try ReferencePlatform(file: file, port: port.number)
        let readings = TestInstallation.readings(points: 40, rounds: 10)
        let source = TestSource(Array(readings.prefix(200)))
        let bench = Bench(url: first.url, source: source, plan: plan)
        #expect(try await bench.drained())
        first.stop()
        source.add(Array(readings.dropFirst(200)))
        bench.runner.notify()
        #expect(try await bench.until { bench.runner.status.condition == .waiting })
        let trouble = try #require(bench.runner.status.trouble)
        #expect(trouble.code == .notSent)
        #expect(trouble.hint?.contains("down") == true)
        let second = try ReferencePlatform(file: file, port: port.number)
        defer { second.stop() }
        #expect(try await bench.drained())
        await bench.stop()
        try expectDelivered(readings, to: second, plan: plan)
        #expect(bench.runner.status.trouble == nil)
    }

    /// The platform comes back empty: its ids mean nothing any more.
    @Test func aPlatformThatLostEverythingIsProvisionedAgain() async throws {
        let port = try HeldPort()
        let first = try ReferencePlatform(port: port.number)
        let readings = TestInstallation.readings(points: 40, rounds: 10)
        let source = TestSource(Array(readings.prefix(200)))
        let bench = Bench(url: first.url, source: source, plan: plan)
        #expect(try await bench.drained())
        first.stop()
        let second = try ReferencePlatform(port: port.number)
        defer { second.stop() }
        source.add(Array(readings.dropFirst(200)))
        bench.runner.notify()
        #expect(try await bench.drained())
        await bench.stop()
        try expectDelivered(Array(readings.dropFirst(200)), to: second, plan: plan)
        #expect(source.rejected.isEmpty)
        #expect(try second.audit().lines.count == 40)
    }

    /// The spool gives out none whose time is not known; that is no "everything is delivered".
    @Test func readingsThatWaitForTheClockAreTold() async throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let source = TestSource([])
        let isSet = Flag()
        let bench = Bench(url: platform.url, source: source, plan: plan, isClockSet: { isSet.isUp })
        #expect(try await bench.until { bench.runner.status.condition == .paused })
        #expect(bench.runner.status.words.contains("clock"))
        #expect(bench.runner.status.requests == 0)
        source.add(TestInstallation.readings(points: 40, rounds: 1))
        isSet.raise()
        #expect(try await bench.drained())
        #expect(bench.runner.status.trouble == nil)
        await bench.stop()
        #expect(try platform.audit().rows == 40)
    }

    /// What the platform's `Date` says of the gateway's clock; here it is right, then an hour ahead.
    @Test func thePlatformsTimeIsKept() async throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let source = TestSource(TestInstallation.readings(points: 40, rounds: 1))
        let bench = Bench(url: platform.url, source: source, plan: plan)
        #expect(try await bench.drained())
        let own = try #require(bench.runner.status.platformTime)
        #expect(own.discrepancy(from: BootClock.offset) == nil)
        platform.setFaults(FaultPlan(clockOffset: .seconds(3600)))
        source.add(TestInstallation.readings(points: 40, rounds: 2).suffix(40))
        bench.runner.notify()
        #expect(try await bench.drained())
        await bench.stop()
        let other = try #require(bench.runner.status.platformTime)
        let ahead = try #require(other.discrepancy(from: BootClock.offset))
        #expect(abs((ahead - .seconds(3600)).wholeMilliseconds) < 2000, "\(ahead)")
    }

    @Test func readingsOfRetiredPointsGoToTheirDatastreamOrAreRejected() async throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let before = Bench(
            url: platform.url, source: TestSource(TestInstallation.readings(points: 4, rounds: 1)),
            plan: TestInstallation.plan(TestInstallation.meters(2, points: 2)))
        #expect(try await before.drained())
        await before.stop()
        // m2 has left the configuration; m9 was never known to the platform.
        let plan = TestInstallation.plan(
            TestInstallation.meters(1, points: 2), retired: ["m2/p1", "m2/p2", "m9/p1"])
        let source = TestSource(TestInstallation.readings(points: 6, rounds: 1, from: 1))
        let after = Bench(url: platform.url, source: source, plan: plan)
        #expect(try await after.drained())
        await after.stop()
        #expect(try platform.audit().rows == 8)
        #expect(try platform.audit().lines.count == 4)
        #expect(
            source.rejected.map(\.reason) == [
                "m9/p1 is no longer configured, and the platform has no Datastream gw-test/m9/p1",
                "the spool's dictionary has no point 6",
            ])
    }

    /// A meter that was taken away before the platform ever heard of it: what was noted of it makes its Datastreams.
    @Test func readingsOfFormerMetersAreDelivered() async throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let before = TestInstallation.plan(TestInstallation.meters(2, points: 2))
        var plan = TestInstallation.plan(TestInstallation.meters(1, points: 2), retired: ["m2/p1", "m2/p2"])
        plan.former = { keys in
            var known: [String: Meter] = [:]
            for meter in before.meters {
                for point in meter.points where keys.contains(point.key) {
                    known[point.key] = meter
                    known[point.key]?.points = [point]
                }
            }
            return known
        }
        let readings = TestInstallation.readings(points: 4, rounds: 2)
        let source = TestSource(readings)
        let bench = Bench(url: platform.url, source: source, plan: plan)
        #expect(try await bench.drained())
        await bench.stop()
        #expect(source.rejected.isEmpty)
        try expectDelivered(readings, to: platform, plan: before)
        #expect(try platform.audit().lines.count == 4)
    }

    /// A spool that cannot be asked now is no reason to give readings up.
    @Test func formerMetersThatCannotBeLookedUpAreWaitedFor() async throws {
        struct Busy: Error {}
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        var plan = TestInstallation.plan([], retired: ["m2/p1"])
        plan.former = { _ in throw Busy() }
        let source = TestSource(TestInstallation.readings(points: 1, rounds: 1))
        let bench = Bench(url: platform.url, source: source, plan: plan)
        #expect(try await bench.until { bench.runner.status.lastFailure?.code == .spool })
        await bench.stop()
        #expect(source.rejected.isEmpty && source.settledCount == 0)
    }

    @Test func namesMayHoldAnything() async throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        var plan = TestInstallation.plan(TestInstallation.meters(1, points: 2))
        plan.gateway.id = "O'Brien & Söhne/100 %+#?\"\\"
        let readings = TestInstallation.readings(points: 2, rounds: 2)
        for part in [readings.prefix(2), readings.suffix(2)] {
            let bench = Bench(url: platform.url + "///", source: TestSource(Array(part)), plan: plan)
            #expect(try await bench.drained())
            await bench.stop()
        }
        try expectDelivered(readings, to: platform, plan: plan)
        #expect(try platform.audit().lines.count == 2)
    }
}
