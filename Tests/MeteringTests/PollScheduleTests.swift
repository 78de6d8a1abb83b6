import Metering
import Testing

@Suite struct PollScheduleTests {
    /// A schedule on a machine that booted at 2026-11-01T00:00:00Z; all times in milliseconds since then.
    private struct Rig {
        var schedule: PollSchedule
        var wall: Int64 = 1_793_491_200_000

        init(_ intervals: Int64...) {
            schedule = PollSchedule(intervals: intervals.map { .milliseconds($0) })
        }

        mutating func next(at milliseconds: Int64) -> PollSchedule.Action {
            schedule.next(
                at: Instant(nanoseconds: milliseconds * 1_000_000), offset: ClockOffset(nanoseconds: wall * 1_000_000))
        }

        func wait(_ milliseconds: Int64) -> PollSchedule.Action {
            .wait(until: Instant(nanoseconds: milliseconds * 1_000_000))
        }
    }

    @Test func pollsAreAlignedToTheClock() {
        var rig = Rig(10_000)
        #expect(rig.next(at: 3_000) == .poll(entry: 0), "the slot that runs")
        #expect(rig.next(at: 3_100) == rig.wait(10_000))
        #expect(rig.next(at: 10_000) == .poll(entry: 0))
        #expect(rig.next(at: 10_150) == rig.wait(20_000))
        #expect(rig.next(at: 20_001) == .poll(entry: 0))
        #expect(rig.schedule.overruns(of: 0) == 0)
    }

    /// A meter that is read each quarter of an hour is read at the start as well: somebody may stand before it.
    @Test func nobodyWaitsForTheFirstSlot() {
        var rig = Rig(900_000, 10_000)
        #expect(rig.next(at: 123_456) == .poll(entry: 0))
        #expect(rig.schedule.slot(of: 0) == Timestamp(milliseconds: rig.wall))
        #expect(rig.next(at: 123_456) == .poll(entry: 1))
        #expect(rig.next(at: 123_456) == rig.wait(130_000))
        #expect(rig.schedule.overruns(of: 0) == 0 && rig.schedule.overruns(of: 1) == 0)
    }

    @Test func missedSlotsAreCountedAndNeverMadeUpFor() {
        var rig = Rig(1_000)
        #expect(rig.next(at: 0) == .poll(entry: 0))
        #expect(rig.next(at: 4_500) == .poll(entry: 0))
        #expect(rig.next(at: 4_600) == rig.wait(5_000))
        #expect(rig.schedule.overruns(of: 0) == 3)
    }

    @Test func theLongestWaitingComesFirst() {
        var rig = Rig(1_000, 2_000, 1_000)
        for entry in [1, 0, 2] { #expect(rig.next(at: 100) == .poll(entry: entry)) }
        #expect(rig.next(at: 100) == rig.wait(1_000))
        #expect(rig.next(at: 2_000) == .poll(entry: 0))
        #expect(rig.next(at: 2_000) == .poll(entry: 2))
        #expect(rig.next(at: 2_000) == .poll(entry: 1))
        #expect(rig.next(at: 2_000) == rig.wait(3_000))
    }

    @Test(arguments: [3_600_000 as Int64, -3_600_000, 3_601_234, -5_000])
    func aStepOfTheClockRealignsWithoutABurst(step: Int64) {
        var rig = Rig(10_000)
        #expect(rig.next(at: 0) == .poll(entry: 0))
        #expect(rig.next(at: 0) == rig.wait(10_000))
        #expect(rig.next(at: 10_000) == .poll(entry: 0))
        rig.wall += step
        let utc = rig.wall + 12_000
        let due = 12_000 + 10_000 - utc % 10_000
        #expect(rig.next(at: 12_000) == rig.wait(due))
        #expect(rig.next(at: due) == .poll(entry: 0))
        #expect(rig.next(at: due + 1) == rig.wait(due + 10_000))
        #expect(rig.schedule.overruns(of: 0) == 0)
    }

    /// A clock that is slewed back by a few milliseconds right after a poll must not make the same slot due again.
    @Test func slewingDoesNotRepeatASlot() {
        var rig = Rig(1_000)
        #expect(rig.next(at: 0) == .poll(entry: 0))
        #expect(rig.next(at: 1_000) == .poll(entry: 0))
        rig.wall -= 5
        #expect(rig.next(at: 1_001) == rig.wait(2_005))
    }

    @Test func aBusWithoutMetersSleeps() {
        var rig = Rig()
        #expect(rig.next(at: 7) == rig.wait(3_600_007))
    }
}
