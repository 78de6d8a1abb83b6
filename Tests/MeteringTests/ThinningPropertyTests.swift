import Metering
import Testing

/// What holds of thinning, whatever is thinned.
@Suite struct ThinningPropertyTests {
    private static let seeds: Range<UInt64> = 0..<150

    private static func thin(
        _ readings: [Reading], to level: ThinningLevel, _ train: RandomTrain
    ) -> [Reading] {
        var thinning = Thinning(to: level, by: train.rules, offset: train.offset)
        var kept: [Reading] = []
        for reading in readings { thinning.take(reading) { kept.append($0) } }
        thinning.finish { kept.append($0) }
        return kept
    }

    /// Every run and every level that a train may go through: at once, in steps, in runs first and then as a whole.
    private static func ways(_ train: RandomTrain) -> [[Reading]] {
        let raw = train.readings
        let middle = raw.count / 2
        let runs = thin(Array(raw[..<middle]), to: .minute, train) + thin(Array(raw[middle...]), to: .minute, train)
        return [ThinningLevel.early, .minute, .quarter, .hour].map { thin(raw, to: $0, train) } + [
            thin(thin(raw, to: .minute, train), to: .quarter, train), runs, thin(runs, to: .hour, train),
        ]
    }

    @Test(arguments: seeds) func noReadingIsMadeUpAndNoneOutOfOrder(seed: UInt64) {
        let train = RandomTrain(seed: seed, policies: ThinningPolicy.allCases)
        let raw = Set(train.readings.map { Moment($0) })
        for kept in Self.ways(train) {
            #expect(kept.count <= train.readings.count)
            #expect(kept.allSatisfy { raw.contains(Moment($0)) })
            for (_, own) in Dictionary(grouping: kept, by: \.point) {
                #expect(zip(own, own.dropFirst()).allSatisfy { $0.instant < $1.instant })
            }
        }
    }

