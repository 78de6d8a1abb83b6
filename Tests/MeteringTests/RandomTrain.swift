import Metering

/// A train of readings of several points as a spool may hold it: counters that rise, fall, are swapped and doubted,
/// gauges of every kind of value with aggregates among them, contacts and texts; instants with jitter, outages, and
/// points of several buses that do not come in the order of their instants.
struct RandomTrain {
    var rules = ThinningRules()
    var readings: [Reading] = []
    /// 2026-11-01 and some time.
    let offset: ClockOffset
    private var random: RandomSource

    init(seed: UInt64, policies: [ThinningPolicy] = [.allowed]) {
        random = RandomSource(seed: seed)
        offset = ClockOffset(
            nanoseconds: 1_793_491_200_000_000_000 + Int64.random(in: 0..<7_200_000_000_000, using: &random))
        var late: [(arrival: Int64, reading: Reading)] = []
        for number in 1...UInt32.random(in: 2...7, using: &random) {
            let point = PointID(rawValue: number)
            let kind = PointKind.allCases.randomElement(using: &random)!
            rules[point] = .init(kind: kind, policy: policies.randomElement(using: &random)!)
            let instants = instants()
            let own =
                switch kind {
                case .counter: counter(point, instants)
                case .gauge: gauge(point, instants)
                case .state: state(point, instants)
                }
            let delay = Int64.random(in: 0..<3_000_000_000, using: &random)
            late += own.map { ($0.instant.nanoseconds + delay, $0) }
        }
        readings = late.sorted { $0.arrival < $1.arrival }.map(\.reading)
    }

    private mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &random) < share }

    private mutating func instants() -> [Instant] {
        let interval = [1_000_000_000 as Int64, 10_000_000_000, 60_000_000_000].randomElement(using: &random)!
        let start = Int64.random(in: 0..<4_000_000_000_000, using: &random) / interval * interval
        var instants: [Instant] = []
        var slot: Int64 = 0
        for _ in 0..<Int.random(in: 1...400, using: &random) {
            slot += chance(0.01) ? Int64.random(in: 2...500, using: &random) : 1
            let jitter = Int64.random(in: 0..<300_000_000, using: &random)
            instants.append(Instant(nanoseconds: start + slot * interval + jitter))
        }
        return instants
    }

    private mutating func quality(_ doubt: Double) -> Quality {
        chance(doubt) ? (chance(0.5) ? .bad : .uncertain) : .good
    }

    private mutating func counter(_ point: PointID, _ instants: [Instant]) -> [Reading] {
        let trouble = [0, 0.02, 0.2].randomElement(using: &random)!
        // Beyond 2^53 Doubles do not tell neighbours apart.
        var level: UInt64 = chance(0.2) ? 1 << 63 : UInt64.random(in: 0..<1_000_000, using: &random)
        func decimal(_ level: UInt64) -> Value { .decimal(ExactDecimal(magnitude: level, exponent: -2)) }
        return instants.map { instant in
            let before = decimal(level)
            level += UInt64.random(in: 0...3, using: &random)
            var reading = Reading(point: point, instant: instant, value: decimal(level))
            guard chance(trouble) else { return reading }
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                level = UInt64.random(in: 0..<5, using: &random)
                reading.remark = .reset(before: before)
            case 1:
                level = UInt64.random(in: 0..<2_000_000, using: &random)
                reading.remark = .swap(before: before, oldSerial: "1", newSerial: "2")
            case 2:
                level = 1
                reading.remark = .rollover(before: before, modulus: ExactDecimal(magnitude: level))
            case 3:
                reading.quality = .uncertain
                reading.remark = .implausible(words: [0xFFFF, 1])
                reading.value = decimal(level &+ 1_000_000)
                return reading
            case 4: reading.remark = .stored(members: #""event":"total-set","before":1,"by":"x""#)
            case 5: reading.remark = .recovered(pulses: 2, lostEdges: 3)
            // Without a remark: what falls again and again, and what the clock or the line made doubtful.
            case 6: level -= min(level, UInt64.random(in: 1...3, using: &random))
            default: reading.quality = quality(1)
            }
            reading.value = decimal(level)
            return reading
        }
    }

    private mutating func gauge(_ point: PointID, _ instants: [Instant]) -> [Reading] {
        let form = Int.random(in: 0..<4, using: &random)
        let trouble = [0, 0.01, 0.2].randomElement(using: &random)!
        let aggregates = [0, 0.3, 1].randomElement(using: &random)!
        return instants.map { instant in
            func value(_ digits: Int64) -> Value {
                switch form {
                case 0: .float(Float(digits) / 10)
                case 1: .double(Double(digits) / 7)
                case 2: .decimal(ExactDecimal(digits, exponent: -1))
                default: .decimal(ExactDecimal(digits, exponent: digits % 2 == 0 ? -3 : 2))
                }
            }
            let digits = Int64.random(in: -20...20, using: &random)
            var reading = Reading(point: point, instant: instant, value: value(digits), quality: quality(trouble))
            if chance(trouble) {
                reading.remark = .stored(members: #""event":"meter-swap","serial":"7""#)
            } else if chance(aggregates) {
                let kind = chance(0.9) ? Aggregate.mean : Aggregate.allCases.randomElement(using: &random)!
                let (least, most) = [value(digits - 30), value(digits), value(digits + 30)].bounds
                let length = Int64.random(in: 0..<900_000_000, using: &random)
                reading.remark = .aggregate(
                    kind, from: Instant(nanoseconds: instant.nanoseconds - length), to: instant, minimum: least,
                    maximum: most, count: Int.random(in: 1...60, using: &random))
            }
            return reading
        }
    }

    private mutating func state(_ point: PointID, _ instants: [Instant]) -> [Reading] {
        let isText = chance(0.5)
        let unrest = [0.01, 0.5].randomElement(using: &random)!
        var level: Int64 = 0
        return instants.map { instant in
            if chance(unrest) { level = Int64.random(in: 0...2, using: &random) }
            let value: Value = isText ? .text(ExactText("state \(level)")!) : .decimal(ExactDecimal(level))
            var reading = Reading(point: point, instant: instant, value: value, quality: quality(0.01))
            if chance(0.01) { reading.remark = .recovered(pulses: 0, lostEdges: 1) }
            return reading
        }
    }
}

extension [Value] {
    /// The least and the greatest.
    var bounds: (Value, Value) {
        (self.min { $0.approximate < $1.approximate }!, self.max { $0.approximate < $1.approximate }!)
    }
}
