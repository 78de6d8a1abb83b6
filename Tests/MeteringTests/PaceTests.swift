import Metering
import Testing

/// What is polled in which slots while the spool fills up, and when it is empty again.
@Suite struct PaceTests {
    /// 2026-11-01T00:00:00Z, which is a multiple of every interval here, at instant 0.
    private static let wall: Int64 = 1_793_491_200_000

    /// The polls of one second after the other, as `entry@second`.
    private struct Rig {
        var schedule: PollSchedule
        var wall = PaceTests.wall
        var second: Int64 = 0

        init(_ intervals: [Int64], mayWait: [Bool]) {
            schedule = PollSchedule(intervals: intervals.map { .seconds($0) }, mayWait: mayWait)
        }

        mutating func run(to end: Int64, _ pace: Pace) -> String {
            var polls: [String] = []
            while second < end {
                while case .poll(let entry) = schedule.next(
                    at: Instant(nanoseconds: second * 1_000_000_000),
                    offset: ClockOffset(nanoseconds: wall * 1_000_000), pace: pace)
                {
                    polls.append("\(entry)@\(schedule.slot(of: entry).milliseconds / 1000 - PaceTests.wall / 1000)")
                }
                second += 1
            }
            return polls.joined(separator: " ")
        }
    }

    @Test func whatMayWaitHasEveryFourthSlotOnTheSameGrid() {
        var rig = Rig([10, 10], mayWait: [true, false])
        let before = rig.run(to: 35, .normal)
        #expect(before == "0@0 1@0 0@10 1@10 0@20 1@20 0@30 1@30")
        let slow = rig.run(to: 125, .slow)
        #expect(slow == "0@40 1@40 1@50 1@60 1@70 0@80 1@80 1@90 1@100 1@110 0@120 1@120")
        let after = rig.run(to: 155, .normal)
        #expect(after == "0@130 1@130 0@140 1@140 0@150 1@150")
        #expect((0..<2).allSatisfy { rig.schedule.overruns(of: $0) == 0 }, "what is left out is no overrun")
    }

    /// Wherever in its slots the pace changes, and however often: no slot twice, none off the grid, no overrun.
    @Test(arguments: 0..<40 as Range<UInt64>) func aChangingPaceTakesNoSlotTwice(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var rig = Rig([1, 2, 5, 3], mayWait: [true, true, true, false])
        var polls: [Substring] = []
        while rig.second < 500 {
            let pace = Pace.allCases.randomElement(using: &random)!
            let part = rig.run(to: rig.second + Int64.random(in: 1...12, using: &random), pace)
            let new = part.split(separator: " ")
            if pace == .slow {
                for poll in new where !poll.hasPrefix("3") {
                    let (entry, slot) = (Int(poll.prefix(1))!, Int(poll.dropFirst(2))!)
                    #expect(slot % ([1, 2, 5][entry] * 4) == 0)
                }
            }
            polls += new
        }
        #expect(Set(polls).count == polls.count)
        #expect(polls.count { $0.hasPrefix("3") } == (rig.second - 1) / 3 + 1, "what may not wait is not touched")
        #expect((0..<4).allSatisfy { rig.schedule.overruns(of: $0) == 0 })
    }

    /// A clock that is slewed back right after a poll does not bring its slot again with the new pace.
    @Test func slewingDoesNotRepeatASlot() {
        var schedule = PollSchedule(intervals: [.seconds(10)], mayWait: [true])
        func next(_ milliseconds: Int64, _ slew: Int64, _ pace: Pace) -> PollSchedule.Action {
            schedule.next(
                at: Instant(nanoseconds: milliseconds * 1_000_000),
                offset: ClockOffset(nanoseconds: (Self.wall + slew) * 1_000_000), pace: pace)
        }
        #expect(next(10_000, 0, .slow) == .wait(until: Instant(nanoseconds: 40_000_000_000)))
        #expect(next(40_000, 0, .slow) == .poll(entry: 0))
        #expect(next(40_001, -5, .normal) == .wait(until: Instant(nanoseconds: 50_005_000_000)))
    }

    /// A bus that was busy when its pace came back has missed no slots that it did not have.
    @Test func whatWasLateAtASlowPaceIsNoOverrunAtTheNormalOne() {
        var rig = Rig([10], mayWait: [true])
        let before = rig.run(to: 41, .slow)
        rig.second = 112
        let after = rig.run(to: 135, .normal)
        #expect(before == "0@0 0@40" && after == "0@110 0@120 0@130")
        #expect(rig.schedule.overruns(of: 0) == 0)
    }

    @Test func aStepOfTheClockKeepsThePace() {
        var rig = Rig([10], mayWait: [true])
        let before = rig.run(to: 85, .slow)
        #expect(before == "0@0 0@40 0@80")
        rig.wall += 1_003_000
        let after = rig.run(to: 175, .slow)
        #expect(after == "0@1120 0@1160")
    }

    /// A session polls a group of gauges every fourth time; a silent unit's slots are not made up for any more often.
    @Test func aSessionHonoursThePace() {
        var session = BusSession(
            entries: [.init(unit: 0, interval: .seconds(1), mayWait: true), .init(unit: 1, interval: .seconds(1))],
            unitCount: 2)
        var polls = [0, 0]
        func run(_ seconds: Range<Int64>, _ pace: Pace) -> [Int] {
            polls = [0, 0]
            for second in seconds {
                let now = Instant(nanoseconds: second * 1_000_000_000)
                let offset = ClockOffset(nanoseconds: Self.wall * 1_000_000)
                while case .poll(let entry, _) = session.next(at: now, offset: offset, pace: pace) {
                    polls[entry] += 1
                    session.polled([entry], .answered, at: now)
                }
            }
            return polls
        }
        #expect(run(0..<41, .normal) == [41, 41])
        #expect(run(41..<81, .slow) == [10, 40])
        #expect(run(81..<121, .normal) == [39, 40], "it goes on with the next slot")
    }

    /// In a group with a counter the gauges are left out of the poll but in every fourth slot.
    @Test func everyFourthSlotTakesAll() {
        func taken(_ pace: Pace, _ interval: Duration) -> [Int64] {
            let step = interval.wholeMilliseconds
            return (0..<9).filter {
                pace.takesAll(in: Timestamp(milliseconds: Self.wall + $0 * step), every: interval)
            }
        }
        #expect(taken(.slow, .seconds(10)) == [0, 4, 8])
        #expect(taken(.slow, .milliseconds(100)) == [0, 4, 8])
        #expect(taken(.normal, .seconds(10)) == Array(0..<9))
    }

    @Test func countersStatesAndWhatIsKeptByIntervalDoNotWait() {
        func mayWait(_ kind: PointKind, _ keep: KeepPolicy = .all) -> Bool {
            let definition = PointDefinition(name: "x", quantity: .ratio, unit: Unit(ucum: "1")!, kind: kind)
            return Point(meter: "m", model: [definition], place: 0, interval: .seconds(1), keep: keep).mayWait
        }
        #expect(mayWait(.gauge) && mayWait(.gauge, .changes(deadband: 1, heartbeat: .seconds(60))))
        #expect(!mayWait(.gauge, .interval(.seconds(60), .mean)) && !mayWait(.counter) && !mayWait(.state))
    }

    @Test func theIntakeCarriesThePace() {
        let intake = Intake()
        #expect(intake.pace == .normal)
        intake.pace = .slow
        #expect(intake.pace == .slow)
    }
}
