import Lab
import Metering
import Posix
import Testing

/// Any file stands in for the one that sets a simulated line's level: what is written there last is its level.
@Suite struct PulseGeneratorTests {
    private func run(
        _ plan: PulseGenerator.Plan, isOver: () -> Bool = { false }
    ) throws -> (outcome: PulseGenerator.Outcome, edges: [PulseGenerator.Edge], level: String) {
        let folder = try LabFile.temporaryFolder("parthe-pulses")
        defer { LabFile.remove(folder: folder) }
        let path = folder + "/pull"
        try LabFile.write(Array("pull-down".utf8), to: path)
        var edges: [PulseGenerator.Edge] = []
        let outcome = try PulseGenerator(path: path).run(plan, onEdge: { edges.append($0) }, isOver: isOver)
        return (outcome, edges, String(decoding: try File.read(path), as: UTF8.self))
    }

    @Test func pulsesKeepWidthAndPeriod() throws {
        let plan = PulseGenerator.Plan(count: 8, period: .milliseconds(10), width: .milliseconds(4))
        let (outcome, edges, level) = try run(plan)
        #expect(outcome.pulses == 8)
        #expect(outcome.edges == 16)
        #expect(level == "pull-down")
        #expect(edges.map(\.isActive) == (0..<16).map { $0 % 2 == 0 })
        for (begin, end) in zip(edges, edges.dropFirst()) where begin.isActive {
            #expect(end.time - begin.time >= plan.width)
        }
        // A busy machine makes them late, never early.
        #expect(try #require(outcome.shortest) >= plan.width)
        #expect(outcome.duration >= plan.period * 7 + plan.width)
    }

    @Test func bouncesComeBeforeTheWidth() throws {
        let plan = PulseGenerator.Plan(
            count: 2, period: .milliseconds(40), width: .milliseconds(10), bounces: 3, bounce: .milliseconds(1))
        let (outcome, edges, level) = try run(plan)
        #expect(outcome.pulses == 2)
        // Each of four changes of level has an edge of its own and two for every bounce.
        #expect(outcome.edges == 4 * 7)
        #expect(level == "pull-down")
        #expect(edges.map(\.isActive) == (0..<28).map { $0 % 2 == 0 })
        #expect(edges[7].time - edges[6].time >= plan.width)
        #expect(try #require(outcome.longestBounce) >= plan.bounce)
    }

    @Test func endsBetweenTwoPulses() throws {
        var left = 3
        let (outcome, edges, level) = try run(
            PulseGenerator.Plan(count: 100, period: .milliseconds(4), width: .milliseconds(1)),
            isOver: {
                left -= 1
                return left < 0
            })
        #expect(outcome.pulses == 3)
        #expect(edges.count == 6)
        #expect(level == "pull-down")
    }

    @Test func saysWhatIsMissing() {
        let error = #expect(throws: LabError.self) {
            try PulseGenerator(path: "/nonexistent/pull").run(
                PulseGenerator.Plan(count: 1, period: .milliseconds(2), width: .milliseconds(1)))
        }
        #expect(error?.description.contains("/nonexistent/pull") == true)
        #expect(error?.hint.contains("gpio-sim") == true)
    }
}
