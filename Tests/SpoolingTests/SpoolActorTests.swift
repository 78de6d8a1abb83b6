import Metering
import Posix
import Synchronization
import Testing

@testable import Spooling

@Suite struct SpoolActorTests {
    /// A spool that runs, with its intake; what it tells a log is noted.
    private final class Running: Sendable {
        let folder = uniqueFolder()
        let intake = Intake(capacity: 1000)
        let spool: Spool
        let run: Task<Void, Never>
        let events = Mutex<[String]>([])

        init(settings: SpoolSettings = SpoolSettings(commitInterval: .milliseconds(50))) throws {
            let noted = UncheckedBox<Running>()
            let spool = try Spool(directory: folder, settings: settings, uplinks: ["city"], intake: intake) { event in
                noted.value?.events.withLock { $0.append("\(event)") }
            }
            self.spool = spool
            run = Task.detached { await spool.run() }
            noted.value = self
        }

        /// Gives readings of `points` to the intake.
        func put(_ points: [PointID]) {
            #expect(intake.promise(points.count))
            intake.put(readings(points, at: BootClock.now.nanoseconds / 1_000_000), promised: points.count)
        }

        /// The first window for `city`, as soon as there is one.
        func leased() async throws -> Lease {
            while true {
                if let lease = try await spool.lease(uplink: "city", maximumReadings: 10) { return lease }
                try await Task.sleep(for: .milliseconds(10))
            }
        }

        func end() async {
            spool.stop()
            await run.value
            remove(folder: folder)
        }
    }

    private final class UncheckedBox<Value: AnyObject>: @unchecked Sendable {
        weak var value: Value?
    }

    @Test func whatTheIntakeHoldsIsCommittedLeasedAndSettled() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a", "b"])
        let points = try [#require(ids["a"]), #require(ids["b"])]
        running.put(points)
        let held = try await running.leased()
        #expect(held.readings.map(\.point) == points)
        // The mark is on disk before the lease is handed out: another look at the file shows it in flight.
        let look = try SpoolStore.openForReading(directory: running.folder).statistics()
        #expect(look.undelivered == ["city": 2])
        try await running.spool.settle(held.id, rejected: [])
        await #expect(throws: SpoolError.self) { try await running.spool.settle(held.id, rejected: []) }
        running.put(points)
        running.spool.stop()
        await running.run.value
        let end = try SpoolStore.openForReading(directory: running.folder).statistics()
        #expect(end.committed == 4, "the last commit takes what the intake still holds")
        #expect(end.undelivered == ["city": 2])
        await running.end()
    }

    /// An uplink that has delivered everything waits for what comes: that is committed with its mark, once.
    @Test(.timeLimit(.minutes(3))) func whoWaitsGetsReadingsAndMarkWithOneCommit() async throws {
        let running = try Running(settings: SpoolSettings(commitInterval: .seconds(1)))
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        for round in 1...3 {
            #expect(try await running.spool.lease(uplink: "city", maximumReadings: 10) == nil)
            running.put([point])
            while running.spool.status.statistics.committed < Int64(round) {
                try await Task.sleep(for: .milliseconds(5))
            }
            let lease = try #require(try await running.spool.lease(uplink: "city", maximumReadings: 10))
            #expect(lease.readings.count == 1 && !lease.isUnclear)
            #expect(running.spool.status.statistics.commits == Int64(round), "none for the mark")
            try await running.spool.settle(lease.id, rejected: [])
        }
        await running.end()
    }

