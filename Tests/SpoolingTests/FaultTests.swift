import Glibc
import Metering
import Posix
import Testing

@testable import Spooling

/// What goes wrong around a spool ends in an error that says what to do, and loses nothing.
@Suite struct FaultTests {
    private func open(_ folder: String, maximumBytes: Int64 = 256 << 20, uplinks: [String] = ["city"]) throws
        -> SpoolStore
    {
        try SpoolStore(
            directory: folder, settings: SpoolSettings(maximumBytes: maximumBytes), uplinks: uplinks, bootID: "boot")
    }

    private func failure(_ body: () throws -> Void) -> SpoolError? {
        do {
            try body()
            return nil
        } catch {
            return error as? SpoolError
        }
    }

    @Test func durabilityIsInForce() throws {
        try withFolder { folder in
            for _ in 0..<2 {
                let store = try open(folder)
                #expect(try store.connection.integer("PRAGMA synchronous") == 2)
                #expect(try store.connection.integer("PRAGMA page_size") == 1024)
                #expect(try store.connection.integer("PRAGMA secure_delete") == 0)
                #expect(try store.connection.integer("PRAGMA auto_vacuum") == 0)
                let mode = try store.connection.statement("PRAGMA journal_mode")
                #expect(try mode.step() && mode.text(0) == "wal")
                mode.reset()
            }
        }
    }

    @Test func theSpoolKeepsItsRandomName() throws {
        try withFolder { folder in
            let first = try open(folder).statistics().spoolID
            #expect(first.count == 32)
            #expect(try open(folder).statistics().spoolID == first)
            let second = try withFolder { other in try open(other).statistics().spoolID }
            #expect(second != first)
        }
    }

    @Test func aSecondAgentIsToldWhoHasTheSpool() throws {
        try withFolder { folder in
            let store = try open(folder)
            let error = failure { _ = try open(folder) }
            #expect(error?.code == .held && error?.disposition == .fatal)
            #expect(error?.description.contains("process \(getpid())") == true)
            #expect(store.key(of: PointID(rawValue: 1)) == nil)
        }
    }

    @Test func foreignFilesAreSetAsideUnchanged() throws {
        try withFolder { folder in
            mkdir(folder, 0o750)
            let path = SpoolFolder.file(in: folder)
            let text = Array("this is somebody's diary, and it is longer than the header of a database file ".utf8)
            write(Array(repeatElement(text, count: 20).joined()), to: path)
            let before = try content(of: path)
            var mending = try open(folder).mending
            #expect(mending?.aside == folder + "/parthe.damaged-1" && mending?.gaps == [])
            #expect(try content(of: folder + "/parthe.damaged-1") == before)
            unlink(path)
            unlink(path + "-wal")
            unlink(Sidecar.file(in: folder))

            let other = try Connection(path, .create, busyTimeout: .zero)
            try other.execute("CREATE TABLE diary (day TEXT)")
            other.close()
            let database = try content(of: path)
            mending = try open(folder).mending
            #expect(mending?.reason.contains("another program") == true)
            #expect(try content(of: folder + "/parthe.damaged-2") == database)
        }
    }

    @Test func aNewerFormatIsRefused() throws {
        try withFolder { folder in
            let store = try open(folder)
            var row = store.state.row
            row.format = 5
            try row.write(to: store.connection)
            try store.connection.execute("PRAGMA user_version = 5")
            for change in ["SELECT 1", "ALTER TABLE spool DROP COLUMN format"] {
                try store.connection.execute(change)
                let error = failure { _ = try SpoolStore.openForReading(directory: folder) }
                #expect(error?.code == .newer)
                #expect(error?.detail == "its format has version 5, this parthe knows versions up to 4")
            }
        }
        try withFolder { folder in
            try open(folder).connection.execute("PRAGMA user_version = 5; ALTER TABLE spool DROP COLUMN format")
            #expect(failure { _ = try open(folder) }?.code == .newer)
        }
    }

    @Test func anEmptyFileIsANewSpool() throws {
        try withFolder { folder in
            mkdir(folder, 0o750)
            write([], to: SpoolFolder.file(in: folder))
            let committed = try open(folder).statistics().committed
            #expect(committed == 0)
        }
    }

    @Test func aFolderThatCannotBeMadeIsNamed() {
        let error = failure { _ = try open("/proc/self/parthe/spool") }
        #expect(error?.code == .inaccessible && error?.path == "/proc/self/parthe")
        #expect(error?.hint.contains("folder") == true)
        #expect(failure { _ = try SpoolStore.openForReading(directory: "/nowhere") }?.code == .missing)
    }

    static func readOnlyFolder(_ owner: pid_t) -> String { "/tmp/parthe-spool-read-only-\(owner)" }

