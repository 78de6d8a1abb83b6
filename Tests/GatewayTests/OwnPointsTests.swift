import Configuration
import Metering
import Testing

@testable import Fieldbus
@testable import Gateway
@testable import Lab

/// Points that somebody wrote from a manual, one register off, in the wrong order, or right.
struct OwnPointsTests {
    /// All models with registers of their own, as if somebody had written their points.
    private static let definitions: [MeterDefinition] = {
        let catalogue = Catalogue(share: nil)
        return catalogue.models().compactMap { (try? catalogue.definition(model: $0.name)) ?? nil }
            .filter { $0.sunSpec == nil }
    }()

    private typealias Ask = (RegisterSpan) -> OwnPoints.Answer

    /// What the inquiry says of `points`, whose unit answers with `ask`.
    private func verdict(of points: [PointDefinition], _ ask: Ask) throws -> SilenceVerdict {
        var own = OwnPoints(points)
        let chosen = try #require(OwnPoints.telling(points))
        var inquiry = SilenceInquiry(.init(kind: .serial, hasModel: true, hasOwnPoints: true))
        func finding(_ span: RegisterSpan) -> SilenceInquiry.Finding {
            guard case .words(let words) = ask(span) else { return .exception(2) }
            return .answered(milliseconds: 5, isPlausible: OwnPoints.isPlausible(chosen, words))
        }
        while let step = inquiry.next {
            switch step {
            case .connection: inquiry.note(step, .connected)
            case .points:
                let results = points.map { result($0, ask) }
                var count = SilenceInquiry.PointCount(values: 0)
                count.isPlausible = own.take(results)
                for result in results {
                    switch result {
                    case .value: count.values += 1
                    case .notAvailable: count.empty += 1
                    case .failed: count.refused += 1
                    }
                }
                (count.isDoubted, count.impossible) = (own.isDoubted, own.impossible)
                count.hasOtherOrder = own.swapped != nil
                inquiry.note(step, .points(count))
            case .shifted(let by): inquiry.note(step, .place(own.shifted(by, ask: ask)))
            case .otherOrder: inquiry.note(step, .place(try #require(own.swapped)))
            case .otherFunction:
                let function: RegisterFunction = chosen.function == .input ? .holding : .input
                let span = chosen.neededSpan
                inquiry.note(
                    step, finding(RegisterSpan(function: function, address: span.address, count: span.count)))
            default: inquiry.note(step, finding(chosen.neededSpan))
            }
        }
        return inquiry.verdict
    }

    private func result(_ point: PointDefinition, _ ask: Ask) -> MeterPoll.PointResult {
        let needed = point.neededSpan
        guard case .words(let words) = ask(needed) else {
            return .failed(ModbusError(code: .exception(2), endpoint: "x", unit: 1))
        }
        let first = Int(point.address) - Int(needed.address)
        let own = Array(words[first..<first + point.count])
        guard case .value(let value) = RegisterDecoder(point).decode(words, at: first) else {
            return .notAvailable(words: own)
        }
        return .value(value, at: Instant(nanoseconds: 0), words: own)
    }

    /// A simulated meter that has lived for a while.
    private func device(_ definition: MeterDefinition, seed: UInt64) throws -> Ask {
        let meter = try SimulatedMeter(name: "m", definition: definition, seed: seed)
        var now = Instant(nanoseconds: 0)
        // At 10 and at 20 o'clock: what a building needs depends on it, and the test must not.
        let offset = ClockOffset(nanoseconds: Int64(seed) * 36_000_000_000_000)
        return { span in
            now = now + .seconds(7)
            meter.renew(span.function, span.addresses, at: now, offset)
            guard !span.function.readsBits,
                let answer = meter.answer(span.function, span.addresses, at: offset.timestamp(of: now))
            else { return .refused }
            return .words(answer.words)
        }
    }

    private func moved(_ points: [PointDefinition], by: Int) -> [PointDefinition]? {
        guard points.allSatisfy({ SilenceWords.canShift($0.neededSpan, by) }) else { return nil }
        return points.map { point in
            var point = point
            point.address = UInt16(Int(point.address) + by)
            if let scale = point.conversion.scaleRegister {
                point.conversion.scaleRegister?.address = UInt16(Int(scale.address) + by)
            }
            return point
        }
    }

    /// What a unit answers where the model has no register.
    enum Outside: CaseIterable {
        case refusal, zero, anything
    }

    /// The same unit, but for registers that the model does not have.
    private func outside(_ kind: Outside, _ ask: @escaping Ask) -> Ask {
        { span in
            let answer = ask(span)
            guard kind != .refusal, case .refused = answer else { return answer }
            return .words(
                span.addresses.map { address in
                    if case .words(let words) = ask(
                        RegisterSpan(function: span.function, address: UInt16(address), count: 1))
                    {
                        return words[0]
                    }
                    return kind == .zero ? 0 : UInt16(truncatingIfNeeded: (address &* 2_654_435_761) >> 7)
                })
        }
    }

    /// All points, each alone, and some three in a row.
    private func choices(_ points: [PointDefinition]) -> [[PointDefinition]] {
        [points] + points.map { [$0] } + stride(from: 0, to: points.count - 2, by: 3).map { Array(points[$0...$0 + 2]) }
    }

    /// Whatever the meter, and however few of its points are written.
    @Test(arguments: Outside.allCases) func noShiftIsAdvisedWhereThePlaceIsRight(_ kind: Outside) throws {
        for definition in Self.definitions {
            for seed in [1, 2] as [UInt64] {
                let ask = outside(kind, try device(definition, seed: seed))
                for points in choices(definition.points) {
                    let verdict = try verdict(of: points, ask)
                    switch verdict.cause {
                    case .answers, .incomplete: break
                    default: Issue.record("\(definition.model) \(points.map(\.name)): \(verdict)")
                    }
                }
            }
        }
    }

    /// One register off in either direction: told for nearly all meters, and never held for proven the wrong way.
    @Test(arguments: [1, -1], Outside.allCases) func aShiftIsTold(by: Int, _ kind: Outside) throws {
        var (told, unclear, all) = (0, 0, 0)
        for definition in Self.definitions {
            let ask = outside(kind, try device(definition, seed: 1))
            for (number, points) in choices(definition.points).enumerated() {
                guard let points = moved(points, by: by) else { continue }
                let verdict = try verdict(of: points, ask)
                if number == 0 { all += 1 }
                switch verdict.cause {
                case .shifted(-by, _, _): if number == 0 { told += 1 }
                case .shifted(_, isProven: false, _), .otherOrder(isProven: false, _): break
                case .shifted, .otherOrder:
                    Issue.record("\(definition.model) \(points.map(\.name)): \(verdict)")
                case .unclear: if number == 0 { unclear += 1 }
                default: break
                }
            }
        }
        // Where a unit answers beyond its registers, less can be told apart.
        let enough = kind == .refusal ? told * 10 >= all * 9 : (told + unclear) * 10 >= all * 8
        #expect(enough, "\(told) of \(all), \(unclear) unclear")
    }

    /// The other mistake that tears values: it is never taken for a shift.
    @Test(arguments: Outside.allCases) func anOtherOrderIsNoShift(_ kind: Outside) throws {
        var (told, unclear, all) = (0, 0, 0)
        for definition in Self.definitions where definition.points.contains(where: { $0.type.wordCount > 1 }) {
            let ask = outside(kind, try device(definition, seed: 1))
            for (number, points) in choices(definition.points).enumerated() {
                let points = points.map { point in
                    var point = point
                    if point.type != .text { point.order = point.order.wordsSwapped }
                    return point
                }
                let verdict = try verdict(of: points, ask)
                if number == 0 { all += 1 }
                switch verdict.cause {
                case .otherOrder: if number == 0 { told += 1 }
                case .unclear: if number == 0 { unclear += 1 }
                case .shifted(_, isProven: true, _):
                    Issue.record("\(definition.model) \(points.map(\.name)): \(verdict)")
                default: break
                }
            }
        }
        #expect(told * 2 >= all, "\(told) of \(all), \(unclear) unclear")
    }

    // MARK: - Known registers

    private func point(
        _ name: String, _ quantity: Quantity, _ unit: String, _ address: UInt16, _ type: RegisterType = .u16,
        scale: String = "1", kind: PointKind = .gauge
    ) throws -> PointDefinition {
        PointDefinition(
            name: name, quantity: quantity, unit: try #require(Unit(ucum: unit)), kind: kind, function: .input,
            address: address, type: type, conversion: Conversion(scale: try #require(ExactDecimal(scale))))
    }

    /// A unit with these input registers and no others.
    private func unit(_ registers: [UInt16]) -> Ask {
        { span in
            guard span.function == .input, span.addresses.upperBound <= registers.count else { return .refused }
            return .words(Array(registers[span.addresses]))
        }
    }

    struct Sight: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var quantity: Quantity
        var unit: String
        var type = RegisterType.u16
        var scale = "1"
        var kind = PointKind.gauge
        var words: [UInt16]
        var verdict: PointTestimony.Verdict
    }

    static let sights: [Sight] = [
        Sight(
            testDescription: "a power factor", quantity: .powerFactor, unit: "1", type: .s16, scale: "0.001",
            words: [950], verdict: .likely),
        Sight(
            testDescription: "a power factor of 2.3", quantity: .powerFactor, unit: "1", type: .s16, scale: "0.001",
            words: [2301], verdict: .impossible(.range)),
        Sight(
            testDescription: "a power factor without its scale", quantity: .powerFactor, unit: "1", type: .s16,
            words: [950], verdict: .impossible(.slip)),
        Sight(
            testDescription: "300 °C", quantity: .temperature, unit: "Cel", type: .s16, scale: "0.1", words: [3000],
            verdict: .impossible(.range)),
        Sight(testDescription: "294 K", quantity: .temperature, unit: "K", words: [294], verdict: .likely),
        Sight(
            testDescription: "no sensor", quantity: .temperature, unit: "Cel", type: .s16, scale: "0.1",
            words: [0x8000], verdict: .nothing),
        Sight(
            testDescription: "110 % of humidity", quantity: .humidity, unit: "%", words: [110],
            verdict: .impossible(.slip)),
        Sight(
            testDescription: "50 Hz", quantity: .frequency, unit: "Hz", scale: "0.01", words: [5000], verdict: .likely),
        Sight(
            testDescription: "a counter below 0", quantity: .activeEnergy, unit: "kW.h", type: .s32, kind: .counter,
            words: [0xFFF0, 0x1234], verdict: .impossible(.range)),
        Sight(
            testDescription: "a power below 0", quantity: .activePower, unit: "W", type: .s32, words: [0xFFFF, 0xF000],
            verdict: .possible),
        Sight(
            testDescription: "the halves of two floats", quantity: .activeEnergy, unit: "kW.h", type: .f32,
            kind: .counter, words: [0x0666, 0x4640], verdict: .impossible(.torn)),
        Sight(
            testDescription: "a float", quantity: .activePower, unit: "kW", type: .f32, words: [0x3F9A, 0xA64C],
            verdict: .credible),
        Sight(
            testDescription: "nothing", quantity: .voltage, unit: "V", type: .f32, words: [0, 0], verdict: .nothing),
    ]

    @Test(arguments: sights) func whatRegistersSay(_ sight: Sight) throws {
        let point = try point("p", sight.quantity, sight.unit, 0, sight.type, scale: sight.scale, kind: sight.kind)
        #expect(PointTestimony(of: point, needed: sight.words).verdict == sight.verdict)
    }

    /// Integers one register off end in 0, all of them.
    @Test func integersAreLookedAtTogether() throws {
        let registers: [UInt16] = [0, 3120, 0, 1412, 0, 52_001, 0, 870, 0]
        func points(_ by: UInt16) throws -> [PointDefinition] {
            try (0..<4).map { number in
                try point(
                    "e\(number)", .activeEnergy, "kW.h", UInt16(2 * number) + by, .u32, scale: "0.01", kind: .counter)
            }
        }
        #expect(try verdict(of: points(0), unit(registers)).cause == .answers)
        // The words the other way round would look the same: it cannot be told which it is.
        #expect(try verdict(of: points(1), unit(registers)).cause == .unclear([.shifted(-1), .otherOrder]))
        // Where the unit has no register beyond, it can.
        #expect(try verdict(of: points(1), unit(registers.dropLast())).cause == .shifted(-1, isProven: true))
    }

    /// A sensor that is broken, or a scale that was forgotten, is no reason to move anything.
    @Test func otherMistakesAreNoShift() throws {
        let temperatures = try (0..<4).map { try point("t\($0)", .temperature, "Cel", UInt16($0), .s16, scale: "0.1") }
        guard case .impossible(let count) = try verdict(of: temperatures, unit([211, 224, 8500, 198])).cause else {
            Issue.record("850 °C passes")
            return
        }
        #expect(count.impossible == ["t2 850.0 °C"])
        let unscaled = try [point("f", .frequency, "Hz", 1), point("pf", .powerFactor, "1", 2, .s16)]
        guard case .impossible = try verdict(of: unscaled, unit([55, 5000, 950, 60])).cause else {
            Issue.record("a forgotten scale is taken for a shift")
            return
        }
    }

    /// The outermost register is refused, and nothing else is wrong: only perhaps.
    @Test func aRefusalAtTheEdgeIsAHint() throws {
        let voltages = try (1...3).map { try point("u\($0)", .voltage, "V", UInt16($0), scale: "0.1") }
        let edge = try verdict(of: voltages, unit([2301, 2311, 2298]))
        #expect(edge.cause == .shifted(-1, isProven: false) && edge.result == .unknown)
        // In the middle it is a register that the unit does not have.
        let inner: Ask = { span in
            span.addresses.contains(2) ? .refused : .words(span.addresses.map { _ in 2301 })
        }
        guard case .incomplete = try verdict(of: voltages, inner).cause else {
            Issue.record("a hole is taken for a shift")
            return
        }
    }
}
