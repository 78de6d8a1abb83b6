import Glibc
import Metering
import Posix
import Testing

@testable import Spooling

/// `parthe spool verify` finds what is damaged, and only that.
@Suite struct VerifyTests {
    @Test(arguments: UInt64(1)...6) func whatTheAgentMakesIsSound(seed: UInt64) throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: seed)
            try sample.make(
                commits: 100, history: seed % 2 == 0 ? .seconds(60) : .seconds(86_400), isKilled: seed % 3 == 0)
            if seed % 3 == 0 { sample.restoreLog() }
            let before = try contents(of: folder).filter { !$0.key.hasSuffix("-shm") && !$0.value.isEmpty }
            let found = try SpoolStore.verify(directory: folder)
            #expect(found.isSound && found.findings.isEmpty, "\(found.findings)")
            #expect(found.readings == (try SpoolStore.openForReading(directory: folder).statistics().held))
            #expect(found.listed > 0 && found.rows > 20 && found.pages > 20 && found.holder == nil)
            #expect(try contents(of: folder).filter { !$0.key.hasSuffix("-shm") && !$0.value.isEmpty } == before)
        }
    }

    /// The agent commits, thins and drops while everything is read: that is no damage.
    @Test func anAgentAtWorkIsNotTakenForDamage() throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: 4)
            let store = try sample.open(history: .seconds(100))
            sample.points = try store.identify(Sample.keys)
            for _ in 0..<500 { try store.append((0..<10).flatMap { _ in sample.next() }, offset: offset) }
            var steps = 0
            var failure: (any Error)?
            let found = try SpoolStore.verify(directory: folder) { _ in
                steps += 1
                do {
                    // Each step another thing: a shape that was never seen before, too.
                    try store.append(Array(sample.next().shuffled(using: &sample.random)), offset: offset)
                    _ = try store.relieve(
                        at: steps % 5 == 0 ? .drop : .thin, by: sample.rules, offset: offset)
                    if let lease = try store.lease(uplink: "city", maximumReadings: 500, offset: offset) {
                        try store.settle(lease.id, rejected: [])
                    }
                } catch { failure = error }
            }
            #expect(failure == nil && steps >= 14)
            #expect(found.isSound && found.findings.isEmpty, "\(found.findings)")
            #expect(found.holder == getpid())
        }
    }

    /// Whatever is flipped: where nothing is found, everything can be read as it was written.
    @Test(
        "vector #19154 asks for an fsck of the buffer: it finds every flipped byte that matters",
        arguments: UInt64(1)...4)
    func flippedBytesAreFound(seed: UInt64) throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: seed)
            try sample.make(commits: 60)
            let whole = try everything(folder)
            let path = SpoolFolder.file(in: folder)
            let bytes = try content(of: path)
            var random = SeededGenerator(seed: seed)
            var damaged = 0
            for round in 0..<(getenv("PARTHE_TEST_ALL") == nil ? 25 : 2000) {
                var bad = bytes
                let index = Int.random(in: 0..<bad.count, using: &random)
                bad[index] ^= UInt8(1 << Int.random(in: 0..<8, using: &random))
                write(bad, to: path)
                let found: SpoolVerification
                do {
                    found = try SpoolStore.verify(directory: folder)
                } catch let error as SpoolError where [.newer, .older, .missing].contains(error.code) {
                    // The version in the file's head says so, or the name of the format.
                    continue
                }
                if found.isSound {
                    #expect(try everything(folder) == whole, "seed \(seed), round \(round), byte \(index)")
                } else {
                    damaged += 1
                }
                unlink(path + "-wal")
                unlink(path + "-shm")
            }
            #expect(damaged > 5, "\(damaged) found")
        }
    }

    /// What can be read of a spool.
    private struct Everything: Equatable {
        var readings: [ExportedReading]
        var undelivered: [String: Int64]
        var memory: [String: String]
        var gaps: [Gap]
        var quarantine: [QuarantinedReading]
        var audit: [AuditLine]
    }

    private func everything(_ folder: String) throws -> Everything {
        let reader = try SpoolStore.openForReading(directory: folder)
        return Everything(
            readings: try exported(reader), undelivered: try reader.statistics().undelivered,
            memory: try reader.memory(), gaps: try reader.gaps(atMost: .max),
            quarantine: try reader.quarantine(atMost: .max), audit: try reader.audit())
    }

    /// A spool, something done to it by hand, and what is found.
    private func found(
        after sql: String, location: SourceLocation = #_sourceLocation
    ) throws -> [SpoolVerification.Finding] {
        try withFolder { folder in
            var sample = Sample(folder, seed: 8)
            try sample.make(commits: 100, history: .seconds(10))
            let connection = try Connection(SpoolFolder.file(in: folder), .create, busyTimeout: .zero)
            try connection.execute(sql)
            connection.close()
            let found = try SpoolStore.verify(directory: folder)
            #expect(!found.isSound, "nothing is found after \(sql)", sourceLocation: location)
            return found.findings
        }
    }

    @Test(arguments: [
        (
            "DELETE FROM chunk WHERE sequence = (SELECT sequence FROM chunk ORDER BY sequence LIMIT 1 OFFSET 30)",
            "readings are missing, and no gap tells of them"
        ),
        ("DELETE FROM gap", "readings are missing, and no gap tells of them"),
        (
            "DELETE FROM chunk WHERE sequence = (SELECT max(sequence) FROM chunk)",
            "the file beside the spool knows of them"
        ),
        (
            "UPDATE chunk SET latest = latest + 1 WHERE sequence = (SELECT max(sequence) FROM chunk)",
            "its checksum does not fit"
        ),
        ("UPDATE chunk SET count = 0 WHERE sequence = (SELECT max(sequence) FROM chunk)", "impossible numbers"),
        ("UPDATE memory SET value = 'more'", "its checksum does not fit"),
        ("UPDATE total SET count = count + 1", "its checksum does not fit"),
        ("UPDATE quarantine SET reason = 'fine'", "its checksum does not fit"),
        ("DELETE FROM boot", "is missing: when its readings were taken is not known"),
        ("DELETE FROM point WHERE id = 2", "point 2 is missing"),
        ("DELETE FROM shape WHERE id = 1", "shape 2 cannot be read"),
        ("UPDATE shape SET body = x'00000000' WHERE id = 1", "shape 1 cannot be read"),
        ("DROP TABLE total", "it is missing"),
        ("ALTER TABLE total RENAME COLUMN hash TO sum", "it is not what was made"),
        ("DELETE FROM spool", "it has 0 rows instead of one"),
        ("INSERT INTO spool SELECT * FROM spool", "it has 2 rows instead of one"),
    ])
    func eachKindOfDamageIsNamed(sql: String, what: String) throws {
        let found = try found(after: sql)
        #expect(found.contains { $0.what.contains(what) }, "\(found)")
    }

    @Test func timesThatAreGoneAreFound() throws {
        try withFolder { folder in
            for boot in 1...2 {
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot \(boot)")
                let points = try store.identify(["a"])
                try store.append(readings(points, at: 1000), offset: offset)
                let lease = try #require(try store.lease(uplink: "city", maximumReadings: 10, offset: offset))
                try store.settle(lease.id, rejected: [])
                try store.append([], offset: offset)
            }
            let connection = try Connection(SpoolFolder.file(in: folder), .create, busyTimeout: .zero)
            try connection.execute("DELETE FROM frozen WHERE first = 1")
            connection.close()
            let found = try SpoolStore.verify(directory: folder).findings
            #expect(found.map(\.place) == ["chunk 1"] && found[0].what.contains("its times are not frozen"), "\(found)")
        }
    }

    @Test func aHoleSaysWhichNumbersItHas() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["a", "b"])
            for second in 1...50 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            try store.connection.execute("DELETE FROM chunk WHERE sequence BETWEEN 21 AND 29")
            try store.connection.execute("UPDATE chunk SET body = zeroblob(40) WHERE sequence = 41")
            let found = try SpoolStore.verify(directory: folder)
            #expect(found.unlisted == 12)
            #expect(
                found.findings.filter { $0.readings > 0 }.map(\.place) == ["numbers 21 to 30", "numbers 41 to 42"],
                "\(found.findings)")
            // The agent finds them, too, and lists them; then they are damage no more.
            while let lease = try store.lease(uplink: "city", maximumReadings: 10, offset: offset) {
                try store.settle(lease.id, rejected: [])
            }
            try store.append([], offset: offset)
            let later = try SpoolStore.verify(directory: folder)
            #expect(later.unlisted == 0 && later.listed == 12)
        }
    }

    /// A lease that goes with new readings may pass over a hole: it is listed with that very commit.
    @Test func aHoleThatAWaitingUplinkMeetsIsListed() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["a", "b"])
            for second in 1...50 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            try store.connection.execute("UPDATE chunk SET body = zeroblob(40) WHERE sequence = 41")
            let new = Intake.Content(readings: readings(points, at: 51_000))
            let leases = try store.append(new, offset: offset, leasing: ["city": LeaseRequest(maximumReadings: 1000)])
            #expect(leases.map(\.readings.count) == [100])
            #expect(try store.gaps(atMost: 10).map { [$0.first, $0.last] } == [[41, 42]])
            #expect(try SpoolStore.verify(directory: folder).listed == 2)
        }
    }

    @Test func aNewestChunkThatIsNotWholeIsMissed() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["a", "b"])
            for second in 1...50 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            try store.connection.execute("UPDATE chunk SET body = zeroblob(40) WHERE sequence = 99")
            let found = try SpoolStore.verify(directory: folder)
            #expect(found.unlisted == 1 && !found.isSound, "\(found.findings)")
        }
    }

    @Test func filesThatAreNoneAreNamed() throws {
        try withFolder { folder in
            mkdir(folder, 0o755)
            let path = SpoolFolder.file(in: folder)
            let missing = #expect(throws: SpoolError.self) { try SpoolStore.verify(directory: folder) }
            #expect(missing?.code == .missing)
            mkdir(path, 0o755)
            var found = try SpoolStore.verify(directory: folder)
            #expect(found.findings[0].what.contains("a folder stands"))
            rmdir(path)
            write(Array(repeating: 7, count: 5000), to: path)
            found = try SpoolStore.verify(directory: folder)
            #expect(found.findings[0].what.contains("no spool of parthe"))
            write([], to: path)
            write([1], to: path + "-wal")
            found = try SpoolStore.verify(directory: folder)
            #expect(found.findings[0].what.contains("its log is not"))
        }
    }

    /// Committed, and not believed by SQLite: the agent's start brings it in, as a repair does.
    @Test func aTornLogIsToldOf() throws {
        try withFolder { folder in
            let path = SpoolFolder.file(in: folder)
            var log: [UInt8] = []
            var file: [UInt8] = []
            do {
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
                let points = try store.identify(["a", "b"])
                try store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                for second in 1...9 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
                (file, log) = (try content(of: path), try content(of: path + "-wal"))
            }
            unlink(Sidecar.file(in: folder))
            // A frame in the middle is torn: what comes after it SQLite does not read.
            log[log.count / 2] ^= 0x55
            write(file, to: path)
            write(log, to: path + "-wal")
            let found = try SpoolStore.verify(directory: folder)
            #expect(!found.isSound && found.findings.count == 1 && found.unlisted > 2, "\(found.findings)")
            #expect(found.findings.first?.what.contains("readings that SQLite does not read") == true)
            let mending = try SpoolStore.repair(directory: folder, reason: "its log is torn")
            #expect(mending.kept == 18 - mending.gaps.reduce(0) { $0 + $1.count } && mending.kept >= 14)
        }
    }

    @Test func manyFindingsAreCounted() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["a"])
            for second in 1...500 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            try store.connection.execute("UPDATE chunk SET boot = 2 WHERE sequence > 100")
            let found = try SpoolStore.verify(directory: folder)
            #expect(found.findings.count == SpoolVerification.maximumFindings && found.more >= 200 && !found.isSound)
        }
    }
}
