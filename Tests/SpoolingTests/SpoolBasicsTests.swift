import Metering
import Spooling
import Testing

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
}
