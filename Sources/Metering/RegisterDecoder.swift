/// Turns the registers of one point into its value, exactly.
public struct RegisterDecoder: Hashable, Sendable {
    /// What the registers say.
    public enum Result: Hashable, Sendable {
        /// A value.
        case value(Value)
        /// The code by which the meter says that it has none; a text without characters.
        case notAvailable
        /// Registers that hold no number: NaN, an infinity, digits above 9 in a BCD, a text of other characters, or
        /// scaled beyond every number.
        case noNumber
    }

    private let point: PointDefinition
    private let scale: ExactDecimal
    private let offset: ExactDecimal
    /// The line through two points whose slope has no end as a decimal.
    private let line: Conversion.Line?
    private let isPlain: Bool

    /// A decoder for the registers of `point`.
    public init(_ point: PointDefinition) {
        self.point = point
        let conversion = point.conversion
        if let (slope, start) = conversion.line?.exact {
            (scale, offset, line) = (slope, start, nil)
        } else {
            (scale, offset, line) = (conversion.scale, conversion.offset, conversion.line)
        }
        isPlain = scale == .one && offset == .zero && line == nil && conversion.scaleRegister == nil
    }

    /// The value in `words`, in which the point's first register is at `index`.
    ///
    /// Precondition: all registers of the point's `neededSpan` are in `words`.
    public func decode(_ words: UnsafeBufferPointer<UInt16>, at index: Int) -> Result {
        var raw = point.order.bits(of: words, at: index, count: point.type.wordCount)
        if !point.notAvailable.isEmpty, point.notAvailable.contains(raw) { return .notAvailable }
        if let bits = point.conversion.bits {
            let mask = UInt64.max >> UInt64(64 - bits.count)
            raw = raw >> UInt64(bits.lowerBound) & mask
            if point.type.isSigned, raw > mask >> 1 { raw |= ~mask }
        }
        guard let factor = factor(words, at: index) else { return .notAvailable }
        switch point.type {
        case .f16:
            let number = Float16(bitPattern: UInt16(truncatingIfNeeded: raw))
            guard number.isFinite else { return .noNumber }
            // Every half has an exact decimal: 230.1, which as a Float would be 230.125.
            return scaled(number.description, fallback: Double(number), factor)
        case .f32:
            let number = Float(bitPattern: UInt32(truncatingIfNeeded: raw))
            guard number.isFinite else { return .noNumber }
            return isPlain
                ? .value(.float(number)) : scaled(number.description, fallback: Double(number), factor)
        case .f64:
            let number = Double(bitPattern: raw)
            guard number.isFinite else { return .noNumber }
            return isPlain ? .value(.double(number)) : scaled(number.description, fallback: number, factor)
        case .text where point.isText:
            let characters = point.order.characters(in: words, at: index, count: point.count)
            return ExactText(characters: characters).map { .value(.text($0)) } ?? .notAvailable
        case .text:
            guard let number = point.order.number(in: words, at: index, count: point.count) else { return .noNumber }
            return scaled(number, factor)
        default:
            guard let number = point.type.number(raw) else { return .noNumber }
            return scaled(number, factor)
        }
    }

    /// The value in `words`, for callers that hold an array.
    public func decode(_ words: [UInt16], at index: Int = 0) -> Result {
        words.withUnsafeBufferPointer { decode($0, at: index) }
    }

    /// What the scale's register says; 1 where there is none, nil where it says "no value".
    private func factor(_ words: UnsafeBufferPointer<UInt16>, at index: Int) -> ExactDecimal? {
        guard let register = point.conversion.scaleRegister else { return .one }
        let place = index + Int(register.address) - Int(point.address)
        let raw = point.order.bits(of: words, at: place, count: register.type.wordCount)
        // SunSpec Device Information Model, "sunssf": 0x8000 is "not implemented".
        if register.type == .s16, raw == 0x8000 { return nil }
        guard let number = register.type.number(raw) else { return nil }
        guard register.role == .exponent else { return number }
        let power = number.isNegative ? -Int64(clamping: number.magnitude) : Int64(clamping: number.magnitude)
        return Int8(exactly: power).map { ExactDecimal(1, exponent: $0) }
    }

    /// raw × scale × factor + offset; the nearest Double where the exact result has more than 64 bits of digits.
    private func scaled(_ raw: ExactDecimal, _ factor: ExactDecimal) -> Result {
        if isPlain { return .value(.decimal(raw)) }
        if line == nil, let exact = raw.multiplied(by: scale)?.multiplied(by: factor)?.adding(offset) {
            return .value(.decimal(exact))
        }
        return approximate(Value.decimal(raw).approximate, factor)
    }

