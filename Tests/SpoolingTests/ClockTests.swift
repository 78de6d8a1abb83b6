import Metering
import Testing

@testable import Spooling

@Suite struct ClockTests {
    private static func clock(_ seconds: Int64) -> ClockOffset {
        ClockOffset(nanoseconds: offset.nanoseconds + seconds * 1_000_000_000)
    }

    private func open(_ folder: String, boot: String = "boot") throws -> SpoolStore {
        try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city", "works"], bootID: boot)
    }

    /// One reading at `second`, leased and settled at once with the clock as it is then.
    private func pass(_ store: SpoolStore, at second: Int64, _ clock: ClockOffset) throws -> SpooledReading {
        let points = try store.identify(["a"])
        try store.append(readings(points, at: second * 1000), offset: clock)
        let lease = try #require(try store.lease(uplink: "city", maximumReadings: 1, offset: clock))
        try store.settle(lease.id, rejected: [])
        return lease.readings[0]
    }

    private func seconds(_ reading: SpooledReading) -> Double {
        Double(reading.phenomenonTime.milliseconds - epoch) / 1000
    }

    @Test func aStepForwardIsTakenAtOnce() throws {
        try withFolder { folder in
            let store = try open(folder)
            #expect(try seconds(pass(store, at: 10, Self.clock(0))) == 10)
            let after = try pass(store, at: 11, Self.clock(3600))
            #expect(seconds(after) == 3611 && after.quality == .good)
        }
    }

    /// The clock was an hour ahead and is set right: times stand nearly still until they are true again, and say so.
    @Test func aStepBackKeepsTheOrderAndIsMarked() throws {
        try withFolder { folder in
            let store = try open(folder)
            #expect(try seconds(pass(store, at: 10, Self.clock(3600))) == 3610)
            let held = try pass(store, at: 11, Self.clock(0))
            #expect(seconds(held) == 3610.001 && held.quality == .uncertain)
            let next = try pass(store, at: 12, Self.clock(0))
            #expect(seconds(next) == 3610.002 && next.quality == .uncertain)
            let later = try pass(store, at: 3611, Self.clock(0))
            #expect(seconds(later) == 3611 && later.quality == .good)
            // A reading that was read back from the file has the same time and quality for the other uplink.
            try store.append([], offset: Self.clock(0))
            let all = try #require(try store.lease(uplink: "works", maximumReadings: 10, offset: Self.clock(99)))
            #expect(all.readings.map(seconds) == [3610, 3610.001, 3610.002, 3611])
            #expect(all.readings.map(\.quality) == [.good, .uncertain, .uncertain, .good])
        }
    }

