import Metering
import Testing

@Suite struct KeepFilterTests {
    /// 2026-11-01T00:00:00Z at instant 0.
    private static let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)

    private func reading(
        _ seconds: Double, _ text: String, _ quality: Quality = .good, remark: Remark? = nil
    ) -> Reading {
        Reading(
            point: PointID(rawValue: 1), instant: Instant(nanoseconds: Int64(seconds * 1e9)),
            value: .decimal(ExactDecimal(text)!), quality: quality, remark: remark)
    }

    private func run(_ filter: inout KeepFilter, _ readings: [Reading]) -> [Reading] {
        var kept: [Reading] = []
        for reading in readings { filter.take(reading, offset: Self.offset) { kept.append($0) } }
        return kept
    }

    @Test func everyReading() {
        var filter = KeepFilter(.all, kind: .gauge)
        let readings = [reading(1, "1"), reading(2, "1")]
        #expect(run(&filter, readings) == readings)
    }

    @Test func changesBeyondADeadbandAndAHeartbeat() {
        var filter = KeepFilter(.changes(deadband: 0.5, heartbeat: .seconds(60)), kind: .gauge)
        let readings = [
            reading(0, "20.0"), reading(10, "20.4"), reading(20, "20.5"), reading(30, "20.1"), reading(40, "20.0"),
            reading(100, "20.1"), reading(110, "20.1", .uncertain),
        ]
        let kept = run(&filter, readings)
        #expect(kept.map(\.value.description) == ["20.0", "20.5", "20.0", "20.1", "20.1"])
        #expect(kept.last?.quality == .uncertain)
    }

    @Test func aDeadbandOfNothingKeepsEveryChange() {
        var filter = KeepFilter(.changes(deadband: 0, heartbeat: .seconds(3600)), kind: .state)
        let kept = run(&filter, [reading(0, "0"), reading(1, "0"), reading(2, "1"), reading(3, "1"), reading(4, "0")])
        #expect(kept.map(\.value.description) == ["0", "1", "0"])
    }

    /// Texts are kept when they change and at the interval's edge; nothing is calculated with them.
    @Test(arguments: [
        (KeepPolicy.all, "a a b b b a a"), (.changes(deadband: 5, heartbeat: .seconds(60)), "a b b a"),
        (.interval(.seconds(60), .mean), "a b b a"), (.interval(.seconds(60), .max), "a b b a"),
    ])
    func textsAreKeptAsTheyAre(policy: KeepPolicy, expected: String) {
        var filter = KeepFilter(policy, kind: .state)
        let texts = [(0.0, "a"), (10, "a"), (20, "b"), (30, "b"), (80, "b"), (90, "a"), (100, "a")]
        var kept = run(
            &filter,
            texts.map { seconds, text in
                var reading = reading(seconds, "0")
                reading.value = .text(ExactText(text)!)
                return reading
            })
        kept += [filter.end(at: Instant(nanoseconds: 1 << 40), offset: Self.offset), filter.finish()].compactMap { $0 }
        #expect(kept.map(\.value.description).joined(separator: " ") == expected)
        #expect(kept.allSatisfy { $0.remark == nil })
    }

    @Test func theMeanOfAnIntervalCarriesItsBounds() {
        var filter = KeepFilter(.interval(.seconds(900), .mean), kind: .gauge)
        var readings = (0..<90).map { reading(Double($0) * 10 + 0.03, String($0)) }
        readings.append(reading(900.03, "7"))
        let kept = run(&filter, readings)
        #expect(kept.count == 1)
        #expect(kept[0].value.description == "44.50")
        #expect(kept[0].instant == readings[89].instant)
        #expect(
            kept[0].remark
                == .aggregate(
                    .mean, from: readings[0].instant, to: readings[89].instant, minimum: readings[0].value,
                    maximum: readings[89].value, count: 90))
        #expect(kept[0].remark?.members == #""aggregate":"mean","min":0,"max":89,"count":90"#)
        // The interval under way is handed over at the end, and not twice.
        #expect(filter.finish()?.value.description == "7")
        #expect(filter.finish() == nil)
    }

    @Test(arguments: [(Aggregate.min, "-3"), (.max, "12"), (.last, "5")])
    func otherAggregates(aggregate: Aggregate, expected: String) {
        var filter = KeepFilter(.interval(.seconds(60), aggregate), kind: .gauge)
        let kept = run(
            &filter, [reading(1, "4"), reading(2, "12"), reading(3, "-3"), reading(4, "5"), reading(61, "0")])
        #expect(kept.map(\.value.description) == [expected])
    }

    @Test func aCounterIsKeptAtTheIntervalsEdge() {
        var filter = KeepFilter(.interval(.seconds(900), .mean), kind: .counter)
        let readings = (0...270).map { reading(Double($0) * 10 + 0.03, String(1000 + $0)) }
        let kept = run(&filter, readings)
        #expect(kept.map(\.value.description) == ["1000", "1090", "1180", "1270"])
        #expect(kept.allSatisfy { $0.remark == nil })
        // Energy between edges is exact: no value was made up.
        #expect(kept.allSatisfy(readings.contains))
    }

    @Test func whatHappenedToACounterIsKeptAtOnce() {
        var filter = KeepFilter(.interval(.seconds(900), .mean), kind: .counter)
        let reset = reading(20, "3", remark: .reset(before: .decimal(ExactDecimal(5000))))
        let kept = run(&filter, [reading(0, "5000"), reading(10, "5000"), reset, reading(30, "4")])
        #expect(kept.map(\.value.description) == ["5000", "3"])
    }

    @Test func anIntervalEndsThoughTheMeterIsAway() {
        var filter = KeepFilter(.interval(.seconds(60), .mean), kind: .gauge)
        #expect(run(&filter, [reading(1, "4"), reading(2, "6")]).isEmpty)
        #expect(filter.end(at: Instant(nanoseconds: 59_000_000_000), offset: Self.offset) == nil)
        let last = filter.end(at: Instant(nanoseconds: 60_000_000_000), offset: Self.offset)
        #expect(last?.value.description == "5.00")
    }

    @Test func meansOfFloatsStayFloats() {
        var filter = KeepFilter(.interval(.seconds(60), .mean), kind: .gauge)
        for (second, number) in [Float(0.25), 0.5].enumerated() {
            let one = Reading(
                point: PointID(rawValue: 1), instant: Instant(nanoseconds: Int64(second) * 1_000_000_000),
                value: .float(number))
            filter.take(one, offset: Self.offset) { _ in Issue.record("an interval under way was handed over") }
        }
        #expect(filter.finish()?.value == .float(0.375))
    }

    @Test func aStepOfTheClockEndsAnInterval() {
        var filter = KeepFilter(.interval(.seconds(900), .mean), kind: .gauge)
        #expect(run(&filter, [reading(1, "4")]).isEmpty)
        var kept: [Reading] = []
        let later = ClockOffset(nanoseconds: Self.offset.nanoseconds + 86_400_000_000_000)
        filter.take(reading(2, "8"), offset: later) { kept.append($0) }
        #expect(kept.map(\.value.description) == ["4"])
    }
}
