import Configuration
import Metering
import Testing

@testable import Lab

/// The planner against the lab's own solver, on sizes at which not every division can be tried.
@Suite struct PlanOptimumTests {
    @Test(arguments: 0..<200 as Range<UInt64>)
    func thePlannerFindsTheShortestPath(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let room = Int.random(in: 40...400, using: &random)
        let types: [RegisterType] = [.u16, .f32, .u48, .f64]
        let points = (0..<Int.random(in: 1...50, using: &random)).map { _ in
            let address = Int.random(in: 0...room, using: &random)
            let isScaled = Int.random(in: 0...2, using: &random) == 0
            let scale = UInt16(address + Int.random(in: 0...30, using: &random))
            return PointDefinition(
                name: "p", quantity: .ratio, unit: Unit.known[0], kind: .gauge,
                function: Bool.random(using: &random) ? .input : .holding, address: UInt16(address),
                type: types.randomElement(using: &random)!,
                conversion: Conversion(scaleRegister: isScaled ? .init(address: scale) : nil))
        }
        let limits = RequestLimits(
            registers: Int.random(in: 40...125, using: &random), gap: Int.random(in: 0...40, using: &random),
            holes: (0..<Int.random(in: 0...5, using: &random)).map { _ in
                let start = Int.random(in: 0...room, using: &random)
                return .init(function: .input, addresses: start..<start + 2)
            })
        let cost = RequestCost(
            line: SerialLine(baud: [1200, 9600, 115_200].randomElement(using: &random)!), turnaround: .milliseconds(5),
            pause: .milliseconds(Int.random(in: 0...50, using: &random)))
        let requests = RequestPlanner.requests(for: points, limits: limits, cost: cost)
        let planned = requests.map { cost.duration(of: $0.span) }.reduce(.zero, +)
        #expect(planned == PlanOptimum(limits: limits, cost: cost).duration(reading: points))
    }

    @Test func everyModelIsPlannedAtItsBest() throws {
        let lines = try PlanBench(share: nil).run().map { try JSONParser.parse(Array($0.utf8)) }
        #expect(lines.count == Catalogue(share: nil).models().count + 2)
        for line in lines.dropLast(2) { #expect(line["wire_ms"] == line["optimum_ms"], "\(line)") }
        #expect(lines.last?["ratio"]?.integer == 1)
    }
}
