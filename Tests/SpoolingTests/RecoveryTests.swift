import Glibc
import Metering
import Posix
import Testing

@testable import Spooling

/// Whatever became of its files, a spool starts, gives back what can be read, and says what is missing.
@Suite struct RecoveryTests {
    /// A spool's files as a power cut leaves them, and what was committed to it.
    private struct Image {
        var file: [UInt8] = []
        var log: [UInt8] = []
        var sidecar: [UInt8] = []
        /// By sequence number from 1.
        var readings: [Reading] = []
        var settled: Int64 = 0
        /// The next number when the sidecar was written.
        var noted: Int64 = 1

        /// The same with a file that SQLite takes for none.
        var headless: Image {
            var image = self
            for index in 0..<100 { image.file[index] = 0xFF }
            return image
        }
    }

    private static let totals = "input gas"

    /// The image of a spool with `commits` commits, of which the last are in the log alone.
    private func image(
        _ commits: Int, points count: Int = 20, settling: Bool = true, isInLog: Bool = true
    ) throws -> Image {
        try withFolder { folder in
            var image = Image()
            let store = try open(folder)
            let points = try store.identify((0..<count).map { "meter/p\($0)" })
            for second in 1...commits {
                let new = points.map {
                    Reading(
                        point: $0, instant: Instant(nanoseconds: Int64(second) * 1_000_000_000),
                        value: .decimal(ExactDecimal(Int64(second) * 1000 + Int64($0.rawValue), exponent: -1)))
                }
                try store.append(
                    Intake.Content(readings: new, memory: [Self.totals: "\(second) 0 0 100 m3"]), offset: offset)
                image.readings += new
                if settling, second % 3 == 0,
                    let lease = try store.lease(uplink: "city", maximumReadings: count, offset: offset)
                {
                    try store.settle(lease.id, rejected: [])
                    image.settled = lease.readings.last?.sequence.rawValue ?? 0
                }
                if second == commits / 2 { try store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)") }
                if second == commits * 3 / 4 {
                    store.noteBeside(waits: false)
                    image.noted = Int64(image.readings.count) + 1
                }
            }
            if !isInLog { try store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)") }
            let path = SpoolFolder.file(in: folder)
            image.file = try content(of: path)
            image.log = try content(of: path + "-wal")
            image.sidecar = try content(of: Sidecar.file(in: folder))
            return image
        }
    }

