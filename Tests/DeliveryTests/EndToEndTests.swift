import Delivery
import Lab
import Metering
import Testing

@Suite struct EndToEndTests {
    @Test func deliversAWindowAndABacklog() async throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let readings = TestInstallation.readings(points: 40, rounds: 120)
        let source = TestSource(readings)
        let bench = Bench(
            url: platform.url, source: source, plan: TestInstallation.plan(TestInstallation.meters(4, points: 10)))
        #expect(try await bench.drained())
        await bench.stop()
        try expectDelivered(readings, to: platform, plan: bench.plan)
        #expect(bench.runner.status.counts.delivered == readings.count)
        #expect(bench.runner.status.trouble == nil)
        #expect(try platform.audit().lines.count == 40)
    }
}
