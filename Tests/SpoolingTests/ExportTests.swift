import Glibc
import Metering
import Posix
import Testing

@testable import Spooling

/// What is exported is what was committed, also of a damaged file, and nobody is disturbed by it.
@Suite struct ExportTests {
    @Test func everythingComesExactlyAndInOrder() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify((0..<50).map { "meter/p\($0)" })
            var random = SeededGenerator(seed: 9)
            var made: [Reading] = []
            for second in 1...400 {
                let batch = points.shuffled(using: &random).prefix(Int.random(in: 1...50, using: &random)).map {
                    point in
                    let value: Value =
                        switch point.rawValue % 4 {
                        case 0: .float(Float.random(in: -5...5, using: &random))
                        case 1: .double(Double.random(in: -5...5, using: &random))
                        case 2:
                            .decimal(ExactDecimal(Int64.random(in: .min + 1 ... .max, using: &random), exponent: -3))
                        default: .text(ExactText("a,\"b\"")!)
                        }
                    return Reading(
                        point: point, instant: Instant(nanoseconds: Int64(second) * 1_000_000_000), value: value,
                        quality: second % 9 == 0 ? .bad : .good)
                }
                try store.append(batch, offset: offset)
                made += batch
            }
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 1000, offset: offset))
            // The clock is set: what was leased keeps its time, the others get the new one.
            let later = ClockOffset(nanoseconds: offset.nanoseconds + 3_600_000_000_000)
            try store.append(readings([points[0]], at: 500_000), offset: later)
            let reader = try SpoolStore.openForReading(directory: folder)
            let found = try exported(reader)
            try #require(found.count == made.count + 1)
            for (index, reading) in made.enumerated() {
                let isLeased = index < lease.readings.count
                let time = (isLeased ? offset : later).timestamp(of: reading.instant)
                let wanted = ExportedReading(
                    sequence: Int64(index) + 1, key: "meter/p\(reading.point.rawValue - 1)", time: time,
                    isFrozen: isLeased, value: reading.value, quality: reading.quality, boot: 1,
                    instant: reading.instant, level: .raw)
                #expect(found[index] == wanted)
            }
            for (told, leased) in zip(found, lease.readings) {
                #expect(told.time == leased.phenomenonTime && told.value == leased.value)
            }
        }
    }

    @Test func whatIsDeliveredBesideTheValueComesAlong() throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: 11)
            try sample.make()
            let found = try exported(try SpoolStore.openForReading(directory: folder))
            let store = try sample.open()
            var delivered: [Int64: SpooledReading] = [:]
            while let lease = try store.lease(uplink: "works", maximumReadings: 60_000, offset: offset) {
                for reading in lease.readings { delivered[reading.sequence.rawValue] = reading }
                try store.settle(lease.id, rejected: [])
            }
            try #require(delivered.count > 500)
            var remarks = 0
            for reading in found {
                guard let other = delivered[reading.sequence] else { continue }
                #expect(reading.value == other.value && reading.parameters == other.parameters)
                if reading.isFrozen {
                    #expect(reading.time == other.phenomenonTime && reading.quality == other.quality)
                }
                if reading.parameters != nil { remarks += 1 }
            }
            #expect(remarks > 3 && found.contains { $0.level != .raw })
        }
    }

    @Test func pointsAndTimesCanBeChosen() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["main/u", "main/i", "gas/volume"])
            for second in 1...100 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            let reader = try SpoolStore.openForReading(directory: folder)
            func count(_ selection: ReadingSelection) throws -> Int { try exported(reader, selection).count }
            #expect(try count(.init(points: ["main/*"])) == 200)
            #expect(try count(.init(points: ["*/u", "gas/*"])) == 200)
            #expect(try count(.init(points: ["main"])) == 0)
            // From a moment on, and before another.
            let from = Timestamp(milliseconds: epoch + 11_000)
            let to = Timestamp(milliseconds: epoch + 21_000)
            #expect(try count(.init(from: from)) == 270 && count(.init(to: to)) == 60)
            #expect(try count(.init(points: ["gas/volume"], from: from, to: to)) == 10)
            let export = try reader.export(.init(points: ["main/?"]))
            #expect(export.keys == ["main/i", "main/u"] && export.allKeys.count == 3)
        }
    }

    /// An agent that thins meanwhile, and commits: nothing comes twice, each point's times rise, and its newest reading is there.
    @Test func theAgentMayWorkMeanwhile() throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: 12)
            let store = try sample.open()
            sample.points = try store.identify(Sample.keys)
            for _ in 0..<600 { try store.append((0..<10).flatMap { _ in sample.next() }, offset: offset) }
            let before = try store.statistics().committed
            let export = try SpoolStore.openForReading(directory: folder).export(ReadingSelection())
            var found: [ExportedReading] = []
            var round = 0
            while let page = try export.page() {
                found += page
                round += 1
                if round % 2 == 0 { _ = try store.relieve(at: .thin, by: sample.rules, offset: offset) }
                try store.append(sample.next(), offset: offset)
                // Between two looks nobody holds the log.
                #expect(try store.connection.integer("PRAGMA wal_checkpoint(TRUNCATE)") == 0)
            }
            #expect(found.contains { $0.level != .raw } && found.contains { $0.level == .raw })
            for key in Sample.keys {
                let own = found.filter { $0.key == key }
                #expect(zip(own, own.dropFirst()).allSatisfy { $0.instant < $1.instant }, "\(key)")
                #expect(own.last?.sequence ?? 0 > before - 5 && own.last?.sequence ?? 0 <= before)
            }
            // Nothing of a point that nothing is known of is thinned.
            #expect(found.count { $0.key == "meter/fixed" } == 6000)
        }
    }

    @Test func aRowThatIsNotWhatWasWrittenCostsItsOwnReadingsOnly() throws {
        for damage in ["body = zeroblob(60)", "count = count + 7", "count = count + (1000 << 20)", "count = -1"] {
            try withFolder { folder in
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
                let points = try store.identify(["a", "b", "c"])
                for second in 1...2000 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
                for sequence in [1, 301, 4096, 5998] {
                    try store.connection.execute("UPDATE chunk SET \(damage) WHERE sequence = \(sequence / 3 * 3 + 1)")
                }
                let export = try SpoolStore.openForReading(directory: folder).export(ReadingSelection())
                var found: [ExportedReading] = []
                while let page = try export.page() { found += page }
                #expect(found.count == 5988, "\(damage)")
                // What the last row stood for is not known, but for one reading.
                #expect(export.missing == 10, "\(damage)")
                #expect(Set(found.map(\.sequence)).count == found.count)
            }
        }
    }

    /// Some pages of the table of chunks are nothing that SQLite reads.
    @Test func pagesThatCannotBeReadCostTheirOwnReadingsOnly() throws {
        try withFolder { folder in
            let path = SpoolFolder.file(in: folder)
            do {
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
                let points = try store.identify(["a", "b", "c"])
                for second in 1...3000 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            }
            var bytes = try content(of: path)
            for page in [30, 31, 77, 90] { bytes[(page - 1) * 1024] ^= 0xFF }
            write(bytes, to: path)
            let export = try SpoolStore.openForReading(directory: folder).export(ReadingSelection())
            var found: [ExportedReading] = []
            while let page = try export.page() { found += page }
            #expect(export.missing > 100 && export.missing < 600 && Int64(found.count) == 9000 - export.missing)
            #expect(zip(found, found.dropFirst()).allSatisfy { $0.sequence < $1.sequence })
            let verified = try SpoolStore.verify(directory: folder)
            #expect(verified.findings.count { $0.what == "SQLite cannot read them" } == 3, "\(verified.findings)")
            #expect(verified.readings == Int64(found.count) && verified.unlisted == export.missing)
        }
    }

    /// A file that was set aside is read as it stands: nothing is written beside it.
    @Test(arguments: [false, true]) func aDamagedFileGivesWhatIsWhole(isKilled: Bool) throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: 13)
            try sample.make(isKilled: isKilled, isThinned: false)
            if isKilled { sample.restoreLog() }
            let whole = try exported(try SpoolStore.openForReading(directory: folder))
            let path = SpoolFolder.file(in: folder)
            for suffix in ["", "-wal"] where File.exists(path + suffix) {
                rename(path + suffix, folder + "/parthe.damaged-1" + suffix)
            }
            unlink(path + "-shm")
            func collect() throws -> [ExportedReading] {
                let before = try contents(of: folder)
                let (reader, remains) = try SpoolReader.collecting(file: folder + "/parthe.damaged-1")
                let found = try exported(reader)
                #expect(openCopies.allSatisfy { $0 & 0o777 == 0o600 } && !openCopies.isEmpty)
                #expect(remains.kept >= Int64(found.count))
                #expect(try contents(of: folder) == before)
                return found
            }
            #expect(try collect() == whole)
            // Its head is gone, and a page in the middle.
            var bytes = try content(of: folder + "/parthe.damaged-1")
            for index in 0..<100 { bytes[index] = 0xFF }
            for index in bytes.count / 2048 * 1024..<bytes.count / 2048 * 1024 + 1024 { bytes[index] = 0 }
            write(bytes, to: folder + "/parthe.damaged-1")
            let found = try collect()
            #expect(found.count > whole.count * 3 / 4 && found.count <= whole.count)
            let known = Set(whole.map { "\($0.sequence) \($0.key) \($0.value) \($0.instant)" })
            #expect(found.allSatisfy { known.contains("\($0.sequence) \($0.key) \($0.value) \($0.instant)") })
            // What other tests have there goes by itself.
            func names() -> Set<String> {
                Set((try? File.names(in: Self.temporaryFolder))?.filter { $0.hasPrefix("parthe-\(getpid())-") } ?? [])
            }
            var left = names()
            for _ in 0..<1200 where !left.isEmpty {
                usleep(100_000)
                left.formIntersection(names())
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    private static let temporaryFolder = getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"

    /// The rights of the files for looking that this process has open; their names are gone.
    private var openCopies: [mode_t] {
        ((try? File.names(in: "/proc/self/fd")) ?? []).compactMap { name in
            var target = [UInt8](repeating: 0, count: 4096)
            var status = stat()
            let count = target.withUnsafeMutableBytes { readlink("/proc/self/fd/" + name, $0.baseAddress!, $0.count) }
            guard target.prefix(max(count, 0)).starts(with: Array("\(Self.temporaryFolder)/parthe-".utf8)),
                fstat(Int32(name) ?? -1, &status) == 0
            else { return nil }
            return status.st_mode
        }
    }

    @Test func whatIsNoSpoolIsSaidToBeNone() throws {
        try withFolder { folder in
            mkdir(folder, 0o755)
            let missing = #expect(throws: SpoolError.self) { try SpoolReader.collecting(file: folder + "/none") }
            #expect(missing?.code == .missing)
            let folderInstead = #expect(throws: SpoolError.self) { try SpoolReader.collecting(file: folder) }
            #expect(folderInstead?.code == .foreign)
            write(Array("no spool at all".utf8), to: folder + "/text")
            let (reader, remains) = try SpoolReader.collecting(file: folder + "/text")
            #expect(remains.kept == 0)
            #expect(try exported(reader).isEmpty)
        }
    }
}
