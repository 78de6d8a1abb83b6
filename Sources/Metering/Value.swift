/// A measured value, exactly as the register had it: never silently widened.
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

    /// Whether the value is a number that JSON can carry.
    public var isFinite: Bool {
        switch self {
        case .decimal: true
        case .float(let number): number.isFinite
        case .double(let number): number.isFinite
        }
    }

    /// The number in normal form: equal numbers have equal normal forms, whichever register type they came from.
    ///
    /// Floats count as the shortest decimal that reads back as the same Float. Nil for NaN and infinities, and for
    /// doubles beyond ±10^±100.
    public var normalized: ExactDecimal? {
        switch self {
        case .decimal(let number): number.normalized
        case .float(let number): number.isFinite ? ExactDecimal(number.description)?.normalized : nil
        case .double(let number): number.isFinite ? ExactDecimal(number.description)?.normalized : nil
        }
    }

    /// The nearest Double, for tables and plots; not for delivery.
    public var approximate: Double {
        switch self {
        case .decimal(let number): number.approximate
        case .float(let number): Double(number)
        case .double(let number): number
        }
    }

    /// Appends the value as a JSON number: the shortest text that reads back as the same value.
    ///
    /// Precondition: the value is finite; the decoder lets no other through.
    public func append(to bytes: inout [UInt8]) {
        precondition(isFinite, "a value that is not finite reached the wire: \(self)")
        switch self {
        case .decimal(let number): number.append(to: &bytes)
        case .float(let number): Self.append(number.description, to: &bytes)
        case .double(let number): Self.append(number.description, to: &bytes)
        }
    }

    /// Swift prints whole floats as `230.0`; the `.0` stays: it tells readers of JSON that the stream is not integer.
    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: text.utf8)
    }
}

extension Value: CustomStringConvertible {
    /// The number as delivered; `nan` and `inf` where it is none.
    public var description: String {
        switch self {
        case .decimal(let number): number.description
        case .float(let number): number.description
        case .double(let number): number.description
        }
    }
}
