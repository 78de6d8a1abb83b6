import Metering
import Testing

@testable import Posix

@Suite struct BootClockTests {
    /// A thread that waits between two looks at clocks must make no pulse narrower: what is known is kept.
    @Test func aKnownLeadIsKeptWhileItCanBeTrue() {
        let lead: Int64 = 5_000_000_000
        // Looked at without a pause, and with 3 ms before or after the boot clock was read.
        for (boot, before, after) in [(1_000, 990, 1_010), (3_001_000, 1_000, 3_001_010), (1_000, 990, 3_001_000)] {
            #expect(
                BootClock.isPossible(
                    lead, boot: lead + Int64(boot), before: Int64(before), after: Int64(after)))
        }
        // After a suspend of a second it is another.
        #expect(!BootClock.isPossible(lead, boot: lead + 1_000_001_000, before: 990, after: 1_010))
    }

    @Test func theLeadOfThisMachineIsSteady() {
        let lead = BootClock.lead(known: nil)
        #expect(lead >= -100_000)
        #expect((0..<1000).allSatisfy { _ in BootClock.lead(known: lead) == lead })
        #expect(abs(BootClock.lead(known: lead - 60_000_000_000) - lead) < 10_000_000, "a suspend is noticed")
    }

    /// What is seen of this machine's clock fits; that it is set is noticed in a virtual machine only (scripts/test-clock).
    @Test func theKernelTellsOfItsClock() throws {
        let alarm = try ClockAlarm()
        let sighting = try #require(KernelClock.look())
        #expect(abs(sighting.offset.nanoseconds - BootClock.offset.nanoseconds) < 100_000_000)
        #expect(sighting.isSynchronised != nil, "adjtimex(2) may be asked here")
        try alarm.rearm()
        #expect(Poller.readable([alarm.descriptor], within: 0).isEmpty)
    }
}
