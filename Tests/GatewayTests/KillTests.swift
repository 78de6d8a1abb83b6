import Gateway
import Glibc
import Lab
import Metering
import Posix
import Testing

@Suite struct KillTests {
    /// The agent is killed at 50 seeded moments while meters run and the platform comes and goes: every reading that
    /// was committed arrives, none twice. `scripts/test --all` has twenty such runs: a thousand
    /// kills.
    @Test(arguments: 1...(getenv("PARTHE_TEST_ALL") == nil ? 1 : 20 as UInt64))
    func fiftyKillsLoseNothingAndDoubleNothing(seed: UInt64) async throws {
        var random = SplitMix(seed: seed)
        let rig = try Rig(count: 3, interval: "100ms")
        for life in 1...50 {
            try rig.agent.start()
            // Every tenth life is long enough for what was unclear to be asked for and delivered.
            let length = life % 10 == 0 ? 5.0 : Double.random(in: 0.05...1.2, using: &random)
            let end = BootClock.now + .seconds(length)
            while BootClock.now < end {
                if Int.random(in: 0..<60, using: &random) == 0 {
                    if rig.platform == nil { try rig.startPlatform() } else { rig.stopPlatform() }
                }
                _ = try await AgentHarness.wait(0.02) { false }
            }
            rig.agent.kill()
            #expect(
                rig.agent.exitCode == 137, "life \(life), seed \(seed): the agent ended by itself:\n\(rig.agent.log)")
        }
        try rig.startPlatform()
        try rig.agent.start()
        let audit = try await rig.settle(within: 300)
        #expect(audit.isClean, "seed \(seed): \(audit.summary)\n\(rig.agent.log)")
        #expect(audit.committed > 1000)
    }
}