    /// A float's shortest decimal is what its meter meant: 230.1, not 230.10000610351562.
    private func scaled(_ shortest: String, fallback: Double, _ factor: ExactDecimal) -> Result {
        guard let raw = ExactDecimal(shortest) else { return approximate(fallback, factor) }
        return scaled(raw.normalized, factor)
    }

    private func approximate(_ raw: Double, _ factor: ExactDecimal) -> Result {
        func double(_ number: ExactDecimal) -> Double { Value.decimal(number).approximate }
        let number =
            if let line {
                double(line.value[0]) + (raw - double(line.raw[0])) * (double(line.value[1]) - double(line.value[0]))
                    / (double(line.raw[1]) - double(line.raw[0]))
            } else {
                raw * double(scale) * double(factor) + double(offset)
            }
        return number.isFinite ? .value(.double(number)) : .noNumber
    }
}

extension WordOrder {
    /// The bits of `count` registers from `index` on, with the most significant word first.
    func bits(of words: UnsafeBufferPointer<UInt16>, at index: Int, count: Int) -> UInt64 {
        precondition(index >= 0 && index + count <= words.count, "registers of a point are missing in the answer")
        var raw: UInt64 = 0
        for rank in 0..<count {
            let word = words[index + place(ofWord: rank, of: count)]
            raw = raw << 16 | UInt64(swapsBytes ? word.byteSwapped : word)
        }
        return raw
    }
}

extension WordOrder {
    /// The number that the text in `count` registers spells, such as ` 230.1`; nil where it spells none.
    ///
    /// A 0 ends the text; spaces around it do not count.
    fileprivate func number(in words: UnsafeBufferPointer<UInt16>, at index: Int, count: Int) -> ExactDecimal? {
        let space = UInt8(ascii: " ")
        let spelt = characters(in: words, at: index, count: count).prefix { $0 != 0 }.drop { $0 == space }
        guard let last = spelt.lastIndex(where: { $0 != space }) else { return nil }
        return ExactDecimal(ascii: spelt[...last])
    }
}

extension RegisterType {
    /// The number that the registers' bits stand for; nil for a float, a text, and digits above 9 in a BCD.
    func number(_ raw: UInt64) -> ExactDecimal? {
        switch self {
        case .bit, .u16, .u32, .u48, .u64: ExactDecimal(magnitude: raw)
        case .s16, .s32, .s48, .s64: ExactDecimal(Self.signed(raw, width: 16 * wordCount))
        case .bcd16, .bcd32, .bcd48, .bcd64: Self.digits(raw)
        case .t5: ExactDecimal(magnitude: raw & 0xFF_FFFF, exponent: Self.exponent(raw))
        case .t6: ExactDecimal(Self.signed(raw & 0xFF_FFFF, width: 24), exponent: Self.exponent(raw))
        case .t7: ExactDecimal(isNegative: raw >> 24 != 0, magnitude: raw & 0xFFFF, exponent: -4)
        case .f16, .f32, .f64, .text: nil
        }
    }

    /// Whether it is an integer with a sign.
    fileprivate var isSigned: Bool {
        switch self {
        case .s16, .s32, .s48, .s64: true
        default: false
        }
    }

    private static func signed(_ raw: UInt64, width: Int) -> Int64 {
        Int64(bitPattern: raw << UInt64(64 - width)) >> Int64(64 - width)
    }

    private static func exponent(_ raw: UInt64) -> Int8 {
        Int8(truncatingIfNeeded: raw >> 24)
    }

    private static func digits(_ raw: UInt64) -> ExactDecimal? {
        var number: UInt64 = 0
        for place in stride(from: 60, through: 0, by: -4) {
            let digit = raw >> UInt64(place) & 0xF
            guard digit < 10 else { return nil }
            number = number * 10 + digit
        }
        return ExactDecimal(magnitude: number)
    }
}

extension Conversion.Line {
    /// Slope and start of the line, where both are decimals with an end.
    var exact: (scale: ExactDecimal, offset: ExactDecimal)? {
        guard let rise = value[1].adding(value[0].negated), let run = raw[1].adding(raw[0].negated),
            let slope = rise.divided(by: run), let start = raw[0].multiplied(by: slope),
            let offset = value[0].adding(start.negated)
        else { return nil }
        return (slope, offset.normalized)
    }
}
