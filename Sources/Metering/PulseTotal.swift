/// A meter's total by its pulses: a 64-bit count that is exact for ever, and the dial's stand that a person once read.
public struct PulseTotal: Hashable, Sendable {
    /// Pulses ever counted.
    public private(set) var count: UInt64
    /// What the dial showed.
    private var dial: ExactDecimal
    /// The count at that moment.
    private var dialCount: UInt64
    private let perUnit: ExactDecimal

    /// Digits behind the point where the quotient has no end, as with 75 pulses per kWh.
    private static let digits: Int8 = 9

    /// A total that begins with nothing, or with what `memory` says.
    public init(perUnit: ExactDecimal, memory: String? = nil) {
        self.perUnit = perUnit
        let parts = memory?.split(separator: " ") ?? []
        if parts.count == 3, let count = UInt64(parts[0]), let dialCount = UInt64(parts[1]), dialCount <= count,
            let dial = ExactDecimal(parts[2])
        {
            (self.count, self.dialCount, self.dial) = (count, dialCount, dial)
        } else {
            (count, dialCount, dial) = (0, 0, .zero)
        }
    }

    /// What has to be remembered over a restart: `COUNT COUNT-AT-THE-DIAL DIAL`.
    public var memory: String { "\(count) \(dialCount) \(dial)" }

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

    /// The total in its unit, exact where the quotient has an end.
    public var value: Value {
        let pulses = ExactDecimal(magnitude: count - dialCount)
        let quotient = pulses.divided(by: perUnit) ?? rounded(pulses)
        return .decimal(quotient.adding(dial) ?? quotient)
    }

    private func rounded(_ pulses: ExactDecimal) -> ExactDecimal {
        let scaled = (pulses.approximate / perUnit.approximate) * ExactDecimal(1, exponent: Self.digits).approximate
        return ExactDecimal(magnitude: UInt64(exactly: scaled.rounded()) ?? 0, exponent: -Self.digits)
    }
}
