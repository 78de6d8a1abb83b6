import FoundationEssentials
import Gateway
import Lab
import Posix
import Testing

/// `parthe input set-total`, and totals over reloads. No line is needed: a total is known before its line is found.
@Suite(.serialized) struct TotalTests {
    private static let input = input()

    private static func input(per pulses: Int = 100, unit: String = "m3") -> String {
        "inputs:\n  - {id: gas, line: NO-SUCH-LINE, pulses_per: \(pulses), unit: \(unit)}\n"
    }

    private func setTotal(_ rig: Rig, _ dial: String, _ unit: String = "m3") async throws -> Outcome {
        try await Outcome(
            "input", "set-total", "gas", dial, unit, "--config", rig.agent.configurationFile, "--socket",
            rig.agent.socket, "--state", rig.agent.spoolFolder)
    }

    private func hasTotal(_ rig: Rig, _ total: String) async throws {
        _ = try await rig.status("total \(total)") { $0.inputs.first?.total == Decimal(string: total) }
    }

    @Test func theRunningAgentIsToldAndDeliversItAtOnce() async throws {
        let rig = try Rig(count: 1, more: Self.input)
        try rig.agent.start()
        _ = try await rig.status { $0.inputs.count == 1 }
        let outcome = try await setTotal(rig, "12345.678")
        #expect(outcome.code == 0, "\(outcome.text)")
        #expect(outcome.text.contains("gas was set from 0 to 12345.678 by \(User.current)"), "\(outcome.text)")
        try await hasTotal(rig, "12345.678")
        let told = try await rig.status { $0.events.contains { $0.kind == "total-set" && $0.subject == "gas" } }
        #expect(told.problems.contains { $0.what.hasPrefix("input gas: line NO-SUCH-LINE") })
        let audit = try await rig.settle()
        #expect(audit.isClean, "\(audit.summary)")
        #expect(audit.points.first { $0.key == "gas/volume" }?.delivered == 1)
    }

    @Test func withoutAnAgentItIsWrittenIntoItsSpool() async throws {
        let rig = try Rig(count: 1, more: Self.input)
        // A spool made here could be one that the agent's user may not open.
        let early = try await setTotal(rig, "1")
        #expect(early.code == 73 && early.text.contains("first start"), "\(early.text)")
        #expect(!File.exists(rig.agent.spoolFolder + "/parthe.spool"))
        try rig.agent.start()
        _ = try await rig.status { $0.spool.committed > 0 && $0.uplinks.contains { $0.delivered > 0 } }
        #expect(try await rig.agent.terminate() == 0, "\(rig.agent.log)")
        let outcome = try await setTotal(rig, "99.5")
        #expect(outcome.code == 0 && outcome.text.contains("no agent runs"), "\(outcome.text)")
        try rig.agent.start()
        try await hasTotal(rig, "99.5")
        let audit = try await rig.settle()
        #expect(audit.isClean, "\(audit.summary)")
        #expect(audit.points.first { $0.key == "gas/volume" }?.delivered == 1)
    }

    @Test(arguments: ["1e60", "-1", "12,5", "1234567890123.5", "0.0000001", "nan", ""])
    func whatNoDialShowsIsRefused(dial: String) async throws {
        let rig = try Rig(count: 1, more: Self.input)
        let outcome = try await setTotal(rig, dial)
        #expect(outcome.code == 64, "\(outcome.text)")
    }

    /// What waits for a disk counts as well: a reload meanwhile must not go back to what is on it.
    @Test func aReloadWhileTheDiskFailsKeepsTheTotal() async throws {
        let rig = try Rig(count: 1, more: Self.input)
        try rig.agent.start()
        _ = try await rig.status { $0.inputs.count == 1 && $0.spool.bytes > 100_000 }
        #expect(try await setTotal(rig, "7.5").code == 0)
        _ = try await rig.status { $0.events.contains { $0.kind == "total-set" } }
        try rig.limitFiles(to: "8000")
        _ = try await rig.status { $0.spool.state == "degraded" && $0.spool.waiting > 0 }
        #expect(try await setTotal(rig, "99.25").code == 0)
        rig.agent.reload()
        #expect(try await AgentHarness.wait(30) { rig.agent.log.contains("refused, the old one goes on") })
        try await hasTotal(rig, "99.25")
        try rig.limitFiles(to: "unlimited")
        _ = try await rig.status { $0.spool.state == "working" }
        #expect(try await rig.agent.terminate() == 0, "\(rig.agent.log)")
        try rig.agent.start()
        try await hasTotal(rig, "99.25")
    }

    @Test func anotherScaleLeavesTheTotalAndAnotherUnitSaysSo() async throws {
        let rig = try Rig(count: 1, more: Self.input)
        try rig.agent.start()
        _ = try await rig.status { $0.inputs.count == 1 && $0.spool.committed > 0 }
        #expect(try await setTotal(rig, "7.5").code == 0)
        let base = rig.configuration(meters: 1)
        try rig.agent.configure(base + Self.input(per: 10))
        rig.agent.reload()
        _ = try await rig.status { $0.events.contains { $0.kind == "counted-otherwise" } }
        try await hasTotal(rig, "7.5")
        try rig.agent.configure(base + Self.input(unit: "l"))
        rig.agent.reload()
        let told = try await rig.status { $0.events.contains { $0.text.contains("before 7.5 m3: set it with") } }
        #expect(told.inputs.first?.total == 0)
    }

    @Test func inputsCanComeAndGoWithTheConfiguration() async throws {
        let rig = try Rig(count: 1)
        try rig.agent.start()
        _ = try await rig.status { $0.inputs.isEmpty && $0.spool.committed > 0 }
        try rig.agent.configure(rig.configuration(meters: 1) + Self.input)
        rig.agent.reload()
        _ = try await rig.status { $0.inputs.count == 1 }
        #expect(try await setTotal(rig, "3.5").code == 0)
        try rig.agent.configure(rig.configuration(meters: 1))
        rig.agent.reload()
        _ = try await rig.status { $0.inputs.isEmpty }
        try rig.agent.configure(rig.configuration(meters: 1) + Self.input)
        rig.agent.reload()
        try await hasTotal(rig, "3.5")
        #expect(try await rig.agent.terminate() == 0, "\(rig.agent.log)")
    }
}
