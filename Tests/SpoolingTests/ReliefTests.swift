import Glibc
import Metering
import Testing

@testable import Spooling

/// A spool that fills up thins what waits and drops it at last; energy stays exact, and every missing value has its reason.
@Suite struct ReliefTests {
    private static let keys = ["meter/energy", "meter/power", "door/state", "meter/fixed"]

    private func open(_ folder: String, maximumBytes: Int64 = 256 << 20, uplinks: [String] = ["city"]) throws
        -> SpoolStore
    {
        try SpoolStore(
            directory: folder, settings: SpoolSettings(maximumBytes: maximumBytes), uplinks: uplinks, bootID: "boot")
    }

    private func rules(_ points: [PointID]) -> ThinningRules {
        var rules = ThinningRules()
        rules[points[0]] = .init(kind: .counter)
        rules[points[1]] = .init(kind: .gauge)
        rules[points[2]] = .init(kind: .state)
        rules[points[3]] = .init(kind: .gauge, policy: .forbidden)
        return rules
    }

    /// One second's readings: a counter that rises by power, its power, a door that opens now and then.
    private func second(_ second: Int, _ points: [PointID]) -> [Reading] {
        let instant = Instant(nanoseconds: Int64(second) * 1_000_000_000 + 250_000_000)
        let energy = Value.decimal(ExactDecimal(Int64(second * second), exponent: -2))
        return [
            Reading(point: points[0], instant: instant, value: energy),
            Reading(point: points[1], instant: instant, value: .float(Float(second % 97) + 0.5)),
            Reading(point: points[2], instant: instant, value: .decimal(ExactDecimal(second / 700 % 2 == 0 ? 0 : 1))),
            Reading(point: points[3], instant: instant, value: .float(1)),
        ]
    }

    private func fill(_ store: SpoolStore, seconds: ClosedRange<Int>) throws -> [PointID] {
        let points = try store.identify(Self.keys)
        for start in stride(from: seconds.lowerBound, through: seconds.upperBound, by: 10) {
            let batch = start...min(start + 9, seconds.upperBound)
            try store.append(batch.flatMap { second($0, points) }, offset: offset)
        }
        return points
    }

    private func all(_ store: SpoolStore, _ uplink: String = "city") throws -> [SpooledReading] {
        var readings: [SpooledReading] = []
        while let lease = try store.lease(uplink: uplink, maximumReadings: 65_536, offset: offset) {
            readings += lease.readings
            try store.settle(lease.id, rejected: [])
        }
        return readings
    }

