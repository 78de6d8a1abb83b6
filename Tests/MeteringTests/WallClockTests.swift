import Metering
import Testing

@Suite struct WallClockTests {
    /// 2026-11-01T00:00:00Z, when these machines were switched on.
    private static let start: Int64 = 1_793_491_200_000
    private static let day: Int64 = 86_400_000

    private func instant(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

    /// What is seen of a clock that is `error` ms ahead.
    private func sighting(
        _ error: Int64 = 0, synchronised: Bool? = false, mark: Double? = nil, battery: Bool = false, leap: Bool = false
    ) -> WallClock.Sighting {
        WallClock.Sighting(
            offset: ClockOffset(nanoseconds: (Self.start + error) * 1_000_000), isSynchronised: synchronised,
            mark: mark.map(instant), keeper: .systemd, isLeapSecond: leap, hasBattery: battery)
    }

    private func clock(floor: Int64? = nil, history: ClockHistory = ClockHistory()) -> WallClock {
        WallClock(
            history: history, floor: floor.map { Timestamp(milliseconds: Self.start + $0) },
            made: Timestamp(milliseconds: Self.start - 30 * Self.day))
    }

    /// A clock's standing and whose readings get their times, when it was looked at some moments of a boot.
    @Test(
        arguments: [
            // 1970, with and without a battery: cannot be.
            (-1_793_491_200_000, false, 10.0, ClockStanding.unknown, KnownTime.Readiness.waiting),
            (-1_793_491_200_000, true, 5000.0, .unknown, .waiting),
            // From before this program was made, and eleven years ahead.
            (-31 * 86_400_000, true, 5000.0, .unknown, .waiting),
            (11 * 366 * 86_400_000, true, 5000.0, .unknown, .waiting),
            // A battery clock says the same.
            (20_000, true, 59.0, .set, .waiting),
            (20_000, true, 60.0, .set, .live),
            (20_000, true, 900.0, .set, .all),
            // Nothing stands behind it.
            (-86_400_000, false, 60.0, .restored, .waiting),
            (-86_400_000, false, 899.0, .restored, .waiting),
            (-86_400_000, false, 900.0, .restored, .all),
        ] as [(Int64, Bool, Double, ClockStanding, KnownTime.Readiness)])
    func theTableOfStandings(
        error: Int64, battery: Bool, seconds: Double, standing: ClockStanding, readiness: KnownTime.Readiness
    ) {
        var clock = clock()
        let action = clock.event(sighting(error, battery: battery), at: instant(seconds))
        #expect(clock.known.history.best?.standing == standing)
        #expect(clock.known.readiness == readiness)
        #expect(action.tells && action.isNews)
        // The same for one that was looked at from the start.
        var patient = self.clock()
        for second in stride(from: 0, through: seconds, by: 1) {
            _ = patient.event(sighting(error, battery: battery), at: instant(second))
        }
        #expect(patient.known.readiness == readiness && patient.known.history.best?.standing == standing)
        #expect(patient.known.history.entries.count == 1)
    }

    @Test func synchronisationIsBelievedAtOnceAndForAll() {
        var clock = clock(floor: Self.day)
        _ = clock.event(sighting(-1_793_491_200_000), at: instant(1))
        #expect(clock.due == nil)
        let action = clock.event(sighting(0, synchronised: true), at: instant(2))
        #expect(action == WallClock.Action(tells: true, isNews: true, look: instant(62)))
        #expect(clock.known.readiness == .all)
        #expect(
            clock.known.history.best
                == ClockHistory.Entry(
                    since: instant(2), offset: sighting().offset, standing: .synchronised, source: .systemd))
        // The kernel takes its word back after some hours without the network: nothing is lost by that.
        #expect(
            clock.event(sighting(0), at: instant(40_000))
                == WallClock.Action(tells: false, isNews: false, look: instant(40_060)))
        #expect(clock.known.history.best?.standing == .synchronised)
    }

    @Test func aClockThatSomebodyKeepsIsNoProofOfAnImpossibleTime() {
        var clock = clock()
        _ = clock.event(sighting(-10 * 366 * Self.day, synchronised: true), at: instant(100))
        #expect(clock.known.history.best?.standing == .unknown, "2016")
    }

    @Test func whatIsSetByHandIsBelievedAtOnce() {
        // The last boot had run ahead, to tomorrow; a person sets that right.
        var clock = clock(floor: Self.day)
        _ = clock.event(sighting(-Self.day), at: instant(70))
        #expect(clock.known.history.best?.standing == .unknown)
        let action = clock.event(sighting(0), at: instant(80))
        #expect(action.tells && action.isNews && action.look == instant(85))
        #expect(clock.known.history.best?.source == .hand && clock.known.readiness == .all)
        // It stays so, also for the next run of the agent, and against nonsense.
        var next = self.clock(floor: Self.day, history: clock.known.history)
        #expect(!next.event(sighting(0), at: instant(90)).isNews)
        #expect(next.known.readiness == .all)
        _ = next.event(sighting(-1_793_491_200_000), at: instant(100))
        #expect(next.known.history.best?.offset == sighting(0).offset)
        _ = next.event(sighting(1000), at: instant(110))
        #expect(next.known.history.best?.offset == sighting(1000).offset, "the newest of two by hand")
    }

    @Test func inTheFirstMinuteItIsTheScriptsThatSetTheClock() {
        var clock = clock()
        _ = clock.event(sighting(-1_793_491_200_000), at: instant(3))
        _ = clock.event(sighting(-Self.day), at: instant(10))
        #expect(clock.known.history.best?.standing == .restored && clock.known.readiness == .waiting)
        #expect(clock.due == instant(900))
    }

    @Test func onceSynchronisedOnlyASynchronisationChangesTheOffset() {
        var clock = clock()
        _ = clock.event(sighting(0, synchronised: true), at: instant(100))
        for (second, step) in [(200.0, Self.day), (300, -5000), (400, 60_000)] as [(Double, Int64)] {
            #expect(clock.event(sighting(step), at: instant(second)).isNews)
            #expect(clock.known.history.offset(at: instant(5)) == sighting(0).offset)
        }
        _ = clock.event(sighting(-20, synchronised: true), at: instant(500))
        #expect(clock.known.history.offset(at: instant(5)) == sighting(-20).offset)
        #expect(clock.known.history.entries.map(\.standing) == [.synchronised, .set, .set, .set, .synchronised])
    }

    @Test func aFloorIsPassedInTime() {
        // An hour before the last reading, and a battery behind it.
        var clock = clock(floor: 3_600_000)
        _ = clock.event(sighting(0, battery: true), at: instant(3599))
        #expect(clock.known.history.best?.standing == .unknown)
        _ = clock.event(sighting(0, battery: true), at: instant(3600))
        #expect(clock.known.history.best?.standing == .set && clock.known.readiness == .all)
    }

    /// Where a sandbox forbids to ask the kernel, systemd-timesyncd's mark has to do.
    @Test func theMarkOfSystemd() {
        var clock = clock()
        _ = clock.event(sighting(-Self.day, synchronised: nil), at: instant(100))
        #expect(clock.known.history.best?.standing == .restored)
        // Steps, and touches its mark a moment later.
        _ = clock.event(sighting(0, synchronised: nil), at: instant(200))
        #expect(clock.known.history.best?.standing == .set)
        _ = clock.event(sighting(0, synchronised: nil, mark: 200.1), at: instant(205))
        #expect(clock.known.history.best?.standing == .synchronised)
        // Somebody sets the clock: the mark is older than that, or lies in a future that is none.
        for step in [Self.day, -Self.day] {
            let moved = 200.1 - Double(step) / 1000
            _ = clock.event(sighting(step, synchronised: nil, mark: moved), at: instant(300))
            #expect(clock.known.history.newest?.standing == .set)
        }
        #expect(clock.known.history.best?.offset == sighting(0).offset)
    }

    @Test func aLeapSecondIsNoCorrection() {
        var clock = clock()
        let midnight = 86_400.0
        _ = clock.event(sighting(0, synchronised: true), at: instant(midnight - 3600))
        _ = clock.event(sighting(-1000, synchronised: true, leap: true), at: instant(midnight + 20))
        let history = clock.known.history
        #expect(
            history.newest
                == ClockHistory.Entry(
                    since: instant(midnight), offset: sighting(-1000).offset, standing: .synchronised, source: .systemd,
                    isLeapSecond: true))
        #expect(history.offset(at: instant(midnight - 0.001)) == sighting(0).offset)
        #expect(history.offset(at: instant(midnight)) == sighting(-1000).offset)
        // What is set right afterwards holds for both sides.
        _ = clock.event(sighting(-1030, synchronised: true, leap: true), at: instant(midnight + 600))
        #expect(clock.known.history.offset(at: instant(5)) == sighting(-30).offset)
        #expect(clock.known.history.offset(at: instant(midnight + 5)) == sighting(-1030).offset)
        // One that is left out.
        var other = self.clock()
        _ = other.event(sighting(0, synchronised: true), at: instant(midnight - 10))
        _ = other.event(sighting(1000, synchronised: true, leap: true), at: instant(midnight - 0.5))
        #expect(other.known.history.newest?.since == instant(midnight - 1))
        // A second by hand, or where the kernel knows of no leap second, is a correction.
        _ = other.event(sighting(2000, synchronised: true), at: instant(midnight + 10))
        #expect(other.known.history.newest?.isLeapSecond == false)
    }

    @Test func theHistoryIsBoundedAndKeepsTheBest() {
        var clock = clock()
        _ = clock.event(sighting(0, synchronised: true), at: instant(100))
        for hour in 1...200 {
            _ = clock.event(sighting(Int64(hour) * 10), at: instant(Double(hour) * 3600))
        }
        #expect(clock.known.history.entries.count == ClockHistory.limit)
        #expect(clock.known.history.best?.offset == sighting(0).offset)
        #expect(clock.known.history.newest?.offset == sighting(2000).offset)
        // Noise of the measurement is no setting.
        #expect(!clock.event(sighting(2004), at: instant(800_000)).isNews)
    }
}

