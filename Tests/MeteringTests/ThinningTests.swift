import Metering
import Testing

/// What becomes of each kind of point, by example; `ThinningPropertyTests` says what holds of all.
@Suite struct ThinningTests {
    /// 2026-11-01T00:00:00Z at instant 0.
    private static let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)
    private static let point = PointID(rawValue: 1)

    private func reading(
        _ seconds: Double, _ text: String, _ quality: Quality = .good, remark: Remark? = nil
    ) -> Reading {
        Reading(
            point: Self.point, instant: Instant(nanoseconds: Int64(seconds * 1e9)),
            value: ExactDecimal(text).map { .decimal($0) } ?? .text(ExactText(text)!), quality: quality,
            remark: remark)
    }

    private func thin(
        _ readings: [Reading], _ kind: PointKind, _ policy: ThinningPolicy = .allowed,
        to level: ThinningLevel = .minute
    ) -> [Reading] {
        var rules = ThinningRules()
        rules[Self.point] = .init(kind: kind, policy: policy)
        var thinning = Thinning(to: level, by: rules, offset: Self.offset)
        var kept: [Reading] = []
        for reading in readings { thinning.take(reading) { kept.append($0) } }
        thinning.finish { kept.append($0) }
        return kept
    }

    private func values(_ readings: [Reading]) -> String { readings.map(\.value.description).joined(separator: " ") }

    @Test func aCounterKeepsItsEdgesAsTheyWere() {
        let readings = (3...20).map { reading(Double($0) * 10 + 0.05, String(100 + $0)) }
        let kept = thin(readings, .counter)
        #expect(values(kept) == "103 106 112 118 120")
        #expect(kept.allSatisfy(readings.contains), "no value was made up, nor its time")
    }

    @Test func aCounterThatIsSetBackKeepsBothSides() {
        let reset = Remark.reset(before: .decimal(ExactDecimal(104)))
        let kept = thin(
            [
                reading(1, "100"), reading(11, "102"), reading(21, "104"), reading(31, "3", remark: reset),
                reading(41, "5"), reading(51, "8"),
            ], .counter)
        #expect(values(kept) == "100 104 3 8")
        #expect(kept[2].remark == reset)
    }

    @Test func aFallThatNobodyExplainedKeepsBothSides() {
        let kept = thin(
            [
                reading(1, "100"), reading(2, "101"), reading(3, "102"), reading(4, "101"), reading(5, "105"),
                reading(6, "106"),
            ],
            .counter)
        #expect(values(kept) == "100 102 101 106")
    }

    /// Doubles do not tell these apart.
    @Test func theLeastFallOfALargeCounterIsOne() {
        let kept = thin(
            [
                reading(1, "18446744073709551610"), reading(2, "18446744073709551614"),
                reading(3, "18446744073709551613"), reading(4, "18446744073709551615"),
            ], .counter)
        #expect(kept.count == 4)
    }

    @Test func whereACounterBecomesDoubtfulIsKept() {
        let kept = thin(
            [
                reading(1, "1"), reading(2, "2"), reading(3, "3"), reading(4, "4", .uncertain),
                reading(5, "5", .uncertain), reading(6, "6", .uncertain), reading(7, "7"), reading(8, "8"),
                reading(9, "9"),
            ], .counter)
        #expect(values(kept) == "1 3 4 6 7 9")
    }

    @Test func aGaugeBecomesAMeanWithItsBounds() throws {
        let readings = [
            reading(0.1, "20.0"), reading(10.1, "21.0"), reading(20.1, "19.0", .uncertain), reading(30.1, "22.5"),
            reading(60.1, "5.0"),
        ]
        let kept = thin(readings, .gauge)
        #expect(values(kept) == "20.625 5.0")
        #expect(kept[0].instant == readings[3].instant && kept[0].quality == .uncertain)
        let remark = try #require(kept[0].remark)
        #expect(
            remark.period?.from == readings[0].instant && remark.period?.to == readings[3].instant
                && remark.members == #""aggregate":"mean","min":19.0,"max":22.5,"count":4"#)
        #expect(kept[1] == readings[4], "alone in its interval it stays as it is")
    }

    @Test func aMeanOfMeansIsWeighted() {
        let minutes = thin(
            (0..<61).map { reading(Double($0), $0 < 60 ? "1.0" : "62.0") } + [reading(119, "62.0")], .gauge)
        #expect(values(minutes) == "1.0 62.0")
        let quarter = thin(minutes, .gauge, to: .quarter)
        #expect(values(quarter) == "2.968", "184 / 62, and not 31.5")
        #expect(quarter.first?.remark?.members == #""aggregate":"mean","min":1.0,"max":62.0,"count":62"#)
    }

    /// Two digits more than the readings have are enough, however often a mean is made of means.
    @Test func digitsDoNotGrowFromStepToStep() {
        let readings = (0..<3600).map { reading(Double($0), $0 % 7 == 0 ? "230.1" : "229.9") }
        let minutes = thin(readings, .gauge)
        let quarters = thin(minutes, .gauge, to: .quarter)
        #expect(values(minutes).hasPrefix("229.930 229.930 229.927 "))
        #expect(values(quarters) == "229.929 229.929 229.929 229.929")
        #expect(values(thin(quarters, .gauge, to: .hour)) == "229.929")
    }

    @Test func whatIsBadEntersNoMean() {
        let bad = reading(20, "99999", .bad)
        let kept = thin(
            [reading(0, "1"), reading(10, "3"), bad, reading(30, "5"), reading(40, "7")], .gauge)
        #expect(values(kept) == "2.00 99999 6.00")
        #expect(kept.dropFirst().first == bad)
    }

    @Test func theGreatestOfAnIntervalStaysTheGreatest() {
        func most(_ second: Double, _ value: String) -> Reading {
            let exact = Value.decimal(ExactDecimal(value)!)
            let instant = Instant(nanoseconds: Int64(second * 1e9))
            return reading(
                second, value,
                remark: .aggregate(
                    .max, from: Instant(nanoseconds: 0), to: instant, minimum: .decimal(.zero), maximum: exact,
                    count: 10))
        }
        let kept = thin([most(10, "7"), most(20, "9"), most(30, "8")], .gauge)
        #expect(values(kept) == "9")
        #expect(kept.first?.remark?.members == #""aggregate":"max","min":0,"max":9,"count":30"#)
    }

    @Test func aContactKeepsEveryChangeAndWhereTheRunEnds() {
        let levels = "0 0 0 1 1 0 0 0 0".split(separator: " ")
        let readings = levels.enumerated().map { reading(Double($0) * 5000, String($1)) }
        #expect(thin(readings, .state, to: .hour) == [0, 3, 5, 8].map { readings[$0] })
    }

    @Test func aTextKeepsEveryChange() {
        let readings = ["ok", "ok", "fault", "fault", "ok", "ok"].enumerated().map { reading(Double($0), $1) }
        #expect(values(thin(readings, .state)) == "ok fault ok ok")
    }

    @Test(arguments: [
        (ThinningPolicy.allowed, [0, 0, 60, 900, 3600]), (.preferred, [0, 60, 900, 3600, 3600]),
        (.forbidden, [0, 0, 0, 0, 0]),
    ])
    func thePreferredAreOneStepAhead(policy: ThinningPolicy, seconds: [Int]) {
        let intervals = ThinningLevel.allCases.map { $0.interval(for: policy) ?? .zero }
        #expect(intervals == seconds.map { .seconds($0) })
    }

    /// Its kind is not known, so that any choice could be the wrong one.
    @Test func aPointWithoutARuleIsLeftAlone() {
        var thinning = Thinning(to: .hour, by: ThinningRules(), offset: Self.offset)
        var kept: [Reading] = []
        let readings = (0..<10).map { reading(Double($0), "1") }
        for reading in readings { thinning.take(reading) { kept.append($0) } }
        thinning.finish { _ in Issue.record("something was held back") }
        #expect(kept == readings)
    }

    /// The grid is that of UTC, whatever the boot clock says, also before 1970.
    @Test(arguments: [0, -86_400_000_000_000, 1_793_491_230_000_000_000] as [Int64])
    func intervalsBeginWithTheMinute(nanoseconds: Int64) {
        var rules = ThinningRules()
        rules[Self.point] = .init(kind: .counter)
        let offset = ClockOffset(nanoseconds: nanoseconds)
        var thinning = Thinning(to: .minute, by: rules, offset: offset)
        var kept: [Reading] = []
        for second in 0..<600 { thinning.take(reading(Double(second), String(second))) { kept.append($0) } }
        let times = kept.dropFirst().map { offset.timestamp(of: $0.instant).milliseconds }
        #expect(times.count >= 9 && times.allSatisfy { $0 % 60_000 == 0 })
    }

    @Test func rulesKnowThePointsByTheirNumbers() {
        let power = PointDefinition(name: "p", quantity: .activePower, unit: Unit(ucum: "W")!, kind: .gauge)
        let energy = PointDefinition(name: "e", quantity: .activeEnergy, unit: Unit(ucum: "W.h")!, kind: .counter)
        let points = [
            Point(meter: "m", definition: power, interval: .seconds(1), thin: .preferred),
            Point(meter: "m", definition: energy, interval: .seconds(1)),
        ]
        let rules = ThinningRules(points, ids: ["m/p": PointID(rawValue: 7), "m/e": PointID(rawValue: 3)])
        #expect(rules[PointID(rawValue: 7)] == .init(kind: .gauge, policy: .preferred) && rules.hasPreferred)
        #expect(rules[PointID(rawValue: 3)] == .init(kind: .counter) && rules[PointID(rawValue: 1)] == nil)
        #expect(!ThinningRules(points.suffix(1), ids: ["m/e": PointID(rawValue: 3)]).hasPreferred)
    }
}
