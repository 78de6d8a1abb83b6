import Glibc
import Metering
import Posix
import Testing

@testable import Spooling

/// `parthe spool repair` does by hand what the agent does at its start.
@Suite struct RepairTests {
    /// A spool whose head is gone, and a page in its middle.
    private func damage(_ folder: String, seed: UInt64 = 21) throws -> Sample {
        var sample = Sample(folder, seed: seed)
        try sample.make()
        let path = SpoolFolder.file(in: folder)
        var bytes = try content(of: path)
        for index in 0..<100 { bytes[index] = 0xFF }
        for index in bytes.count / 2048 * 1024..<bytes.count / 2048 * 1024 + 1024 { bytes[index] = 0 }
        write(bytes, to: path)
        return sample
    }

    @Test func aDamagedSpoolIsSoundAgain() throws {
        try withFolder { folder in
            let sample = try damage(folder)
            let damaged = try content(of: SpoolFolder.file(in: folder))
            #expect(!(try SpoolStore.verify(directory: folder)).isSound)
            let rehearsal = try SpoolStore.rehearseRepair(directory: folder)
            #expect(try content(of: SpoolFolder.file(in: folder)) == damaged)
            let names = try File.names(in: folder)
            #expect(!names.contains { $0.hasPrefix("parthe.rescue") || $0.hasPrefix("parthe.damaged") }, "\(names)")

            let mending = try SpoolStore.repair(directory: folder, reason: "its head is gone")
            #expect(mending.aside == folder + "/parthe.damaged-1" && mending.reason.contains("its head is gone"))
            #expect(mending.kept == rehearsal.kept && mending.gaps == rehearsal.gaps && mending.kept > 1000)
            #expect(try content(of: folder + "/parthe.damaged-1") == damaged)
            let found = try SpoolStore.verify(directory: folder)
            #expect(found.isSound, "\(found.findings)")
            #expect(try exported(try SpoolStore.openForReading(directory: folder)).count == Int(mending.kept))
            // The agent finds nothing to do, and tells of what was done.
            let store = try sample.open()
            #expect(store.mending == nil)
            let event = try #require(try store.events(atMost: 1).first)
            #expect(event.kind == "spool-mended" && event.text.contains("by hand"))
            #expect(try Set(mending.gaps).isSubset(of: store.gaps(atMost: .max)))
        }
    }

