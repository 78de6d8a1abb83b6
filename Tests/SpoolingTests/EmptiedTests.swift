import Metering
import Testing

@testable import Spooling

/// History that stands behind readings that wait: chunks without readings take its place.
@Suite struct EmptiedTests {
    private func open(
        _ folder: String, _ uplinks: [String] = ["city"], maximumBytes: Int64 = 256 << 20, history: Int64 = 100
    ) throws -> SpoolStore {
        try SpoolStore(
            directory: folder, settings: SpoolSettings(maximumBytes: maximumBytes, history: .seconds(history)),
            uplinks: uplinks, bootID: "boot")
    }

    private func deliver(_ store: SpoolStore, _ uplink: String = "city", through last: Int64 = .max) throws {
        while let lease = try store.lease(uplink: uplink, maximumReadings: 10, offset: offset) {
            guard lease.readings[0].sequence.rawValue <= last else { return try store.release(lease.id) }
            try store.settle(lease.id, rejected: [])
        }
    }

    private func emptied(_ store: SpoolStore) throws -> Int64? {
        try store.connection.integer("SELECT count(*) FROM chunk WHERE count & 65535 = 0")
    }

    /// Appends one reading of each point a second, and gives the newest to some uplinks, but for those of the first
    /// `waiting` seconds.
    private func run(
        _ store: SpoolStore, _ seconds: ClosedRange<Int>, waiting: Int = 30, to uplinks: [String] = ["city"]
    ) throws {
        let points = try store.identify(["a", "b"])
        for now in seconds {
            try store.append(readings(points, at: Int64(now) * 1000, Float(now)), offset: offset)
            guard now > waiting else { continue }
            for uplink in uplinks {
                let lease = try store.lease(uplink: uplink, maximumReadings: 2, from: .newest, offset: offset)
                try store.settle(try #require(lease).id, rejected: [])
            }
        }
        try store.append([], offset: offset)
    }

    private func audit(_ store: SpoolStore, through second: Int) throws {
        for line in try store.audit() {
            var whole = AuditLine(key: line.key)
            for now in 1...second {
                whole.add(.float(Float(now)), at: Timestamp(milliseconds: epoch + Int64(now) * 1000))
            }
            #expect(line == whole)
        }
    }

    @Test func whatIsDeliveredBehindABacklogGoesAsWell() throws {
        try withFolder { folder in
            do {
                let store = try open(folder, ["city", "works"])
                try run(store, 1...400, to: ["city", "works"])
                let statistics = try store.statistics()
                #expect(statistics.undelivered == ["city": 60, "works": 60])
                #expect((260...276).contains(statistics.held), "60 wait, 100 s to 106 s stay: \(statistics.held)")
                #expect(try emptied(store) == 1, "neighbours are one")
                try audit(store, through: 400)
            }
            let verified = try SpoolStore.verify(directory: folder)
            #expect(verified.isSound, "\(verified.findings)")
            let store = try open(folder, ["city", "works"])
            #expect(try store.statistics().held == SpoolStore.openForReading(directory: folder).statistics().held)
            // The oldest are whole, and when they have gone, nothing stands for what was emptied.
            for uplink in ["city", "works"] {
                var delivered: [Int64] = []
                while let lease = try store.lease(uplink: uplink, maximumReadings: 7, offset: offset) {
                    delivered += lease.readings.map(\.sequence.rawValue)
                    try store.settle(lease.id, rejected: [])
                }
                #expect(delivered == Array(1...60))
            }
            let points = try store.identify(["a", "b"])
            for second in 401...520 {
                try store.append(readings(points, at: Int64(second) * 1000, Float(second)), offset: offset)
                try deliver(store, "city")
                try deliver(store, "works")
            }
            try store.append([], offset: offset)
            #expect(try emptied(store) == 0)
            let statistics = try store.statistics()
            #expect((200...216).contains(statistics.held) && statistics.damaged == 0, "\(statistics)")
            try audit(store, through: 520)
        }
    }

    /// An uplink that comes later gets what is there; what was emptied before is no gap, and is not thinned.
    @Test func whatWasEmptiedIsNoGapForOthers() throws {
        try withFolder { folder in
            try run(try open(folder), 1...300)
            let store = try open(folder, ["city", "new"])
            let held = try store.statistics().held
            #expect(try store.statistics().undelivered == ["city": 60, "new": held])
            #expect(try SpoolStore.openForReading(directory: folder).statistics().undelivered["new"] == held)
            for _ in 0..<20 { _ = try store.relieve(at: .thin, by: ThinningRules(), offset: offset) }
            var delivered: [Int64] = []
            while let lease = try store.lease(uplink: "new", maximumReadings: 50, offset: offset) {
                delivered += lease.readings.map(\.sequence.rawValue)
                try store.settle(lease.id, rejected: [])
            }
            let statistics = try store.statistics()
            #expect(delivered.count == Int(statistics.held) && delivered.last == 600 && statistics.damaged == 0)
            #expect(try emptied(store) == 1)
        }
    }

    /// Room is made of it before readings that wait are touched, and the fill does not count it.
    @Test func roomIsMadeOfWhatIsDeliveredBehindABacklog() throws {
        try withFolder { folder in
            let limit: Int64 = 2 << 20
            let store = try open(folder, maximumBytes: limit, history: 1_000_000)
            let points = try store.identify((0..<500).map { "meter/p\($0)" })
            var random = SeededGenerator(seed: 1)
            for second in 1...1500 {
                try store.append(noise(points, at: Int64(second) * 1000, using: &random), offset: offset)
                if second > 100 {
                    let lease = try store.lease(uplink: "city", maximumReadings: 500, from: .newest, offset: offset)
                    try store.settle(try #require(lease).id, rejected: [])
                }
                #expect(try store.statistics().fileBytes <= limit)
            }
            try store.append([], offset: offset)
            let statistics = try store.statistics()
            #expect(statistics.undelivered == ["city": 50_000] && statistics.dropped == 0)
            // Half of the limit at most, behind what waits.
            let history = statistics.held - 50_000
            #expect((200_000...400_000).contains(history), "\(statistics)")
            let used = try store.fill().used
            #expect(used < limit / 2, "\(used)")
            let survey = try SpoolStore.openForReading(directory: folder).survey(store.settings)
            #expect(abs(survey.fill.used - used) < 64 << 10, "\(survey.fill.used), \(used)")
        }
    }

    // MARK: - Damage

    /// Damaged rows before an emptied chunk do not stop what comes behind.
    @Test func damagedHistoryBeforeItHoldsNothingUp() throws {
        try withFolder { folder in
            let store = try open(folder)
            try run(store, 1...60)
            try store.connection.execute("UPDATE chunk SET body = x'0102FF' WHERE sequence = 61")
            try run(store, 61...400)
            #expect(try emptied(store) == 1)
            try deliver(store)
            try run(store, 401...1000)
            let statistics = try store.statistics()
            #expect((200...216).contains(statistics.held) && statistics.damaged == 2, "\(statistics)")
            #expect(try emptied(store) == 0)
            #expect(try SpoolStore.openForReading(directory: folder).gaps(atMost: 9).map(\.first) == [61])
        }
    }

    /// The same where its room is needed: nothing is refused.
    @Test func damagedHistoryIsNoFullSpool() throws {
        try withFolder { folder in
            let store = try open(folder, maximumBytes: 2 << 20, history: 1_000_000)
            let points = try store.identify((0..<500).map { "meter/p\($0)" })
            var random = SeededGenerator(seed: 1)
            for second in 1...1200 {
                try store.append(noise(points, at: Int64(second) * 1000, using: &random), offset: offset)
                if second > 100 {
                    let lease = try store.lease(uplink: "city", maximumReadings: 500, from: .newest, offset: offset)
                    if let lease { try store.settle(lease.id, rejected: []) }
                }
                if second == 150 {
                    try store.connection.execute("UPDATE chunk SET body = x'0102FF' WHERE sequence = 50001")
                }
                if second == 700 { try deliver(store) }
            }
            let statistics = try store.statistics()
            #expect(statistics.undelivered["city"] ?? 0 <= 500 && statistics.damaged == 500, "\(statistics)")
        }
    }

    /// What a damaged row says of how far it reaches is not believed: nothing that waits goes with it.
    @Test(arguments: [Int64(1024), 1 << 30, -100]) func aDamagedOneTakesNothingAlong(change: Int64) throws {
        try withFolder { folder in
            let store = try open(folder)
            try run(store, 1...300)
            let points = try store.identify(["a", "b"])
            func wait(_ seconds: ClosedRange<Int>) throws {
                for now in seconds {
                    try store.append(readings(points, at: Int64(now) * 1000, Float(now)), offset: offset)
                }
            }
            try wait(301...350)
            try store.connection.execute(
                "UPDATE chunk SET count = count + (\(change) << 20) WHERE count & 65535 = 0")
            // As the next start would know it, which believes no row that is not whole.
            store.state.oldest = try store.archive.header(from: 0)
            #expect(try store.archive.vacancies(from: 1) == Vacancies())
            try deliver(store, through: 60)
            try wait(351...460)
            #expect(try store.statistics().undelivered == ["city": 320])
            #expect(store.state.row.forgotten <= 600)
            var delivered: [Int64] = []
            while let lease = try store.lease(uplink: "city", maximumReadings: 100, offset: offset) {
                delivered += lease.readings.map(\.sequence.rawValue)
                try store.settle(lease.id, rejected: [])
            }
            #expect(delivered == Array(601...920))
            try wait(461...600)
            try deliver(store)
            try store.append([], offset: offset)
            #expect(try store.statistics().held < 520)
        }
    }

    /// A rescue keeps what stands for emptied chunks: nothing of them is missing.
    @Test func whatWasEmptiedOutlivesARescue() throws {
        try withFolder { folder in
            try run(try open(folder, ["city", "works"]), 1...300, to: ["city", "works"])
            // The root of a table is gone; the rows are where they were.
            let path = SpoolFolder.file(in: folder)
            let connection = try Connection(path, .create, busyTimeout: .zero)
            let root = try #require(
                try connection.integer("SELECT rootpage FROM sqlite_master WHERE name = 'event'"))
            try connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            var bytes = try content(of: path)
            for index in Int(root - 1) * 1024..<Int(root) * 1024 { bytes[index] = 0xFF }
            write(bytes, to: path)
            let store = try SpoolStore(
                directory: folder, settings: SpoolSettings(history: .seconds(100)), uplinks: ["city", "works"],
                bootID: "boot",
                suspicion: SpoolError(.damaged, operation: "look", path: path, detail: "somebody said so"))
            let mending = try #require(store.mending)
            #expect(mending.gaps.allSatisfy { $0.first > 600 && $0.count == 0 }, "\(mending)")
            let statistics = try SpoolStore.openForReading(directory: folder).statistics()
            #expect(statistics.undelivered == ["city": 60, "works": 60])
            try audit(store, through: 300)
        }
    }

    // MARK: - Others

    /// An uplink that comes back may have had a part of what is emptied now: neither is the rest a gap, nor does it wait.
    @Test func anUplinkThatComesBackMissesNothing() throws {
        try withFolder { folder in
            do {
                let store = try open(folder, ["city", "works"])
                try run(store, 1...75)
                try deliver(store, "works")
                try store.append([], offset: offset)
            }
            try run(try open(folder), 76...400)
            let store = try open(folder, ["city", "works"])
            let undelivered = try #require(try store.statistics().undelivered["works"])
            #expect(try SpoolStore.openForReading(directory: folder).statistics().undelivered["works"] == undelivered)
            var count: Int64 = 0
            while let lease = try store.lease(uplink: "works", maximumReadings: 50, offset: offset) {
                count += Int64(lease.readings.count)
                try store.settle(lease.id, rejected: [])
            }
            try store.append([], offset: offset)
            #expect(count == undelivered && count > 200)
            let statistics = try store.statistics()
            #expect(statistics.damaged == 0 && statistics.undelivered == ["city": 60, "works": 0], "\(statistics)")
            #expect(try SpoolStore.openForReading(directory: folder).gaps(atMost: 9).isEmpty)
        }
    }

    /// What waits for a new uplink is counted rightly when more is joined to what was emptied before it came.
    @Test func whatWaitsForANewUplinkIsCounted() throws {
        try withFolder { folder in
            try run(try open(folder), 1...300)
            let store = try open(folder, ["city", "new"])
            while let lease = try store.lease(uplink: "new", maximumReadings: 2, from: .newest, offset: offset) {
                guard lease.readings[0].sequence.rawValue > 60 else {
                    try store.release(lease.id)
                    break
                }
                try store.settle(lease.id, rejected: [])
            }
            for begin in stride(from: 301, through: 701, by: 100) {
                try run(store, begin...begin + 99, to: ["city", "new"])
                #expect(try store.statistics().undelivered == ["city": 60, "new": 60])
            }
            #expect(try emptied(store) == 1)
        }
    }

    /// A backlog that is delivered from its newest end leaves no trail, and its bytes count as long as they are there.
    @Test func aBacklogDrainedFromItsNewestEndLeavesNoTrail() throws {
        try withFolder { folder in
            let store = try open(folder)
            try run(store, 1...1500, waiting: 1500)
            let points = try store.identify(["a", "b"])
            for now in 1501...2900 {
                try store.append(readings(points, at: Int64(now) * 1000, Float(now)), offset: offset)
                for _ in 0..<2 {
                    let lease = try store.lease(uplink: "city", maximumReadings: 2, from: .newest, offset: offset)
                    if let lease { try store.settle(lease.id, rejected: []) }
                }
                if now == 2800 {
                    #expect(try emptied(store) == 1)
                    let bodies = try store.connection.integer(
                        "SELECT sum(length(body)) FROM chunk WHERE count & 65535 > 0")
                    #expect(try store.statistics().storedBytes == bodies)
                }
            }
            try deliver(store)
            try run(store, 2901...3000)
            #expect(try emptied(store) == 0)
            try audit(store, through: 3000)
        }
    }
}
