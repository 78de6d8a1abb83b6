internal import Configuration
internal import Metering
internal import Posix

/// The planned wire time of every model in the catalogue, beside the least that another solver finds.
struct PlanBench {
    /// Where the catalogue is, unless in its usual places.
    let share: String?
    /// The line that is counted with: what most meters are set to, and answer in.
    let cost = RequestCost(line: SerialLine(), turnaround: .milliseconds(5), pause: .zero)

    /// A line for each model, one with the time that planning takes, one with the worst ratio of planned to least.
    func run() throws -> [String] {
        var lines: [String] = []
        var ratios: [Double] = []
        for model in Catalogue(share: share).models() {
            let definition = try Models.definition(named: model.name, share: share)
            let requests = RequestPlanner.requests(for: definition.points, limits: definition.limits, cost: cost)
            let planned = requests.map { cost.duration(of: $0.span) }.reduce(.zero, +)
            let least = PlanOptimum(limits: definition.limits, cost: cost).duration(reading: definition.points)
            var line = BenchLine(bench: "plan", case: model.name)
            line.add("points", Double(definition.points.count))
            line.add("requests", Double(requests.count))
            line.add("wire_ms", planned / .milliseconds(1))
            line.add("optimum_ms", least / .milliseconds(1))
            lines.append(line.text)
            ratios.append(planned / least)
        }
        var line = BenchLine(bench: "plan", case: "planning 1000 points")
        line.add("ms", planningTime())
        lines.append(line.text)
        var last = BenchLine(bench: "plan", case: "worst of \(ratios.count) models")
        last.add("ratio", ratios.max())
        return lines + [last.text]
    }

    /// Milliseconds to plan 1000 neighbours, of which one request can hold the most.
    private func planningTime() -> Double {
        let points = (0..<1000).map {
            PointDefinition(
                name: "p\($0)", quantity: .ratio, unit: Unit.known[0], kind: .gauge, function: .holding,
                address: UInt16($0),
                type: .u16)
        }
        let times = (0..<9).map { _ in
            let begin = BootClock.now
            let requests = RequestPlanner.requests(for: points, limits: RequestLimits(), cost: cost)
            let time = BootClock.now - begin
            precondition(requests.count == 8, "\(requests.count) requests for 1000 registers")
            return time / .milliseconds(1)
        }
        return times.median
    }
}
