import Metering
import Testing

@testable import Spooling

/// What is measured now goes out while what an outage left is still waiting.
@Suite struct LeaseEndTests {
    private func withStore(_ body: (SpoolStore, [PointID]) throws -> Void) throws {
        try withFolder { folder in
            let store = try SpoolStore(
                directory: folder, settings: SpoolSettings(), uplinks: ["city", "works"], bootID: "boot")
            try store.know(KnownTime(offset))
            try body(store, try store.identify(["a", "b"]))
        }
    }

    /// A commit of two readings for each second.
    private func append(_ store: SpoolStore, _ points: [PointID], seconds: ClosedRange<Int64>) throws {
        for second in seconds { try store.append(readings(points, at: second * 1000)) }
    }

    private func numbers(_ lease: Lease?) -> [Int64] {
        lease?.readings.map(\.sequence.rawValue) ?? []
    }

    @Test func newReadingsPassABacklogAndBothMeet() throws {
        try withStore { store, points in
            try append(store, points, seconds: 1...10)
            let live = try #require(try store.lease(uplink: "city", maximumReadings: 4, from: .newest))
            #expect(numbers(live) == [17, 18, 19, 20] && !live.isUnclear)
            #expect(live.readings[0].phenomenonTime.milliseconds == epoch + 9000)
            let backlog = try #require(try store.lease(uplink: "city", maximumReadings: 5))
            #expect(numbers(backlog) == [1, 2, 3, 4], "whole chunks")
            try store.settle(live.id, rejected: [])
            try append(store, points, seconds: 11...11)
            #expect(numbers(try store.lease(uplink: "city", maximumReadings: 4, from: .newest)) == [21, 22])
            #expect(numbers(try store.lease(uplink: "city", maximumReadings: 100, from: .newest)) == Array(5...16))
            #expect(try store.lease(uplink: "city", maximumReadings: 4, from: .newest) == nil)
            #expect(try store.lease(uplink: "city", maximumReadings: 4) == nil)
            #expect(numbers(try store.lease(uplink: "works", maximumReadings: 100)) == Array(1...22))
        }
    }

    /// Marks and settlements of both ends survive a restart; what was in flight comes first, whichever end is asked for.
    @Test func bothEndsSurviveARestart() throws {
        try withFolder { folder in
            func open() throws -> SpoolStore {
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
                try store.know(KnownTime(offset))
                return store
            }
            var live: Lease?
            do {
                let store = try open()
                let points = try store.identify(["a", "b"])
                try append(store, points, seconds: 1...10)
                let old = try #require(try store.lease(uplink: "city", maximumReadings: 4))
                live = try store.lease(uplink: "city", maximumReadings: 4, from: .newest)
                try store.append([])
                try store.settle(old.id, rejected: [])
                try store.append([])
            }
            let store = try open()
            let again = try #require(try store.lease(uplink: "city", maximumReadings: 1))
            #expect(again.isUnclear && again.id == live?.id && again.readings == live?.readings)
            #expect(numbers(try store.lease(uplink: "city", maximumReadings: 100)) == Array(5...16))
        }
    }

    /// More comes than a window of the newest takes, time and again: the list of what is delivered stays short.
    @Test func theRunsOfABacklogAreLimited() throws {
        try withStore { store, points in
            var delivered: [Int64] = []
            func deliver(_ maximum: Int, from end: LeaseEnd) throws {
                guard let lease = try store.lease(uplink: "city", maximumReadings: maximum, from: end) else { return }
                try store.settle(lease.id, rejected: [])
                delivered += numbers(lease)
            }
            for round in 0..<60 {
                try append(store, points, seconds: Int64(round * 3 + 1)...Int64(round * 3 + 3))
                try deliver(2, from: .newest)
                #expect(store.state.uplinks[0].spans.count <= Progress.maximumRuns)
            }
            #expect(store.state.uplinks[0].spans.count == Progress.maximumRuns - 1)
            while delivered.count < 360 {
                let before = delivered.count
                try deliver(50, from: delivered.count % 3 == 0 ? .oldest : .newest)
                try #require(delivered.count > before)
            }
            #expect(delivered.sorted() == Array(1...360))
            #expect(store.state.uplinks[0].spans.count == 1)
        }
    }

