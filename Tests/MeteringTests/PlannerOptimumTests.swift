import Metering
import Testing

/// The planner against every way to divide a few points among requests.
@Suite struct PlannerOptimumTests {
    private struct Case {
        var points: [PointDefinition]
        var limits: RequestLimits
        var cost: RequestCost

        init(seed: UInt64) {
            var random = RandomSource(seed: seed)
            let room = Int.random(in: 6...30, using: &random)
            let function: RegisterFunction = Bool.random(using: &random) ? .input : .coil
            let types: [RegisterType] = function == .coil ? [.bit] : [.u16, .u16, .f32, .u48, .f64]
            points = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                let hasScale = function == .input && Int.random(in: 0...2, using: &random) == 0
                return planned(
                    UInt16.random(in: 0...UInt16(room), using: &random), types.randomElement(using: &random)!, function,
                    scale: hasScale ? UInt16.random(in: 0...UInt16(room), using: &random) : nil)
            }
            limits = RequestLimits(
                registers: Int.random(in: 4...20, using: &random), gap: Int.random(in: 0...12, using: &random),
                holes: (0..<Int.random(in: 0...2, using: &random)).map { _ in
                    let start = Int.random(in: 0...room, using: &random)
                    return .init(function: function, addresses: start..<start + Int.random(in: 1...2, using: &random))
                })
            cost = RequestCost(
                request: .milliseconds(Int.random(in: 0...20, using: &random)),
                byte: .milliseconds(Int.random(in: 0...4, using: &random)))
        }

        /// The span of one request for `group`, where the rules allow it.
        func span(of group: [PointDefinition]) -> RegisterSpan? {
            let spans = group.map(\.neededSpan)
            let start = spans.map(\.addresses.lowerBound).min()!
            let end = spans.map(\.addresses.upperBound).max()!
            let isWide = spans.contains { $0.count > limits.registers }
            guard isWide ? Set(spans).count == 1 : end - start <= limits.registers else { return nil }
            var run = 0
            for address in start..<end {
                if spans.contains(where: { $0.addresses.contains(address) }) {
                    run = 0
                } else {
                    run += 1
                    if run > limits.gap || limits.holes.contains(where: { $0.addresses.contains(address) }) {
                        return nil
                    }
                }
            }
            return RegisterSpan(function: spans[0].function, address: UInt16(start), count: end - start)
        }

        func price(_ spans: [RegisterSpan]) -> Price {
            Price(time: spans.map(cost.duration).reduce(.zero, +), requests: spans.count)
        }

        /// The least that any division of the points into groups costs.
        func optimum() -> Price {
            var best: Price?
            var groups: [[PointDefinition]] = []
            func place(_ index: Int) {
                if index == points.count {
                    let spans = groups.compactMap(span)
                    if spans.count == groups.count { best = min(best ?? price(spans), price(spans)) }
                    return
                }
                for group in groups.indices {
                    groups[group].append(points[index])
                    place(index + 1)
                    groups[group].removeLast()
                }
                groups.append([points[index]])
                place(index + 1)
                groups.removeLast()
            }
            place(0)
            return best!
        }
    }

    private struct Price: Comparable {
        var time: Duration
        var requests: Int

        static func < (a: Price, b: Price) -> Bool { (a.time, a.requests) < (b.time, b.requests) }
    }

    @Test(arguments: 0..<8)
    func noDivisionOfThePointsIsBetter(part: UInt64) {
        for seed in part * 375..<(part + 1) * 375 {
            let example = Case(seed: seed)
            let requests = RequestPlanner.requests(for: example.points, limits: example.limits, cost: example.cost)
            #expect(requests.flatMap(\.slots).map(\.point).sorted() == Array(example.points.indices), "seed \(seed)")
            for request in requests {
                let points = request.slots.map { example.points[$0.point] }
                #expect(example.span(of: points) == request.span, "seed \(seed): \(request.span)")
                for (point, slot) in zip(points, request.slots) {
                    #expect(Int(point.address) == Int(request.span.address) + slot.offset, "seed \(seed)")
                }
            }
            #expect(example.price(requests.map(\.span)) == example.optimum(), "seed \(seed)")
        }
    }

    /// The order in which points are given changes which point is which, and nothing else.
    @Test func theOrderOfThePointsDoesNotMatter() {
        for seed in 0..<300 as Range<UInt64> {
            let example = Case(seed: seed)
            var random = RandomSource(seed: seed)
            let shuffled = example.points.shuffled(using: &random)
            let spans = [example.points, shuffled].map {
                RequestPlanner.requests(for: $0, limits: example.limits, cost: example.cost).map(\.span)
            }
            #expect(spans[0] == spans[1], "seed \(seed)")
        }
    }
}
