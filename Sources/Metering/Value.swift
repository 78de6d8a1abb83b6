/// What a meter said, exactly as the register had it: a number, never silently widened, or a text.
///
/// A register of 2301 with scale 0.1 is the decimal 230.1; an f32 register 230.1 stays the Float nearest to 230.1 and
/// is written `230.1`, not `230.10000610351562`.
public enum Value: Hashable, Sendable {
    /// An integer register times a decimal scale.
    case decimal(ExactDecimal)
    /// An f32 register.
    case float(Float)
    /// An f64 register.
    case double(Double)
    /// Registers of characters.
    case text(ExactText)

    /// Whether the value is one that JSON can carry: a text, or a number that is finite.
    public var isFinite: Bool {
        switch self {
        case .decimal, .text: true
        case .float(let number): number.isFinite
        case .double(let number): number.isFinite
        }
    }

    /// The number in normal form: equal numbers have equal normal forms, whichever register type they came from.
    ///
    /// Floats count as the shortest decimal that reads back as the same Float. Nil for NaN and infinities, for doubles
    /// beyond ±10^±100, and for texts.
    public var normalized: ExactDecimal? {
        switch self {
        case .decimal(let number): number.normalized
        case .float(let number): number.isFinite ? ExactDecimal(number.description)?.normalized : nil
        case .double(let number): number.isFinite ? ExactDecimal(number.description)?.normalized : nil
        case .text: nil
        }
    }

    /// Whether both say the same: equal numbers, whichever register type they came from; texts byte for byte.
    public func isSame(as other: Value) -> Bool {
        if let number = normalized { return number == other.normalized }
        return self == other
    }

    /// The nearest Double, for tables and plots; not for delivery. NaN for a text.
    public var approximate: Double {
        switch self {
        case .decimal(let number): number.approximate
        case .float(let number): Double(number)
        case .double(let number): number
        case .text: .nan
        }
    }

    /// Appends the value as JSON: a string, or a number in the shortest text that reads back as the same value.
    ///
    /// Precondition: the value is finite; the decoder lets no other through.
    public func append(to bytes: inout [UInt8]) {
        precondition(isFinite, "a value that is not finite reached the wire: \(self)")
        switch self {
        case .decimal(let number): number.append(to: &bytes)
        case .float(let number): Self.append(number.description, to: &bytes)
        case .double(let number): Self.append(number.description, to: &bytes)
        case .text(let text): JSONString(text.description).append(to: &bytes)
        }
    }

    /// Swift prints whole floats as `230.0`; the `.0` stays: it tells readers of JSON that the stream is not integer.
    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: text.utf8)
    }
}

extension Value: CustomStringConvertible {
    /// The number as delivered; `nan` and `inf` where it is none. A text without quotes and escapes.
    public var description: String {
        switch self {
        case .decimal(let number): number.description
        case .float(let number): number.description
        case .double(let number): number.description
        case .text(let text): text.description
        }
    }
}
