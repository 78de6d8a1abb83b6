import Metering
import Testing

@Suite struct RequestPlannerTests {
    private func point(_ address: UInt16, _ type: RegisterType = .f32, _ function: RegisterFunction = .input)
        -> PointDefinition
    {
        PointDefinition(
            name: "p\(address)", quantity: .ratio, unit: Unit(ucum: "1")!, kind: .gauge, function: function,
            address: address, type: type)
    }

    @Test func neighboursShareARequest() {
        let requests = RequestPlanner.requests(for: [point(2), point(0), point(6)], limits: .init(gap: 2))
        #expect(requests.map(\.span) == [RegisterSpan(function: .input, address: 0, count: 8)])
        #expect(
            requests[0].slots == [.init(point: 1, offset: 0), .init(point: 0, offset: 2), .init(point: 2, offset: 6)])
    }

    @Test func wideGapsAndOtherFunctionsSplit() {
        let points = [point(0), point(4), point(8, .u16, .holding)]
        let spans = RequestPlanner.requests(for: points, limits: .init(gap: 1)).map(\.span)
        #expect(spans.map(\.description) == ["FC3 8…8", "FC4 0…1", "FC4 4…5"])
    }

    @Test func theMetersLimitSplits() {
        let points = (0..<50).map { point(UInt16(2 * $0)) }
        let spans = RequestPlanner.requests(for: points, limits: .init(registers: 80, gap: 0)).map(\.span)
        #expect(spans.map(\.count) == [80, 20])
    }

    @Test func sharedRegistersAreReadOnce() {
        let requests = RequestPlanner.requests(
            for: [point(10, .u32), point(10, .s16), point(11, .u16)], limits: .init(gap: 0))
        #expect(requests.count == 1)
        #expect(requests[0].span == RegisterSpan(function: .input, address: 10, count: 2))
        #expect(requests[0].slots.map(\.offset) == [0, 0, 1])
    }

    @Test func theLastRegisterIsReadable() {
        let requests = RequestPlanner.requests(for: [point(65_534), point(65_400)], limits: .init(gap: 200))
        #expect(requests.map(\.span.description) == ["FC4 65400…65401", "FC4 65534…65535"])
    }

    /// Every point is in exactly one request at its own place; no limit is passed; no wide gap is bridged.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func holdsForAnySetOfPoints(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let types = RegisterType.allCases
        let points = (0..<Int.random(in: 0...60, using: &random)).map { _ in
            point(
                UInt16.random(in: 0...400, using: &random), types.randomElement(using: &random)!,
                RegisterFunction.allCases.randomElement(using: &random)!)
        }
        let limit = Int.random(in: 4...125, using: &random)
        let gap = Int.random(in: 0...40, using: &random)
        let requests = RequestPlanner.requests(for: points, limits: .init(registers: limit, gap: gap))
        #expect(requests.flatMap(\.slots).map(\.point).sorted() == Array(points.indices), "seed \(seed)")
        for request in requests {
            #expect(request.span.count <= limit)
            var used = Set<Int>()
            for slot in request.slots {
                let span = points[slot.point].span
                #expect(span.function == request.span.function)
                #expect(Int(span.address) == Int(request.span.address) + slot.offset)
                #expect(slot.offset + span.count <= request.span.count)
                used.formUnion(span.addresses)
            }
            var run = 0
            for address in request.span.addresses {
                run = used.contains(address) ? 0 : run + 1
                #expect(run <= gap, "seed \(seed): a gap of \(run) registers is read along")
            }
        }
    }
}