    @Test func aReadOnlyFolderIsNamed() async throws {
        let folder = Self.readOnlyFolder(getpid())
        remove(folder: folder)
        mkdir(folder, 0o555)
        defer { remove(folder: folder) }
        await #expect(processExitsWith: .success) {
            // Root may write anywhere: the child becomes nobody.
            if geteuid() == 0 { #expect(setuid(65_534) == 0) }
            let folder = FaultTests.readOnlyFolder(getppid())
            do throws(SpoolError) {
                _ = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: [], bootID: "boot")
                Issue.record("a spool in a folder that is read-only")
            } catch {
                #expect(error.code == .inaccessible && error.errno == EACCES)
                #expect(error.path == folder + "/parthe.lock")
            }
        }
    }

    /// The kernel refuses writes beyond a size: the disk fails in the middle of a commit.
    @Test func aFailedWriteTakesNothingAndTheSpoolGoesOn() async {
        await #expect(processExitsWith: .success) {
            try withFolder { folder in
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
                let points = try store.identify((0..<100).map { "meter/p\($0)" })
                try store.append(readings(points, at: 1000), offset: offset)
                let lease = try #require(try store.lease(uplink: "city", maximumReadings: 100, offset: offset))
                signal(SIGXFSZ, SIG_IGN)
                var limit = rlimit(rlim_cur: 60_000, rlim_max: .max)
                #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
                var time: Int64 = 2000
                var failures = 0
                while failures < 3 {
                    do throws(SpoolError) {
                        try store.append(readings(points, at: time), offset: offset)
                        time += 1000
                    } catch {
                        #expect(error.code == .inputOutput && error.disposition == .retryAfter(.seconds(10)))
                        #expect(error.description.contains("parthe.spool"))
                        failures += 1
                    }
                    try #require(time < 100_000)
                }
                limit.rlim_cur = .max
                #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
                let committed = time / 1000 * 100 - 100
                #expect(try store.statistics().committed == committed)
                try store.settle(lease.id, rejected: [])
                try store.append(readings(points, at: time), offset: offset)
                let next = try #require(try store.lease(uplink: "city", maximumReadings: 100, offset: offset))
                #expect(next.readings.map(\.phenomenonTime.milliseconds).allSatisfy { $0 == epoch + 2000 })
                #expect(try store.statistics().committed == committed + 100)
                #expect(try store.audit().map(\.digest.count) == Array(repeating: 1, count: 100))
            }
        }
    }

    @Test func noSpaceIsSaidAndNothingIsHalfDone() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify((0..<1000).map { "meter/p\($0)" })
            let values = points.map {
                Reading(
                    point: $0, instant: Instant(nanoseconds: 2_000_000_000), value: .double(1 / Double($0.rawValue)))
            }
            try store.append(readings(points, at: 1000), offset: offset)
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 1, offset: offset))
            let pages = try store.connection.integer("PRAGMA page_count") ?? 0
            try store.connection.execute("PRAGMA max_page_count = \(pages + 1)")
            for _ in 0..<3 {
                let error = failure { try store.append(values, offset: offset) }
                #expect(error?.code == .noSpace && error?.sqlite == 13)
                #expect(!store.isDurable(lease.id) && store.hasPending)
            }
            try store.connection.execute("PRAGMA max_page_count = 1000000")
            try store.append(values, offset: offset)
            #expect(store.isDurable(lease.id))
            let next = try #require(try store.lease(uplink: "city", maximumReadings: 5000, offset: offset))
            #expect(next.readings.map(\.sequence.rawValue) == Array(1001...2000))
            #expect(next.readings.allSatisfy { $0.phenomenonTime.milliseconds == epoch + 2000 })
        }
    }

    @Test func aLockedFileIsBusyForTheMoment() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify(["meter/p"])
            let shell = try Connection(SpoolFolder.file(in: folder), .create, busyTimeout: .zero)
            try shell.execute("BEGIN IMMEDIATE")
            try store.connection.execute("PRAGMA busy_timeout = 10")
            let error = failure { try store.append(readings(points, at: 1000), offset: offset) }
            #expect(error?.code == .busy && error?.hint.contains("sqlite3") == true)
            try shell.execute("ROLLBACK")
            try store.append(readings(points, at: 1000), offset: offset)
            #expect(try store.statistics().committed == 1)
        }
    }

    @Test func unfitReadingsAreRefusedByName() throws {
        try withFolder { folder in
            let store = try open(folder)
            let point = try store.identify(["meter/p"])[0]
            let good = Reading(point: point, instant: Instant(nanoseconds: 5), value: .float(1))
            for (reading, word) in [
                (
                    Reading(point: PointID(rawValue: 2), instant: good.instant, value: good.value),
                    "not in the dictionary"
                ),
                (
                    Reading(point: PointID(rawValue: 0), instant: good.instant, value: good.value),
                    "not in the dictionary"
                ),
                (
                    Reading(point: PointID(rawValue: .max), instant: good.instant, value: good.value),
                    "not in the dictionary"
                ),
                (Reading(point: point, instant: good.instant, value: .float(.nan)), "meter/p: value nan"),
                (Reading(point: point, instant: good.instant, value: .double(.infinity)), "meter/p: value inf"),
                (Reading(point: point, instant: Instant(nanoseconds: -1), value: good.value), "instant -1"),
                (Reading(point: point, instant: Instant(nanoseconds: .max), value: good.value), "instant 9223"),
            ] {
                let error = failure { try store.append([good, reading], offset: offset) }
                #expect(error?.code == .invalidReading && error?.detail.contains(word) == true, "\(reading)")
                #expect(error?.disposition == .reject)
            }
            #expect(
                failure { try store.append([good], offset: ClockOffset(nanoseconds: .min)) }?.code == .invalidReading)
            #expect(try store.statistics().committed == 0)
        }
    }

    @Test func aDamagedChunkIsSkippedCountedAndListed() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify(["meter/a", "meter/b"])
            for second in 1...3 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            try store.connection.execute("UPDATE chunk SET body = zeroblob(20) WHERE sequence = 3")
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 100, offset: offset))
            #expect(lease.readings.map(\.sequence.rawValue) == [1, 2, 5, 6])
            try store.settle(lease.id, rejected: [])
            try store.append([], offset: offset)
            let statistics = try store.statistics()
            #expect(statistics.damaged == 2 && statistics.undelivered["city"] == 0)
            #expect(try store.connection.integer("SELECT first FROM gap WHERE last = 4") == 3)
            #expect(try store.audit().map(\.digest.count) == [2, 2])

            try store.append(readings(points, at: 9000), offset: offset)
            try store.connection.execute("UPDATE chunk SET body = zeroblob(20) WHERE sequence = 7")
            #expect(try store.lease(uplink: "city", maximumReadings: 100, offset: offset) == nil)
            // How far the newest chunk went is seen by the one behind it.
            try store.append(readings(points, at: 10_000), offset: offset)
            let rest = try #require(try store.lease(uplink: "city", maximumReadings: 100, offset: offset))
            #expect(rest.readings.map(\.sequence.rawValue) == [9, 10])
            try store.settle(rest.id, rejected: [])
            try store.append([], offset: offset)
            #expect(try store.statistics().damaged == 4)
            #expect(try store.statistics().undelivered["city"] == 0)
        }
    }

    /// Random damage anywhere in the file: an error or a spool, never a crash.
    @Test(arguments: UInt64(1)...8) func flippedAndCutFilesNeverCrash(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        try withFolder { folder in
            let path = SpoolFolder.file(in: folder)
            do {
                let store = try open(folder)
                let points = try store.identify((0..<20).map { "meter/p\($0)" })
                for second in 1...40 {
                    try store.append(readings(points, at: Int64(second) * 1000, Float(second)), offset: offset)
                    if let lease = try store.lease(uplink: "city", maximumReadings: 20, offset: offset), second % 3 > 0
                    {
                        try store.settle(lease.id, rejected: [])
                    }
                }
                // Closing copies the log, too, but nobody looks whether it could.
                let isBusy = try store.connection.integer("PRAGMA wal_checkpoint(TRUNCATE)")
                #expect(isBusy == 0)
            }
            let good = try content(of: path)
            for round in 0..<40 {
                var bad = good
                for _ in 0..<Int.random(in: 1...20, using: &random) {
                    bad[Int.random(in: 0..<bad.count, using: &random)] = UInt8.random(in: 0 ... .max, using: &random)
                }
                if round % 4 == 0 { bad = Array(bad.prefix(Int.random(in: 0..<bad.count, using: &random))) }
                unlink(path + "-wal")
                unlink(path + "-shm")
                write(bad, to: path)
                let error = failure {
                    let store = try open(folder)
                    _ = try store.statistics()
                    _ = try store.audit()
                    while try store.lease(uplink: "city", maximumReadings: 100, offset: offset) != nil {}
                    let points = try store.identify(["meter/p1", "new"])
                    try store.append(readings(points, at: 90_000), offset: offset)
                }
                if let error { #expect(!error.description.isEmpty && !error.hint.isEmpty, "seed \(seed)") }
            }
            unlink(path + "-wal")
            unlink(path + "-shm")
            write(good, to: path)
            let store = try open(folder)
            let audited = try store.audit().reduce(0) { $0 + $1.digest.count + $1.unfrozen }
            let names = try File.names(in: folder)
            #expect(audited == 800, "seed \(seed): \(good.count) bytes, \(store.mending?.text ?? "-"), \(names)")
        }
    }
}
