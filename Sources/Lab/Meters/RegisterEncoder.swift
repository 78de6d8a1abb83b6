internal import Metering

/// Puts a value into the registers of a point: what RegisterDecoder takes out again.
struct RegisterEncoder {
    private let type: RegisterType
    private let count: Int
    private let order: WordOrder
    private let scale: Double
    private let offset: Double
    private let notAvailable: [UInt64]
    private let isCounter: Bool
    private let isText: Bool

    init(_ point: PointDefinition) {
        type = point.type
        count = point.count
        order = point.order
        scale = Value.decimal(point.conversion.scale).approximate
        offset = Value.decimal(point.conversion.offset).approximate
        notAvailable = point.notAvailable
        isCounter = point.kind == .counter
        isText = point.isText
    }

    /// The registers that say `value`. What does not fit becomes the nearest that does; a code that means "no value"
    /// becomes its neighbour.
    func words(_ value: Double) -> [UInt16] {
        if isText { return words("\(Self.signed(value.isFinite ? value.rounded() : 0, Int64.max))") }
        if type == .text { return text((value - offset) / scale) }
        var bits = bits((value - offset) / scale)
        if notAvailable.contains(bits) { bits = bits == 0 ? 1 : bits - 1 }
        var words = [UInt16](repeating: 0, count: count)
        for rank in 0..<count {
            let word = UInt16(truncatingIfNeeded: bits >> (16 * UInt64(count - 1 - rank)))
            words[order.place(ofWord: rank, of: count)] = order.swapsBytes ? word.byteSwapped : word
        }
        return words
    }

    private func bits(_ raw: Double) -> UInt64 {
        // A counter shows what has been reached, a gauge what is nearest.
        let whole = raw.isFinite ? raw.rounded(isCounter ? .down : .toNearestOrEven) : 0
        switch type {
        case .bit: return whole == 0 ? 0 : 1
        case .u16: return Self.unsigned(whole, UInt64(UInt16.max))
        case .u32: return Self.unsigned(whole, UInt64(UInt32.max))
        case .u48: return Self.unsigned(whole, 0xFFFF_FFFF_FFFF)
        case .u64: return Self.unsigned(whole, UInt64(Int64.max))
        case .s16: return UInt64(UInt16(bitPattern: Int16(Self.signed(whole, Int64(Int16.max)))))
        case .s32: return UInt64(UInt32(bitPattern: Int32(Self.signed(whole, Int64(Int32.max)))))
        case .s48: return UInt64(bitPattern: Self.signed(whole, 0x7FFF_FFFF_FFFF)) & 0xFFFF_FFFF_FFFF
        case .s64: return UInt64(bitPattern: Self.signed(whole, Int64.max))
        case .bcd16, .bcd32, .bcd48, .bcd64: return Self.digits(whole, width: type.wordCount * 4)
        case .t5, .t6: return Self.coded(raw, isSigned: type == .t6)
        case .t7: return UInt64(raw < 0 ? 1 : 0) << 24 | Self.unsigned((abs(raw) * 10_000).rounded(), 10_000)
        case .text: preconditionFailure("a text is not made of bits")
        case .f16:
            let most = Double(Float16.greatestFiniteMagnitude)
            return UInt64(Float16(min(max(raw.isNaN ? 0 : raw, -most), most)).bitPattern)
        case .f32: return UInt64(Float(raw).bitPattern)
        case .f64: return raw.bitPattern
        }
    }

    /// The digits at the end of the registers, spaces before them; nines where there are not characters enough.
    private func text(_ raw: Double) -> [UInt16] {
        let whole = raw.isFinite ? raw.rounded(isCounter ? .down : .toNearestOrEven) : 0
        let length = 2 * count
        let digits = Array(String(Self.signed(whole, Int64.max)).utf8)
        let space = UInt8(ascii: " ")
        let padded = Array(repeating: space, count: max(0, length - digits.count)) + digits
        return words(of: digits.count <= length ? padded : Array(repeating: UInt8(ascii: "9"), count: length))
    }

    /// The registers that say a text, as far as it fits; zeros behind it.
    func words(_ text: String) -> [UInt16] {
        let bytes = text.utf8.prefix(2 * count)
        return words(of: bytes + Array(repeating: 0, count: 2 * count - bytes.count))
    }

    private func words(of bytes: [UInt8]) -> [UInt16] {
        (0..<count).map { place in
            let word = UInt16(bytes[2 * place]) << 8 | UInt16(bytes[2 * place + 1])
            return order.swapsBytes ? word.byteSwapped : word
        }
    }

    /// Four bits a digit; nines where there are not digits enough.
    private static func digits(_ whole: Double, width: Int) -> UInt64 {
        var rest = unsigned(whole, UInt64(String(repeating: "9", count: width)) ?? 0)
        var bits: UInt64 = 0
        for place in 0..<width {
            bits |= (rest % 10) << UInt64(4 * place)
            rest /= 10
        }
        return bits
    }

    /// Iskra's mantissa of 23 bits with a decimal exponent: as many digits as fit.
    private static func coded(_ raw: Double, isSigned: Bool) -> UInt64 {
        var (mantissa, exponent) = (raw, Int8(0))
        while abs(mantissa) > 8_388_607 {
            mantissa /= 10
            exponent += 1
        }
        while mantissa != mantissa.rounded(), abs(mantissa) < 800_000, exponent > -100 {
            mantissa *= 10
            exponent -= 1
        }
        let whole = Int64((isSigned ? mantissa : max(0, mantissa)).rounded())
        return UInt64(UInt8(bitPattern: exponent)) << 24 | UInt64(bitPattern: whole) & 0xFF_FFFF
    }

    private static func unsigned(_ whole: Double, _ limit: UInt64) -> UInt64 {
        if whole <= 0 { return 0 }
        return whole >= Double(limit) ? limit : UInt64(whole)
    }

    private static func signed(_ whole: Double, _ limit: Int64) -> Int64 {
        if whole >= Double(limit) { return limit }
        return whole <= -Double(limit) ? -limit : Int64(whole)
    }
}