    /// What SQLite does not mind, an agent's start does not notice: by hand it is mended all the same.
    /// What may be missing at the end is listed once, however often it is repaired.
    @Test func aSecondRepairLosesNothingMore() throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: 5)
            try sample.make(commits: 50)
            // As a kill leaves it: what is beside it knows of more numbers.
            var sidecar = try #require(Sidecar.read(in: folder))
            sidecar.ceiling = sidecar.next + 10_000
            sidecar.version += 1
            sidecar.write(in: folder, waits: true)
            let first = try SpoolStore.repair(directory: folder, reason: "once")
            #expect(first.gaps.map(\.count) == [0] && first.gaps.map(\.most) == [10_000])
            for _ in 0..<2 {
                let again = try SpoolStore.repair(directory: folder, reason: "again")
                #expect(again.kept == first.kept && again.gaps.isEmpty, "\(again.text)")
            }
            let statistics = try SpoolStore.openForReading(directory: folder).statistics()
            #expect(statistics.damaged == 0 && statistics.held == first.kept)
        }
    }

    /// An event of a boot that has no readings, whose number goes to the next one, has its true time.
    @Test func anEventOfABootWithoutReadingsHasItsTime() throws {
        try withFolder { folder in
            let day: Int64 = 86_400_000
            func open(_ boot: String) throws -> SpoolStore {
                try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: boot)
            }
            do {
                let store = try open("one")
                let points = try store.identify(["a"])
                for second in 1...9 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            }
            let time = Timestamp(milliseconds: epoch + day)
            try open("two").note("spool-test", "in boot two", at: (Instant(nanoseconds: 5_000_000_000), time))
            let store = try open("three")
            let late = ClockOffset(nanoseconds: offset.nanoseconds + 30 * day * 1_000_000)
            try store.append(readings(try store.identify(["a"]), at: 1000), offset: late)
            let event = try #require(try store.events(atMost: 1).first)
            #expect(event.time(late) == time, "\(event.time(late))")
        }
    }

    @Test func whatNobodyNoticedIsMended() throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: 22)
            try sample.make(isThinned: false)
            let connection = try Connection(SpoolFolder.file(in: folder), .create, busyTimeout: .zero)
            try connection.execute(
                """
                UPDATE chunk SET body = zeroblob(50)
                WHERE sequence = (SELECT sequence FROM chunk ORDER BY sequence LIMIT 1 OFFSET 100)
                """)
            connection.close()
            let before = try SpoolStore.verify(directory: folder)
            #expect(!before.isSound && before.unlisted > 0)
            let mending = try SpoolStore.repair(directory: folder, reason: "a chunk")
            let after = try SpoolStore.verify(directory: folder)
            #expect(after.isSound, "\(after.findings)")
            #expect(after.listed >= before.listed + before.unlisted && mending.kept == before.readings)
        }
    }

    @Test func anAgentIsNotDisturbed() throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: 23)
            try sample.make(commits: 20)
            let store = try sample.open()
            let error = #expect(throws: SpoolError.self) { try SpoolStore.repair(directory: folder, reason: "none") }
            #expect(error?.code == .held && error?.detail.contains("process \(getpid()),") == true)
            let dry = #expect(throws: SpoolError.self) { try SpoolStore.rehearseRepair(directory: folder) }
            #expect(dry?.code == .held && dry?.detail.contains("process \(getpid()),") == true)
            #expect(!store.hasPending)
        }
    }

    @Test func whatIsNoDamageIsNotRepaired() throws {
        try withFolder { folder in
            mkdir(folder, 0o755)
            let missing = #expect(throws: SpoolError.self) { try SpoolStore.repair(directory: folder, reason: "none") }
            #expect(missing?.code == .missing)
            var sample = Sample(folder, seed: 24)
            try sample.make(commits: 20)
            let connection = try Connection(SpoolFolder.file(in: folder), .create, busyTimeout: .zero)
            for (version, code) in [(2, SpoolError.Code.older), (Schema.version + 1, .newer)] {
                try connection.execute("PRAGMA user_version = \(version); DELETE FROM spool")
                let error = #expect(throws: SpoolError.self) {
                    try SpoolStore.repair(directory: folder, reason: "none")
                }
                #expect(error?.code == code)
            }
            connection.close()
            #expect(!File.exists(folder + "/parthe.damaged-1"))
        }
    }

    /// Totals of pulses, and the numbers that were given, outlive a file that is gone.
    @Test func aFileThatIsGoneIsMadeAnew() throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: 25)
            try sample.make(commits: 30)
            let next = try #require(Sidecar.read(in: folder)).next
            unlink(SpoolFolder.file(in: folder))
            let mending = try SpoolStore.repair(directory: folder, reason: "it is gone")
            #expect(mending.aside == nil && mending.kept == 0)
            let store = try sample.open()
            #expect(try store.memory()["input gas"] != nil)
            #expect(try store.gaps(atMost: 9).contains { $0.most >= next - 1 })
        }
    }

    /// An agent without rights has to be able to go on after a repair by root.
    @Test(.enabled("needs root") { geteuid() == 0 }, arguments: [false, true])
    func whatRootRepairsBelongsToWhomItBelonged(isGone: Bool) throws {
        try withFolder { folder in
            _ = try damage(folder)
            let path = SpoolFolder.file(in: folder)
            for name in try File.names(in: folder) { chown(folder + "/" + name, 12_345, 23_456) }
            chown(folder, 12_345, 23_456)
            chmod(path, 0o640)
            unlink(folder + "/parthe.lock")
            _ = try SpoolStore.repair(directory: folder, reason: "its head is gone")
            // Once more, where there is no file whose owner tells.
            if isGone {
                for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
                _ = try SpoolStore.repair(directory: folder, reason: "it is gone")
            }
            for name in try File.names(in: folder) {
                var status = stat()
                #expect(stat(folder + "/" + name, &status) == 0)
                #expect(status.st_uid == 12_345 && status.st_gid == 23_456, "\(name) is of \(status.st_uid)")
                if name == "parthe.spool", !isGone { #expect(status.st_mode & 0o777 == 0o640) }
            }
        }
    }
}
