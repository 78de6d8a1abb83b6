import Glibc
import Metering
import Spooling
import Testing

/// What clocks do to gateways in the field, each with the thread that tells it (FIELD.md 2.5), on a real spool.
@Suite struct ClockTableTests {
    private static let minute = 60
    private static let hour = 3600
    /// A wall clock without a battery, at 1970.
    private static let never: Int64 = 0

    private func withBoard(wall: Int64, battery: Bool = false, _ body: (Board) throws -> Void) throws {
        try withFolder { folder in try body(Board(folder, wall: wall, battery: battery)) }
    }

    /// Every reading so far, once, with its true time, good.
    private func expectTrue(
        _ readings: [SpooledReading], of board: Board, count: Int? = nil, location: SourceLocation = #_sourceLocation
    ) {
        #expect(readings.count == count ?? board.taken.count, sourceLocation: location)
        let wrong = readings.filter { board.error(of: $0) != 0 || $0.quality != .good || $0.parameters != nil }
        #expect(wrong.isEmpty, "\(wrong.count), first \(String(describing: wrong.first))", sourceLocation: location)
    }

    /// Times of every point rise with the sequence, and are its own.
    private func expectOrder(_ readings: [SpooledReading], location: SourceLocation = #_sourceLocation) {
        for (_, own) in Dictionary(grouping: readings, by: \.point) {
            let times = own.sorted { $0.sequence < $1.sequence }.map(\.phenomenonTime)
            #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 }, sourceLocation: location)
        }
    }

    private func members(_ reading: SpooledReading) -> String {
        if case .members(let text, nil, nil) = reading.parameters { text } else { "" }
    }

    // MARK: - Boots without a clock

    @Test("collectd #657: a board without a battery clock reports nothing from 1970")
    func collectd657() throws {
        try withBoard(wall: Self.never) { board in
            try board.pass(2 * Self.hour, every: 60)
            #expect(try board.deliver().isEmpty)
            #expect(try board.store.statistics().waitingForClock == Int64(board.taken.count))
            #expect(try board.store.statistics().oldest == nil)
            try board.synchronise()
            try board.pass(10)
            expectTrue(try board.deliver(), of: board)
            #expect(try board.store.statistics().waitingForClock == 0)
        }
    }

    @Test(
        "omicron #5899: what was sampled in 1986, before NTP, has its true time at the first synchronisation, all at once"
    )
    func omicron5899() throws {
        try withBoard(wall: 504_921_600_000) { board in
            try board.pass(Self.hour, every: 60)
            #expect(try board.deliver().isEmpty)
            try board.synchronise()
            let all = try board.deliver()
            expectTrue(all, of: board)
            #expect(Set(all.map(\.phenomenonTime)).count == Self.hour / 60)
        }
    }

    @Test("AI-on-the-edge #2287, #3790, rpj #14: a clock that goes on from an old image waits for the network")
    func aiOnTheEdge2287() throws {
        // Nothing stands behind it, and it is ten days late: what is possible is not yet true.
        try withBoard(wall: epoch - 10 * Board.day) { board in
            try board.pass(10 * Self.minute, every: 10)
            #expect(try board.deliver().isEmpty)
            try board.synchronise()
            expectTrue(try board.deliver(), of: board)
        }
    }

