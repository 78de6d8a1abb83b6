import Metering
import Testing

/// A poll's plan against meters that refuse all kinds of things.
@Suite struct PollPlanLearningTests {
    /// A meter that refuses the same requests at all times.
    private struct StubbornMeter {
        var points: [PointDefinition]
        var limits: RequestLimits
        var illegal: Set<Int> = []
        /// No request may reach over these addresses: the first registers of the meter's own blocks.
        var blocks: Set<Int> = []
        var registers: Int

        func exception(for span: RegisterSpan) -> UInt8? {
            if span.count > registers { return 3 }
            if !illegal.isDisjoint(with: span.addresses) { return 2 }
            return blocks.contains { span.addresses.dropFirst().contains($0) } ? 2 : nil
        }

        var unreadable: [Int] { points.indices.filter { exception(for: points[$0].neededSpan) != nil } }

        init(seed: UInt64) {
            var random = RandomSource(seed: seed)
            let room = Int.random(in: 10...200, using: &random)
            let types: [RegisterType] = [.u16, .f32, .f32, .u48, .f64]
            points = (0..<Int.random(in: 1...30, using: &random)).map { _ in
                let address = Int.random(in: 0...room, using: &random)
                let isScaled = Int.random(in: 0...5, using: &random) == 0
                return planned(
                    UInt16(address), types.randomElement(using: &random)!,
                    scale: isScaled ? UInt16(address + Int.random(in: 0...8, using: &random)) : nil)
            }
            limits = RequestLimits(
                registers: Int.random(in: 12...125, using: &random), gap: Int.random(in: 0...20, using: &random))
            registers = 125
        }

        /// Makes registers illegal, of points and between them.
        mutating func forbid(_ count: Int, betweenOnly: Bool = false, ofPointsOnly: Bool = false, seed: UInt64) {
            var random = RandomSource(seed: seed &+ 1 << 40)
            let used = Set(points.flatMap(\.neededSpan.addresses))
            for _ in 0..<count {
                let address = Int.random(in: 0...210, using: &random)
                if betweenOnly && used.contains(address) || ofPointsOnly && !used.contains(address) { continue }
                illegal.insert(address)
            }
        }
    }

    private struct Result {
        var plan: PollPlan
        /// Polls until nothing changed any more.
        var polls = 0
        var refusals = 0
        /// Points that every poll had an answer for.
        var alwaysRead: Set<Int>
    }

    /// Polls until a poll changes nothing and nothing is refused.
    ///
    /// After a change a poll either ends or goes on with the new requests until every point was answered or refused.
    private func learn(_ meter: StubbornMeter, _ cost: RequestCost, goesOn: Bool) -> Result {
        var result = Result(
            plan: PollPlan(points: meter.points, limits: meter.limits, cost: cost),
            alwaysRead: Set(meter.points.indices))
        while result.polls < 1000 {
            result.polls += 1
            var open = Set(meter.points.indices)
            var read: Set<Int> = []
            var isCalm = true
            func isOpen(_ request: PlannedRequest) -> Bool { request.slots.contains { open.contains($0.point) } }
            while let index = result.plan.requests.firstIndex(where: isOpen) {
                let request = result.plan.requests[index]
                let points = Set(request.slots.map(\.point))
                let change: PollPlan.Change?
                if let code = meter.exception(for: request.span) {
                    isCalm = false
                    result.refusals += 1
                    change = result.plan.record(exception: code, of: index)
                    let needed = Set(points.map { meter.points[$0].neededSpan })
                    if needed.count == 1 { open.subtract(points) }
                } else {
                    change = result.plan.recordAnswer(of: index)
                    open.subtract(points)
                    read.formUnion(points)
                }
                if change != nil {
                    isCalm = false
                    if !goesOn { break }
                }
            }
            result.alwaysRead.formIntersection(read)
            if isCalm { return result }
        }
        return result
    }

    private static let costs = [
        RequestCost.tcp, RequestCost(line: SerialLine(), turnaround: .milliseconds(5), pause: .zero),
    ]

    /// Every readable point is read, every other one is dropped, nothing is refused any more.
    private func check(_ result: Result, _ meter: StubbornMeter, _ label: String) {
        #expect(result.plan.dropped == meter.unreadable, "\(label)")
        #expect(result.plan.requests.allSatisfy { meter.exception(for: $0.span) == nil }, "\(label)")
        let read = result.plan.requests.flatMap(\.slots).map(\.point).sorted()
        #expect(read == meter.points.indices.filter { !meter.unreadable.contains($0) }, "\(label)")
        for request in result.plan.requests {
            #expect(request.slots.allSatisfy { request.span.holds(meter.points[$0.point].neededSpan) }, "\(label)")
        }
    }