    @Test(arguments: seeds) func whatHappenedStaysAsItIs(seed: UInt64) {
        let train = RandomTrain(seed: seed, policies: ThinningPolicy.allCases)
        let events = Set(train.readings.filter { $0.remark?.event != nil || $0.quality == .bad })
        for kept in Self.ways(train) { #expect(events.isSubset(of: kept)) }
    }

    @Test(arguments: seeds) func whatMayNotBeThinnedIsAllThere(seed: UInt64) {
        let train = RandomTrain(seed: seed, policies: ThinningPolicy.allCases)
        let kept = Self.thin(train.readings, to: .hour, train)
        for point in Set(train.readings.map(\.point)) where train.rules[point]?.policy == .forbidden {
            #expect(kept.filter { $0.point == point } == train.readings.filter { $0.point == point })
        }
    }

    /// The energy between any two readings that stay is what it was, exactly; also for those who look at good ones only.
    @Test(arguments: seeds) func energyIsExact(seed: UInt64) throws {
        let train = RandomTrain(seed: seed, policies: [.allowed, .preferred])
        for kept in Self.ways(train) {
            for point in Set(kept.map(\.point)) where train.rules[point]?.kind == .counter {
                for isGoodOnly in [false, true] {
                    let which = { (reading: Reading) in
                        reading.point == point && (!isGoodOnly || reading.quality == .good)
                    }
                    let before = Self.energy(train.readings.filter(which))
                    for (instant, sum) in Self.energy(kept.filter(which)) {
                        #expect(before[instant] == sum, "point \(point.rawValue) at \(instant)")
                    }
                }
            }
        }
    }

    /// What had been counted at each reading. A fall and a remark count for something that only these two readings give.
    private static func energy(_ readings: [Reading]) -> [Instant: Int128] {
        var sums: [Instant: Int128] = [:]
        var sum: Int128 = 0
        var last: Int128?
        for reading in readings {
            guard case .decimal(let number) = reading.value else { continue }
            let level = Int128(number.magnitude)
            if let last {
                sum += level < last || reading.remark != nil ? 1_000_003 * last + 7 * level : level - last
            } else {
                // A range begins with the first reading of the train, which stays.
                sum = level
            }
            last = level
            sums[reading.instant] = sum
        }
        return sums
    }

    @Test(arguments: seeds) func aCounterHasAReadingAtEachEdge(seed: UInt64) {
        let train = RandomTrain(seed: seed)
        for (level, length) in [(ThinningLevel.minute, 60_000 as Int64), (.quarter, 900_000), (.hour, 3_600_000)] {
            let kept = Set(Self.thin(train.readings, to: level, train))
            for (point, own) in Dictionary(grouping: train.readings, by: \.point)
            where train.rules[point]?.kind == .counter {
                let slots = Dictionary(grouping: own) { train.offset.timestamp(of: $0.instant).milliseconds / length }
                #expect(slots.values.allSatisfy { kept.contains($0[0]) })
                #expect(kept.contains(own[0]) && kept.contains(own[own.count - 1]))
            }
        }
    }

    /// Every change of a contact or a text stays, and nothing else of it but what ends the run.
    @Test(arguments: seeds) func everyChangeOfAStateStays(seed: UInt64) {
        let train = RandomTrain(seed: seed)
        let kept = Self.thin(train.readings, to: .minute, train)
        for (point, own) in Dictionary(grouping: train.readings, by: \.point) where train.rules[point]?.kind == .state {
            let changes = own.indices.filter { index in
                index == 0 || index == own.count - 1 || own[index].value != own[index - 1].value
                    || own[index].quality != own[index - 1].quality || own[index].remark != nil
                    || own[index].quality == .bad
            }
            #expect(kept.filter { $0.point == point } == changes.map { own[$0] })
        }
    }

    /// Each reading of a gauge went into one that stays: its bounds, its count, its quality and its mean say so.
    @Test(arguments: seeds) func meansStandForWhatTheyReplace(seed: UInt64) throws {
        let train = RandomTrain(seed: seed)
        for (level, length) in [(ThinningLevel.minute, 60_000 as Int64), (.quarter, 900_000), (.hour, 3_600_000)] {
            let kept = Self.thin(train.readings, to: level, train)
            for (point, own) in Dictionary(grouping: train.readings, by: \.point)
            where train.rules[point]?.kind == .gauge {
                var rest = own[...]
                let slot = { (reading: Reading) in
                    train.offset.timestamp(of: reading.instant).milliseconds / length
                }
                for reading in kept where reading.point == point {
                    let replaced = rest.prefix { $0.instant <= reading.instant }
                    rest = rest.dropFirst(replaced.count)
                    guard replaced.count > 1 else {
                        #expect(replaced.first == reading)
                        continue
                    }
                    #expect(Set(replaced.map(slot)).count == 1)
                    try Self.check(reading, standsFor: Array(replaced))
                }
                #expect(rest.isEmpty)
            }
        }
    }

    private static func check(_ reading: Reading, standsFor replaced: [Reading]) throws {
        let part = try #require(Part(reading))
        let parts = try replaced.map { try #require(Part($0)) }
        #expect(parts.allSatisfy { $0.aggregate == part.aggregate } && replaced.allSatisfy { $0.quality != .bad })
        #expect(part.count == parts.reduce(0) { $0 + $1.count })
        #expect(part.from == parts[0].from && part.to == parts[parts.count - 1].to)
        let (least, most) = parts.flatMap { [$0.minimum, $0.maximum] }.bounds
        #expect(part.minimum.isSame(as: least) && part.maximum.isSame(as: most))
        #expect(reading.quality.rawValue == replaced.map(\.quality.rawValue).max())
        let value = reading.value.approximate
        let total = zip(replaced, parts).reduce(0) { $0 + $1.0.value.approximate * Double($1.1.count) }
        switch part.aggregate {
        case .mean: #expect(abs(value - total / Double(part.count)) <= grain(of: reading.value, part))
        case .min: #expect(value == least.approximate)
        case .max: #expect(value == most.approximate)
        case .last: #expect(reading.value == replaced[replaced.count - 1].value)
        }
        #expect(value >= least.approximate && value <= most.approximate)
    }

    /// By how much a mean may be rounded: to its last digit, or to what a Float or a Double holds.
    private static func grain(of mean: Value, _ part: Part) -> Double {
        let size = max(abs(part.minimum.approximate), abs(part.maximum.approximate))
        return switch mean {
        case .decimal(let number): 0.51 * ExactDecimal(1, exponent: number.exponent).approximate
        case .float: 1e-7 * size
        default: 1e-12 * size
        }
    }

    /// Thinning in steps gives what thinning at once gives.
    @Test(arguments: seeds) func stepsComeToTheSame(seed: UInt64) throws {
        let train = RandomTrain(seed: seed, policies: [.allowed, .preferred])
        var steps = train.readings
        for level in [ThinningLevel.early, .minute, .quarter, .hour] {
            steps = Self.thin(steps, to: level, train)
            let once = Self.thin(train.readings, to: level, train)
            for point in Set(once.map(\.point)) {
                let (a, b) = (steps.filter { $0.point == point }, once.filter { $0.point == point })
                #expect(a.count == b.count)
                for (a, b) in zip(a, b) {
                    #expect(a.instant == b.instant && a.quality == b.quality && a.remark == b.remark)
                    #expect(a.value == b.value || Self.isClose(a.value, b.value, a.remark))
                }
            }
        }
    }

    /// Within what three means in a row may round: two digits behind those of the readings.
    private static func isClose(_ a: Value, _ b: Value, _ remark: Remark?) -> Bool {
        guard case .aggregate(.mean, _, _, let minimum, let maximum, _) = remark else { return false }
        var grain = 1e-6 * max(abs(minimum.approximate), abs(maximum.approximate))
        if case .decimal(let least) = minimum, case .decimal(let most) = maximum {
            grain = max(grain, 0.03 * ExactDecimal(1, exponent: max(least.exponent, most.exponent)).approximate)
        }
        return abs(a.approximate - b.approximate) <= grain
    }

    /// From the file's text a remark comes back, so that thinning goes on as if it had never been written.
    @Test(arguments: seeds) func thinningGoesOnFromTheFile(seed: UInt64) {
        let train = RandomTrain(seed: seed)
        let once = Self.thin(train.readings, to: .minute, train)
        let stored = once.map { reading in
            var reading = reading
            reading.remark = reading.remark.map {
                Remark(members: $0.members, from: $0.period?.from, to: $0.period?.to, value: reading.value)
            }
            return reading
        }
        let members = { (readings: [Reading]) in
            Self.thin(readings, to: .hour, train).map {
                "\($0.point) \($0.instant) \($0.value) \($0.remark?.members ?? "")"
            }
        }
        for (a, b) in zip(members(stored), members(once)) { #expect(a == b) }
        #expect(stored.count == once.count)
    }

    /// A reading's identity.
    private struct Moment: Hashable {
        var point: PointID
        var instant: Instant

        init(_ reading: Reading) { (point, instant) = (reading.point, reading.instant) }
    }

    /// What a reading stands for; nil where it is none to be combined.
    private struct Part {
        var aggregate = Aggregate.mean
        var from: Instant
        var to: Instant
        var minimum: Value
        var maximum: Value
        var count = 1

        init?(_ reading: Reading) {
            (from, to) = (reading.instant, reading.instant)
            (minimum, maximum) = (reading.value, reading.value)
            guard let remark = reading.remark else { return }
            guard case .aggregate(let kind, let begin, let end, let least, let most, let number) = remark else {
                return nil
            }
            (aggregate, from, to, minimum, maximum, count) = (kind, begin, end, least, most, number)
        }
    }
}