    @Test("AI-on-the-edge #2287, where no time ever comes: after a stated wait it is told as uncertain")
    func aiOnTheEdge2287WithoutNetwork() throws {
        try withBoard(wall: epoch - 10 * Board.day) { board in
            try board.pass(Int(WallClock.patience.components.seconds) - 1, every: 10)
            #expect(try board.deliver().isEmpty)
            try board.pass(10)
            let all = try board.deliver()
            #expect(all.count == board.taken.count)
            // The true time is this or later.
            #expect(
                all.allSatisfy {
                    $0.quality == .uncertain
                        && members($0) == #""clock":"not-set","earliest":"\#($0.phenomenonTime)""#
                })
            #expect(all.allSatisfy { board.error(of: $0) == -10 * Board.day })
            // It comes after all: from then on times are true, and nothing that was told changes.
            try board.synchronise()
            try board.pass(10)
            expectTrue(try board.deliver(), of: board, count: 20)
            #expect(try board.deliver(to: "works").prefix(all.count) == all[...])
        }
    }

    @Test("LowCostLoRaGw #191: what was told of a time does not change when the clock is set")
    func lowCostLoRaGw191() throws {
        try withBoard(wall: epoch + 40_000, battery: true) { board in
            try board.pass(2 * Self.minute)
            let early = try board.deliver()
            #expect(early.allSatisfy { board.error(of: $0) == 40_000 && $0.quality == .good })
            try board.set(to: board.truth - Board.day)
            try board.synchronise()
            try board.pass(Self.minute)
            _ = try board.deliver()
            #expect(try board.deliver(to: "works") == board.delivered["city"])
            expectOrder(board.delivered["works"]!)
        }
    }

    @Test(
        "vzlogger #488: a clock that is years off gives no reading a time",
        arguments: [
            -epoch, -20 * 365 * Board.day, 11 * 366 * Board.day, 73 * 365 * Board.day, -epoch - 40 * 365 * Board.day,
        ])
    func vzlogger488(off: Int64) throws {
        try withBoard(wall: epoch + off, battery: true) { board in
            try board.pass(Self.hour, every: 60)
            #expect(try board.deliver().isEmpty)
            try board.set(to: board.truth)
            expectTrue(try board.deliver(), of: board)
        }
    }

    @Test("two boots without synchronisation lie between their neighbours, in order, with bounds that hold the truth")
    func twoBootsWithoutSynchronisation() throws {
        try withBoard(wall: epoch) { board in
            try board.synchronise()
            try board.pass(Self.minute)
            try board.deliver()
            for off: Int64 in [7200, 30] {
                try board.reboot(after: off, wall: Self.never)
                try board.pass(5 * Self.minute, every: 10)
                #expect(try board.deliver().isEmpty)
            }
            try board.reboot(after: 600, wall: Self.never)
            try board.pass(Self.minute)
            #expect(try board.deliver().isEmpty, "nothing is known of its end yet")
            try board.synchronise()
            let rest = try board.deliver()
            #expect(rest.count == 2 * 120)
            expectOrder(board.delivered["city"]!)
            let unknown = rest.prefix(2 * 60)
            for reading in unknown {
                #expect(reading.quality == .uncertain)
                let (earliest, latest) = try bounds(of: reading)
                let truth = board.taken[Int(reading.sequence.rawValue) - 1]
                #expect((earliest...latest).contains(truth))
                #expect((earliest...latest).contains(reading.phenomenonTime.milliseconds))
                // Off for 7830 s in all, less what a boot needs for its first reading.
                #expect(latest - earliest <= 7_830_000)
                #expect(reading.phenomenonTime.milliseconds > epoch, "never as 1970")
            }
            expectTrue(Array(rest.suffix(120)), of: board, count: 120)
            #expect(try board.deliver(to: "works") == board.delivered["city"])
        }
    }

    private func bounds(of reading: SpooledReading) throws -> (earliest: Int64, latest: Int64) {
        let text = members(reading)
        let parts = text.split(separator: "\"")
        func time(_ name: Substring) throws -> Int64 {
            let place = try #require(parts.firstIndex(of: name), "\(text)")
            return try #require(Timestamp(iso8601: parts[place + 2])).milliseconds
        }
        #expect(text.hasPrefix(#""clock":"never-set","#))
        return (try time("earliest"), try time("latest"))
    }

    @Test("the very first boot never knew its time: only its end is known")
    func theFirstBootWithoutSynchronisation() throws {
        try withBoard(wall: Self.never) { board in
            try board.pass(Self.minute)
            try board.reboot(after: 60, wall: epoch + 120_000, synchronised: true)
            let all = try board.deliver()
            #expect(all.count == 120)
            #expect(all.allSatisfy { members($0).hasPrefix(#""clock":"never-set","latest":"2026"#) })
            #expect(all.allSatisfy { (0...60_001).contains(board.error(of: $0)) }, "before the next boot at the latest")
        }
    }

    /// The battery clock is ahead, or so late that the middle of the true bounds is behind what was told already.
    @Test("readings of an earlier boot wait for the better bounds; those of now go on", arguments: [3000, -105_000])
    func liveGoesOn(error: Int64) throws {
        try withBoard(wall: epoch) { board in
            try board.synchronise()
            try board.pass(10)
            try board.deliver()
            try board.reboot(after: 100, wall: Self.never)
            try board.pass(20)
            // A battery was put in: now the clock can be believed, but the network may know better.
            board.hasBattery = true
            try board.reboot(after: 100, wall: board.truth + 100_000 + error)
            try board.pass(2 * Self.minute)
            let live = try board.deliver()
            #expect(live.count == 240 && live.allSatisfy { board.error(of: $0) == error && $0.quality == .good })
            let waiting = try board.store.statistics()
            #expect(waiting.waitingForClock == 40 && waiting.undelivered["city"] == 40)
            // It does. The bounds are as good as that; the order stands.
            try board.synchronise()
            let old = try board.deliver()
            #expect(old.count == 40)
            for reading in old {
                let (earliest, latest) = try bounds(of: reading)
                #expect((earliest...latest).contains(board.taken[Int(reading.sequence.rawValue) - 1]))
            }
            expectOrder(board.delivered["city"]!)
            try board.pass(10)
            try board.deliver()
            #expect(board.delivered["city"]!.count == board.taken.count)
            let works = try board.deliver(to: "works")
            #expect(Set(works) == Set(board.delivered["city"]!) && works.count == board.taken.count)
        }
    }

    @Test("nothing stands behind the next clock either: when the boot before was at the earliest is all that is told")
    func anEarliestTimeOnly() throws {
        try withBoard(wall: Self.never) { board in
            try board.synchronise()
            try board.pass(10)
            try board.reboot(after: 100, wall: Self.never)
            try board.pass(20)
            // Three days off, and the clock goes on from where it was stopped.
            try board.reboot(after: 259_200, wall: epoch + 200_000)
            try board.pass(16 * Self.minute, every: 10)
            let old = try board.deliver().filter { (21...60).contains($0.sequence.rawValue) }
            #expect(old.count == 40)
            for reading in old {
                let earliest = try #require(members(reading).split(separator: "\"").last)
                #expect(
                    members(reading).hasPrefix(#""clock":"never-set","earliest":"#)
                        && !members(reading).contains("latest"))
                #expect(
                    try #require(Timestamp(iso8601: earliest)).milliseconds
                        <= board.taken[Int(reading.sequence.rawValue) - 1])
            }
            expectOrder(board.delivered["city"]!)
        }
    }

    @Test("a first boot that never knew its time, before one that nothing stands behind: before that one, never 1970")
    func aFirstBootWithoutAnyBound() throws {
        try withBoard(wall: Self.never) { board in
            try board.pass(20)
            try board.reboot(after: 100, wall: epoch + 200_000)
            try board.pass(16 * Self.minute, every: 10)
            let readings = try board.deliver()
            #expect(readings.count == board.taken.count)
            let old = readings.filter { $0.sequence.rawValue <= 40 }
            #expect(
                old.count == 40 && old.allSatisfy { members($0) == #""clock":"never-set""# },
                "\(old.first.map(members) ?? "")")
            let first = try #require(readings.first { $0.sequence.rawValue == 41 }).phenomenonTime
            #expect(old.allSatisfy { $0.phenomenonTime < first && $0.phenomenonTime.milliseconds > epoch })
            expectOrder(board.delivered["city"]!)
        }
    }

    @Test("after the stated wait the bounds of now have to do")
    func olderBootsDoNotWaitForEver() throws {
        try withBoard(wall: Self.never, battery: true) { board in
            try board.pass(20)
            try board.reboot(after: 100, wall: board.truth + 100_000)
            try board.pass(14 * Self.minute, every: 10)
            try board.deliver()
            #expect(try board.store.statistics().undelivered["city"] == 40)
            try board.pass(2 * Self.minute)
            try board.deliver()
            #expect(board.delivered["city"]!.count == board.taken.count)
            expectOrder(board.delivered["city"]!)
        }
    }

    @Test(
        "a clock that was put back to a kept moment stands before the last reading: no time for it until it has caught up"
    )
    func aKeptMomentBeforeTheLastReading() throws {
        try withBoard(wall: epoch) { board in
            try board.synchronise()
            try board.pass(Self.hour, every: 60)
            try board.deliver()
            // fake-hwclock keeps the time once an hour.
            try board.reboot(after: 20, wall: epoch + 1_800_000)
            try board.pass(20 * Self.minute, every: 10)
            #expect(try board.deliver().isEmpty)
            #expect(board.clock.known.history.best?.standing == .unknown)
            try board.pass(11 * Self.minute, every: 10)
            let late = try board.deliver()
            #expect(late.count == 2 * 31 * 6 && late.allSatisfy { $0.quality == .uncertain })
            expectOrder(board.delivered["city"]!)
        }
    }

    @Test("an isolated gateway with a battery clock delivers good readings from its second minute on")
    func anIsolatedGateway() throws {
        try withBoard(wall: epoch, battery: true) { board in
            try board.pass(Self.minute - 1)
            #expect(try board.deliver().isEmpty, "the network would come first")
            try board.pass(10)
            expectTrue(try board.deliver(), of: board)
            #expect(board.clock.known.history.best?.source == .hardware)
        }
    }

    @Test("what an earlier run of the agent knew of the clock holds for the next one in the same boot")
    func aRestartOfTheAgent() throws {
        try withBoard(wall: Self.never) { board in
            try board.pass(10)
            try board.synchronise()
            try board.pass(2 * Self.minute)
            // Nobody has asked the network for hours, and somebody has set the clock wrongly while the agent was away.
            try board.restartAgent()
            try board.set(to: board.truth - 3_600_000)
            try board.pass(10)
            expectTrue(try board.deliver(), of: board)
            #expect(board.clock.known.history.entries.map(\.standing) == [.unknown, .synchronised, .set])
        }
    }

    // MARK: - Steps

    @Test("a step back over a day changes no order and repeats no time", arguments: [true, false])
    func aStepBackOverADay(isFirstDelivered: Bool) throws {
        try withBoard(wall: epoch + Board.day + 7000, battery: true) { board in
            try board.pass(2 * Self.minute)
            if isFirstDelivered { try board.deliver() }
            try board.synchronise()
            try board.pass(2 * Self.minute)
            try board.deliver()
            let all = board.delivered["city"]!
            #expect(all.count == board.taken.count)
            expectOrder(all)
            guard isFirstDelivered else { return expectTrue(all, of: board) }
            // Times a day ahead were told: what follows stands right behind them, and carries its true time.
            for reading in all.suffix(240) {
                #expect(reading.quality == .uncertain)
                let truth = Timestamp(milliseconds: board.taken[Int(reading.sequence.rawValue) - 1])
                #expect(members(reading) == #""clock":"set-back","time":"\#(truth)""#)
            }
            #expect(all.last!.phenomenonTime.milliseconds - all[239].phenomenonTime.milliseconds <= 120_000)
        }
    }

    @Test("steps by hand after a synchronisation change no time", arguments: [-Board.day, -5000, 5000, Board.day])
    func stepsByHand(step: Int64) throws {
        try withBoard(wall: Self.never) { board in
            try board.synchronise()
            for _ in 0..<3 {
                try board.pass(10)
                try board.set(to: board.truth + step)
                try board.pass(10)
            }
            expectTrue(try board.deliver(), of: board)
        }
    }

    @Test("steps by hand where nobody keeps the clock: the newest setting counts for all that was not told")
    func stepsByHandOnly() throws {
        try withBoard(wall: Self.never) { board in
            try board.pass(2 * Self.minute)
            try board.set(to: board.truth - 5_000_000)
            try board.pass(5)
            try board.set(to: board.truth)
            try board.pass(5)
            expectTrue(try board.deliver(), of: board)
        }
    }

    @Test("thingsboard-gateway: a step forward makes nothing old (rows that wait are never purged by the wall clock)")
    func aStepForwardMakesNothingOld() throws {
        try withBoard(wall: Self.never) { board in
            try board.synchronise()
            try board.pass(Self.minute)
            try board.deliver()
            try board.set(to: board.truth + 3650 * Board.day)
            board.isSynchronised = true
            try board.see()
            try board.pass(Self.minute)
            // History is an hour long by the boot clock, whatever the wall clock says.
            #expect(try board.store.statistics().held == Int64(board.taken.count))
            #expect(try board.deliver(to: "works").count == board.taken.count)
            expectOrder(board.delivered["works"]!)
        }
    }

    @Test("suspend: the boot clock goes on, so readings from before and after have their true times")
    func suspend() throws {
        try withBoard(wall: Self.never) { board in
            try board.pass(10)
            try board.suspend(8 * 3600)
            try board.pass(10)
            try board.synchronise()
            try board.suspend(8 * 3600)
            try board.pass(10)
            expectTrue(try board.deliver(), of: board)
        }
    }

    @Test(
        "SBFspot #85, P1-Dongel-ESP32 #48, pcp #1936: daylight saving loses no hour and bends none",
        arguments: [
            // Sunday 2026-10-25 and 2027-03-28, 01:00 UTC: Leipzig's clocks go back and forward an hour.
            "2026-10-25T00:59:00.000Z", "2027-03-28T00:59:00.000Z",
        ])
    func daylightSaving(begin: String) throws {
        // For the whole process, and for good: no other test may mind, and one that took it back would do so under this one.
        setenv("TZ", "Europe/Berlin", 1)
        tzset()
        try withBoard(wall: Self.never) { board in
            let time = try #require(Timestamp(iso8601: begin))
            board.travel(to: time.milliseconds)
            try board.synchronise()
            try board.pass(2 * Self.minute)
            let all = try board.deliver()
            expectTrue(all, of: board)
            let own = all.filter { $0.point == board.points[0] }
            #expect(own.first?.phenomenonTime.description == begin.replacing("59:00", with: "59:01"))
            #expect(
                zip(own, own.dropFirst()).allSatisfy {
                    $1.phenomenonTime.milliseconds - $0.phenomenonTime.milliseconds == 1000
                })
            #expect(own.allSatisfy { $0.phenomenonTime.description.hasSuffix("Z") })
        }
    }

    @Test(
        "a leap second: what was read before it keeps its second, what is read in it has a time of its own",
        arguments: [true, false], [LeaseEnd.oldest, .newest])
    func leapSecond(isDeliveredBefore: Bool, end: LeaseEnd) throws {
        try withBoard(wall: Self.never) { board in
            // 23:59:50 UTC.
            board.travel(to: epoch + Board.day - 10_000)
            try board.synchronise()
            try board.pass(9)
            if isDeliveredBefore { try board.deliver() }
            board.travel(by: 1000)
            try board.insertLeapSecond()
            try board.read()
            try board.pass(20)
            try board.deliver(atMost: 4) { end }
            let all = board.delivered["city"]!
            #expect(all.count == board.taken.count)
            expectOrder(all)
            let inLeap = all.filter { board.error(of: $0) != 0 }
            // One moment of the two 23:59:59 comes right behind the other.
            #expect(inLeap.map { board.error(of: $0) } == [1, 1] && inLeap.allSatisfy { $0.quality == .uncertain })
            #expect(board.clock.known.history.entries.last?.isLeapSecond == true)
            #expect(try board.deliver(to: "works") == all)
        }
    }

    @Test("readings that nobody delivers are forgotten in time, with or without a clock")
    func historyWithoutUplinks() throws {
        try withFolder { folder in
            let board = try Board(folder, wall: Self.never, uplinks: [])
            for _ in 0..<4 {
                try board.pass(Self.hour / 2, every: 60)
                try board.suspend(3600)
            }
            try board.reboot(after: 10, wall: Self.never)
            for _ in 0..<4 {
                try board.pass(Self.hour / 2, every: 60)
                try board.suspend(3600)
            }
            let statistics = try board.store.statistics()
            #expect(statistics.held < statistics.committed)
            for line in try board.store.audit() {
                #expect(line.digest.count + line.unfrozen == UInt64(board.taken.count / 2))
            }
        }
    }
}
