import Gateway
import Lab
import Metering
import Posix
import Testing

/// The whole agent and its clock, as far as that can be without setting the clock of the machine that tests. The rest is
/// shown in a virtual machine: scripts/test-clock.
@Suite(.serialized) struct ClockAgentTests {
    @Test func statusTellsWhatTheClockIsWorth() async throws {
        let rig = try Rig(count: 1)
        try rig.agent.start()
        let report = try await rig.status { $0.uplinks.first.map { $0.delivered > 20 } ?? false }
        let clock = report.clock
        #expect(["synchronised", "set", "restored"].contains(clock.state), "\(clock)")
        #expect(clock.waiting == 0 && clock.dueMilliseconds == nil && clock.wallClockAheadMilliseconds == nil)
        #expect(clock.changes.count == 1 && clock.changes[0].since == clock.since)
        let offset = try #require(clock.offsetMilliseconds)
        #expect(abs(offset - BootClock.offset.nanoseconds / 1_000_000) < 1000)
        #expect(rig.agent.log.contains("clock: \(clock.text): "))
        let page = try await Outcome("status", "--socket", rig.agent.socket)
        #expect(page.text.contains("clock   \(clock.text)"), "\(page.text)")
        #expect(page.text.contains("UTC is boot clock + \(offset / 1000)."))
        // What was known stays known over a restart of the agent in the same boot.
        rig.agent.kill()
        try rig.agent.start()
        let next = try await rig.status { $0.spool.committed > report.spool.committed }
        #expect(next.clock.changes.first?.since == clock.since, "\(next.clock)")
        #expect(try await rig.settle().isClean)
    }

    @Test func aPlatformWithAnotherTimeIsTold() async throws {
        let rig = try Rig(count: 1)
        rig.platform?.setFaults(FaultPlan(clockOffset: .seconds(-3630)))
        try rig.agent.start()
        let report = try await rig.status { report in
            report.uplinks[0].delivered > 20 && report.uplinks[0].clockAheadMilliseconds != nil
                && report.problems.map(\.what) == ["uplink city: the platform's clock is 60 min behind the gateway's"]
        }
        let ahead = try #require(report.uplinks[0].clockAheadMilliseconds)
        #expect(abs(ahead + 3_630_000) < 3000)
        rig.platform?.setFaults(FaultPlan())
        _ = try await rig.status { $0.problems.isEmpty && abs($0.uplinks[0].clockAheadMilliseconds ?? .max) < 3000 }
        let comparison = try await rig.settle()
        #expect(comparison.isClean, "\(comparison)")
    }
}
