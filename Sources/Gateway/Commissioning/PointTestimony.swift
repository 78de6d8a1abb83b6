internal import Metering

/// What the registers at a point's place say about whether they are the point's.
///
/// One register off, a value of two or four registers is made of the halves of two: a float gets an exponent that no
/// measurement has, an integer a lower half of 0. A value of one register is its neighbour's: only what is impossible
/// for the point's quantity gives that away.
struct PointTestimony: Equatable, Sendable {
    enum Verdict: Equatable, Sendable {
        /// 0, or the code for "no value": it can stand anywhere.
        case nothing
        /// Nothing speaks against it.
        case possible
        /// What is known of its quantity speaks against it, though it can be.
        case unlikely
        /// A float with the exponent of a measurement, as few have by chance.
        case credible
        /// What is to be expected of its quantity.
        case likely
        /// It cannot be the point's.
        case impossible(Doubt)
        /// The unit refused.
        case refused
        /// No answer.
        case unanswered
    }

    /// Why a value cannot be.
    enum Doubt: Equatable, Sendable {
        /// Out of its quantity's range, but a forgotten scale explains that, too.
        case slip
        /// Out of its quantity's range.
        case range
        /// Made of the halves of two values.
        case torn
    }

    /// The two halves of an integer of several registers.
    enum Halves: Equatable, Sendable {
        case none
        /// As integers are.
        case ordinary
        /// Little in the lowest register and more in the one above: one in 256 is so by chance.
        case small
        /// Nothing in the lowest register: one in 65 536 is so by chance.
        case zero
    }

    var verdict: Verdict
    var halves = Halves.none
    /// The value as people read it: `230.1 V`.
    var text = ""

    /// Whether the registers cannot be the point's, or are not to be had.
    var isDoubted: Bool {
        switch verdict {
        case .impossible, .refused, .unanswered: true
        default: false
        }
    }
}

extension PointTestimony {
    /// What `words` say, the registers of the point's `neededSpan`.
    init(of point: PointDefinition, needed words: [UInt16]) {
        let needed = point.neededSpan
        let first = Int(point.address) - Int(needed.address)
        guard words.count == needed.count, case .value(let value) = RegisterDecoder(point).decode(words, at: first)
        else {
            self.init(verdict: .nothing)
            return
        }
        self.init(of: point, value, Array(words[first..<first + point.count]))
    }

    /// What `value` says, which the point's own `words` hold.
    init(of point: PointDefinition, _ value: Value, _ words: [UInt16]) {
        let text = point.unit.ucum == "1" ? "\(value)" : "\(value) \(point.unit.symbol)"
        guard !point.isText, point.type != .bit, point.type != .text, words.contains(where: { $0 != 0 }),
            !Self.isCode(words)
        else {
            self.init(verdict: .nothing, text: text)
            return
        }
        let expectation = Expectation(of: point)
        let number = value.approximate
        var verdict = Verdict.possible
        if !expectation.allows(number) {
            verdict = .impossible(expectation.isSlip(number, of: point) ? .slip : .range)
        } else if expectation.expects(number) {
            verdict = .likely
        } else if expectation.isSharp {
            verdict = .unlikely
        }
        var halves = Halves.none
        switch point.type {
        case .f32, .f64:
            // The float as it stands in the registers: a scale moves it, but not by so much.
            if !Expectation.exponents.contains(abs(number)) {
                verdict = .impossible(.torn)
            } else if verdict == .possible {
                verdict = .credible
            }
        case .u32, .s32, .u48, .s48, .u64, .s64:
            if verdict != .likely, point.kind != .state, point.conversion.bits == nil {
                halves = Self.halves(of: words, point.order)
            }
        default: break
        }
        self.init(verdict: verdict, halves: halves, text: text)
    }

    /// Makers write "no value" as all ones, or as the greatest or least number, and do not always say so.
    private static func isCode(_ words: [UInt16]) -> Bool {
        let rest = words.dropFirst()
        let codes: [[UInt16]] = [
            words.map { _ in 0xFFFF }, [0x7FFF] + rest.map { _ in 0xFFFF }, [0x8000] + rest.map { _ in 0 },
        ]
        return codes.contains { $0 == words || $0 == words.reversed() }
    }

    private static func halves(of words: [UInt16], _ order: WordOrder) -> Halves {
        var words = words.indices.map { words[order.place(ofWord: $0, of: words.count)] }
        if order.swapsBytes { words = words.map(\.byteSwapped) }
        let (low, above) = (words[words.count - 1], words[words.count - 2])
        // Negative numbers next to 0 are all ones above.
        if words.dropLast().allSatisfy({ $0 == 0 }) || words.dropLast().allSatisfy({ $0 == 0xFFFF }) {
            return .ordinary
        }
        return low == 0 ? .zero : low < 0x100 && above >= 0x100 ? .small : .ordinary
    }

