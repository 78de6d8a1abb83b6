/// Turns the registers of one point into its value, exactly.
public struct RegisterDecoder: Hashable, Sendable {
    /// What the registers say.
    public enum Result: Hashable, Sendable {
        /// A value.
        case value(Value)
        /// The code by which the meter says that it has none.
        case notAvailable
        /// A float register that holds NaN or an infinity, or a value that scaling takes beyond every number.
        case notFinite
    }

    private let type: RegisterType
    private let order: WordOrder
    private let scale: ExactDecimal
    private let offset: ExactDecimal
    private let notAvailable: [UInt64]
    private let isPlain: Bool

    /// A decoder for the registers of `point`.
    public init(_ point: PointDefinition) {
        type = point.type
        order = point.order
        scale = point.scale
        offset = point.offset
        notAvailable = point.notAvailable
        isPlain = point.scale == .one && point.offset == .zero
    }

    /// The value in `words`, whose first register is at `index`.
    ///
    /// Precondition: all registers of the point are in `words`.
    public func decode(_ words: UnsafeBufferPointer<UInt16>, at index: Int) -> Result {
        let raw = bits(words, at: index)
        if !notAvailable.isEmpty, notAvailable.contains(raw) { return .notAvailable }
        switch type {
        case .u16, .u32, .u64: return scaled(ExactDecimal(magnitude: raw))
        case .s16: return scaled(ExactDecimal(Int64(Int16(bitPattern: UInt16(truncatingIfNeeded: raw)))))
        case .s32: return scaled(ExactDecimal(Int64(Int32(bitPattern: UInt32(truncatingIfNeeded: raw)))))
        case .s64: return scaled(ExactDecimal(Int64(bitPattern: raw)))
        case .f32:
            let number = Float(bitPattern: UInt32(truncatingIfNeeded: raw))
            guard number.isFinite else { return .notFinite }
            return isPlain ? .value(.float(number)) : scaled(number.description, fallback: Double(number))
        case .f64:
            let number = Double(bitPattern: raw)
            guard number.isFinite else { return .notFinite }
            return isPlain ? .value(.double(number)) : scaled(number.description, fallback: number)
        }
    }

    /// The value in `words`, for callers that hold an array.
    public func decode(_ words: [UInt16], at index: Int = 0) -> Result {
        words.withUnsafeBufferPointer { decode($0, at: index) }
    }

    /// The registers' bits with the most significant word first.
    private func bits(_ words: UnsafeBufferPointer<UInt16>, at index: Int) -> UInt64 {
        let count = type.wordCount
        precondition(index >= 0 && index + count <= words.count, "registers of a point are missing in the answer")
        let wordsAreReversed = order == .cdab || order == .dcba
        let bytesAreSwapped = order == .badc || order == .dcba
        var raw: UInt64 = 0
        for place in 0..<count {
            let word = words[index + (wordsAreReversed ? count - 1 - place : place)]
            raw = raw << 16 | UInt64(bytesAreSwapped ? word.byteSwapped : word)
        }
        return raw
    }

    /// raw × scale + offset; the nearest Double where the exact result has more than 64 bits of digits.
    private func scaled(_ raw: ExactDecimal) -> Result {
        if isPlain { return .value(.decimal(raw)) }
        if let exact = raw.multiplied(by: scale)?.adding(offset) { return .value(.decimal(exact)) }
        return approximate(Value.decimal(raw).approximate)
    }

    /// A float's shortest decimal is what its meter meant: 230.1, not 230.10000610351562.
    private func scaled(_ shortest: String, fallback: Double) -> Result {
        guard let raw = ExactDecimal(shortest) else { return approximate(fallback) }
        return scaled(raw.normalized)
    }

    private func approximate(_ raw: Double) -> Result {
        let number = raw * Value.decimal(scale).approximate + Value.decimal(offset).approximate
        return number.isFinite ? .value(.double(number)) : .notFinite
    }
}
