/// An exact decimal number: ± magnitude × 10^exponent.
///
/// Holds every 64-bit register, signed or unsigned, with any decimal scale, without rounding.
public struct ExactDecimal: Hashable, Sendable {
    /// Whether the number is below zero. Zero itself is never negative.
    public let isNegative: Bool
    /// The digits.
    public let magnitude: UInt64
    /// The power of ten that the digits are multiplied by.
    public let exponent: Int8

    /// The number ± magnitude × 10^exponent.
    public init(isNegative: Bool = false, magnitude: UInt64, exponent: Int8 = 0) {
        self.isNegative = isNegative && magnitude != 0
        self.magnitude = magnitude
        self.exponent = exponent
    }

    /// The number `integer` × 10^exponent.
    public init(_ integer: Int64, exponent: Int8 = 0) {
        self.init(isNegative: integer < 0, magnitude: integer.magnitude, exponent: exponent)
    }

    /// The number 1.
    public static let one = ExactDecimal(1)
    /// The number 0.
    public static let zero = ExactDecimal(0)

    /// Reads a JSON or YAML number: `12.30`, `-5`, `1e-3`. Keeps trailing zeros of the fraction.
    ///
    /// Returns nil when the text is no number, has more than 19–20 significant digits or an exponent beyond ±127.
    public init?(_ text: some StringProtocol) {
        self.init(ascii: Array(text.utf8))
    }

    /// Reads a number from ASCII bytes; see `init(_:)`.
    public init?(ascii bytes: some Collection<UInt8>) {
        var rest = bytes[...]
        var negative = false
        if let first = rest.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            negative = first == UInt8(ascii: "-")
            rest = rest.dropFirst()
        }
        var magnitude: UInt64 = 0
        var exponent = 0
        var digits = 0
        var sawPoint = false
        while let byte = rest.first {
            if byte == UInt8(ascii: "."), !sawPoint {
                sawPoint = true
            } else if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
                let (tens, overflow) = magnitude.multipliedReportingOverflow(by: 10)
                let (sum, carry) = tens.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
                guard !overflow, !carry else { return nil }
                magnitude = sum
                digits += 1
                if sawPoint { exponent -= 1 }
            } else {
                break
            }
            rest = rest.dropFirst()
        }
        guard digits > 0 else { return nil }
        if let byte = rest.first, byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            guard let power = Int(String(decoding: rest.dropFirst(), as: UTF8.self)), (-999...999).contains(power)
            else { return nil }
            exponent += power
            rest = rest[rest.endIndex...]
        }
        guard rest.isEmpty, let small = Int8(exactly: exponent) else { return nil }
        self.init(isNegative: negative, magnitude: magnitude, exponent: small)
    }

    /// The same number with the fewest digits: 12.30 → 12.3, 1200 → 12 × 10². Equal numbers have equal normal forms.
    public var normalized: ExactDecimal {
        guard magnitude != 0 else { return .zero }
        var digits = magnitude
        var power = Int(exponent)
        while digits % 10 == 0, power < 127 {
            digits /= 10
            power += 1
        }
        return ExactDecimal(isNegative: isNegative, magnitude: digits, exponent: Int8(power))
    }

    /// The exact product, or nil when it does not fit.
    public func multiplied(by other: ExactDecimal) -> ExactDecimal? {
        let (product, overflow) = magnitude.multipliedReportingOverflow(by: other.magnitude)
        guard !overflow, let power = Int8(exactly: Int(exponent) + Int(other.exponent)) else { return nil }
        return ExactDecimal(isNegative: isNegative != other.isNegative, magnitude: product, exponent: power)
    }

    /// The nearest Double.
    public var approximate: Double {
        let power = Int(exponent)
        // Both are Doubles exactly, so that one rounding is all there is.
        guard magnitude < 1 << 53, abs(power) < Self.powers.count else { return Double(description) ?? .nan }
        let digits = Double(magnitude)
        let size = power < 0 ? digits / Self.powers[-power] : digits * Self.powers[power]
        return isNegative ? -size : size
    }

    /// 10⁰ … 10²², which are Doubles exactly.
    private static let powers: [Double] = (0...22).map { Double("1e\($0)") ?? .nan }

    /// The number with the other sign.
    public var negated: ExactDecimal {
        ExactDecimal(isNegative: !isNegative, magnitude: magnitude, exponent: exponent)
    }

    /// The quotient; nil where it has no end as a decimal, or more than 64 bits of digits.
    public func divided(by other: ExactDecimal) -> ExactDecimal? {
        let (a, b) = (normalized, other.normalized)
        guard b.magnitude != 0 else { return nil }
        var digits = a.magnitude
        var power = Int(a.exponent) - Int(b.exponent)
        while digits % b.magnitude != 0 {
            let (product, overflow) = digits.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            digits = product
            power -= 1
        }
        guard let small = Int8(exactly: power) else { return nil }
        return ExactDecimal(
            isNegative: a.isNegative != b.isNegative, magnitude: digits / b.magnitude, exponent: small
        ).normalized
    }

    /// The exact sum, or nil when it does not fit.
    public func adding(_ other: ExactDecimal) -> ExactDecimal? {
        if other.magnitude == 0 { return self }
        if magnitude == 0 { return other }
        let power = min(exponent, other.exponent)
        guard let a = scaled(to: power), let b = other.scaled(to: power) else { return nil }
        if isNegative == other.isNegative {
            let (sum, overflow) = a.addingReportingOverflow(b)
            return overflow ? nil : ExactDecimal(isNegative: isNegative, magnitude: sum, exponent: power)
        }
        return a >= b
            ? ExactDecimal(isNegative: isNegative, magnitude: a - b, exponent: power)
            : ExactDecimal(isNegative: other.isNegative, magnitude: b - a, exponent: power)
    }

    /// The magnitude this number has when written with a smaller exponent.
    private func scaled(to power: Int8) -> UInt64? {
        var digits = magnitude
        for _ in 0..<(Int(exponent) - Int(power)) {
            let (tens, overflow) = digits.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            digits = tens
        }
        return digits
    }
}

extension ExactDecimal: CustomStringConvertible {
    /// A plain JSON number: `12.3`, `-0.05`, `18446744073709551615`; where zeros would follow beyond 19 places `12e30`.
    ///
    /// `init(_:)` reads each back as the same number: 19 digits always fit its 64 bits, 20 do not.
    public var description: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the characters of `description`.
    public func append(to bytes: inout [UInt8]) {
        if isNegative { bytes.append(UInt8(ascii: "-")) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var count = 0
            var rest = magnitude
            repeat {
                digits[count] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
                count += 1
            } while rest > 0
            let power = Int(exponent)
            if power > 0, power <= 19 - count || magnitude == 0 {
                for index in (0..<count).reversed() { bytes.append(digits[index]) }
                if magnitude != 0 { bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: power)) }
            } else if power > 0 || power < -20 {
                for index in (0..<count).reversed() { bytes.append(digits[index]) }
                bytes.append(UInt8(ascii: "e"))
                bytes.append(contentsOf: String(power).utf8)
            } else {
                let fraction = -power
                if count <= fraction {
                    bytes.append(UInt8(ascii: "0"))
                } else {
                    for index in (fraction..<count).reversed() { bytes.append(digits[index]) }
                }
                if fraction > 0 {
                    bytes.append(UInt8(ascii: "."))
                    for index in (0..<fraction).reversed() {
                        bytes.append(index < count ? digits[index] : UInt8(ascii: "0"))
                    }
                }
            }
        }
    }
}