    /// A window that a step back makes wait keeps its shape: its readings stay as far apart as they were.
    @Test func aRaisedWindowKeepsItsIntervals() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify(["a"])
            _ = try pass(store, at: 10, Self.clock(3600))
            for second in 11...14 {
                try store.append(readings(points, at: Int64(second) * 1000), offset: Self.clock(0))
            }
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 10, offset: Self.clock(0)))
            #expect(lease.readings.map(seconds) == [3610.001, 3611.001, 3612.001, 3613.001])
        }
    }

    @Test func aSmallStepBackChangesNothingOnceTheOrderHolds() throws {
        try withFolder { folder in
            let store = try open(folder)
            #expect(try seconds(pass(store, at: 10, Self.clock(2))) == 12)
            let next = try pass(store, at: 20, Self.clock(0))
            #expect(seconds(next) == 20 && next.quality == .good)
        }
    }

    /// Reading two clocks apart jitters by microseconds; that must not make a row per window.
    @Test func jitterOfTheOffsetIsIgnored() throws {
        try withFolder { folder in
            let store = try open(folder)
            for second in 1...20 {
                let jitter = Int64(second * 7919 % 4000) * 1000 - 2_000_000
                let reading = try pass(
                    store, at: Int64(second),
                    ClockOffset(nanoseconds: Self.clock(0).nanoseconds + (second == 1 ? 0 : jitter)))
                #expect(seconds(reading) == Double(second))
            }
            try store.append([], offset: Self.clock(0))
            #expect(try store.connection.integer("SELECT count(*) FROM frozen") == 1)
        }
    }

    /// What a boot left unleased gets the clock of that boot, not of the next.
    @Test func aRebootKeepsTheOldBootsClock() throws {
        try withFolder { folder in
            do {
                let store = try open(folder, boot: "one")
                let points = try store.identify(["a"])
                try store.append(readings(points, at: 5000), offset: Self.clock(0))
                try store.append(readings(points, at: 6000), offset: Self.clock(100))
            }
            let store = try open(folder, boot: "two")
            let points = try store.identify(["a"])
            try store.append(readings(points, at: 1000), offset: Self.clock(500))
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 10, offset: Self.clock(500)))
            #expect(lease.readings.map(seconds) == [105, 106, 501])
        }
    }

    /// A gateway without a battery clock starts again in 1970: nothing comes before what was delivered already.
    @Test func aBootInThePastComesAfterTheLast() throws {
        try withFolder { folder in
            do {
                let store = try open(folder, boot: "one")
                #expect(try seconds(pass(store, at: 10, Self.clock(0))) == 10)
                try store.append([], offset: Self.clock(0))
            }
            let store = try open(folder, boot: "two")
            let never = ClockOffset(nanoseconds: 0)
            let early = try pass(store, at: 1, never)
            #expect(seconds(early) == 10.001 && early.quality == .uncertain)
            #expect(try seconds(pass(store, at: 5, never)) == 10.002)
            let set = try pass(store, at: 6, Self.clock(1000))
            #expect(seconds(set) == 1006 && set.quality == .good)
        }
    }

    @Test func theTableOfChoices() {
        let last = FrozenRange(first: 1, last: 9, boot: 1, offset: 1_000_000_000, doubt: .none, latest: 5000)
        func choose(_ wanted: Int64, _ earliest: Int64, boot: Int64 = 1, highest: Int64? = 1_000_000_000) -> [Int64] {
            let choice = FrozenTimes.choose(
                wanted: wanted, earliest: earliest, boot: boot, highest: highest, last: last)
            return [choice.offset, choice.isRaised ? 1 : 0]
        }
        #expect(choose(1_000_000_000, 4_100_000_000) == [1_000_000_000, 0], "as before")
        #expect(choose(1_004_000_000, 4_100_000_000) == [1_000_000_000, 0], "within the tolerance")
        #expect(choose(996_000_000, 4_100_000_000) == [1_000_000_000, 0], "within the tolerance")
        #expect(choose(1_006_000_000, 4_100_000_000) == [1_006_000_000, 0], "forward")
        #expect(choose(0, 4_100_000_000) == [901_000_000, 1], "back: 5001 ms − 4100 ms")
        #expect(choose(0, 6_000_000_000) == [0, 0], "back, but late enough")
        #expect(choose(0, 100_000_000) == [1_000_000_000, 1], "never above the highest of the boot")
        #expect(choose(0, 100_000_000, boot: 2, highest: nil) == [4_901_000_000, 1], "another boot, behind")
        #expect(choose(9_000_000_000, 100_000_000, boot: 2, highest: nil) == [9_000_000_000, 0], "another boot, ahead")
        let first = FrozenTimes.choose(wanted: -5, earliest: 0, boot: 1, highest: nil, last: nil)
        #expect(first.offset == -5 && !first.isRaised, "the first of all")
    }

    /// Whatever the clock does, the times of each point rise, and every uplink sees the same ones.
    @Test(arguments: UInt64(1)...12) func timesRisePerPointWhateverTheClockDoes(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        try withFolder { folder in
            var delivered: [String: [SpooledReading]] = ["city": [], "works": []]
            var clock = Self.clock(0)
            for boot in 1...5 {
                let store = try open(folder, boot: "boot \(boot)")
                let points = try store.identify((0..<4).map { "p\($0)" })
                var instant = Int64.random(in: 0...2_000_000_000, using: &random)
                for _ in 0..<40 {
                    if Int.random(in: 0..<6, using: &random) == 0 {
                        clock.nanoseconds += Int64.random(in: -60_000_000_000...60_000_000_000, using: &random)
                    }
                    // Readings arrive a little out of order, and some closer than a millisecond.
                    let batch = (0..<Int.random(in: 1...8, using: &random)).map { _ in
                        instant += Int64.random(in: 0...400_000_000, using: &random)
                        let late = Int64.random(in: 0...3_000_000, using: &random)
                        return Reading(
                            point: points.randomElement(using: &random)!,
                            instant: Instant(nanoseconds: max(0, instant - late)),
                            value: .float(Float.random(in: 0...1, using: &random)))
                    }
                    try store.append(batch, offset: clock)
                    for uplink in ["city", "works"] where Int.random(in: 0..<3, using: &random) == 0 {
                        let end = Bool.random(using: &random) ? LeaseEnd.oldest : .newest
                        let found = try store.lease(uplink: uplink, maximumReadings: 20, from: end, offset: clock)
                        guard let lease = found else { continue }
                        try store.settle(lease.id, rejected: [])
                        delivered[uplink]! += lease.readings
                    }
                }
                // All that was leased is committed before the next boot.
                try store.append([], offset: clock)
            }
            for readings in delivered.values {
                #expect(readings.count > 50, "seed \(seed)")
                for (_, own) in Dictionary(grouping: readings, by: \.point) {
                    let times = own.sorted { $0.sequence < $1.sequence }.map(\.phenomenonTime)
                    #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed): \(times)")
                }
            }
            let city = Dictionary(uniqueKeysWithValues: delivered["city"]!.map { ($0.sequence, $0) })
            let both = delivered["works"]!.filter { city[$0.sequence] != nil }
            #expect(both.count > 50 && both.allSatisfy { city[$0.sequence] == $0 }, "seed \(seed)")
        }
    }

    @Test func readingsOfOnePointAreAMillisecondApart() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify(["a", "b"])
            let batch = [(0, 5_000_000), (0, 5_000_100), (1, 5_000_100), (0, 4_000_000), (0, 9_000_000)].map {
                Reading(point: points[$0.0], instant: Instant(nanoseconds: Int64($0.1)), value: .float(1))
            }
            try store.append(batch, offset: offset)
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 10, offset: offset))
            #expect(lease.readings.map { $0.phenomenonTime.milliseconds - epoch } == [5, 6, 5, 7, 9])
        }
    }
}

/// Spools that were made before there were histories of the clock.
@Suite struct OldClockTests {
    @Test func aSpoolWithOneOffsetForEachBootGoesOn() throws {
        try withFolder { folder in
            func open(_ boot: String) throws -> SpoolStore {
                try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: boot)
            }
            do {
                let store = try open("one")
                let points = try store.identify(["a"])
                try store.append(readings(points, at: 5000), offset: offset)
            }
            do {
                let store = try open("two")
                let points = try store.identify(["a"])
                try store.append(readings(points, at: 1000), offset: ClockOffset(nanoseconds: 0))
            }
            try MigrationTests.age(folder, to: 2)
            let store = try open("three")
            try store.know(KnownTime(ClockOffset(nanoseconds: offset.nanoseconds + 60_000_000_000)))
            try store.append(readings(store.identify(["a"]), at: 1000))
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 10))
            let times = lease.readings.map { $0.phenomenonTime.milliseconds - epoch }
            #expect(
                times == [5000, 59_999, 61_000], "the second boot stood in 1970, and the start of the third bounds it")
            #expect(lease.readings.map(\.quality) == [.good, .uncertain, .good])
        }
    }
}