    /// What was damaged in a run that is thinned is listed, once, and the counts are those of what is there.
    @Test(arguments: [false, true]) func damageInARunIsListed(isKnown: Bool) throws {
        try withFolder { folder in
            do {
                let store = try open(folder)
                let points = try fill(store, seconds: 1...4000)
                try store.connection.execute("UPDATE chunk SET body = x'0102FF' WHERE sequence IN (41, 4001, 4041)")
                if isKnown {
                    let lease = try #require(try store.lease(uplink: "city", maximumReadings: 6000, offset: offset))
                    try store.release(lease.id)
                    try store.append([], offset: offset)
                }
                #expect(try relieve(store, .thin, points) > 0)
                try store.append([], offset: offset)
                let statistics = try store.statistics()
                #expect(statistics.damaged == 120 && statistics.held < 16_000)
                let rows = try store.connection.integer("SELECT sum(count & 65535) FROM chunk")
                #expect(statistics.held == rows)
                let others = try SpoolStore.openForReading(directory: folder)
                #expect(
                    try others.statistics().held == rows && others.gaps(atMost: 9).reduce(0) { $0 + $1.count } == 120)
            }
            #expect(try SpoolStore.verify(directory: folder).isSound)
            let store = try open(folder)
            let held = try store.statistics().held
            #expect(try store.connection.integer("SELECT sum(count & 65535) FROM chunk") == held)
            #expect(try all(store).count == Int(held))
        }
    }

    private func relieve(_ store: SpoolStore, _ step: SpoolAdmission.Step, _ points: [PointID]) throws -> Int {
        var count = 0
        while try store.relieve(at: step, by: rules(points), offset: offset) != nil { count += 1 }
        return count
    }

    @Test("Fledge's reduced fidelity is blind to time: here energy stays exact, whatever is thinned")
    func thinnedEnergyIsExact() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try fill(store, seconds: 1...8000)
            let before = try store.fill()
            #expect(try relieve(store, .thin, points) >= 3)
            #expect(try store.relieve(at: .thin, by: rules(points), offset: offset) == nil, "to 1 h and no further")
            // The log counts as it may become; the rest is a third of what it was.
            let log = Schema.logBytes(maximumBytes: 256 << 20) + SpoolStore.reservedBytes
            let after = try store.fill().used
            #expect((after - log) * 2 < before.used - log, "\(after - log) of \(before.used - log)")
            let held = try store.statistics().held
            #expect(store.undelivered["city"] == held && held < 12_000)

            let found = try all(store)
            #expect(found.count == Int(held))
            #expect(try store.statistics().undelivered["city"] == 0)
            let energy = found.filter { $0.point == points[0] }
            // Each that stayed is one that was read, at its own time; the first and the last of all are there.
            for reading in energy {
                let number = Int((reading.phenomenonTime.milliseconds - epoch) / 1000)
                #expect(reading.value == second(number, points)[0].value && reading.parameters == nil)
            }
            #expect(energy.first?.phenomenonTime.milliseconds == epoch + 1250)
            #expect(energy.last?.phenomenonTime.milliseconds == epoch + 8_000_250)
            #expect(energy.count < 200)
            // Every change of the door is there.
            let door = found.filter { $0.point == points[2] }
            let changes = zip(door, door.dropFirst()).filter { $0.value != $1.value }.map(\.1)
            #expect(
                changes.map { ($0.phenomenonTime.milliseconds - epoch) / 1000 }
                    == Array(stride(from: 700, through: 8000, by: 700)))
            // Nothing of a point that forbids it is gone.
            #expect(found.filter { $0.point == points[3] }.count == 8000)
            // Means say what they stand for: together for every reading.
            let power = found.filter { $0.point == points[1] }
            var total = 0
            for reading in power {
                guard case .members(let text, let from, let to) = reading.parameters else {
                    total += 1
                    continue
                }
                #expect(text.contains(#""aggregate":"mean""#) && from != nil && to == reading.phenomenonTime)
                total += Int(text.split(separator: ":").last ?? "") ?? 0
            }
            #expect(total == 8000)
            // Times rise for each point, and numbers are given once.
            for point in points {
                let times = found.filter { $0.point == point }.map(\.phenomenonTime)
                #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
            }
            #expect(Set(found.map(\.sequence)).count == found.count)
        }
    }

    @Test func whatIsLeasedOrDeliveredIsLeftAlone() throws {
        try withFolder { folder in
            let store = try open(folder, uplinks: ["city", "works"])
            let points = try fill(store, seconds: 1...2000)
            let first = try #require(try store.lease(uplink: "city", maximumReadings: 2000, offset: offset))
            try store.settle(first.id, rejected: [])
            let second = try #require(try store.lease(uplink: "city", maximumReadings: 2000, offset: offset))
            try store.append([], offset: offset)
            _ = try relieve(store, .thin, points)
            // Raw still for the uplink that lacks them, since the other one has them raw.
            let works = try all(store, "works")
            #expect(works.prefix(4000).map(\.sequence) == (first.readings + second.readings).map(\.sequence))
            #expect(works.prefix(4000).allSatisfy { $0.parameters == nil })
            #expect(works.count < 7000)
            try store.settle(second.id, rejected: [])
            #expect(try all(store).count == works.count - 4000)
        }
    }

    /// What makes room writes settlements, too: none may be on disk without the refusals that belong to it.
    @Test func aRefusalIsOnDiskWithItsSettlement() throws {
        try withFolder { folder in
            var undelivered: Int64?
            do {
                let store = try open(folder)
                let points = try fill(store, seconds: 1...2000)
                let lease = try #require(try store.lease(uplink: "city", maximumReadings: 400, offset: offset))
                try store.settle(
                    lease.id, rejected: [Rejection(sequence: lease.readings[3].sequence, reason: "unknown property")])
                #expect(try store.relieve(at: .thin, by: rules(points), offset: offset) != nil)
                undelivered = store.undelivered["city"]
            }
            let statistics = try open(folder).statistics()
            #expect(statistics.undelivered["city"] == undelivered)
            #expect(statistics.quarantined == 1)
        }
    }

    /// Behind a lease that is out, what was delivered cannot be forgotten yet; but it is not missing either.
    @Test func whatWasDeliveredIsNeverAGap() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try fill(store, seconds: 1...2000)
            _ = try #require(try store.lease(uplink: "city", maximumReadings: 400, offset: offset))
            let delivered = try #require(try store.lease(uplink: "city", maximumReadings: 400, offset: offset))
            try store.settle(delivered.id, rejected: [])
            #expect(try relieve(store, .drop, points) > 0)
            let gaps = try store.gaps(atMost: 100)
            let last = try #require(delivered.readings.last?.sequence.rawValue)
            #expect(!gaps.isEmpty && gaps.allSatisfy { $0.first > last }, "\(gaps)")
        }
    }

    @Test func whatIsThinnedOutlivesARestartAndDamage() throws {
        try withFolder { folder in
            var found: [SpooledReading] = []
            var points: [PointID] = []
            do {
                let store = try open(folder, uplinks: ["city", "works"])
                points = try fill(store, seconds: 1...3000)
                _ = try relieve(store, .thin, points)
                found = try all(store)
                try store.append([], offset: offset)
            }
            do {
                let store = try open(folder, uplinks: ["city", "works"])
                #expect(store.undelivered == ["city": 0, "works": Int64(found.count)])
                try store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            }
            let path = SpoolFolder.file(in: folder)
            var bytes = try content(of: path)
            for index in 0..<100 { bytes[index] = 0xFF }
            write(bytes, to: path)
            let store = try open(folder, uplinks: ["city", "works"])
            #expect(store.mending?.kept == Int64(found.count) && store.mending?.gaps.reduce(0) { $0 + $1.count } == 0)
            let works = try all(store, "works")
            #expect(
                works.map(\.value) == found.map(\.value) && works.map(\.phenomenonTime) == found.map(\.phenomenonTime))
            #expect(works.map(\.parameters) == found.map(\.parameters))
        }
    }

    @Test("telegraf drops without a word: what is dropped here is a gap with its numbers and times") func dropping()
        throws
    {
        try withFolder { folder in
            let store = try open(folder)
            _ = try fill(store, seconds: 1...6000)
            let held = try store.statistics().held
            // Without rules nothing can be thinned: chunks are only packed together.
            var drops = 0
            while drops < 3 {
                let relief = try #require(try store.relieve(at: .drop, by: ThinningRules(), offset: offset))
                if case .drop = relief { drops += 1 }
            }
            let gaps = try store.gaps(atMost: 9)
            try #require(gaps.count == 1 && gaps[0].first == 1, "\(gaps)")
            #expect(gaps[0].reason == "the spool was full")
            let statistics = try store.statistics()
            #expect(statistics.dropped == gaps[0].count && statistics.damaged == 0)
            #expect(store.undelivered["city"] == held - statistics.dropped)
            #expect(gaps[0].earliest == epoch + 1250 && (gaps[0].latest ?? 0) > epoch + 1250)
            let found = try all(store)
            #expect(Int64(found.count) == held - statistics.dropped)
            #expect(found.first?.sequence.rawValue == gaps[0].last + 1)
            // The hole is listed once.
            try store.append([], offset: offset)
            #expect(try store.gaps(atMost: 9) == gaps)
        }
    }

    /// Whatever comes, a small spool never says no, and its file stays within its limit.
    @Test func aFullSpoolTakesWhatComes() throws {
        try withFolder { folder in
            let limit: Int64 = 500_000
            let store = try open(folder, maximumBytes: limit)
            let points = try store.identify(Self.keys)
            var admission = SpoolAdmission()
            var steps: Set<SpoolAdmission.Step> = []
            for start in stride(from: 1, to: 120_000, by: 60) {
                let readings = (start..<start + 60).flatMap { second($0, points) }
                for _ in 0..<8 {
                    _ = admission.measure(try store.fill(), at: Instant(nanoseconds: 0))
                    steps.insert(admission.step)
                    guard admission.step > .slow,
                        try store.relieve(at: admission.step, by: rules(points), offset: offset) != nil
                    else { break }
                }
                try store.append(readings, offset: offset)
                #expect(SpoolFolder.size(SpoolFolder.file(in: folder)) < limit)
            }
            #expect(steps == [.normal, .slow, .thin, .drop])
            let statistics = try store.statistics()
            #expect(statistics.dropped > 0 && statistics.damaged == 0)
            let found = try all(store)
            #expect(Int64(found.count) == statistics.held)
            // The newest are raw, the energy of the whole time that is left is exact.
            let energy = found.filter { $0.point == points[0] }
            let last = try #require(energy.last)
            #expect(last.value == second(Int((last.phenomenonTime.milliseconds - epoch) / 1000), points)[0].value)
        }
    }
}
