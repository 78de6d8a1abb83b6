internal import Metering

/// Puts a value into the registers of a point: what RegisterDecoder takes out again.
struct RegisterEncoder {
    private let type: RegisterType
    private let order: WordOrder
    private let scale: Double
    private let offset: Double
    private let notAvailable: [UInt64]
    private let isCounter: Bool

    init(_ point: PointDefinition) {
        type = point.type
        order = point.order
        scale = Value.decimal(point.scale).approximate
        offset = Value.decimal(point.offset).approximate
        notAvailable = point.notAvailable
        isCounter = point.kind == .counter
    }

    /// The registers that say `value`. What does not fit becomes the nearest that does; a code that means "no value"
    /// becomes its neighbour.
    func words(_ value: Double) -> [UInt16] {
        var bits = bits((value - offset) / scale)
        if notAvailable.contains(bits) { bits &-= 1 }
        let count = type.wordCount
        let wordsAreReversed = order == .cdab || order == .dcba
        let bytesAreSwapped = order == .badc || order == .dcba
        return (0..<count).map { place in
            let significance = wordsAreReversed ? place : count - 1 - place
            let word = UInt16(truncatingIfNeeded: bits >> (16 * UInt64(significance)))
            return bytesAreSwapped ? word.byteSwapped : word
        }
    }

    private func bits(_ raw: Double) -> UInt64 {
        // A counter shows what has been reached, a gauge what is nearest.
        let whole = raw.isFinite ? raw.rounded(isCounter ? .down : .toNearestOrEven) : 0
        switch type {
        case .u16: return Self.unsigned(whole, UInt64(UInt16.max))
        case .u32: return Self.unsigned(whole, UInt64(UInt32.max))
        case .u64: return Self.unsigned(whole, UInt64(Int64.max))
        case .s16: return UInt64(UInt16(bitPattern: Int16(Self.signed(whole, Int64(Int16.max)))))
        case .s32: return UInt64(UInt32(bitPattern: Int32(Self.signed(whole, Int64(Int32.max)))))
        case .s64: return UInt64(bitPattern: Self.signed(whole, Int64.max))
        case .f32: return UInt64(Float(raw).bitPattern)
        case .f64: return raw.bitPattern
        }
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
