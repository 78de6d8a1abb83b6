import Metering
import Testing

private func at(_ milliseconds: Double) -> Instant { Instant(nanoseconds: Int64(milliseconds * 1e6)) }

/// An input as the actor drives it, with what came of it.
private struct Driven {
    /// 2026-11-01T00:00:00Z at instant 0.
    static let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)

    var logic: InputLogic
    var output = InputLogic.Output()
    private var sequence: UInt32 = 0

    init(
        _ use: InputSettings.Use, debounce: Duration = .zero, memory: [String: String] = [:],
        kernelDebounces: Bool = true
    ) {
        let points = [
            PointDefinition(name: "volume", quantity: .volume, unit: Unit(ucum: "m3")!, kind: .counter),
            PointDefinition(name: "flow", quantity: .flow, unit: Unit(ucum: "m3/h")!, kind: .gauge),
        ]
        let definition = MeterDefinition(
            model: "pulse-output", manufacturer: "unknown", product: "gas", status: .own, sources: [], points: points)
        let meter = Meter(
            id: "gas", bus: "", unit: 0, definition: definition,
            points: points.map { Point(meter: "gas", definition: $0, interval: .seconds(10)) },
            location: Location(latitude: .zero, longitude: .zero))
        let settings = InputSettings(id: "gas", line: .name("X"), debounce: debounce, use: use, meter: meter)
        logic = InputLogic(
            settings, ids: [PointID(rawValue: 1), PointID(rawValue: 2)], memory: memory,
            kernelDebounces: kernelDebounces)
    }

    static func pulses(
        per unit: Int64 = 100, rule: PulseCounter.Rule = .init(), interval: Duration = .seconds(10)
    ) -> InputSettings.Use {
        .pulses(PulseUse(rule: rule, perUnit: ExactDecimal(unit), interval: interval, silence: .seconds(300)))
    }

    mutating func attach(_ level: Bool = false, at time: Double = 0) {
        merge(logic.attach(level: level, at: at(time)))
        sequence = 0
    }

    mutating func edge(_ level: Bool, at time: Double) {
        sequence += 1
        logic.take(LineEdge(at(time), isActive: level, sequence: sequence), into: &output)
    }

    mutating func pulse(at time: Double, width: Double = 30) {
        edge(true, at: time)
        edge(false, at: time + width)
    }

    mutating func lose(_ edges: UInt32) { sequence += edges }

    mutating func advance(to time: Double, _ pace: Pace = .normal) {
        logic.advance(to: at(time), offset: Self.offset, pace: pace, into: &output)
    }

    private mutating func merge(_ other: InputLogic.Output) {
        output.readings += other.readings
        output.events += other.events
        output.memory.merge(other.memory) { _, new in new }
    }

    var totals: [String] { output.readings.filter { $0.point.rawValue == 1 }.map(\.value.description) }
    var rates: [Double] { output.readings.filter { $0.point.rawValue == 2 }.map(\.value.approximate) }
}

