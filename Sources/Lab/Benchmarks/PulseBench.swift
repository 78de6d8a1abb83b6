internal import Glibc
internal import Metering

/// The highest rate that the decisions about pulses count exactly, and what an edge costs there: no kernel, no threads.
struct PulseBench {
    /// A rule for pulses, with the debounce of this program (what libgpiod 1 needs) or the kernel's.
    private struct Case {
        var name: String
        var rule = PulseCounter.Rule()
        var debounce = Duration.zero
    }

    private static let cases = [
        Case(name: "decisions, S0: 30 ms", rule: .s0),
        Case(name: "decisions, 2 ms", rule: .init(minimumWidth: .milliseconds(2))),
        Case(name: "decisions, debounced for 1 ms", debounce: .milliseconds(1)),
        Case(name: "decisions, any width"),
    ]

    /// A hundred steps a decade, over the rates that the kernel's nanoseconds tell apart.
    private static var rates: [Double] { (0...650).map { pow(10, Double($0) / 100) } }

    /// A line a case.
    func run() -> [String] {
        Self.cases.map { test in
            var best: Double?
            for rate in Self.rates {
                guard count(20, at: rate, test).isExact else { break }
                best = rate
            }
            // What can be counted, but not as fast as it comes, is not counted.
            let pulses = 200_000
            let before = ProcessFigures.ownCPUSeconds
            let sum = count(pulses, at: best ?? 1, test)
            precondition(sum.isExact, "\(sum) of \(pulses)")
            let perEdge = (ProcessFigures.ownCPUSeconds - before) / Double(2 * pulses)
            var line = BenchLine(bench: "pulses", case: test.name)
            line.add("max_exact_hz", best.map { min($0, 1 / (2 * perEdge)) })
            line.add("cpu_us_per_edge", perEdge * 1e6)
            return line.text
        }
    }

    /// Counts pulses that are half as wide as their period; time passes after every hundred, as it does in the agent.
    private func count(_ pulses: Int, at rate: Double, _ test: Case) -> (counted: UInt64, isExact: Bool) {
        var logic = InputLogic(
            settings(test), ids: [PointID(rawValue: 1), PointID(rawValue: 2)], kernelDebounces: test.debounce == .zero)
        let offset = ClockOffset(nanoseconds: 0)
        var output = logic.attach(level: false, at: Instant(nanoseconds: 0))
        let period = 1e9 / rate
        for index in 0..<pulses {
            let begin = Int64(Double(index + 1) * period)
            for (edge, isActive) in [(begin, true), (begin + Int64((period / 2).rounded(.up)), false)] {
                let number = UInt32(2 * index + (isActive ? 1 : 2))
                logic.take(
                    LineEdge(Instant(nanoseconds: edge), isActive: isActive, sequence: number), into: &output)
            }
            if index % 100 == 99 {
                output = InputLogic.Output()
                logic.advance(to: Instant(nanoseconds: begin), offset: offset, into: &output)
            }
        }
        let end = Instant(nanoseconds: Int64(Double(pulses + 2) * period)) + .seconds(1)
        logic.advance(to: end, offset: offset, into: &output)
        let counted = logic.counter?.count ?? 0
        return (counted, counted == pulses && logic.counter?.lostEdges == 0)
    }

    private func settings(_ test: Case) -> InputSettings {
        let units = ["m3", "m3/h"].compactMap { Unit(ucum: $0) }
        let points = [
            PointDefinition(name: "volume", quantity: .volume, unit: units[0], kind: .counter),
            PointDefinition(name: "flow", quantity: .flow, unit: units[1], kind: .gauge),
        ]
        let meter = Meter(
            id: "bench", bus: "", unit: 0,
            definition: MeterDefinition(
                model: "pulse-output", manufacturer: "unknown", product: "bench", status: .own, sources: [],
                points: points),
            points: points.map { Point(meter: "bench", definition: $0, interval: .seconds(10)) },
            location: Location(latitude: .zero, longitude: .zero))
        return InputSettings(
            id: "bench", line: .name("bench"), debounce: test.debounce,
            use: .pulses(
                PulseUse(
                    rule: test.rule, perUnit: ExactDecimal(100), interval: .seconds(10), silence: .seconds(300))),
            meter: meter)
    }
}
