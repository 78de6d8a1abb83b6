import Metering
import Testing

@testable import Spooling

@Suite struct HistoryTests {
    private func open(
        _ folder: String, _ uplinks: [String] = ["city"], maximumBytes: Int64 = 256 << 20, history: Int64 = 100,
        boot: String = "boot"
    ) throws -> SpoolStore {
        try SpoolStore(
            directory: folder, settings: SpoolSettings(maximumBytes: maximumBytes, history: .seconds(history)),
            uplinks: uplinks, bootID: boot)
    }

    private func deliver(_ store: SpoolStore, _ uplink: String = "city", _ maximum: Int = 5000) throws {
        while let lease = try store.lease(uplink: uplink, maximumReadings: maximum, offset: offset) {
            try store.settle(lease.id, rejected: [])
        }
    }

    @Test func deliveredReadingsStayForTheirTimeAndThenAreOnlyTotals() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify(["a", "b"])
            for second in 1...300 {
                try store.append(readings(points, at: Int64(second) * 1000, Float(second)), offset: offset)
                try deliver(store)
            }
            try store.append([], offset: offset)
            let statistics = try store.statistics()
            #expect((200...216).contains(statistics.held), "100 s to 106 s of 2 readings: \(statistics.held)")
            #expect(statistics.committed == 600 && statistics.undelivered == ["city": 0])
            var line = AuditLine(key: "a")
            for second in 1...300 {
                line.add(.float(Float(second)), at: Timestamp(milliseconds: epoch + Int64(second) * 1000))
            }
            #expect(try store.audit()[0] == line)
            #expect(statistics.oldest == Timestamp(milliseconds: epoch + (301 - statistics.held / 2) * 1000))
            #expect(try store.connection.integer("SELECT count(*) FROM frozen") == 1)
        }
    }

    @Test func whatOneUplinkHasNotStays() throws {
        try withFolder { folder in
            do {
                let store = try open(folder, ["city", "works"])
                let points = try store.identify(["a"])
                for second in 1...300 {
                    try store.append(readings(points, at: Int64(second) * 1000), offset: offset)
                    try deliver(store)
                }
                try store.append([], offset: offset)
                #expect(try store.statistics().held == 300)
                #expect(try store.statistics().undelivered == ["city": 0, "works": 300])
            }
            // An uplink that leaves the configuration keeps nothing alive.
            do {
                let store = try open(folder, ["city"])
                let points = try store.identify(["a"])
                try store.append(readings(points, at: 301_000), offset: offset)
                let held = try store.statistics().held
                #expect((100...107).contains(held), "\(held)")
            }
            // One that comes, or comes back, starts with the oldest reading that is there.
            let store = try open(folder, ["works", "new", "city"])
            let held = try store.statistics().held
            #expect(try store.statistics().undelivered == ["city": 1, "works": held, "new": held])
            let lease = try #require(try store.lease(uplink: "new", maximumReadings: 1, offset: offset))
            #expect(lease.readings[0].sequence.rawValue == 302 - held)
            #expect(try store.connection.integer("SELECT count(*) FROM uplink") == 3)
        }
    }

    @Test func anUplinkThatComesBackGoesOnWhereItWas() throws {
        try withFolder { folder in
            var lease: Lease?
            do {
                let store = try open(folder, ["works"])
                let points = try store.identify(["a"])
                for second in 1...10 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
                let first = try #require(try store.lease(uplink: "works", maximumReadings: 4, offset: offset))
                try store.settle(first.id, rejected: [])
                lease = try store.lease(uplink: "works", maximumReadings: 3, offset: offset)
                try store.append([], offset: offset)
            }
            do {
                let store = try open(folder, [])
                #expect(try store.statistics().undelivered == [:])
                #expect(throws: SpoolError.self) {
                    try store.lease(uplink: "works", maximumReadings: 1, offset: offset)
                }
            }
            let store = try open(folder, ["works"])
            let again = try #require(try store.lease(uplink: "works", maximumReadings: 1, offset: offset))
            #expect(again.isUnclear && again.readings == lease?.readings && again.id == lease?.id)
            let next = try #require(try store.lease(uplink: "works", maximumReadings: 1, offset: offset))
            #expect(next.readings.map(\.sequence.rawValue) == [8] && !next.isUnclear && next.id != again.id)
        }
    }

    @Test func withoutUplinksReadingsStayForTheirTime() throws {
        try withFolder { folder in
            let store = try open(folder, [])
            let points = try store.identify(["a", "b"])
            for second in 1...300 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            let statistics = try store.statistics()
            #expect((200...216).contains(statistics.held), "\(statistics.held)")
            let line = try store.audit()[0]
            #expect(line.digest.count + line.unfrozen == 300 && line.unfrozen == UInt64(statistics.held / 2))
            #expect(line.first == Timestamp(milliseconds: epoch + 1000))
        }
    }

    @Test func ageCountsTheTimeThatBootsRan() throws {
        try withFolder { folder in
            // Three boots of 45 s, each with a clock that starts anew: after the third, what is older than 100 s goes.
            for boot in 1...3 {
                let store = try open(folder, boot: "boot \(boot)")
                let points = try store.identify(["a"])
                let own = ClockOffset(nanoseconds: offset.nanoseconds + Int64(boot) * 3_600_000_000_000)
                for second in 1...45 {
                    try store.append(readings(points, at: Int64(second) * 1000), offset: own)
                    while let lease = try store.lease(uplink: "city", maximumReadings: 10, offset: own) {
                        try store.settle(lease.id, rejected: [])
                    }
                }
                try store.append([], offset: own)
                if boot < 3 { #expect(try store.statistics().held == Int64(45 * boot)) }
            }
            let statistics = try open(folder, boot: "boot 3").statistics()
            #expect((100...107).contains(statistics.held), "\(statistics.held)")
        }
    }

    @Test func aFullSpoolTakesNothingUntilSomethingIsDelivered() throws {
        try withFolder { folder in
            let limit: Int64 = 2 << 20
            let store = try open(folder, maximumBytes: limit)
            let points = try store.identify((0..<500).map { "meter/p\($0)" })
            var random = SeededGenerator(seed: 1)
            var time: Int64 = 0
            func next() -> [Reading] {
                time += 1000
                return noise(points, at: time, using: &random)
            }
            func fill() throws -> Int {
                for count in 0..<10_000 {
                    do throws(SpoolError) {
                        try store.append(next(), offset: offset)
                    } catch {
                        #expect(error.code == .full && error.disposition == .retryAfter(.seconds(1)))
                        return count
                    }
                    #expect(try store.statistics().fileBytes <= limit)
                }
                return 10_000
            }
            let taken = try fill()
            #expect((200...1000).contains(taken), "\(taken) commits of 500 readings")
            // A mark and a settlement pass even so, and the settlement makes room.
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 65_000, offset: offset))
            #expect(throws: SpoolError.self) { try store.append(next(), offset: offset) }
            #expect(store.isDurable(lease.id))
            try store.settle(lease.id, rejected: [])
            try store.append(next(), offset: offset)
            let again = try fill()
            #expect((80...taken).contains(again), "\(again) more")
            let statistics = try store.statistics()
            #expect(statistics.committed == Int64(taken + 1 + again) * 500)
            #expect(statistics.fileBytes <= limit)
            let audited = try store.audit().reduce(0) { $0 + $1.digest.count + $1.unfrozen }
            #expect(audited == UInt64(statistics.committed))
        }
    }

    @Test func historyTakesHalfOfTheLimitAtMost() throws {
        try withFolder { folder in
            let limit: Int64 = 2 << 20
            let store = try open(folder, maximumBytes: limit, history: 1_000_000)
            let points = try store.identify((0..<500).map { "meter/p\($0)" })
            var random = SeededGenerator(seed: 1)
            for second in 1...1000 {
                try store.append(noise(points, at: Int64(second) * 1000, using: &random), offset: offset)
                try deliver(store)
            }
            let statistics = try store.statistics()
            #expect(statistics.storedBytes <= limit / 2 + 4000 && statistics.storedBytes > limit / 4, "\(statistics)")
            #expect(statistics.committed == 500_000)
        }
    }

    @Test func rejectedReadingsAreListedUpToALimit() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify((0..<3000).map { "meter/p\($0)" })
            for second in 1...4 {
                try store.append(readings(points, at: Int64(second) * 1000, 12.5), offset: offset)
                let lease = try #require(try store.lease(uplink: "city", maximumReadings: 1, offset: offset))
                let stranger = Rejection(sequence: SequenceNumber(rawValue: 1_000_000), reason: "?")
                #expect(throws: SpoolError.self) { try store.settle(lease.id, rejected: [stranger]) }
                try store.settle(
                    lease.id,
                    rejected: lease.readings.map { Rejection(sequence: $0.sequence, reason: "400: \(second)") })
            }
            try store.append([], offset: offset)
            #expect(try store.statistics().quarantined == 12_000)
            #expect(try store.connection.integer("SELECT count(*) FROM quarantine") == 10_000)
            #expect(try store.connection.integer("SELECT min(sequence) FROM quarantine") == 2001)
            let row = try store.connection.statement(
                "SELECT uplink, point, time, value, reason FROM quarantine LIMIT 1")
            #expect(try row.step())
            #expect(row.text(0) == "city" && row.integer(1) == 2001 && row.integer(2) == epoch + 1000)
            #expect(row.text(3) == "12.5" && row.text(4) == "400: 1")
            row.reset()
        }
    }

    /// What is damaged is listed, and kept beside the spool when its place is needed.
    @Test func damagedRowsAreKeptWhenHistoryGoes() throws {
        try withFolder { folder in
            let store = try SpoolStore(
                directory: folder, settings: SpoolSettings(history: .seconds(20)), uplinks: ["city"], bootID: "boot")
            let points = try store.identify(["a", "b"])
            for second in 1...10 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            try store.connection.execute("UPDATE chunk SET body = x'0102FF' WHERE sequence IN (5, 7)")
            while let lease = try store.lease(uplink: "city", maximumReadings: 50, offset: offset) {
                try store.settle(lease.id, rejected: [])
            }
            for second in 100...140 { try store.append(readings(points, at: Int64(second) * 1000), offset: offset) }
            #expect(try store.connection.integer("SELECT min(sequence) FROM chunk") ?? 0 > 10)
            #expect(try store.statistics().damaged == 4)
            let kept = String(decoding: try content(of: folder + "/parthe.damaged-rows"), as: UTF8.self)
            let lines = kept.split(separator: "\n")
            #expect(lines.count == 2 && lines.allSatisfy { $0.hasSuffix(", x'0102ff');") })
            #expect(lines.first?.hasPrefix("INSERT INTO chunk VALUES (5, 2, 1, 3000000000, ") == true)
            // It can be loaded as it is.
            try store.connection.execute(
                "CREATE TEMP TABLE chunk (a, b, c, d, e, f, g); " + kept + "DROP TABLE temp.chunk")
        }
    }

    /// Others are short of the disk: history is given up long before its time, and the file does not grow.
    @Test func historyGoesWhereTheDiskIsShort() throws {
        for floor in [0, Int64.max / 2] {
            try withFolder { folder in
                let store = try SpoolStore(
                    directory: folder, settings: SpoolSettings(freeBytes: floor), uplinks: ["city"], bootID: "boot")
                let points = try store.identify((0..<2000).map { "p\($0)" })
                var random = SeededGenerator(seed: 3)
                for second in 1...600 {
                    let instant = Instant(nanoseconds: Int64(second) * 1_000_000_000)
                    let new = points.map {
                        Reading(point: $0, instant: instant, value: .double(.random(in: 0...1, using: &random)))
                    }
                    let leases = try store.append(
                        Intake.Content(readings: new), offset: offset,
                        leasing: ["city": LeaseRequest(maximumReadings: 4096)])
                    for lease in leases { try store.settle(lease.id, rejected: []) }
                }
                let pages = try #require(try store.connection.integer("PRAGMA page_count"))
                let isShort = floor > 0
                #expect((pages * 1024 < SpoolFill.least) == isShort, "\(pages) pages, floor \(floor)")
                let statistics = try store.statistics()
                #expect((statistics.held < statistics.committed) == isShort && statistics.damaged == 0)
            }
        }
    }
}