    private func open(_ folder: String, _ uplinks: [String] = ["city"]) throws -> SpoolStore {
        try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: uplinks, bootID: "boot")
    }

    private func put(_ image: Image, in folder: String) {
        mkdir(folder, 0o750)
        write(image.file, to: SpoolFolder.file(in: folder))
        write(image.log, to: SpoolFolder.file(in: folder) + "-wal")
        write(image.sidecar, to: Sidecar.file(in: folder))
    }

    /// Opens a damaged spool and looks at everything: what is there must be what was committed, and what is not there must
    /// be listed as missing.
    @discardableResult
    private func judge(
        _ folder: String, _ image: Image, _ comment: Comment, location: SourceLocation = #_sourceLocation
    ) throws -> SpoolMending? {
        do {
            return try examine(try open(folder, ["city", "all"]), "all", image, comment, location)
        } catch let error as SpoolError where error.code == .damaged {
            // As the agent does: the file is given up, and what it holds goes into a new one.
            let mended = try SpoolStore(
                directory: folder, settings: SpoolSettings(), uplinks: ["city", "again"], bootID: "boot",
                suspicion: error)
            #expect(mended.mending != nil, comment, sourceLocation: location)
            return try examine(mended, "again", image, comment, location)
        }
    }

    private func examine(
        _ store: SpoolStore, _ uplink: String, _ image: Image, _ comment: Comment, _ location: SourceLocation
    ) throws -> SpoolMending? {
        let seen = try look(at: store, uplink, image, comment, location)
        // What a lease found missing is listed with the next commit.
        try store.append([], offset: offset)
        let gaps = try store.gaps(atMost: 10_000)
        let missing = (1...Int64(image.readings.count)).filter { !seen.contains($0) }
        let isAllGone = gaps.contains { $0.first < 1 }
        // What a log lost without a trace since the sidecar was written is not noticed.
        let noticed = missing.filter { $0 < image.noted }
        let unlisted = noticed.filter { number in !gaps.contains { ($0.first...$0.last).contains(number) } }
        #expect(
            isAllGone || unlisted.isEmpty, "not listed: \(unlisted.prefix(5)), \(gaps); \(comment)",
            sourceLocation: location)
        let least = gaps.reduce(0) { $0 + $1.count }
        let most = gaps.reduce(0) { $0 + $1.most }
        #expect(
            least <= missing.count && (isAllGone || noticed.count <= most),
            "\(missing.count) missing, \(gaps); \(comment)", sourceLocation: location)
        // The counts are those of what is there.
        let (own, others) = (
            try store.statistics(), try SpoolStore.openForReading(directory: store.directory).statistics()
        )
        #expect(own.held == Int64(seen.count) && others.held == own.held, "\(comment)", sourceLocation: location)
        #expect(own.undelivered == others.undelivered, "\(comment)", sourceLocation: location)
        if let mending = store.mending {
            #expect(mending.kept >= Int64(seen.count), "\(mending.text); \(comment)", sourceLocation: location)
        }
        // No number that the sidecar knows is given twice, and the spool goes on.
        let point = try store.identify(["meter/p1"])
        let next = Instant(nanoseconds: 5_000_000_000_000)
        try store.append([Reading(point: point[0], instant: next, value: .float(1))], offset: offset)
        let last = try store.lease(uplink: uplink, maximumReadings: 10, offset: offset)?.readings.last?.sequence
            .rawValue
        #expect(isAllGone || last ?? 0 >= image.noted, comment, sourceLocation: location)
        return store.mending
    }

    /// Everything that an uplink gets: the numbers of the readings, each of which must be what was committed.
    private func look(
        at store: SpoolStore, _ uplink: String, _ image: Image, _ comment: Comment, _ location: SourceLocation
    ) throws -> Set<Int64> {
        var seen: Set<Int64> = []
        while let lease = try store.lease(uplink: uplink, maximumReadings: 65_536, offset: offset) {
            for reading in lease.readings {
                let index = Int(reading.sequence.rawValue) - 1
                #expect(seen.insert(reading.sequence.rawValue).inserted, comment, sourceLocation: location)
                guard image.readings.indices.contains(index) else {
                    Issue.record("reading \(index + 1) was never committed; \(comment)", sourceLocation: location)
                    continue
                }
                let made = image.readings[index]
                #expect(
                    made.value == reading.value && made.point == reading.point
                        && (reading.phenomenonTime.milliseconds == epoch + made.instant.nanoseconds / 1_000_000
                            || reading.quality == .uncertain),
                    comment, sourceLocation: location)
            }
            try store.settle(lease.id, rejected: [])
        }
        return seen
    }

    @Test func aWholeImageNeedsNoMending() throws {
        let image = try image(40)
        try withFolder { folder in
            put(image, in: folder)
            let mending = try judge(folder, image, "whole")
            #expect(mending == nil)
            #expect(try open(folder).memory()[Self.totals] == "40 0 0 100 m3")
        }
    }

    @Test(
        "telegraf #16696, vector #17644: a log that is torn anywhere is no reason not to start",
        arguments: UInt64(1)...4)
    func tornLogs(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let image = try image(40)
        for _ in 0..<10 {
            var torn = image
            torn.log = Array(image.log.prefix(Int.random(in: 0...image.log.count, using: &random)))
            try withFolder { folder in
                put(torn, in: folder)
                try judge(folder, image, "seed \(seed), log of \(torn.log.count)")
            }
        }
    }

    @Test("otel #35899, fluent-bit #5265: flipped bytes in file or log cost what they hit", arguments: UInt64(1)...8)
    func flippedBytes(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let image = try image(40)
        for round in 0..<(getenv("PARTHE_TEST_ALL") == nil ? 12 : 1250) {
            var bad = image
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let byte = UInt8.random(in: 0 ... .max, using: &random)
                if round % 2 == 0 {
                    bad.file[Int.random(in: 0..<bad.file.count, using: &random)] = byte
                } else {
                    bad.log[Int.random(in: 0..<bad.log.count, using: &random)] = byte
                }
            }
            if round % 5 == 0 {
                bad.file = Array(bad.file.prefix(Int.random(in: 0..<bad.file.count, using: &random)))
            }
            try withFolder { folder in
                put(bad, in: folder)
                try judge(folder, image, "seed \(seed), round \(round)")
            }
        }
    }

    @Test("vector #19155: a page that is gone costs its readings only") func aPageOfNothing() throws {
        let image = try image(400, settling: false, isInLog: false)
        for page in stride(from: 1, to: image.file.count / 1024, by: 7) {
            var bad = image
            for index in page * 1024..<(page + 1) * 1024 { bad.file[index] = 0 }
            try withFolder { folder in
                put(bad, in: folder)
                let mending = try judge(folder, image, "page \(page + 1)")
                let lost = mending?.gaps.reduce(0) { $0 + $1.count } ?? 0
                #expect(lost <= 400, "page \(page + 1) cost \(lost) readings")
            }
        }
    }

    @Test func aFileOfNothingIsANewSpoolThatSaysWhatIsLost() throws {
        let image = try image(40)
        for way in 0..<3 {
            try withFolder { folder in
                var bad = image
                (bad.file, bad.log) = (way == 1 ? [] : image.file, [])
                put(bad, in: folder)
                let path = SpoolFolder.file(in: folder)
                if way == 0 { unlink(path) }
                if way == 2 {
                    unlink(path)
                    mkdir(path, 0o755)
                }
                let store = try open(folder)
                let gaps = try store.gaps(atMost: 9)
                #expect(
                    gaps.count == 1 && gaps[0].count == 0 && gaps[0].most >= 500 && gaps[0].most < 11_000, "\(gaps)")
                #expect(store.mending != nil)
                #expect(try store.statistics().committed == 0)
                // Pulses go on where the sidecar has them.
                #expect(try store.memory()[Self.totals] == "30 0 0 100 m3")
                #expect(try store.events(atMost: 9).map(\.kind) == ["spool-mended"])
            }
        }
    }

    @Test func anEmptyFileWithItsLogIsNotThrownAway() throws {
        let image = try image(8, settling: false)
        var bad = image
        bad.file = []
        try withFolder { folder in
            put(bad, in: folder)
            let mending = try judge(folder, image, "an empty file")
            #expect((mending?.kept ?? 0) >= 4 * 20)
        }
    }

    /// What is no file gives way, and the spool loses nothing to it.
    @Test(arguments: [
        "spool-shm", "totals", "words", "rescue", "saved", "copy",
    ]) func aFolderInTheWayIsSetAside(name: String) throws {
        let image = try image(8)
        try withFolder { folder in
            put(image, in: folder)
            let place = folder + "/parthe." + name
            unlink(place)
            mkdir(place, 0o755)
            write(Array("kept".utf8), to: place + "/note")
            let mending = try judge(folder, image, "\(name)")
            #expect(mending?.reason.contains("a folder was in the place of \(place)") == true, "\(mending as Any)")
            #expect((mending?.kept ?? 0) >= 8 * 20 && mending?.gaps.isEmpty == true, "\(mending as Any)")
            #expect(try content(of: folder + "/parthe.damaged-1/note") == Array("kept".utf8))
            #expect(SpoolFiles(directory: folder).aside.map(\.path) == [folder + "/parthe.damaged-1"])
        }
    }

    /// With a folder in the place of the log, what was in the log is missing, as far as the sidecar tells.
    @Test func aFolderInThePlaceOfTheLogIsSetAside() throws {
        var image = try image(40, isInLog: false)
        image.log = []
        try withFolder { folder in
            put(image, in: folder)
            unlink(SpoolFolder.file(in: folder) + "-wal")
            mkdir(SpoolFolder.file(in: folder) + "-wal", 0o755)
            let mending = try judge(folder, image, "log")
            #expect(mending?.reason.contains("a folder was in the place of") == true, "\(mending as Any)")
            #expect(File.kind(folder + "/parthe.damaged-1") == .folder)
        }
    }

    /// What is there and cannot be opened is no empty file.
    @Test func whatCannotBeOpenedIsNotTakenForNothing() throws {
        try withFolder { folder in
            mkdir(folder, 0o755)
            for suffix in ["", "-wal"] {
                let path = folder + "/own" + suffix
                #expect(symlink(path, path) == 0)
                let error = #expect(throws: SpoolError.self) { try PageStore(folder + "/own") }
                #expect(error?.path == path && error?.errno == ELOOP)
                unlink(path)
            }
            let missing = try PageStore(folder + "/own")
            #expect(missing.count == 0)
        }
    }

    /// Looking at it, and repairing it by hand, leaves the log alone.
    @Test func theLogOfAnEmptyFileOutlivesEveryLook() throws {
        var bad = try image(8, settling: false)
        bad.file = []
        try withFolder { folder in
            put(bad, in: folder)
            let log = try content(of: SpoolFolder.file(in: folder) + "-wal")
            let error = #expect(throws: SpoolError.self) { try SpoolStore.openForReading(directory: folder) }
            #expect(error?.code == .damaged)
            #expect(try SpoolStore.rehearseRepair(directory: folder).kept >= 80)
            #expect(try !SpoolStore.verify(directory: folder).isSound)
            #expect(try content(of: SpoolFolder.file(in: folder) + "-wal") == log)
            #expect(try SpoolStore.repair(directory: folder, reason: "by hand").kept >= 80)
        }
    }

    /// A file whose main part is gone is read with the words that stand beside it.
    @Test func whatWasSetAsideHasItsNames() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify(["a", "b"])
            for second in 1...40 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            write([], to: folder + "/parthe.damaged-1")
            write(try content(of: SpoolFolder.file(in: folder) + "-wal"), to: folder + "/parthe.damaged-1-wal")
            let (reader, remains) = try SpoolReader.collecting(file: folder + "/parthe.damaged-1")
            let export = try reader.export(ReadingSelection())
            var count = 0
            while let page = try export.page() { count += page.count }
            #expect(remains.kept == count && count == 80 && export.keys == ["a", "b"], "\(count), \(remains)")
        }
    }

    /// A rescue that was cut short is begun anew; one that was whole takes its place.
    @Test func aRescueCanBeCutShort() throws {
        let image = try image(40, isInLog: false)
        let bad = image.headless
        try withFolder { folder in
            put(bad, in: folder)
            write(Array("half a rescue".utf8), to: folder + "/parthe.rescue")
            let mending = try judge(folder, image, "half a rescue")
            #expect(mending?.aside == folder + "/parthe.damaged-1")
            #expect(!File.exists(folder + "/parthe.rescue"))
        }
        try withFolder { folder in
            put(bad, in: folder)
            let path = SpoolFolder.file(in: folder)
            _ = try Salvage.rescue(from: path, sidecar: Sidecar.read(in: folder), into: folder + "/parthe.rescue")
            // The power goes between the two renames.
            rename(path, folder + "/parthe.damaged-1")
            rename(path + "-wal", folder + "/parthe.damaged-1-wal")
            let mending = try judge(folder, image, "a whole rescue")
            #expect(mending?.aside == nil, "none that is not there")
        }
        // … or before the second: the log goes first.
        try withFolder { folder in
            put(bad, in: folder)
            let path = SpoolFolder.file(in: folder)
            _ = try Salvage.rescue(from: path, sidecar: Sidecar.read(in: folder), into: folder + "/parthe.rescue")
            unlink(path + "-wal")
            write([1, 2, 3], to: folder + "/parthe.damaged-1-wal")
            let mending = try judge(folder, image, "a whole rescue beside the damaged file")
            #expect(mending?.aside == folder + "/parthe.damaged-1" && mending?.kept ?? 0 > 0)
            #expect(try content(of: folder + "/parthe.damaged-1-wal") == [1, 2, 3])
        }
    }

    /// Nothing is given up because the disk has no room for a second file: it is waited for.
    @Test func withoutRoomForASecondFileNothingIsTouched() throws {
        let image = try image(40, isInLog: false)
        let bad = image.headless
        try withFolder { folder in
            put(bad, in: folder)
            do {
                let recording = Recording(folder)
                recording.fail(from: 0, count: .max, [.write, .truncate], errno: ENOSPC)
                let error = #expect(throws: SpoolError.self) { _ = try open(folder) }
                #expect(error?.code == .noSpace && error?.detail.contains("no room for a new one") == true)
                withExtendedLifetime(recording) {}
            }
            #expect(try content(of: SpoolFolder.file(in: folder)) == bad.file)
            #expect(try File.names(in: folder).allSatisfy { !$0.contains("damaged") && !$0.contains("rescue") })
            let mending = try judge(folder, image, "room again")
            #expect(mending?.kept ?? 0 > 0)
        }
    }

    /// A boot that never knew its time gets the same one from a rescued spool as from a whole one.
    @Test func whatIsKnownOfTheClockSurvivesDamage() throws {
        func open(_ folder: String, _ boot: String) throws -> SpoolStore {
            try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: boot)
        }
        let entry = ClockHistory.Entry(
            since: Instant(nanoseconds: 7), offset: ClockOffset(nanoseconds: offset.nanoseconds + 90_000_000_000),
            standing: .synchronised, source: .chrony)
        let unknown = ClockHistory.Entry(
            since: Instant(nanoseconds: 5), offset: ClockOffset(nanoseconds: 0), standing: .unknown, source: .nobody)
        let time = KnownTime(history: ClockHistory([unknown, entry]), readiness: .all)
        var whole: [UInt8] = []
        try withFolder { folder in
            do {
                let store = try open(folder, "one")
                try store.append(readings(try store.identify(["a"]), at: 5000), offset: offset)
            }
            do {
                let store = try open(folder, "two")
                try store.append(readings(try store.identify(["a"]), at: 1000))
            }
            let store = try open(folder, "three")
            try store.know(time)
            try store.append(readings(try store.identify(["a"]), at: 1000))
            try store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            whole = try content(of: SpoolFolder.file(in: folder))
        }
        var found: [[SpooledReading]] = []
        for isDamaged in [false, true] {
            var file = whole
            if isDamaged { for index in 0..<100 { file[index] = 0xFF } }
            try withFolder { folder in
                mkdir(folder, 0o750)
                write(file, to: SpoolFolder.file(in: folder))
                let store = try open(folder, "three")
                #expect((store.mending != nil) == isDamaged && store.knownTime.history == time.history)
                try store.know(time)
                found.append(try #require(try store.lease(uplink: "city", maximumReadings: 10)).readings)
            }
        }
        #expect(found[0] == found[1] && found[0].map(\.quality) == [.good, .uncertain, .good])
    }

    /// A boot whose row is gone has no clock of its own any more.
    @Test func aBootWhoseRowIsLostLiesBetweenItsNeighbours() throws {
        try withFolder { folder in
            func open(_ boot: String) throws -> SpoolStore {
                try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: boot)
            }
            for (index, boot) in ["one", "two", "three"].enumerated() {
                let store = try open(boot)
                let clock = ClockOffset(nanoseconds: offset.nanoseconds + Int64(index) * 60_000_000_000)
                try store.append(readings(try store.identify(["a"]), at: 10_000), offset: clock)
                guard index == 2 else { continue }
                try store.connection.execute("UPDATE boot SET crc = 0 WHERE number = 2")
            }
            unlink(Sidecar.file(in: folder))
            let store = try open("four")
            #expect(store.mending?.kept == 3)
            try store.know(KnownTime(ClockOffset(nanoseconds: offset.nanoseconds + 600_000_000_000)))
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 10))
            let times = lease.readings.map { $0.phenomenonTime.milliseconds - epoch }
            #expect(times.count == 3 && times[0] == 10_000 && times[2] == 130_000)
            #expect(10_000 < times[1] && times[1] < 120_000, "\(times)")
            #expect(lease.readings.map(\.quality) == [.good, .uncertain, .good])
        }
    }

    /// After damage each uplink asks its platform about what it gets: it may have that already.
    @Test func nothingIsSentBlindlyAfterDamage() throws {
        let image = try image(40, isInLog: false)
        let bad = image.headless
        try withFolder { folder in
            put(bad, in: folder)
            let store = try open(folder)
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 20, offset: offset))
            #expect(lease.isUnclear && lease.readings[0].sequence.rawValue == image.settled + 1)
        }
    }

    @Test func theSidecarSurvivesATornWrite() throws {
        try withFolder { folder in
            mkdir(folder, 0o750)
            var sidecar = Sidecar(spoolID: "a", version: 6, next: 10, ceiling: 20, undelivered: 3)
            sidecar.totals["input gas main"] = .init(stamp: 7, value: "5 0 12.5 100 m3")
            sidecar.write(in: folder, waits: true)
            let older = sidecar
            sidecar.version = 7
            sidecar.next = 15
            sidecar.write(in: folder, waits: true)
            #expect(Sidecar.read(in: folder) == sidecar)
            var bytes = try content(of: Sidecar.file(in: folder))
            bytes[32_768 + 40] ^= 1
            write(bytes, to: Sidecar.file(in: folder))
            #expect(Sidecar.read(in: folder) == older)
            bytes[40] ^= 1
            write(bytes, to: Sidecar.file(in: folder))
            #expect(Sidecar.read(in: folder) == nil)
            write([], to: Sidecar.file(in: folder))
            #expect(Sidecar.read(in: folder) == nil)
        }
    }
}
