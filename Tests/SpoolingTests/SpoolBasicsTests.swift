import Metering
import Testing

@testable import Spooling

@Suite struct SpoolBasicsTests {
    @Test func aReadingGoesFromAppendToSettled() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["a/u", "a/i"])
            #expect(try store.identify(["a/i", "a/u"]) == points.reversed())
            #expect(points.map(store.key(of:)) == ["a/u", "a/i"])
            #expect(store.key(of: PointID(rawValue: 3)) == nil)
            #expect(store.key(of: PointID(rawValue: 0)) == nil)
            try store.append(readings(points, at: 10_000), offset: offset)

            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 10, offset: offset))
            #expect(lease.readings.map(\.sequence.rawValue) == [1, 2])
            #expect(lease.readings.map(\.phenomenonTime.milliseconds) == [epoch + 10_000, epoch + 10_000])
            #expect(!lease.isUnclear && !store.isDurable(lease.id) && store.hasPending)
            #expect(try store.lease(uplink: "city", maximumReadings: 10, offset: offset) == nil)
            try store.append([], offset: offset)
            #expect(store.isDurable(lease.id) && !store.hasPending)

            try store.settle(lease.id, rejected: [])
            #expect(throws: SpoolError.self) { try store.settle(lease.id, rejected: []) }
            #expect(throws: SpoolError.self) { try store.release(lease.id) }
            #expect(!store.isDurable(lease.id) && store.hasPending)
            try store.append([], offset: offset)
            let statistics = try store.statistics()
            #expect(statistics.committed == 2 && statistics.held == 2 && statistics.undelivered == ["city": 0])
            #expect(statistics.commits == 3)
        }
    }

    @Test func notesOfPointsAreKeptAndReplaced() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: [], bootID: "boot")
            _ = try store.identify(["a/u", "a/i"], notes: ["a/u": "volts"])
            let reader = try SpoolStore.openForReading(directory: folder)
            #expect(try reader.note(of: "a/u") == "volts")
            #expect(try reader.note(of: "a/i") == nil && reader.note(of: "b/u") == nil)
            _ = try store.identify(["a/u"])
            #expect(try reader.note(of: "a/u") == "volts")
            _ = try store.identify(["a/u"], notes: ["a/u": "kilovolts"])
            #expect(try reader.note(of: "a/u") == "kilovolts")
        }
    }

    @Test func aLargeAppendIsOneCommitOfSeveralChunks() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify((0..<10_000).map { "p\($0)" })
            try store.append(readings(points, at: 1000), offset: offset)
            #expect(try store.statistics().commits == 1)
            let windows = try (0..<3).map { _ in
                try #require(try store.lease(uplink: "city", maximumReadings: 4096, offset: offset)).readings
            }
            #expect(windows.map(\.count) == [4096, 4096, 1808])
            #expect(windows.joined().map(\.sequence.rawValue) == Array(1...10_000))
            #expect(windows.joined().map(\.point) == points)
        }
    }

    @Test func openLeasesHaveALimit() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["p"])
            for second in 1...100 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            let leases = try (0..<SpoolStore.maximumOpenLeases).map { _ in
                try #require(try store.lease(uplink: "city", maximumReadings: 1, offset: offset))
            }
            #expect(leases.map { $0.readings[0].sequence.rawValue } == Array(1...64))
            let error = #expect(throws: SpoolError.self) {
                try store.lease(uplink: "city", maximumReadings: 1, offset: offset)
            }
            #expect(error?.code == .tooMany)
            // Settled in any order; the gap that a released one leaves is next.
            for lease in leases.reversed() where lease.readings[0].sequence.rawValue != 30 {
                try store.settle(lease.id, rejected: [])
            }
            try store.release(leases[29].id)
            let next = try #require(try store.lease(uplink: "city", maximumReadings: 500, offset: offset))
            #expect(next.readings.map(\.sequence.rawValue) == [30])
            let last = try #require(try store.lease(uplink: "city", maximumReadings: 500, offset: offset))
            #expect(last.readings.map(\.sequence.rawValue) == Array(65...100))
        }
    }

    /// A full spool did not take the readings: given again, they keep their times.
    @Test func whatAFullSpoolRefusedKeepsItsTime() throws {
        try withFolder { folder in
            let settings = SpoolSettings(maximumBytes: 1 << 20)
            let store = try SpoolStore(directory: folder, settings: settings, uplinks: ["city"], bootID: "boot")
            let points = try store.identify((0..<4000).map { "p\($0)" })
            var second: Int64 = 0
            var random = SeededGenerator(seed: 1)
            func batch() -> [Reading] {
                points.map {
                    let value = Value.double(Double.random(in: 0...1, using: &random))
                    return Reading(point: $0, instant: Instant(nanoseconds: second * 1_000_000_000), value: value)
                }
            }
            var refused: [Reading] = []
            while refused.isEmpty, second < 100 {
                second += 1
                let next = batch()
                do throws(SpoolError) { try store.append(next, offset: offset) } catch { refused = next }
            }
            while let lease = try store.lease(uplink: "city", maximumReadings: 4000, offset: offset) {
                try store.settle(lease.id, rejected: [])
            }
            try store.append(refused, offset: offset)
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 4000, offset: offset))
            #expect(lease.readings.allSatisfy { $0.phenomenonTime.milliseconds == epoch + second * 1000 })
        }
    }
}
