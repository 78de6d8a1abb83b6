import Delivery
import Lab
import Metering
import Testing

/// Texts on their way to a platform whose answers get lost.
@Suite struct TextDeliveryTests {
    private let plan = TestInstallation.plan(TestInstallation.meters(1, points: 4))

    /// Every second point is a text, hard to write and hard to compare.
    private static func readings(rounds: Int) -> [SpooledReading] {
        let texts = [
            "auto", "12.30", "0", "Störung \"3\" \\ /", "cafe\u{301}", "caf\u{E9}", "€ \u{1F600}\u{2028}", "null",
        ]
        return TestInstallation.readings(points: 4, rounds: rounds).enumerated().map { index, reading in
            var reading = reading
            if reading.point.rawValue % 2 == 0 { reading.value = .text(ExactText(texts[index / 4 % texts.count])!) }
            return reading
        }
    }

    @Test(arguments: [Fault.commitThenCut, .garbage201, .wrongLengthArray, .serverError])
    func arriveOnceThroughUnclearAnswers(fault: Fault) async throws {
        let platform = try ReferencePlatform(
            faults: FaultPlan(scope: .observations, chances: [.init(fault, 0.5)], seed: 3))
        defer { platform.stop() }
        let readings = Self.readings(rounds: 60)
        let bench = Bench(url: platform.url, source: TestSource(readings), plan: plan, rows: 20)
        #expect(try await bench.until { platform.faultCounts.values.contains { $0 > 2 } || bench.source.isEmpty })
        platform.setFaults(FaultPlan())
        #expect(try await bench.drained())
        await bench.stop()
        try expectDelivered(readings, to: platform, plan: plan)
        #expect(bench.runner.status.counts.conflicts == 0)
        if fault == .commitThenCut { #expect(bench.runner.status.counts.copiesAvoided > 0) }
    }

    /// The audit compares what texts say, byte for byte.
    @Test func theAuditSeesAnotherText() async throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let readings = Self.readings(rounds: 8)
        let bench = Bench(url: platform.url, source: TestSource(readings), plan: plan)
        #expect(try await bench.drained())
        await bench.stop()
        let audit = try platform.audit()
        #expect(audit.lines.allSatisfy { $0.notNumbers == 0 && $0.distinct == 8 })
        func digest(_ change: (inout SpooledReading) -> Void) -> ReadingDigest {
            var digest = ReadingDigest()
            for var reading in readings where reading.point.rawValue == 2 {
                change(&reading)
                digest.add(reading.phenomenonTime, reading.value)
            }
            return digest
        }
        let line = try #require(audit["gw-test/m1/p2"])
        #expect(line.digest == digest { _ in })
        #expect(
            line.digest != digest { if $0.value == .text(ExactText("auto")!) { $0.value = .text(ExactText("aut0")!) } })
        // Equal for Swift's strings, and not the same bytes.
        #expect(
            line.digest
                != digest {
                    if $0.value == .text(ExactText("cafe\u{301}")!) { $0.value = .text(ExactText("caf\u{E9}")!) }
                })
    }
}