    /// Between two ends that were delivered nothing is left that can be read: it is listed, and holds up nothing.
    @Test(arguments: [LeaseEnd.oldest, .newest]) func aRunOfDamageHoldsUpNothing(end: LeaseEnd) throws {
        try withStore { store, points in
            try append(store, points, seconds: 1...6)
            let first = try #require(try store.lease(uplink: "city", maximumReadings: 2))
            let middle = try #require(try store.lease(uplink: "city", maximumReadings: 4))
            let third = try #require(try store.lease(uplink: "city", maximumReadings: 2))
            try store.settle(first.id, rejected: [])
            try store.settle(third.id, rejected: [])
            try store.release(middle.id)
            try store.append([])
            try store.connection.execute("UPDATE chunk SET body = zeroblob(40) WHERE sequence IN (3, 5)")
            var rest: [Int64] = []
            while let lease = try store.lease(uplink: "city", maximumReadings: 2, from: end) { rest += numbers(lease) }
            #expect(rest.sorted() == [9, 10, 11, 12])
            try store.append([])
            #expect(try store.archive.gaps(atMost: 9).map { [$0.first, $0.last, $0.count] } == [[3, 6, 4]])
            #expect(try store.statistics().damaged == 4)
        }
    }

    /// The clock of a boot is right for all of it, also for what is leased later; a row for each boot, not for each window.
    @Test func whatIsOlderGetsItsTimesWithThem() throws {
        try withFolder { folder in
            for boot in 1...3 {
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot \(boot)")
                try store.know(
                    KnownTime(ClockOffset(nanoseconds: offset.nanoseconds + Int64(boot) * 3600 * 1_000_000_000)))
                let points = try store.identify(["a"])
                try append(store, points, seconds: 1...200)
                guard boot == 3 else { continue }
                let live = try #require(try store.lease(uplink: "city", maximumReadings: 1, from: .newest))
                #expect(live.readings[0].phenomenonTime.milliseconds == epoch + 3 * 3_600_000 + 200_000)
                try store.append([])
                #expect(try store.connection.integer("SELECT count(*) FROM frozen") == 3)
                // A step of the clock changes none of them any more.
                try store.know(KnownTime(ClockOffset(nanoseconds: offset.nanoseconds - 1_000_000_000)))
                let all = try #require(try store.lease(uplink: "city", maximumReadings: 1000))
                let times = all.readings.map { $0.phenomenonTime.milliseconds - epoch }
                let expected = (1...3).flatMap { boot in (1...200).map { Int64(boot) * 3_600_000 + $0 * 1000 } }
                #expect(times == expected.dropLast())
                #expect(all.readings.allSatisfy { $0.quality == .good })
            }
        }
    }

    /// What is thinned together has one offset: it must not reach over a border where that changes.
    @Test func thinningKeepsTheOrderOfTimes() throws {
        try withStore { store, points in
            func know(_ seconds: Int64) throws {
                try store.know(KnownTime(ClockOffset(nanoseconds: offset.nanoseconds + seconds * 1_000_000_000)))
            }
            // The clock is half a minute ahead, and is set back; some time later nothing comes for a minute.
            try know(30)
            try append(store, points, seconds: 1...10)
            var all: [SpooledReading] = []
            func deliver(_ maximum: Int, from end: LeaseEnd) throws -> Bool {
                guard let lease = try store.lease(uplink: "city", maximumReadings: maximum, from: end) else {
                    return false
                }
                try store.settle(lease.id, rejected: [])
                all += lease.readings
                return true
            }
            while try deliver(100, from: .oldest) {}
            try know(0)
            try append(store, points, seconds: 11...200)
            try append(store, points, seconds: 260...450)
            #expect(try deliver(2, from: .newest))
            var rules = ThinningRules()
            for point in points { rules[point] = .init(kind: .counter) }
            var thinned = 0
            while case .thin? = try store.relieve(at: .thin, by: rules) { thinned += 1 }
            #expect(thinned > 1)
            while try deliver(50, from: .newest) {}
            all.sort { $0.sequence < $1.sequence }
            #expect(all.count < 300)
            for (_, own) in Dictionary(grouping: all, by: \.point) {
                #expect(zip(own, own.dropFirst()).allSatisfy { $0.phenomenonTime < $1.phenomenonTime })
            }
            #expect(all.last?.phenomenonTime.milliseconds == epoch + 450_000)
        }
    }

