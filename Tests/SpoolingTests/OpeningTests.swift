import Glibc
import Metering
import Posix
import Testing

@testable import Spooling

/// Opening a damaged spool destroys nothing that it could have kept, and tells everything that it did.
@Suite struct OpeningTests {
    private func open(
        _ folder: String, _ uplinks: [String] = ["city"], suspicion: SpoolError? = nil, untold: SpoolMending? = nil
    ) throws(SpoolError) -> SpoolStore {
        try SpoolStore(
            directory: folder, settings: SpoolSettings(), uplinks: uplinks, bootID: "boot", suspicion: suspicion,
            untold: untold)
    }

    /// The files of a spool with `commits` commits of five readings as a power cut leaves them, all of them in the log. With
    /// `settling`, each commit settles the window before and marks the next.
    private func files(_ commits: Int, settling: Bool = false, isCopied: Bool = false) throws -> [String: [UInt8]] {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify((1...5).map { "meter/p\($0)" })
            try store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for second in 1...commits {
                try store.append(readings(points, at: Int64(second) * 1000), offset: offset)
                guard settling, let lease = try store.lease(uplink: "city", maximumReadings: 5, offset: offset) else {
                    continue
                }
                try store.settle(lease.id, rejected: [])
            }
            try store.append(readings(points, at: 1_000_000), offset: offset)
            store.noteBeside(waits: false)
            if isCopied { try store.connection.execute("PRAGMA wal_checkpoint(PASSIVE)") }
            return try contents(of: folder)
        }
    }

    private func put(_ files: [String: [UInt8]], in folder: String) throws {
        mkdir(folder, 0o750)
        for (name, bytes) in files where !name.hasSuffix("-shm") { write(bytes, to: folder + "/" + name) }
    }

    /// The place of a byte in the image of a frame of the log, from 1.
    private func place(inFrame number: Int) -> Int { 32 + (number - 1) * (24 + 1024) + 24 + 700 }

    private func held(_ store: SpoolStore) throws -> Int64 { try store.statistics().held }

    /// What was copied into the file already is not copied over by what SQLite still reads of a damaged log.
    @Test func aDamagedLogIsNotCopiedOverTheFile() throws {
        let whole = try files(39, isCopied: true)
        let frames = (try #require(whole["parthe.spool-wal"]).count - 32) / (24 + 1024)
        for frame in 1...frames {
            var bad = whole
            bad["parthe.spool-wal"]![place(inFrame: frame)] ^= 0x40
            try withFolder { folder in
                try put(bad, in: folder)
                #expect(try held(open(folder)) == 200, "frame \(frame) of \(frames)")
            }
        }
    }

    /// Nor by what is left of a log that was cut off, where the file has grown since.
    @Test func aCutLogIsNotCopiedOverTheFile() throws {
        let whole = try files(39, isCopied: true)
        let log = try #require(whole["parthe.spool-wal"])
        for frames in stride(from: 1, to: (log.count - 32) / (24 + 1024) - 10, by: 5) {
            var bad = whole
            bad["parthe.spool-wal"] = Array(log.prefix(32 + frames * (24 + 1024)))
            try withFolder { folder in
                try put(bad, in: folder)
                #expect(try held(open(folder)) == 200, "\(frames) frames")
            }
        }
    }

    /// The log is set aside with the file as it was.
    @Test func aDamagedLogIsKept() throws {
        var bad = try files(39)
        bad["parthe.spool-wal"]![place(inFrame: 20)] ^= 0x40
        try withFolder { folder in
            try put(bad, in: folder)
            let store = try open(folder)
            #expect(try held(store) >= 195)
            #expect(store.mending?.aside == folder + "/parthe.damaged-1")
            #expect(try content(of: folder + "/parthe.damaged-1-wal") == bad["parthe.spool-wal"])
            #expect(try content(of: folder + "/parthe.damaged-1") == bad["parthe.spool"])
        }
    }

    /// After damage to the log, nothing that was delivered is sent again without a question.
    @Test func whatALogMayHaveSettledIsAskedAbout() throws {
        let whole = try files(39, settling: true)
        let frames = (try #require(whole["parthe.spool-wal"]).count - 32) / (24 + 1024)
        for frame in stride(from: 1, through: frames, by: 3) {
            var bad = whole
            bad["parthe.spool-wal"]![place(inFrame: frame)] ^= 0x40
            try withFolder { folder in
                try put(bad, in: folder)
                let store = try open(folder)
                var blind: Int64 = 0
                while let lease = try store.lease(uplink: "city", maximumReadings: 5, offset: offset) {
                    // The last five were never leased.
                    if !lease.isUnclear {
                        blind += Int64(lease.readings.count { $0.sequence.rawValue <= 195 })
                    }
                    try store.settle(lease.id, rejected: [])
                }
                #expect(blind == 0, "frame \(frame) of \(frames)")
            }
        }
    }

    /// A new file that was made, but not used when the power went, does not hide what was before.
    @Test func aNewFileThatWasCutShortTellsOfTheOldOne() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify(["gas/volume"])
            try store.append(
                Intake.Content(readings: readings(points, at: 1000), memory: ["input gas": "17 0 0 100 m3"]),
                offset: offset)
            store.noteBeside(waits: true)
            let sidecar = try content(of: Sidecar.file(in: folder))
            try withFolder { other in
                mkdir(other, 0o750)
                write(sidecar, to: Sidecar.file(in: other))
                try Schema.open(SpoolFolder.file(in: other), maximumBytes: 1 << 20).close()
                let again = try open(other)
                #expect(try again.memory()["input gas"] == "17 0 0 100 m3")
                #expect(again.mending?.gaps.count == 1 && again.mending?.reason.contains("was gone") == true)
                #expect(try again.gaps(atMost: 10).count == 1)
            }
        }
    }

    /// A chunk's page, in the file of a spool that was closed.
    private func lose(_ sequence: Int64, in folder: String) throws {
        let path = SpoolFolder.file(in: folder)
        let connection = try Connection(path, .create, busyTimeout: .seconds(30))
        try connection.execute("DELETE FROM chunk WHERE sequence = \(sequence)")
        try connection.execute("PRAGMA wal_checkpoint(TRUNCATE); VACUUM")
        connection.close()
    }

    /// A hole that grows counts what is new alone.
    @Test func aHoleThatGrowsIsNotCountedAgain() throws {
        try withFolder { folder in
            do {
                let store = try open(folder)
                let points = try store.identify((1...5).map { "meter/p\($0)" })
                for second in 1...20 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
                store.connection.close()
            }
            try lose(51, in: folder)
            let first = try SpoolStore.repair(directory: folder, reason: "once")
            // The second is what may have been committed behind the newest reading.
            #expect(first.gaps.map(\.count) == [5, 0], "\(first.gaps)")
            try lose(56, in: folder)
            let second = try SpoolStore.repair(directory: folder, reason: "twice")
            #expect(second.gaps.map(\.count) == [5] && second.gaps.map(\.first) == [56], "\(second.gaps)")
            #expect(try open(folder).statistics().damaged == 10)
        }
    }

    /// Where everything may have been delivered, nothing is said to be lost for certain.
    @Test func whatMayHaveBeenDeliveredIsNotLostForCertain() throws {
        var bad = try files(39, settling: true)
        bad["parthe.spool"] = Array("another program's file".utf8)
        bad["parthe.spool-wal"] = nil
        try withFolder { folder in
            try put(bad, in: folder)
            let store = try open(folder)
            let gaps = try store.gaps(atMost: 10)
            #expect(gaps.reduce(0) { $0 + $1.count } == 0, "\(gaps)")
            #expect((5...20_000).contains(gaps.reduce(0) { $0 + $1.most }), "\(gaps)")
            #expect(try store.statistics().damaged == 0)
        }
    }

    /// What was mended is told, whatever fails afterwards, once it does not any more.
    @Test(arguments: [ENOSPC, EIO]) func whatWasMendedIsToldAfterAFailure(errno: Int32) throws {
        var bad = try files(39, isCopied: true)
        bad["parthe.spool-wal"] = nil
        for index in 0..<100 { bad["parthe.spool"]![index] = 0xFF }
        var failures = 0
        for call in stride(from: 0, to: 4000, by: 7) {
            var isOver = false
            try withFolder { folder in
                try put(bad, in: folder)
                var untold: SpoolMending?
                do {
                    let recording = Recording(folder)
                    defer { withExtendedLifetime(recording) {} }
                    recording.fail(from: call, count: .max, [.write, .truncate, .sync], errno: errno)
                    do throws(SpoolError) {
                        _ = try open(folder)
                        isOver = true
                    } catch {
                        untold = error.mending
                        failures += 1
                    }
                }
                guard !isOver else { return }
                let store = try open(folder, untold: untold)
                #expect(store.mending?.aside == folder + "/parthe.damaged-1", "call \(call): \(store.mending as Any)")
                #expect(try held(store) >= 195)
                #expect(try store.events(atMost: 10).contains { $0.kind == "spool-mended" })
            }
            if isOver { break }
        }
        #expect(failures > 10)
    }

    /// The same is told, and done, by hand where a folder is in the place of the log.
    @Test func aFolderInThePlaceOfTheLogIsMendedByHand() throws {
        var bad = try files(39, isCopied: true)
        bad["parthe.spool-wal"] = nil
        try withFolder { folder in
            try put(bad, in: folder)
            let log = SpoolFolder.file(in: folder) + "-wal"
            mkdir(log, 0o755)
            let look = #expect(throws: SpoolError.self) { try SpoolStore.openForReading(directory: folder) }
            #expect(look?.code == .damaged && look?.detail.contains("a folder is in the place of \(log)") == true)
            let found = try SpoolStore.verify(directory: folder)
            #expect(found.findings.contains { $0.what.contains("a folder is in the place of") }, "\(found.findings)")
            #expect(try SpoolStore.repair(directory: folder, reason: "by hand").kept == 200)
            #expect(try SpoolStore.verify(directory: folder).isSound)
        }
        // Nor is a pipe waited for.
        try withFolder { folder in
            try put(bad, in: folder)
            #expect(mkfifo(SpoolFolder.file(in: folder) + "-wal", 0o600) == 0)
            #expect(try !SpoolStore.verify(directory: folder).isSound)
            #expect(try held(open(folder)) == 200)
        }
    }

    /// What stands in the way of something else changes nothing in how damage is mended, and is told beside it.
    @Test func anObstacleHidesNoDamage() throws {
        let whole = try files(39, isCopied: true)
        let pages = try #require(whole["parthe.spool"]).count / 1024
        for page in 1..<pages {
            var bad = whole
            bad["parthe.spool-wal"] = nil
            for index in page * 1024..<(page + 1) * 1024 { bad["parthe.spool"]![index] = 0 }
            try withFolder { folder in
                try put(bad, in: folder)
                for name in ["copy", "words"] {
                    unlink(folder + "/parthe." + name)
                    mkdir(folder + "/parthe." + name, 0o755)
                }
                let store = try open(folder)
                for name in ["copy", "words"] {
                    #expect(store.mending?.reason.contains("parthe.\(name), and is") == true, "page \(page)")
                }
            }
        }
    }

    /// A rescue that was damaged in its turn is mended where there is nothing else, and goes where there is.
    @Test func aDamagedRescueIsNotThrownAwayUnread() throws {
        let whole = try files(39)
        try withFolder { folder in
            try put(whole, in: folder)
            let path = SpoolFolder.file(in: folder)
            _ = try Salvage.rescue(from: path, sidecar: Sidecar.read(in: folder), into: folder + "/parthe.rescue")
            for suffix in ["", "-wal"] { rename(path + suffix, folder + "/parthe.damaged-1" + suffix) }
            var rescue = try content(of: folder + "/parthe.rescue")
            for index in 0..<100 { rescue[index] = 0xFF }
            write(rescue, to: folder + "/parthe.rescue")
            #expect(try held(open(folder)) == 200)
        }
    }

    /// Who has just mended it is not asked to mend it again.
    @Test func aRescueThatWasWholeIsTheMending() throws {
        var bad = try files(39)
        for index in 0..<100 { bad["parthe.spool"]![index] = 0xFF }
        try withFolder { folder in
            try put(bad, in: folder)
            _ = try Salvage.rescue(
                from: SpoolFolder.file(in: folder), sidecar: Sidecar.read(in: folder), into: folder + "/parthe.rescue")
            let mending = try SpoolStore.repair(directory: folder, reason: "by hand")
            #expect(mending.aside == folder + "/parthe.damaged-1")
            #expect(try content(of: folder + "/parthe.damaged-1") == bad["parthe.spool"])
            #expect(!File.exists(folder + "/parthe.damaged-2"))
        }
    }

    /// Root is led nowhere by a link in a folder that is another's.
    @Test func theLockIsNoLink() throws {
        try withFolder { folder in
            mkdir(folder, 0o750)
            write(Array("precious".utf8), to: folder + "/precious")
            #expect(symlink(folder + "/precious", folder + "/parthe.lock") == 0)
            let error = #expect(throws: SpoolError.self) { _ = try open(folder) }
            #expect(error?.errno == ELOOP)
            let bytes = try content(of: folder + "/precious")
            #expect(bytes == Array("precious".utf8))
        }
    }
}
