import Configuration
import Fieldbus
import Lab
import Metering
import Posix
import Testing

@Suite struct ModbusBusTests {
    /// A bus with one simulated meter, and an intake of `capacity` readings.
    private struct Rig {
        let meters: SimulatedMeters
        let intake: Intake
        let bus: ModbusBus
        let points: [Point]
        let ids: [String: PointID]
        var pointCount: Int { points.count }

        init(capacity: Int, timeout: Duration = .seconds(30)) throws {
            SignalQueue.ignorePipe()
            let definition = try #require(try Catalogue(share: nil).definition(model: "eastron-sdm230"))
            meters = try SimulatedMeters(definition, count: 1)
            intake = Intake(capacity: capacity)
            points = definition.points.map { Point(meter: "m", definition: $0, interval: .milliseconds(50)) }
            let place = Location(latitude: .zero, longitude: .zero)
            let meter = Meter(id: "m", bus: "b", unit: 1, definition: definition, points: points, location: place)
            ids = Dictionary(
                uniqueKeysWithValues: points.enumerated().map { ($1.key, PointID(rawValue: UInt32($0 + 1))) })
            let settings = BusSettings(
                id: "b", endpoint: .tcp(host: "127.0.0.1", port: meters.ports[0]),
                timing: Timing(responseTimeout: timeout))
            bus = ModbusBus(settings: settings, meters: [meter], ids: ids, intake: intake) { _ in }
        }
    }

    /// Without room in the intake whole polls are skipped and counted, and nothing is asked of the meter.
    @Test func aFullIntakeSkipsPollsAndCountsThem() async throws {
        let rig = try Rig(capacity: 50)
        defer { rig.meters.stop() }
        let run = Task.detached { [bus = rig.bus] in await bus.run() }
        let isSkipping = try await AgentHarness.wait(60) { rig.bus.status.meters[0].skippedPolls >= 3 }
        #expect(isSkipping)
        let asked = rig.meters.requestCount(of: 0)
        let skipped = rig.bus.status.meters[0].skippedPolls
        _ = try await AgentHarness.wait(60) { rig.bus.status.meters[0].skippedPolls > skipped }
        #expect(rig.meters.requestCount(of: 0) == asked, "a meter is asked although there is no room")
        #expect(rig.intake.fill.waiting == 2 * rig.pointCount, "two whole polls fit, a part of one never")
        #expect(rig.intake.fill.skippedPolls >= skipped)

        let taken = rig.intake.take().readings
        #expect(taken.count == 2 * rig.pointCount)
        #expect(try await AgentHarness.wait(60) { rig.intake.fill.waiting > 0 }, "with room it goes on by itself")
        rig.bus.stop()
        await run.value
        #expect(rig.meters.functionCounts.keys.allSatisfy { $0 == 3 || $0 == 4 })
    }

    /// Polls happen at multiples of the interval in UTC, and readings carry the time at which the answer arrived.
    @Test func readingsCarryTheirArrival() async throws {
        let rig = try Rig(capacity: 10_000)
        defer { rig.meters.stop() }
        let begin = BootClock.now
        let run = Task.detached { [bus = rig.bus] in await bus.run() }
        #expect(try await AgentHarness.wait(60) { rig.bus.status.meters[0].polls >= 5 })
        rig.bus.stop()
        await run.value
        let end = BootClock.now
        let readings = rig.intake.take().readings
        #expect(readings.count >= 5 * rig.pointCount)
        #expect(readings.allSatisfy { begin < $0.instant && $0.instant < end })
        #expect(zip(readings, readings.dropFirst()).allSatisfy { $0.instant <= $1.instant })
        #expect(!rig.bus.status.meters.contains { $0.error != nil })
    }

    /// While the spool fills up, a meter's gauges are left out of most of its polls, and its counters of none.
    @Test func aSlowPaceLeavesOutGaugesAndKeepsCounters() async throws {
        let rig = try Rig(capacity: 100_000)
        defer { rig.meters.stop() }
        rig.intake.pace = .slow
        let run = Task.detached { [bus = rig.bus] in await bus.run() }
        #expect(try await AgentHarness.wait(60) { rig.bus.status.meters[0].polls >= 40 })
        #expect(rig.bus.status.pace == .slow)
        let slow = Dictionary(grouping: rig.intake.take().readings, by: \.point)
        rig.intake.pace = .normal
        let polls = rig.bus.status.meters[0].polls
        #expect(try await AgentHarness.wait(60) { rig.bus.status.meters[0].polls >= polls + 4 })
        rig.bus.stop()
        await run.value
        #expect(rig.bus.status.pace == .normal)
        let kinds = Dictionary(grouping: rig.points, by: \.definition.kind).mapValues { $0.map { rig.ids[$0.key]! } }
        let counters = try #require(kinds[.counter])
        #expect(counters.allSatisfy { slow[$0]?.count ?? 0 >= 39 })
        let gauges = try #require(kinds[.gauge])
        let most = counters.compactMap { slow[$0]?.count }.min() ?? 0
        #expect(gauges.allSatisfy { (slow[$0]?.count ?? 0) * 2 <= most }, "of four polls one, whatever was overrun")
        // The last poll is at its own pace again: it has everything.
        let readings = rig.intake.take().readings
        #expect(Set(readings.suffix(rig.pointCount).map(\.point)) == Set(rig.ids.values))
    }

    @Test func stoppingWaitsForNoPoll() async throws {
        let rig = try Rig(capacity: 10_000)
        defer { rig.meters.stop() }
        rig.bus.stop()
        await rig.bus.run()
        #expect(rig.meters.connectionCount == 0)
    }

    /// Points of two intervals that are due together are read by the same requests.
    @Test func whatIsDueTogetherIsAskedTogether() async throws {
        let rig = try LineRig(units: [1], interval: .milliseconds(200), slow: .milliseconds(400))
        rig.start()
        #expect(try await rig.wait { try rig.status(of: 1).polls >= 12 })
        try await rig.stop()
        let status = try rig.status(of: 1)
        #expect(status.intervals.map(\.interval) == [.milliseconds(200), .milliseconds(400)])
        #expect(status.intervals.allSatisfy { $0.skew.map { $0 > .zero } ?? false })
        let names = Dictionary(grouping: rig.readings) { rig.name(of: $0, unit: 1) ?? "" }
        let fast = try #require(names["voltage"]).map(\.instant)
        let slow = try #require(names["current"]).map(\.instant)
        #expect(slow.count > 3 && Set(slow).isSubset(of: fast), "one answer holds both")
        #expect(fast.count > slow.count)
        #expect(rig.untrue() == [])
    }
}