    /// What was leased for an uplink that never came is nobody's: it was not sent, and nobody has to be asked.
    @Test(.timeLimit(.minutes(3))) func whatNobodyCameForIsFreeAgain() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        for round in 1...2 {
            #expect(try await running.spool.lease(uplink: "city", maximumReadings: 10) == nil)
            running.put([point])
            while running.spool.status.statistics.committed < Int64(round) {
                try await Task.sleep(for: .milliseconds(5))
            }
            if round == 1 {
                try await running.spool.configure(SpoolSettings(commitInterval: .milliseconds(20)), uplinks: ["city"])
                let lease = try #require(try await running.spool.lease(uplink: "city", maximumReadings: 10))
                #expect(!lease.isUnclear && lease.readings.count == 1)
                try await running.spool.settle(lease.id, rejected: [])
            }
        }
        running.spool.stop()
        await running.run.value
        let store = try SpoolStore(
            directory: running.folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "another boot")
        let lease = try #require(try store.lease(uplink: "city", maximumReadings: 10, offset: offset))
        #expect(!lease.isUnclear && lease.readings.count == 1)
        await running.end()
    }

    @Test func newSettingsTakeOverWhatWasInWork() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        running.put(try [#require(ids["a"])])
        let lease = try await running.leased()
        try await running.spool.configure(SpoolSettings(commitInterval: .milliseconds(20)), uplinks: ["city", "works"])
        let again = try #require(try await running.spool.lease(uplink: "city", maximumReadings: 10))
        #expect(again.isUnclear, "nobody knows any more what became of it")
        #expect(again.readings == lease.readings)
        let works = try #require(try await running.spool.lease(uplink: "works", maximumReadings: 10))
        // The new name may be all that is new about the uplink: its platform is asked before it gets what was held.
        #expect(works.isUnclear && works.readings == lease.readings)
        await running.end()
    }

    /// A full spool gives the readings back to the intake; once there is room they are committed, in order.
    @Test func aFullSpoolLeavesReadingsInTheIntakeAndGoesOn() async throws {
        let small = SpoolSettings(commitInterval: .milliseconds(10), maximumBytes: 1)
        let running = try Running(settings: small)
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        running.put([point])
        while running.spool.status.error?.code != .full { try await Task.sleep(for: .milliseconds(10)) }
        running.put([point])
        #expect(running.intake.fill.waiting >= 1)
        #expect(running.events.withLock { $0.count } == 1, "told once, not at every commit")
        try await running.spool.configure(SpoolSettings(commitInterval: .milliseconds(10)), uplinks: ["city"])
        while running.spool.status.statistics.committed < 2 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(running.spool.status.error == nil)
        #expect(running.events.withLock { $0.count } == 2)
        await running.end()
    }

    /// A stop at any moment is heard: in an hour's sleep a lost one would hang.
    @Test(.timeLimit(.minutes(3))) func aStopIsNeverLost() async throws {
        for round in 0..<40 {
            let running = try Running(settings: SpoolSettings(commitInterval: .seconds(3600)))
            for _ in 0..<(round % 8) { await Task.yield() }
            await running.end()
        }
    }

    /// Commits without a pause leave room for everybody else.
    @Test(.timeLimit(.minutes(3))) func commitsWithoutPauseStarveNobody() async throws {
        let running = try Running(settings: SpoolSettings(commitInterval: .milliseconds(1)))
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        for _ in 0..<50 {
            running.put([point])
            _ = try await running.spool.identify(["a"])
        }
        await running.end()
    }

    /// New settings that the disk refuses: the old ones go on, and what was leased can be leased again.
    @Test(.timeLimit(.minutes(3))) func refusedSettingsStrandNoLease() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        running.put(try [#require(ids["a"])])
        let lease = try await running.leased()
        let shell = try Connection(SpoolFolder.file(in: running.folder), .create, busyTimeout: .seconds(2))
        try shell.execute("BEGIN IMMEDIATE")
        running.put(try [#require(ids["a"])])
        await #expect(throws: SpoolError.self) {
            try await running.spool.configure(SpoolSettings(), uplinks: ["works"])
        }
        try shell.execute("ROLLBACK")
        let again = try #require(try await running.spool.lease(uplink: "city", maximumReadings: 10))
        #expect(again.isUnclear && again.readings == lease.readings)
        await running.end()
    }

    /// Who waits for a mark when the spool ends learns that there is none; what comes later finds it closed.
    @Test(.timeLimit(.minutes(3))) func theEndIsToldToWhoWaits() async throws {
        let running = try Running(settings: SpoolSettings(commitInterval: .seconds(3600)))
        let ids = try await running.spool.identify(["a"])
        running.put(try [#require(ids["a"])])
        running.spool.stop()
        _ = try? await running.spool.lease(uplink: "city", maximumReadings: 10)
        await running.run.value
        let error = await #expect(throws: SpoolError.self) { try await running.spool.identify(["b"]) }
        #expect(error?.code == .closed)
        await running.end()
    }

    /// An uplink that is stopped does not wait for a commit that may be an hour away.
    @Test(.timeLimit(.minutes(3))) func aWaitForAMarkCanBeEnded() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        running.put([try #require(ids["a"])])
        while running.spool.status.statistics.committed == 0 { try await Task.sleep(for: .milliseconds(5)) }
        let isWanted = Atomic(true)
        // Never durable: another program has locked the file.
        let shell = try Connection(SpoolFolder.file(in: running.folder), .create, busyTimeout: .seconds(2))
        try shell.execute("BEGIN IMMEDIATE")
        async let lease = running.spool.lease(uplink: "city", maximumReadings: 10) {
            isWanted.load(ordering: .acquiring)
        }
        isWanted.store(false, ordering: .releasing)
        await running.spool.endWaits()
        #expect(try await lease == nil)
        try shell.execute("ROLLBACK")
        await running.end()
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