@Suite struct PlatformTimeTests {
    private let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)

    private func time(_ date: Int64, sent: Int64, received: Int64) -> PlatformTime? {
        PlatformTime(
            date: Timestamp(milliseconds: 1_793_491_200_000 + date), sent: Instant(nanoseconds: sent * 1_000_000),
            received: Instant(nanoseconds: received * 1_000_000))
    }

    /// The header has whole seconds, and was made somewhere within the round trip.
    @Test func aDifferenceIsToldOnlyWhereItIsSure() {
        #expect(time(100_000, sent: 100_200, received: 100_300)?.discrepancy(from: offset) == nil)
        #expect(time(105_000, sent: 100_200, received: 100_300)?.discrepancy(from: offset) == nil, "4.7 s … 5.8 s")
        #expect(time(106_000, sent: 100_200, received: 100_300)?.discrepancy(from: offset) != nil)
        #expect(
            time(94_000, sent: 100_200, received: 100_300)?.discrepancy(from: offset) == .milliseconds(-5751)
                + .nanoseconds(500_000))
        #expect(time(95_000, sent: 100_200, received: 102_100)?.discrepancy(from: offset) == nil)
        #expect(
            time(3_700_000, sent: 100_000, received: 101_000)?.discrepancy(from: offset) == .milliseconds(3_599_999)
                + .nanoseconds(500_000))
        #expect(time(3_700_000, sent: 100_000, received: 102_001) == nil, "who knows when it was made")
    }

    /// What was measured against a clock that was wrong says more once it is right.
    @Test func theOffsetMayBeKnownLater() {
        let time = time(100_000, sent: 100_200, received: 100_300)
        #expect(time?.discrepancy(from: ClockOffset(nanoseconds: 0))?.wholeMilliseconds ?? 0 > 1_793_491_000_000)
        #expect(time?.discrepancy(from: offset) == nil)
    }
}
