import Glibc
import Metering
import Posix
import Synchronization
import Testing

@testable import Spooling

@Suite struct SpoolActorTests {
    /// A spool that runs, with its intake; what it tells a log is noted.
    private final class Running: Sendable {
        let folder = uniqueFolder()
        let intake = Intake(capacity: 10_000)
        let spool: Spool
        let run: Task<Void, Never>
        let events = Mutex<[String]>([])

        init(settings: SpoolSettings = SpoolSettings(commitInterval: .milliseconds(50))) throws {
            let noted = UncheckedBox<Running>()
            let spool = try Spool(directory: folder, settings: settings, uplinks: ["city"], intake: intake) { event in
                noted.value?.events.withLock { $0.append("\(event)") }
            }
            self.spool = spool
            spool.know(KnownTime(BootClock.offset))
            run = Task.detached { await spool.run() }
            noted.value = self
        }

        /// Of the events those that tell of commits that fail, and go through again.
        var failures: [String] {
            events.withLock { $0.filter { $0.hasPrefix("failing") || $0.hasPrefix("recovered") } }
        }

        /// Gives readings of `points` to the intake.
        func put(_ points: [PointID]) {
            #expect(intake.promise(points.count))
            intake.put(readings(points, at: BootClock.now.nanoseconds / 1_000_000), promised: points.count)
        }

        /// Returns when so many readings are committed.
        func committed(_ count: Int) async throws {
            while spool.status.statistics.committed < Int64(count) { try await Task.sleep(for: .milliseconds(5)) }
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
    @Test(.timeLimit(.minutes(15))) func whoWaitsGetsReadingsAndMarkWithOneCommit() async throws {
        let running = try Running(settings: SpoolSettings(commitInterval: .seconds(1)))
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        for round in 1...3 {
            #expect(try await running.spool.lease(uplink: "city", maximumReadings: 10) == nil)
            running.put([point])
            try await running.committed(round)
            let lease = try #require(try await running.spool.lease(uplink: "city", maximumReadings: 10))
            // Settled they are not: should a commit fall just behind the settlement, it would be one more.
            #expect(lease.readings.count == 1 && !lease.isUnclear)
            #expect(running.spool.status.statistics.commits == Int64(round), "none for the mark")
        }
        await running.end()
    }

    /// What is measured now can be had before what has waited longer.
    @Test(.timeLimit(.minutes(15))) func theNewestCanBeHadFirst() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        for round in 1...3 {
            running.put([point])
            try await running.committed(round)
        }
        for (end, expected) in [(LeaseEnd.newest, 3 as Int64), (.oldest, 1), (.newest, 2)] {
            let lease = try #require(try await running.spool.lease(uplink: "city", maximumReadings: 1, from: end))
            #expect(lease.readings.map(\.sequence.rawValue) == [expected])
            try await running.spool.settle(lease.id, rejected: [])
        }
        await running.end()
    }

    /// Who asked in vain for the newest gets these, with the commit that brings more than it takes.
    @Test(.timeLimit(.minutes(15))) func whoWaitsForTheNewestGetsThem() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        let nothing = try await running.spool.lease(uplink: "city", maximumReadings: 1, from: .newest)
        #expect(nothing == nil)
        // One more than a chunk takes.
        running.put(Array(repeating: point, count: 4097))
        try await running.committed(4097)
        let lease = try await running.spool.lease(uplink: "city", maximumReadings: 1, from: .newest)
        #expect(lease?.readings.map(\.sequence.rawValue) == [4097])
        await running.end()
    }

    /// What somebody does to the files of a spool that is open.
    enum Removal: CaseIterable { case removed, replaced, logOnly, folder, atTheEnd }