    /// Where a poll ends with the plan's change, after at most 40 polls; where it goes on, after at most 10, and not
    /// even the first loses a readable point.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func everyReadablePointIsRead(part: UInt64) {
        for seed in part * 50..<(part + 1) * 50 {
            var random = RandomSource(seed: seed)
            var meter = StubbornMeter(seed: seed)
            meter.forbid(Int.random(in: 0...12, using: &random), seed: seed)
            if Bool.random(using: &random) { meter.registers = Int.random(in: 1...125, using: &random) }
            if Bool.random(using: &random) {
                meter.blocks = Set((0..<3).map { _ in Int.random(in: 0...200, using: &random) })
            }
            for cost in Self.costs {
                let slow = learn(meter, cost, goesOn: false)
                check(slow, meter, "seed \(seed)")
                #expect(slow.polls <= 40, "seed \(seed)")
                let quick = learn(meter, cost, goesOn: true)
                check(quick, meter, "seed \(seed), going on")
                #expect(quick.polls <= 10, "seed \(seed), going on")
                #expect(quick.alwaysRead == Set(meter.points.indices).subtracting(meter.unreadable), "seed \(seed)")
            }
        }
    }

    /// Nothing else remains of the search for illegal points: the plan is the best one without them.
    @Test func illegalPointsLeaveNoScars() {
        for seed in 0..<100 as Range<UInt64> {
            var meter = StubbornMeter(seed: seed)
            meter.forbid(6, ofPointsOnly: true, seed: seed)
            let bad = meter.unreadable
            for cost in Self.costs {
                let plan = learn(meter, cost, goesOn: false).plan
                #expect(plan.learntHoles == [] && plan.learntRegisters == nil, "seed \(seed)")
                var limits = meter.limits
                limits.holes += bad.map {
                    .init(function: .input, addresses: meter.points[$0].neededSpan.addresses)
                }
                let good = meter.points.indices.filter { !bad.contains($0) }.map { meter.points[$0] }
                let best = RequestPlanner.requests(for: good, limits: limits, cost: cost)
                #expect(plan.requests.map(\.span) == best.map(\.span), "seed \(seed)")
            }
        }
    }

    @Test func gapsThatMustNotBeReadCostNoPoint() {
        for seed in 0..<100 as Range<UInt64> {
            var meter = StubbornMeter(seed: seed)
            meter.forbid(12, betweenOnly: true, seed: seed)
            let used = Set(meter.points.flatMap(\.neededSpan.addresses))
            let plan = learn(meter, .tcp, goesOn: true).plan
            check(.init(plan: plan, alwaysRead: []), meter, "seed \(seed)")
            #expect(plan.dropped == [], "seed \(seed)")
            #expect(plan.learntHoles.allSatisfy { used.isDisjoint(with: $0.addresses) }, "seed \(seed)")
        }
    }

    /// A meter's blocks that no request may cross are found by cutting, and cost one request more, wherever they begin.
    @Test func theEdgeOfABlockIsFoundByHalving() {
        for edge in 1..<64 {
            var meter = StubbornMeter(seed: 0)
            meter.points = (0..<64).map { planned(UInt16($0), .u16) }
            meter.limits = RequestLimits()
            meter.blocks = [edge]
            let result = learn(meter, Self.costs[1], goesOn: false)
            check(result, meter, "edge \(edge)")
            #expect(result.plan.requests.map(\.span.count).reduce(0, +) == 64)
            #expect(result.plan.requests.count == 2, "edge \(edge)")
            #expect(result.refusals <= 16, "edge \(edge): \(result.refusals) refusals")
        }
    }

    /// A meter that answers as chance will have it teaches nonsense, but never without bound, and no point is lost.
    @Test func anErraticMeterIsEndured() {
        for seed in 0..<5 as Range<UInt64> {
            let meter = StubbornMeter(seed: seed)
            let room = Set(meter.points.map(\.neededSpan.addresses).joined()).max()! + 1
            var random = RandomSource(seed: seed)
            var plan = PollPlan(points: meter.points, limits: meter.limits, cost: .tcp)
            for _ in 0..<3000 {
                if plan.requests.isEmpty || Int.random(in: 0..<20, using: &random) == 0 { plan.reconsider() }
                let index = Int.random(in: plan.requests.indices, using: &random)
                _ =
                    Bool.random(using: &random)
                    ? plan.record(exception: UInt8.random(in: 1...4, using: &random), of: index)
                    : plan.recordAnswer(of: index)
                let asked = plan.requests.flatMap(\.slots).map(\.point)
                #expect((asked + plan.dropped).sorted() == Array(meter.points.indices))
                #expect(plan.learntHoles.count <= room)
            }
        }
    }
}
