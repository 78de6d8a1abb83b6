import Metering
import Testing

@Suite struct RequestPlannerTests {
    @Test func neighboursShareARequest() {
        let requests = RequestPlanner.requests(
            for: [planned(2), planned(0), planned(6)], limits: .init(gap: 2), cost: .tcp)
        #expect(requests.map(\.span) == [RegisterSpan(function: .input, address: 0, count: 8)])
        #expect(
            requests[0].slots == [.init(point: 1, offset: 0), .init(point: 0, offset: 2), .init(point: 2, offset: 6)])
    }

    @Test func wideGapsAndOtherFunctionsSplit() {
        let points = [planned(0), planned(4), planned(8, .u16, .holding)]
        let spans = RequestPlanner.requests(for: points, limits: .init(gap: 1), cost: .tcp).map(\.span)
        #expect(spans.map(\.description) == ["FC3 8…8", "FC4 0…1", "FC4 4…5"])
    }

    @Test func theMetersLimitSplits() {
        let points = (0..<50).map { planned(UInt16(2 * $0)) }
        let spans = RequestPlanner.requests(for: points, limits: .init(registers: 80, gap: 0), cost: .tcp).map(\.span)
        #expect(spans.map(\.count) == [80, 20])
    }

    @Test func sharedRegistersAreReadOnce() {
        let requests = RequestPlanner.requests(
            for: [planned(10, .u32), planned(10, .s16), planned(11, .u16)], limits: .init(gap: 0), cost: .tcp)
        #expect(requests.count == 1)
        #expect(requests[0].span == RegisterSpan(function: .input, address: 10, count: 2))
        #expect(requests[0].slots.map(\.offset) == [0, 0, 1])
    }

    @Test func theLastRegisterIsReadable() {
        let requests = RequestPlanner.requests(
            for: [planned(65_534), planned(65_400)], limits: .init(gap: 200), cost: .tcp)
        #expect(requests.map(\.span.description) == ["FC4 65400…65401", "FC4 65534…65535"])
    }

    @Test func pointsThatShareADistantScaleAreReadWithIt() {
        // SunSpec model 103: currents at 2…5 with their scale at 6, voltages at 7…12 with theirs at 13.
        let points =
            (2...5).map { planned(UInt16($0), .u16, scale: 6) } + (7...12).map { planned(UInt16($0), .u16, scale: 13) }
        let together = RequestPlanner.requests(for: points, limits: .init(gap: 0), cost: .tcp)
        #expect(together.map(\.span.description) == ["FC4 2…13"])
        #expect(together[0].slots.map(\.offset) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10])
        let apart = RequestPlanner.requests(for: points, limits: .init(registers: 8, gap: 0), cost: .tcp)
        #expect(apart.map(\.span.description) == ["FC4 2…6", "FC4 7…13"])
    }

    @Test func aHoleIsReadOnlyByThePointThatNeedsIt() {
        let limits = RequestLimits(holes: [.init(function: .input, addresses: 2..<3)])
        let apart = RequestPlanner.requests(for: [planned(0), planned(4)], limits: limits, cost: .tcp)
        #expect(apart.map(\.span.description) == ["FC4 0…1", "FC4 4…5"])
        let needed = RequestPlanner.requests(for: [planned(0), planned(4, .u16, scale: 2)], limits: limits, cost: .tcp)
        #expect(needed.map(\.span.description) == ["FC4 0…4"])
        let other = RequestLimits(holes: [.init(function: .holding, addresses: 2..<3)])
        #expect(RequestPlanner.requests(for: [planned(0), planned(4)], limits: other, cost: .tcp).count == 1)
    }

    @Test func aPointWiderThanTheLimitIsReadByItself() {
        let points = [planned(0, .u16), planned(1, .f64), planned(5, .u16), planned(2, .u16)]
        let spans = RequestPlanner.requests(for: points, limits: .init(registers: 3), cost: .tcp).map(\.span)
        #expect(spans.map(\.description) == ["FC4 0…2", "FC4 1…4", "FC4 5…5"])
    }

    @Test func eightBitsCostAByte() {
        let cost = RequestCost(request: .milliseconds(10), byte: .milliseconds(1))
        #expect(cost.duration(of: RegisterSpan(function: .coil, address: 0, count: 9)) == .milliseconds(12))
        #expect(cost.duration(of: RegisterSpan(function: .holding, address: 0, count: 9)) == .milliseconds(28))
        // Twelve bytes more of unused bits, or registers, cost more than a request; eight do not.
        let bits = [planned(0, .bit, .coil), planned(97, .bit, .coil)]
        let limits = RequestLimits(gap: 125)
        #expect(RequestPlanner.requests(for: bits, limits: limits, cost: cost).count == 1 + 1)
        #expect(
            RequestPlanner.requests(for: [bits[0], planned(70, .bit, .coil)], limits: limits, cost: cost).count == 1)
        let registers = [planned(0, .u16), planned(7, .u16)]
        #expect(RequestPlanner.requests(for: registers, limits: limits, cost: cost).count == 2)
    }

    @Test func theCostOfALineCountsEveryCharacterAndSilence() {
        let cost = RequestCost(line: SerialLine(), turnaround: .milliseconds(5), pause: .milliseconds(20))
        // 13 + 2 × 10 characters of 10 bits, 2 silences of 3.5 characters of 11 bits, turnaround and pause.
        let time = cost.duration(of: RegisterSpan(function: .input, address: 0, count: 10))
        #expect(abs((time - .microseconds(34_375 + 8_021 + 25_000)) / .microseconds(1)) < 1)
    }

    /// The 40 points of the load benchmark, on the meter and as the catalogue limits it.
    @Test func aLineAndTCPWantDifferentRequests() {
        let addresses =
            Array(stride(from: 0, to: 36, by: 2)) + [42, 46, 48, 52, 56, 60, 62, 66, 70, 72, 74, 76, 78, 80, 84, 86]
            + [200, 202, 204, 206, 224, 342]
        let points = addresses.map { planned(UInt16($0)) }
        let line = RequestCost(line: SerialLine(), turnaround: .milliseconds(5), pause: .zero)
        let free = RequestLimits(gap: 125)
        func spans(_ limits: RequestLimits, _ cost: RequestCost) -> [String] {
            RequestPlanner.requests(for: points, limits: limits, cost: cost).map(\.span.description)
        }
        #expect(points.count == 40)
        #expect(spans(free, line) == ["FC4 0…87", "FC4 200…207", "FC4 224…225", "FC4 342…343"])
        #expect(spans(free, .tcp).count == 3)
        // 80 registers at most cost a request more; the widest bridge is taken out of the wire's time.
        #expect(
            spans(.init(registers: 80), line) == ["FC4 0…35", "FC4 42…87", "FC4 200…207", "FC4 224…225", "FC4 342…343"])
    }

    /// What is known of an SDM630 with 40 points, among them two late energies: least wire time at 9600-8N1.
    @Test func fiveRequestsAMeterAreTheLeastOnALine() {
        let addresses =
            Array(stride(from: 0, to: 36, by: 2)) + [42, 46, 48, 52, 56, 60, 62, 66, 70, 72, 74, 76, 78, 86]
            + [200, 202, 204, 206, 224, 342, 344, 378]
        let points = addresses.map { planned(UInt16($0)) }
        #expect(points.count == 40)
        let limits = RequestLimits(gap: 125)
        let line = RequestCost(line: SerialLine(), turnaround: .milliseconds(5), pause: .zero)
        let requests = RequestPlanner.requests(for: points, limits: limits, cost: line)
        #expect(
            requests.map(\.span.description)
                == ["FC4 0…87", "FC4 200…207", "FC4 224…225", "FC4 342…345", "FC4 378…379"])
        func time(_ requests: [PlannedRequest], _ cost: RequestCost) -> Double {
            requests.map { cost.duration(of: $0.span) }.reduce(.zero, +) * 8 / .seconds(1)
        }
        // 2.77 s for eight meters where silences are 3.5 characters of 10 bits; the standard's have 11.
        var shorter = line
        shorter.request -= (SerialLine().silence - .nanoseconds(35_000_000_000 / 9600)) * 2
        #expect(abs(time(requests, shorter) - 2.77) < 0.005)
        #expect(abs(time(requests, line) - 2.80) < 0.005)
        let fewest = RequestPlanner.requests(for: points, limits: limits, cost: .tcp)
        #expect(fewest.count == 3)
        let single = points.map { PlannedRequest(span: $0.span, slots: []) }
        #expect(abs(time(single, shorter) - 9.60) < 0.02)
    }

    @Test func equalTimesAreReadWithFewerRequests() {
        let cost = RequestCost(request: .milliseconds(4), byte: .milliseconds(1))
        let requests = RequestPlanner.requests(
            for: [planned(0, .u16), planned(3, .u16)], limits: .init(), cost: cost)
        #expect(requests.map(\.span.description) == ["FC4 0…3"])
    }

    @Test func manyPointsAreNoMatter() {
        let points = (0..<5000).map { planned(UInt16(3 * $0), .u16) }
        let requests = RequestPlanner.requests(for: points.reversed(), limits: .init(), cost: .tcp)
        #expect(requests.count == 120)
        #expect(requests.allSatisfy { $0.span.count <= 125 })
    }

    /// Every point is in exactly one request at its own place; no limit is passed; no wide gap is bridged.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func holdsForAnySetOfPoints(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let types = RegisterType.allCases
        let points = (0..<Int.random(in: 0...60, using: &random)).map { _ in
            planned(
                UInt16.random(in: 0...400, using: &random), types.randomElement(using: &random)!,
                RegisterFunction.allCases.randomElement(using: &random)!)
        }
        let limit = Int.random(in: 4...125, using: &random)
        let gap = Int.random(in: 0...40, using: &random)
        let requests = RequestPlanner.requests(for: points, limits: .init(registers: limit, gap: gap), cost: .tcp)
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