@Suite struct InputLogicTests {
    /// While the spool fills up the rate is read every fourth time; the total keeps its edges.
    @Test func aSlowPaceLeavesOutRates() {
        var input = Driven(Driven.pulses())
        input.attach(at: 0)
        for second in 0...160 {
            input.pulse(at: Double(second) * 1000)
            input.advance(to: Double(second) * 1000 + 100, second <= 80 ? .slow : .normal)
        }
        #expect(input.totals.count == 16)
        #expect(
            input.output.readings.filter { $0.point.rawValue == 2 }.map { $0.instant.nanoseconds / 1_000_000_000 }
                == [40, 80, 90, 100, 110, 120, 130, 140, 150, 160])
    }

    @Test func totalsAreReadAtTheSlotsAndRatesFollowTheSpacing() {
        var input = Driven(Driven.pulses())
        input.attach(at: 1000)
        input.advance(to: 1000)
        for second in 1...30 {
            input.pulse(at: Double(second) * 1000)
            input.advance(to: Double(second) * 1000 + 100)
        }
        #expect(input.totals == ["0.1", "0.2", "0.3"])
        // 100 pulses a cubic metre, one a second: 36 m³/h.
        #expect(input.rates.count == 3 && input.rates.allSatisfy { abs($0 - 36) < 1e-4 })
        #expect(input.output.readings[0].instant == at(10_100))
        #expect(input.output.memory == ["input gas": "30 0 0 100 m3"])
    }

    @Test("ESPHome #3707, ESPEasy #2268, Tasmota #7766: a total is there after a restart, exactly")
    func totalsOutliveARestart() {
        var first = Driven(Driven.pulses())
        first.attach()
        #expect(
            first.logic.set(
                total: ExactDecimal("12345.678")!, by: "eva", at: at(5), offset: Driven.offset, into: &first.output))
        for index in 0..<7 { first.pulse(at: Double(index) * 100) }
        first.advance(to: 1000)
        var second = Driven(Driven.pulses(), memory: first.output.memory)
        #expect(second.logic.total?.value.description == "12345.748")
        second.attach()
        second.pulse(at: 50)
        second.advance(to: 1000)
        second.advance(to: 10_000)
        #expect(second.totals == ["12345.758"])
        #expect(second.output.memory == ["input gas": "8 0 12345.678 100 m3"])
    }

    @Test func aPresetIsAnEventAndARemark() {
        var input = Driven(Driven.pulses())
        input.attach()
        input.advance(to: 100)
        input.pulse(at: 200)
        #expect(
            input.logic.set(
                total: ExactDecimal("99.5")!, by: "eva", at: at(500), offset: Driven.offset, into: &input.output))
        // At once: an agent that ends before the next reading has told it.
        #expect(input.totals == ["99.5"] && input.output.readings[0].instant == at(500))
        #expect(input.output.readings[0].remark?.members == #""event":"total-set","before":0.01,"by":"eva""#)
        #expect(input.output.events.map(\.kind.word) == ["total-set"])
        input.advance(to: 10_001)
        #expect(input.totals == ["99.5", "99.5"])
        #expect(input.output.readings.last { $0.point.rawValue == 1 }?.remark == nil)
    }

    @Test func lostEdgesMarkTheNextReading() {
        var input = Driven(Driven.pulses())
        input.attach()
        input.advance(to: 100)
        input.pulse(at: 200)
        input.lose(40)
        input.pulse(at: 4000)
        input.advance(to: 10_001)
        #expect(input.totals == ["0.22"])
        let reading = input.output.readings.first { $0.point.rawValue == 1 }
        #expect(reading?.quality == .uncertain)
        #expect(reading?.remark?.members == #""event":"edges-lost","recovered_pulses":20,"lost_edges":40"#)
        #expect(input.output.events.map(\.kind) == [.lostEdges(40, pulses: 20)])
        input.advance(to: 20_001)
        #expect(input.output.readings.last { $0.point.rawValue == 1 }?.quality == .good)
    }

    @Test func aLineThatGoesAwayIsTold() {
        var input = Driven(Driven.pulses())
        input.attach()
        input.advance(to: 100)
        input.pulse(at: 200)
        input.logic.detach(at: at(1000))
        input.advance(to: 10_001)
        #expect(input.output.readings.map(\.quality) == [.uncertain], "nobody knows what it counts meanwhile")
        input.attach(at: 61_000)
        #expect(input.output.events.map(\.kind) == [.away(.seconds(60))])
        input.pulse(at: 62_000)
        input.advance(to: 70_001)
        #expect(input.totals.last == "0.02")
    }

    @Test func withoutAKernelsDebounceThisProgramFilters() {
        var input = Driven(Driven.pulses(), debounce: .milliseconds(5), kernelDebounces: false)
        input.attach()
        for pulse in 0..<10 {
            let begin = Double(pulse) * 100
            for bounce in 0..<5 { input.edge(bounce % 2 == 0, at: begin + Double(bounce) * 0.3) }
            for bounce in 0..<5 { input.edge(bounce % 2 == 1, at: begin + 50 + Double(bounce) * 0.3) }
        }
        input.advance(to: 2000)
        #expect(input.logic.counter?.count == 10 && input.logic.bounces == 80)
        #expect(input.logic.counter?.width == .microseconds(50_000))
    }

    @Test func aKernelsDebounceIsTakenOffTheTime() {
        var input = Driven(
            .contact(ContactUse(heartbeat: .seconds(60), active: "open", inactive: "closed")),
            debounce: .milliseconds(20))
        input.attach()
        input.edge(true, at: 1020)
        #expect(input.output.readings.map(\.instant) == [at(1000)])
    }

    @Test func aContactIsToldOnChangeAndAtItsHeartbeat() {
        var input = Driven(.contact(ContactUse(heartbeat: .seconds(60), active: "open", inactive: "closed")))
        input.attach()
        input.advance(to: 1)
        input.edge(true, at: 5000)
        input.edge(false, at: 5100)
        input.advance(to: 65_099)
        input.advance(to: 65_100)
        #expect(input.output.readings.map(\.value.description) == ["0", "1", "0", "0"])
        #expect(input.output.readings.map(\.instant) == [at(1), at(5000), at(5100), at(65_100)])
        #expect(input.output.memory.isEmpty)
    }

    @Test func whatHasNoEndAsADecimalIsRoundedButNeverDrifts() {
        var total = PulseTotal(perUnit: ExactDecimal(75), unit: "kW.h")
        total.add(1)
        #expect(total.value.description == "0.013333333")
        total.add(74)
        #expect(total.value.description == "1")
        total.add(75_000_000_000_000)
        #expect(total.value.normalized == ExactDecimal("1000000000001")?.normalized)
    }

    @Test(arguments: ["", "x", "1 2", "1 5 3", "-1 0 0", "5 0 nan"]) func aDamagedMemoryIsNone(text: String) {
        let restored = PulseTotal.restored(text, perUnit: .one, unit: "m3")
        #expect(restored.total.count == 0 && restored.change == nil)
    }

    @Test func anotherNumberOfPulsesForAUnitLeavesWhatWasCounted() {
        var input = Driven(Driven.pulses(per: 10), memory: ["input gas": "150 100 5.5 100 m3"])
        #expect(input.logic.total?.value.description == "6.0")
        input.attach()
        input.pulse(at: 100)
        input.advance(to: 1000)
        #expect(input.logic.total?.value.description == "6.1")
        #expect(input.output.events.map(\.kind.word) == ["counted-otherwise"])
        #expect(input.output.events.first?.kind.text.contains("count 10 for one unit from now on, before 100") == true)
        #expect(input.output.memory == ["input gas": "151 150 6.0 10 m3"])
        // It is told once.
        let again = Driven(Driven.pulses(per: 10), memory: input.output.memory)
        #expect(again.logic.total?.value.description == "6.1" && again.logic.memory == input.output.memory)
    }

    @Test func anotherUnitBeginsWithNothingAndSaysSo() {
        var input = Driven(Driven.pulses(), memory: ["input gas": "150 100 12345.678 100 l"])
        #expect(input.logic.total?.value.description == "0" && input.logic.total?.count == 150)
        input.attach()
        input.advance(to: 1000)
        #expect(input.output.events.first?.kind.text.contains("before 12346.178 l: set it with") == true)
        // What was remembered without its unit is believed.
        #expect(Driven(Driven.pulses(), memory: ["input gas": "150 100 5.5"]).logic.total?.value.description == "6.0")
    }

    /// An agent that was away must not leave the platform with the power of then.
    @Test func withoutPulsesAfterTheStartTheRateIsZero() {
        var input = Driven(Driven.pulses(), memory: ["input gas": "150 100 5.5 100 m3"])
        input.attach()
        for second in 1...31 { input.advance(to: Double(second) * 10_000 + 1) }
        #expect(input.rates == [0, 0], "the first after 300 s without a pulse")
    }

    @Test func aLineThatWasAwayDoesNotSayZeroAtOnce() {
        var input = Driven(Driven.pulses())
        input.attach()
        input.advance(to: 100)
        for second in 1...5 { input.pulse(at: Double(second) * 1000) }
        input.logic.detach(at: at(6000))
        input.attach(at: 600_000)
        input.advance(to: 610_001)
        input.pulse(at: 611_000)
        input.pulse(at: 612_000)
        input.advance(to: 620_001)
        #expect(input.rates.count == 1 && abs((input.rates.first ?? 0) - 4.5) < 0.1, "\(input.rates)")
    }

    @Test func aPulseWhoseBeginWasLostMarksTheReadingToo() {
        var input = Driven(Driven.pulses())
        input.attach()
        input.advance(to: 100)
        input.pulse(at: 200)
        input.lose(1)
        input.edge(false, at: 5000)
        input.advance(to: 10_001)
        input.advance(to: 20_001)
        let readings = input.output.readings.filter { $0.point.rawValue == 1 }
        #expect(readings.map(\.quality) == [.uncertain, .good] && input.totals == ["0.02", "0.02"])
        #expect(readings.first?.remark?.members == #""event":"edges-lost","recovered_pulses":1,"lost_edges":1"#)
    }

    @Test func aSumBeyond64BitsDropsNothing() {
        var total = PulseTotal(perUnit: ExactDecimal(1000), unit: "m3")
        total.set(dial: ExactDecimal("9999999999999999999")!)
        total.add(1500)
        #expect(total.value.approximate == 1e19)
    }
}