    /// Somebody removes the file, or puts another in its place, while it is open: it is made anew, with all it held.
    @Test(.timeLimit(.minutes(15)), arguments: Removal.allCases) func aFileThatIsRemovedIsMadeAnew(
        removal: Removal
    ) async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        for round in 1...5 {
            running.put([point])
            try await running.committed(round)
        }
        let path = SpoolFolder.file(in: running.folder)
        switch removal {
        case .removed: for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
        case .replaced:
            unlink(path)
            write(Array("a diary".utf8), to: path)
        case .logOnly: unlink(path + "-wal")
        case .folder, .atTheEnd: remove(folder: running.folder)
        }
        if removal != .atTheEnd {
            while running.spool.status.mending == nil {
                if running.intake.promise(1) {
                    running.intake.put(readings([point], at: BootClock.now.nanoseconds / 1_000_000), promised: 1)
                }
                try await Task.sleep(for: .milliseconds(50))
            }
            let mending = try #require(running.spool.status.mending)
            let isAside = removal == .replaced || removal == .logOnly
            #expect(mending.kept >= 5 && mending.gaps.isEmpty && (mending.aside != nil) == isAside, "\(mending)")
            #expect(running.spool.status.events.contains { $0.kind == "spool-mended" })
            #expect(running.failures.isEmpty, "\(running.failures)")
            if removal == .replaced, let aside = mending.aside {
                #expect(try content(of: aside) == Array("a diary".utf8))
            }
        }
        running.spool.stop()
        await running.run.value
        let statistics = try SpoolStore.openForReading(directory: running.folder).statistics()
        #expect(statistics.held == statistics.committed && statistics.held >= 5 && statistics.damaged == 0)
        #expect(try SpoolStore.verify(directory: running.folder).isSound)
        await running.end()
    }

    /// Where one uplink has everything and another nothing, nothing can be thinned: what is dropped is announced all the same.
    @Test(.timeLimit(.minutes(15))) func whatIsDroppedIsAnnounced() async throws {
        let running = try Running()
        let settings = SpoolSettings(commitInterval: .milliseconds(20), maximumBytes: 2 << 20)
        try await running.spool.configure(settings, uplinks: ["city", "works"])
        let ids = try await running.spool.identify((0..<800).map { "meter/p\($0)" })
        let points = ids.values.sorted()
        var random = SeededGenerator(seed: 1)
        while running.spool.status.statistics.dropped == 0 {
            if running.intake.promise(points.count) {
                let instant = BootClock.now
                let new = points.map {
                    Reading(point: $0, instant: instant, value: .double(Double.random(in: 0...1, using: &random)))
                }
                running.intake.put(new, promised: points.count)
            }
            while let lease = try await running.spool.lease(uplink: "city", maximumReadings: 4096) {
                try await running.spool.settle(lease.id, rejected: [])
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        while !running.spool.status.events.contains(where: { $0.kind == "spool-drop" }) {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(running.events.withLock { $0.contains { $0.hasPrefix("dropping") || $0.contains("drop") } })
        #expect(running.spool.status.droppedBefore == 0)
        await running.end()
    }

    /// A page that nobody reads is damaged, and the file is removed: it cannot be copied, and is not given up for that.
    @Test(.timeLimit(.minutes(15))) func aFileThatCannotBeCopiedIsUsedOn() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        running.put([point])
        try await running.committed(1)
        let path = SpoolFolder.file(in: running.folder)
        let shell = try Connection(path, .create, busyTimeout: .seconds(5))
        let root = try #require(
            try shell.integer("SELECT rootpage FROM sqlite_master WHERE name = 'quarantine'"))
        try shell.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shell.close()
        let descriptor = Glibc.open(path, O_WRONLY)
        #expect(pwrite(descriptor, [UInt8](repeating: 0x5A, count: 1024), 1024, Int(root - 1) * 1024) == 1024)
        close(descriptor)
        unlink(path)
        while running.spool.status.error == nil { try await Task.sleep(for: .milliseconds(20)) }
        let committed = Int(running.spool.status.statistics.committed)
        running.put([point])
        try await running.committed(committed + 1)
        #expect(running.events.withLock { $0.contains { $0.hasPrefix("homeless") } })
        await running.end()
    }

    /// A file that is begun anew while readings come has their points' numbers again.
    @Test(.timeLimit(.minutes(15))) func aNewFileHasTheOldNumbers() async throws {
        let running = try Running()
        let recording = Recording(running.folder)
        try await running.spool.configure(SpoolSettings(commitInterval: .milliseconds(50)), uplinks: ["city"])
        let ids = try await running.spool.identify(["a", "b"])
        let points = try [#require(ids["a"]), #require(ids["b"])]
        running.put(points)
        try await running.committed(2)
        // The disk fails; when the store can be opened anew, there is nothing.
        recording.fail(from: 0, count: .max, [.create, .write, .truncate], errno: EIO)
        running.put(points)
        while running.spool.status.error == nil { try await Task.sleep(for: .milliseconds(5)) }
        let path = SpoolFolder.file(in: running.folder)
        for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
        unlink(Spares.file(in: running.folder))
        recording.mend()
        while running.spool.status.error != nil { try await Task.sleep(for: .milliseconds(5)) }
        running.spool.stop()
        await running.run.value
        let reader = try SpoolStore.openForReading(directory: running.folder)
        #expect(try reader.dictionary() == ids && reader.statistics().committed == 2)
        await running.end()
    }

    /// A disk that takes no new points, though the spool is open, is no reason to end: they get their numbers later.
    @Test(.timeLimit(.minutes(15))) func newPointsWaitForADiskThatIsFull() async throws {
        let running = try Running()
        let recording = Recording(running.folder)
        try await running.spool.configure(SpoolSettings(commitInterval: .milliseconds(50)), uplinks: ["city"])
        recording.fail(from: 0, count: .max, [.write, .truncate], errno: ENOSPC)
        let ids = try await running.spool.identify(["a"])
        running.put([try #require(ids["a"])])
        while running.spool.status.error == nil { try await Task.sleep(for: .milliseconds(5)) }
        #expect(running.spool.status.error?.code == .noSpace)
        recording.mend()
        try await running.committed(1)
        let lease = try await running.leased()
        #expect(lease.readings.count == 1)
        await running.end()
    }

    /// A mean of one reading ends and begins with it, however finely the clock was read.
    @Test(.timeLimit(.minutes(15))) func thePeriodOfAMeanIsAsFineAsItsReadings() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        let begin = BootClock.now
        let means = (0..<40).map { index in
            let instant = begin + .nanoseconds(index * 1_234_567)
            return Reading(
                point: point, instant: instant, value: .float(1),
                remark: .aggregate(
                    .mean, from: instant, to: instant, minimum: .float(1), maximum: .float(1), count: 1))
        }
        #expect(running.intake.promise(means.count))
        running.intake.put(means, promised: means.count)
        try await running.committed(40)
        let lease = try #require(try await running.spool.lease(uplink: "city", maximumReadings: 40))
        #expect(lease.readings.count == 40)
        for reading in lease.readings {
            guard case .members(_, let from, let to) = reading.parameters else {
                Issue.record("\(reading)")
                continue
            }
            #expect(from == reading.phenomenonTime && to == reading.phenomenonTime)
        }
        await running.end()
    }

    /// What was leased for an uplink that never came is nobody's: it was not sent, and nobody has to be asked.
    @Test(.timeLimit(.minutes(15))) func whatNobodyCameForIsFreeAgain() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        let point = try #require(ids["a"])
        for round in 1...2 {
            #expect(try await running.spool.lease(uplink: "city", maximumReadings: 10) == nil)
            running.put([point])
            try await running.committed(round)
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

    /// A card that goes bad under a running agent: it goes on with what can be read, and says so.
    @Test("vector #18336: damage under a running agent is mended, not a reason to end") func damageWhileItRuns()
        async throws
    {
        let running = try Running()
        let ids = try await running.spool.identify((0..<100).map { "meter/p\($0)" })
        let points = ids.values.sorted()
        for second in 1...60 {
            #expect(running.intake.promise(100))
            running.intake.put(readings(points, at: Int64(second) * 1000), promised: 100)
            let held = Int64(second) * 100
            while running.spool.status.statistics.committed < held { try await Task.sleep(for: .milliseconds(5)) }
        }
        // Everything goes from the log into the file; then every page in its middle is nothing any more.
        let path = SpoolFolder.file(in: running.folder)
        do {
            let shell = try Connection(path, .create, busyTimeout: .seconds(5))
            try shell.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            shell.close()
        }
        var bytes = try content(of: path)
        for index in bytes.count / 3..<bytes.count / 2 { bytes[index] = 0x5A }
        let descriptor = Glibc.open(path, O_WRONLY)
        #expect(pwrite(descriptor, bytes, bytes.count, 0) == bytes.count)
        close(descriptor)
        // Whoever reads it finds that out: the reader gets an error, the spool a new file.
        var seen: Set<Int64> = []
        for _ in 0..<400 where seen.count < 6000 {
            do {
                guard let lease = try await running.spool.lease(uplink: "city", maximumReadings: 500) else {
                    if running.spool.status.mending != nil, running.spool.status.statistics.undelivered["city"] == 0 {
                        break
                    }
                    try await Task.sleep(for: .milliseconds(20))
                    continue
                }
                seen.formUnion(lease.readings.map(\.sequence.rawValue))
                try await running.spool.settle(lease.id, rejected: [])
            } catch let error as SpoolError {
                #expect([.damaged, .notHeld].contains(error.code), "\(error)")
                try await Task.sleep(for: .milliseconds(60))
            }
        }
        // It goes on: what comes now is taken and delivered.
        running.put(points)
        while running.spool.status.error != nil { try await Task.sleep(for: .milliseconds(20)) }
        running.spool.stop()
        await running.run.value
        let reader = try SpoolStore.openForReading(directory: running.folder)
        let gaps = try reader.gaps(atMost: 99)
        let missing = (1...Int64(6000)).filter { !seen.contains($0) }
        #expect(missing.allSatisfy { number in gaps.contains { ($0.first...$0.last).contains(number) } }, "\(gaps)")
        #expect(seen.count > 1000 && !missing.isEmpty, "\(seen.count) seen, \(gaps), \(bytes.count) bytes")
        // The agent knew how far it was: nothing has to be guessed.
        #expect(gaps.allSatisfy { $0.most == $0.count && $0.last <= 6100 }, "\(gaps)")
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
        for _ in 0..<6000 where running.failures.count == 0 { try await Task.sleep(for: .milliseconds(10)) }
        try await Task.sleep(for: .milliseconds(100))
        #expect(running.intake.fill.waiting >= 1, "a commit that is being tried counts them")
        #expect(running.failures.count == 1, "told once, not at every commit")
        try await running.spool.configure(SpoolSettings(commitInterval: .milliseconds(10)), uplinks: ["city"])
        try await running.committed(2)
        for _ in 0..<6000 where running.failures.count < 2 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(running.spool.status.error == nil)
        #expect(running.failures.count == 2)
        await running.end()
    }

    /// A stop at any moment is heard: in an hour's sleep a lost one would hang.
    @Test(.timeLimit(.minutes(15))) func aStopIsNeverLost() async throws {
        for round in 0..<40 {
            let running = try Running(settings: SpoolSettings(commitInterval: .seconds(3600)))
            for _ in 0..<(round % 8) { await Task.yield() }
            await running.end()
        }
    }

    /// Commits without a pause leave room for everybody else.
    @Test(.timeLimit(.minutes(15))) func commitsWithoutPauseStarveNobody() async throws {
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
    @Test(.timeLimit(.minutes(15))) func refusedSettingsStrandNoLease() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        running.put(try [#require(ids["a"])])
        let lease = try await running.leased()
        let shell = try Connection(SpoolFolder.file(in: running.folder), .create, busyTimeout: .seconds(30))
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
    @Test(.timeLimit(.minutes(15))) func theEndIsToldToWhoWaits() async throws {
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
    @Test(.timeLimit(.minutes(15))) func aWaitForAMarkCanBeEnded() async throws {
        let running = try Running()
        let ids = try await running.spool.identify(["a"])
        running.put([try #require(ids["a"])])
        while running.spool.status.statistics.committed == 0 { try await Task.sleep(for: .milliseconds(5)) }
        let isWanted = Atomic(true)
        // Never durable: another program has locked the file.
        let shell = try Connection(SpoolFolder.file(in: running.folder), .create, busyTimeout: .seconds(30))
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

    /// Points get numbers that hold until the disk gives the spool's own; no reading is lost or mixed up.
    @Test("telegraf, vector: a disk that is full at the start is waited for") func aFullDiskAtTheStart() async {
        await #expect(processExitsWith: .success) {
            signal(SIGXFSZ, SIG_IGN)
            let folder = uniqueFolder()
            mkdir(folder, 0o750)
            var limit = rlimit(rlim_cur: 0, rlim_max: .max)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            let intake = Intake(capacity: 1000)
            let isOpened = Atomic(false)
            let spool = try Spool(
                directory: folder, settings: SpoolSettings(commitInterval: .milliseconds(50)), uplinks: ["city"],
                intake: intake
            ) { event in if case .opened = event { isOpened.store(true, ordering: .relaxed) } }
            #expect(spool.status.error?.isOfDisk == true)
            spool.know(KnownTime(BootClock.offset))
            let run = Task.detached { await spool.run() }
            let early = try await spool.identify(["b", "a"])
            let numbers = [try #require(early["a"]), try #require(early["b"])]
            #expect(intake.promise(2))
            intake.put(
                [
                    Reading(point: numbers[0], instant: BootClock.now, value: .float(1)),
                    Reading(point: numbers[1], instant: BootClock.now, value: .float(2)),
                ], promised: 2)
            try await Task.sleep(for: .milliseconds(300))
            #expect(intake.fill.waiting == 2 && !isOpened.load(ordering: .relaxed))
            limit.rlim_cur = .max
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            for _ in 0..<6000 where !isOpened.load(ordering: .relaxed) { try await Task.sleep(for: .milliseconds(20)) }
            let isThere = isOpened.load(ordering: .relaxed)
            try #require(isThere, "\(String(describing: spool.status.error))")
            var lease: Lease?
            for _ in 0..<6000 where lease == nil {
                lease = try await spool.lease(uplink: "city", maximumReadings: 10)
                try await Task.sleep(for: .milliseconds(20))
            }
            let own = try await spool.identify(["a", "b"])
            let found = Dictionary(uniqueKeysWithValues: (lease?.readings ?? []).map { ($0.point, $0.value) })
            #expect(found == [try #require(own["a"]): .float(1), try #require(own["b"]): .float(2)])
            spool.stop()
            await run.value
            remove(folder: folder)
        }
    }
}