    /// An uplink that left the configuration may come back: what it had is not thinned, and nothing is listed as missing.
    @Test func whatAnUplinkHadThatIsAwayIsNotThinned() throws {
        try withFolder { folder in
            func open(_ uplinks: [String]) throws -> SpoolStore {
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(), uplinks: uplinks, bootID: "boot")
                try store.know(KnownTime(offset))
                return store
            }
            do {
                let store = try open(["city", "works"])
                try append(store, try store.identify(["a", "b"]), seconds: 1...200)
                try append(store, try store.identify(["a", "b"]), seconds: 1000...1000)
                let lease = try #require(try store.lease(uplink: "works", maximumReadings: 250, from: .newest))
                try store.settle(lease.id, rejected: [])
                try store.append([])
            }
            do {
                let store = try open(["city"])
                while try store.relieve(at: .thin, by: ThinningRules()) != nil {}
                try store.append([])
            }
            do {
                let store = try open(["city", "works"])
                var rest: Set<Int64> = []
                for end in [LeaseEnd.newest, .oldest] {
                    while let lease = try store.lease(uplink: "works", maximumReadings: 20, from: end) {
                        #expect(rest.isDisjoint(with: numbers(lease)))
                        rest.formUnion(numbers(lease))
                        try store.settle(lease.id, rejected: [])
                    }
                }
                try store.append([])
                #expect(!rest.isEmpty && rest.allSatisfy { $0 <= 152 })
                #expect(try store.archive.gaps(atMost: 9).isEmpty)
            }
            #expect(try open(["city", "works"]).mending == nil)
        }
    }

    /// Uplinks find the same hole at different lengths: each missing reading is listed and counted once.
    @Test func aHoleThatIsFoundInPartsIsListedOnce() throws {
        try withStore { store, points in
            try append(store, points, seconds: 1...4)
            for _ in 0..<2 {
                let lease = try #require(try store.lease(uplink: "city", maximumReadings: 2, from: .newest))
                try store.settle(lease.id, rejected: [])
            }
            try store.append([])
            try store.connection.execute("UPDATE chunk SET body = zeroblob(40) WHERE sequence IN (3, 5)")
            for uplink in ["city", "works"] {
                while let lease = try store.lease(uplink: uplink, maximumReadings: 2) {
                    try store.settle(lease.id, rejected: [])
                }
                try store.append([])
            }
            #expect(
                try store.archive.gaps(atMost: 9).map { [$0.first, $0.last, $0.count] } == [[5, 6, 2], [3, 4, 2]])
            #expect(try store.statistics().damaged == 4)
        }
    }

    /// After a restart it may take a while until the clock is known again; what has its times from before goes on.
    @Test(arguments: [LeaseEnd.oldest, .newest]) func whatHasItsTimesDoesNotWait(end: LeaseEnd) throws {
        try withFolder { folder in
            func open() throws -> SpoolStore {
                try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            }
            do {
                let store = try open()
                try store.know(KnownTime(offset))
                try append(store, try store.identify(["a"]), seconds: 1...5)
                let lease = try #require(try store.lease(uplink: "city", maximumReadings: 9))
                try store.release(lease.id)
                try store.append([])
            }
            let store = try open()
            try append(store, try store.identify(["a"]), seconds: 6...8)
            #expect(numbers(try store.lease(uplink: "city", maximumReadings: 9, from: end)) == [1, 2, 3, 4, 5])
            #expect(try store.lease(uplink: "city", maximumReadings: 9, from: end) == nil)
        }
    }
}
