import Glibc
import Metering
import Testing

@testable import Spooling

/// What `parthe spool` tells is what the agent itself knows.
@Suite struct SurveyTests {
    @Test func aLookFromOutsideSeesWhatTheStoreSees() throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: 5)
            try sample.make()
            let store = try sample.open()
            let survey = try SpoolStore.openForReading(directory: folder).survey(SpoolSettings())
            var fill = try store.fill()
            // The disk is others' as well.
            fill.free = survey.fill.free
            #expect(survey.fill == fill)
            #expect(survey.gaps == (try store.gaps(atMost: .max)) && !survey.gaps.isEmpty)
            #expect(survey.quarantineKept > 0)
            // Each uplink gets what is said to wait for it, and what is held is what can be handed out.
            let reader = try SpoolStore.openForReading(directory: folder)
            #expect(survey.statistics.held == Int64(try exported(reader).count))
            for uplink in ["city", "works"] {
                var count: Int64 = 0
                while let lease = try store.lease(uplink: uplink, maximumReadings: 5000, offset: offset) {
                    count += Int64(lease.readings.count)
                    try store.settle(lease.id, rejected: [])
                }
                #expect(survey.statistics.undelivered[uplink] == count, "\(uplink)")
            }
        }
    }

    @Test func whatComesInIsMeasured() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["a", "b", "c"])
            let reader = try SpoolStore.openForReading(directory: folder)
            #expect(try reader.survey(SpoolSettings()).rate == nil)
            for second in 1...3600 {
                // a each second, b each tenth; c is a contact that changes each 100 s and is read each second.
                var new = readings([points[0]], at: Int64(second) * 1000, Float(second))
                if second % 10 == 0 { new += readings([points[1]], at: Int64(second) * 1000, 1) }
                new += readings([points[2]], at: Int64(second) * 1000, Float(second / 100))
                try store.append(new, offset: offset)
            }
            let survey = try reader.survey(SpoolSettings())
            let rate = try #require(survey.rate)
            #expect(abs(rate.readings - 2.1) < 0.01 && rate.over == .seconds(3599))
            #expect(rate.points.map(\.key) == ["a", "b", "c"])
            for (point, wanted) in zip(rate.points, [(1.0, 1.0), (0.1, 0.0), (1.0, 0.01)]) {
                #expect(abs(point.readings - wanted.0) < 0.001 && abs(point.changes - wanted.1) < 0.001, "\(point)")
            }
            #expect(survey.waiting == .seconds(3599))
        }
    }

    /// Only the last hours that the agent ran count; the time that it was off is none.
    @Test func aRateIsOfTheLastHoursOfRunningTime() throws {
        try withFolder { folder in
            for (boot, step) in [(1, 1), (2, 10)] {
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot \(boot)")
                let points = try store.identify(["a"])
                for tick in 1...2200 {
                    try store.append(readings(points, at: Int64(tick * step) * 1000), offset: offset)
                }
            }
            let rate = try #require(
                try SpoolStore.openForReading(directory: folder).survey(SpoolSettings()).rate)
            #expect(abs(rate.readings - 0.1) < 0.001 && abs(rate.over.components.seconds - 21_600) <= 10)
        }
    }

    /// Nor does the time count in which the machine ran and the agent did not.
    @Test func aRateLeavesOutWhatTheAgentMissed() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["a"])
            for second in Array(1...600) + Array(3600...4199) {
                try store.append(readings(points, at: Int64(second) * 1000), offset: offset)
            }
            let rate = try #require(
                try SpoolStore.openForReading(directory: folder).survey(SpoolSettings()).rate)
            #expect(abs(rate.readings - 1) < 0.01 && abs(rate.over.components.seconds - 1200) < 5, "\(rate)")
            #expect(abs(rate.points[0].readings - 1) < 0.01, "\(rate)")
        }
    }

    /// Bytes are those of the file: pages that rows fill as they can, and not those of the rows alone.
    @Test(arguments: [1, 8, 40, 120, 250, 600, 1500, 4096])
    func bytesAreThoseOfTheFile(readings count: Int) throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify((0..<count).map { "p\($0)" })
            var random = SeededGenerator(seed: 3)
            func pages() throws -> Int64 {
                try store.connection.integer("PRAGMA page_count")! - store.connection.integer("PRAGMA freelist_count")!
            }
            func append(_ second: Int) throws {
                try store.append(
                    points.map {
                        Reading(
                            point: $0, instant: Instant(nanoseconds: Int64(second) * 1_000_000_000),
                            value: .float(Float.random(in: 0...500, using: &random)))
                    }, offset: offset)
            }
            try append(1)
            let before = try pages()
            for second in 2...400 { try append(second) }
            let grown = Double((try pages() - before) * Schema.pageSize)
            let rate = try #require(
                try SpoolStore.openForReading(directory: folder).survey(SpoolSettings()).rate)
            let told = rate.bytes * 399
            #expect(abs(told - grown) < 0.1 * grown, "\(told) told, \(grown) in the file")
        }
    }

    @Test func refusedReadingsAreListedTheNewestFirst() throws {
        try withFolder { folder in
            let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["a"])
            for second in 1...4 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 9, offset: offset))
            try store.settle(
                lease.id,
                rejected: lease.readings.prefix(3).map {
                    Rejection(sequence: $0.sequence, reason: "reason \($0.sequence.rawValue)")
                })
            try store.append([], offset: offset)
            let reader = try SpoolStore.openForReading(directory: folder)
            let rows = try reader.quarantine(atMost: 2)
            #expect(rows.map(\.reason) == ["reason 3", "reason 2"] && rows.map(\.key) == ["a", "a"])
            #expect(rows[0].time.milliseconds == epoch + 3000 && rows[0].value == "230.1")
            #expect(try reader.quarantineCounts() == (3, 3))
        }
    }

    @Test func filesThatWereSetAsideAndTheHolderAreSeen() throws {
        try withFolder { folder in
            var sample = Sample(folder, seed: 6)
            try sample.make(commits: 20)
            write([1, 2, 3], to: folder + "/parthe.damaged-2")
            write([1], to: folder + "/parthe.damaged-10")
            write([1, 2], to: folder + "/parthe.damaged-2-wal")
            write([1], to: folder + "/parthe.damaged-old")
            var files = SpoolFiles(directory: folder)
            #expect(files.aside.map(\.path) == [folder + "/parthe.damaged-2", folder + "/parthe.damaged-10"])
            #expect(files.aside[0].bytes == 5 && files.holder == nil && files.sidecar?.totals == 1)
            let store = try sample.open()
            files = SpoolFiles(directory: folder)
            #expect(files.holder == getpid() && store.hasPending == false)
        }
    }
}