    /// Integers are looked at together: one may end in 0 by chance, most of them do not.
    static func together(_ testimonies: [PointTestimony]) -> [PointTestimony] {
        let integers = testimonies.count { $0.halves != .none }
        let odd = testimonies.count { $0.halves == .small || $0.halves == .zero }
        guard odd * 2 > integers, odd > 1 || testimonies.contains(where: { $0.halves == .zero }) else {
            return testimonies
        }
        return testimonies.map { testimony in
            var testimony = testimony
            if testimony.halves == .small || testimony.halves == .zero { testimony.verdict = .impossible(.torn) }
            return testimony
        }
    }
}

/// What a quantity's values can be, and which are to be expected.
private struct Expectation {
    /// What can be at all.
    private var possible: ClosedRange<Double>?
    /// The least that is not 0.
    private var least = 0.0
    /// What meters mostly show.
    private var usual: [ClosedRange<Double>] = []
    /// Whether values beside the usual ones are rare.
    private(set) var isSharp = false
    /// What one of the point's unit is in the unit of the ranges.
    private let factor: Double
    private let start: Double

    /// Sizes that floats of measurements have, and halves of two floats mostly have not.
    static let exponents = 1e-20...1e20

    /// The units of the ranges are V, A, W, W h, Hz, °C, Pa, m³, m³/h, s; percentages are fractions.
    private static let factors: [String: Double] = [
        "mV": 1e-3, "kV": 1e3, "mA": 1e-3, "kW": 1e3, "MW": 1e6, "kV.A": 1e3, "kV.A{reactive}": 1e3, "kW.h": 1e3,
        "MW.h": 1e6, "kV.A.h": 1e3, "kV.A.h{reactive}": 1e3, "J": 1 / 3600, "GJ": 1e9 / 3600, "%": 0.01, "bar": 1e5,
        "kPa": 1e3, "hPa": 100, "mbar": 100, "l": 1e-3, "ml": 1e-6, "l/h": 1e-3, "l/min": 0.06, "min": 60, "h": 3600,
        "d": 86_400, "[ppb]": 1e-3,
    ]

    init(of point: PointDefinition) {
        factor = Self.factors[point.unit.ucum] ?? 1
        start = point.unit.ucum == "K" ? -273.15 : 0
        switch point.quantity {
        case .voltage:
            (possible, least, usual, isSharp) = (-1e6...1e6, 0.001, [85...290, 340...480], true)
        case .frequency: (possible, usual, isSharp) = (10...500, [45...65], true)
        case .current: (possible, least) = (-1e5...1e5, 1e-12)
        // 100 MW is more than a city's gateway meets.
        case .activePower, .reactivePower, .apparentPower, .thermalPower: (possible, least) = (-1e8...1e8, 1e-12)
        case .powerFactor: (possible, least, usual) = (-1.01...1.01, 1e-6, [-1 ... -0.2, 0.2...1])
        case .phaseAngle: possible = -360...360
        case .activeEnergy, .reactiveEnergy, .apparentEnergy, .thermalEnergy: (possible, least) = (-1e13...1e13, 1e-6)
        case .voltageDistortion, .currentDistortion: possible = 0...10
        case .volume: (possible, least) = (-1e9...1e9, 1e-9)
        case .flow: (possible, least) = (-1e5...1e5, 1e-12)
        case .temperature: (possible, least, usual) = (-60...250, 1e-3, [-30 ... -0.1, 0.1...120])
        case .humidity: (possible, least, usual, isSharp) = (0...1.005, 1e-3, [0.05...1.005], true)
        case .moisture: (possible, least) = (0...1.005, 1e-6)
        case .pressure: possible = -1e5...1e8
        case .carbonDioxide: (possible, usual, isSharp) = (0...1e5, [300...5000], true)
        case .duration: possible = 0...6.4e9
        case .ratio: possible = point.unit.ucum == "%" ? -2...2 : nil
        case .speed: possible = -150...150
        case .soundLevel: possible = -20...200
        case .illuminance: possible = 0...2e5
        case .acidity: possible = 0...14
        case .count, .state, .organicCompounds, .mass, .massFlow, .conductivity, .massConcentration: break
        }
        // What accumulates begins at 0.
        if point.kind == .counter { possible = 0...(possible?.upperBound ?? .greatestFiniteMagnitude) }
    }

    private func base(_ number: Double) -> Double { number * factor + start }

    func allows(_ number: Double) -> Bool {
        let number = base(number)
        guard let possible else { return true }
        return possible.contains(number) && (number == 0 || abs(number) >= least)
    }

    func expects(_ number: Double) -> Bool {
        let number = base(number)
        return usual.contains { $0.contains(number) }
    }

    /// Whether a scale of 0.1 … 0.001 that was forgotten would make it what is to be expected.
    func isSlip(_ number: Double, of point: PointDefinition) -> Bool {
        guard point.type != .f32, point.type != .f64, point.conversion == .none else { return false }
        return [0.1, 0.01, 0.001].contains { expects(number * $0) }
    }
}
