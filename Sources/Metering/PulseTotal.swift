/// A meter's total by its pulses: a 64-bit count that is exact for ever, and the dial's stand that a person once read.
public struct PulseTotal: Hashable, Sendable {
    /// What a total that is remembered was counted by, when the configuration now says otherwise.
    public enum Change: Hashable, Sendable {
        /// Another number of pulses for one unit: what was counted so far stands, the rest counts anew.
        case scale(from: ExactDecimal, to: ExactDecimal)
        /// Another unit: the total begins with nothing; it was `before` in the unit `from`.
        case unit(from: String, before: Value)
    }

    /// Pulses ever counted.
    public private(set) var count: UInt64
    /// What the dial showed.
    private var dial: ExactDecimal
    /// The count at that moment.
    private var dialCount: UInt64
    private let perUnit: ExactDecimal
    /// The unit's UCUM code.
    private let unit: String

    /// Digits behind the point where the quotient has no end, as with 75 pulses per kWh.
    private static let digits: Int8 = 9

    /// A total that begins with nothing.
    public init(perUnit: ExactDecimal, unit: String) {
        (count, dialCount, dial) = (0, 0, .zero)
        (self.perUnit, self.unit) = (perUnit, unit)
    }

    /// A total that goes on where `memory` says, and what the configuration changed about it since.
    public static func restored(
        _ memory: String?, perUnit: ExactDecimal, unit: String
    ) -> (total: PulseTotal, change: Change?) {
        var total = PulseTotal(perUnit: perUnit, unit: unit)
        let parts = memory?.split(separator: " ") ?? []
        guard [3, 5].contains(parts.count), let count = UInt64(parts[0]), let dialCount = UInt64(parts[1]),
            dialCount <= count, let dial = ExactDecimal(parts[2])
        else { return (total, nil) }
        (total.count, total.dialCount, total.dial) = (count, dialCount, dial)
        // The first totals do not say what they were counted by.
        guard parts.count == 5, let formerScale = ExactDecimal(parts[3]), !formerScale.isNegative,
            formerScale.magnitude > 0
        else {
            return (total, nil)
        }
        let formerUnit = String(parts[4])
        guard formerScale != perUnit || formerUnit != unit else { return (total, nil) }
        var former = PulseTotal(perUnit: formerScale, unit: formerUnit)
        (former.count, former.dialCount, former.dial) = (count, dialCount, dial)
        guard formerUnit == unit, case .decimal(let stand) = former.value else {
            total.set(dial: .zero)
            return (total, .unit(from: formerUnit, before: former.value))
        }
        total.set(dial: stand)
        return (total, .scale(from: formerScale, to: perUnit))
    }

    /// What has to be remembered over a restart: `COUNT COUNT-AT-THE-DIAL DIAL PULSES-PER-UNIT UNIT`.
    public var memory: String { "\(count) \(dialCount) \(dial) \(perUnit) \(unit)" }

    /// Adds pulses.
    public mutating func add(_ pulses: UInt64) {
        // 2⁶⁴ pulses at 1 kHz take 585 million years.
        count += pulses
    }

    /// The dial shows `dial` now.
    public mutating func set(dial: ExactDecimal) {
        self.dial = dial
        dialCount = count
    }

    /// The total in its unit, exact where the quotient has an end and the sum fits 64 bits.
    public var value: Value {
        let pulses = ExactDecimal(magnitude: count - dialCount)
        let quotient = pulses.divided(by: perUnit) ?? rounded(pulses)
        guard let sum = quotient.adding(dial) else { return .double(quotient.approximate + dial.approximate) }
        return .decimal(sum)
    }

    private func rounded(_ pulses: ExactDecimal) -> ExactDecimal {
        let scaled = (pulses.approximate / perUnit.approximate) * ExactDecimal(1, exponent: Self.digits).approximate
        return ExactDecimal(magnitude: UInt64(exactly: scaled.rounded()) ?? 0, exponent: -Self.digits)
    }
}
