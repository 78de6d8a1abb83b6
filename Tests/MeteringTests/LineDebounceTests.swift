import Metering
import Testing

/// `LineDebounce` on seeded trains of edges. Its tables are in `PulseCounterTests`.
@Suite struct LineDebounceTrainTests {
    private func instant(_ microseconds: Int64) -> Instant { Instant(nanoseconds: microseconds * 1000) }

    /// What passes of `edges`, when time goes by in between as well.
    private func filtered(
        _ edges: [LineEdge], by period: Duration, from level: Bool, _ random: inout RandomSource
    ) -> (passed: [LineEdge], filter: LineDebounce) {
        var filter = LineDebounce(period: period, level: level)
        var passed: [LineEdge] = []
        for (edge, next) in zip(edges, edges.dropFirst().map(Optional.some) + [nil]) {
            filter.take(edge) { passed.append($0) }
            // A timer may be early, late, or not come at all before the next edge.
            while Bool.random(using: &random) {
                let room = next.map { ($0.instant - edge.instant).wholeNanoseconds } ?? 1_000_000
                let early = edge.instant + .nanoseconds(Int64.random(in: 0...max(0, room - 1), using: &random))
                filter.settle(at: early) { passed.append($0) }
            }
        }
        filter.settle(at: (edges.last?.instant ?? instant(0)) + .seconds(10)) { passed.append($0) }
        return (passed, filter)
    }

    /// A level passes when it has lasted, with the time of the edge after which nothing moved; nothing else does, and
    /// every edge is either passed or counted as a bounce.
    @Test(arguments: 0..<200) func whatLastsPasses(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let period = Int64.random(in: 1...20_000, using: &random)
        let start = Bool.random(using: &random)
        var time: Int64 = 0
        var level = start
        let edges = (0..<Int.random(in: 0...200, using: &random)).map { _ in
            // About as many shorter as longer than the period, and some that are just as long.
            time += [Int64.random(in: 1...period, using: &random), period, period + 1, 3 * period].randomElement(
                using: &random)!
            level.toggle()
            return LineEdge(instant(time), isActive: level)
        }
        var expected: [LineEdge] = []
        for (index, edge) in edges.enumerated() {
            let lasts = index + 1 == edges.count || edges[index + 1].instant - edge.instant >= .microseconds(period)
            if lasts, edge.isActive != (expected.last?.isActive ?? start) { expected.append(edge) }
        }
        let (passed, filter) = filtered(edges, by: .microseconds(period), from: start, &random)
        #expect(passed == expected, "seed \(seed)")
        #expect(filter.bounces + UInt64(passed.count) == UInt64(edges.count), "seed \(seed)")
        #expect(filter.deadline == nil)
    }

    @Test("vzlogger #222, #198, #241: however it bounces, a contact counts once", arguments: 0..<200)
    func aBouncingContactCountsOnce(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let period = Int64.random(in: 1000...20_000, using: &random)
        var edges: [LineEdge] = []
        var time: Int64 = 0
        let count = Int.random(in: 1...50, using: &random)
        var widths: [Duration] = []
        for _ in 0..<count {
            var settled: [Instant] = []
            for level in [true, false] {
                time += Int64.random(in: period...20 * period, using: &random)
                edges.append(LineEdge(instant(time), isActive: level))
                for _ in 0..<Int.random(in: 0...8, using: &random) {
                    for bounce in [!level, level] {
                        time += Int64.random(in: 1..<period, using: &random)
                        edges.append(LineEdge(instant(time), isActive: bounce))
                    }
                }
                settled.append(instant(time))
            }
            widths.append(settled[1] - settled[0])
        }
        let (passed, _) = filtered(edges, by: .microseconds(period), from: false, &random)
        var counter = PulseCounter(.init(), level: false)
        var seen: [Duration] = []
        for edge in passed where counter.take(edge).pulses > 0 { if let width = counter.width { seen.append(width) } }
        #expect(counter.count == UInt64(count) && seen == widths, "seed \(seed)")
        #expect(counter.tooFast == 0 && counter.lostEdges == 0)
    }
}
