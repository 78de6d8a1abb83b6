import Metering
import Posix
import Testing

@testable import Spooling

@Suite struct SpoolActorTests {
    @Test func theActorDoesWhatTheStoreDoes() async throws {
        let folder = uniqueFolder()
        defer { remove(folder: folder) }
        let spool = try await Spool.open(directory: folder, settings: SpoolSettings(), uplinks: ["city"])
        let points = try await spool.identify(["a", "b"])
        #expect(await spool.key(of: points[1]) == "b")
        try await spool.append(readings(points, at: 1000), offset: offset)
        let lease = try #require(try await spool.lease(uplink: "city", maximumReadings: 10, offset: offset))
        #expect(lease.readings.count == 2)
        #expect(await spool.hasPending)
        #expect(await !spool.isDurable(lease.id))
        try await spool.append([], offset: offset)
        #expect(await spool.isDurable(lease.id))
        try await spool.release(lease.id)
        let again = try #require(try await spool.lease(uplink: "city", maximumReadings: 10, offset: offset))
        #expect(again.readings == lease.readings && again.id > lease.id)
        try await spool.settle(again.id)
        try await spool.append([], offset: offset)
        let statistics = try await spool.statistics()
        #expect(statistics.undelivered == ["city": 0] && statistics.lastCommit != nil)
        #expect(try await spool.audit().map(\.digest.count) == [1, 1])

        // Somebody else may look while the agent has it.
        let reader = try SpoolStore.openForReading(directory: folder)
        #expect(try reader.audit() == (try await spool.audit()))
        var seen = try reader.statistics()
        seen.commits = statistics.commits
        seen.lastCommit = statistics.lastCommit
        #expect(seen == statistics)

        await spool.close()
        await #expect(throws: SpoolError.self) { try await spool.append([], offset: offset) }
        #expect(await !spool.hasPending)
        // The lock is free at once, for the next agent or the same one with another configuration.
        let next = try await Spool.open(directory: folder, settings: SpoolSettings(), uplinks: ["works"])
        #expect(try await next.statistics().undelivered == ["works": 2])
        await next.close()
    }

    @Test func manyTasksShareOneSpool() async throws {
        let folder = uniqueFolder()
        defer { remove(folder: folder) }
        let spool = try await Spool.open(directory: folder, settings: SpoolSettings(), uplinks: ["city"])
        let points = try await spool.identify((0..<8).map { "p\($0)" })
        try await withThrowingTaskGroup(of: Void.self) { group in
            for point in points {
                group.addTask {
                    for second in 1...20 {
                        try await spool.append(readings([point], at: Int64(second) * 1000), offset: offset)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await spool.statistics().committed == 160)
        await spool.close()
    }

    @Test func pointsHaveALimit() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: [], bootID: "boot")
            let keys = (0..<SpoolStore.maximumPoints).map { "p\($0)" }
            #expect(try store.identify(keys).count == keys.count)
            #expect(throws: SpoolError.self) { try store.identify(["one more"]) }
            #expect(try store.identify(["p9"]) == [PointID(rawValue: 10)])
        }
    }
}
