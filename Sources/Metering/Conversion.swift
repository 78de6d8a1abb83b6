/// How the number in a point's registers becomes its value: raw × scale × 10^exponent (or × factor) + offset.
public struct Conversion: Hashable, Sendable {
    /// A register whose content scales another point.
    public struct ScaleRegister: Hashable, Sendable {
        /// What the register's content means.
        public enum Role: String, Hashable, Sendable, CaseIterable {
            /// The value is multiplied by ten to the power of it, as SunSpec's scale factors say.
            case exponent
            /// The value is multiplied by it, such as a transformer's ratio.
            case factor
        }

        /// Zero-based PDU address; it is read in the point's own request, with the point's function code and order.
        public var address: UInt16
        /// What the register holds.
        public var type: RegisterType
        /// What that means.
        public var role: Role

        /// A register with every property given.
        public init(address: UInt16, type: RegisterType = .s16, role: Role = .exponent) {
            self.address = address
            self.type = type
            self.role = role
        }
    }

    /// A straight line through two points: what 4…20 mA and 0…10 V stand for.
    public struct Line: Hashable, Sendable {
        /// The two raw numbers.
        public var raw: [ExactDecimal]
        /// The two values that they mean.
        public var value: [ExactDecimal]

        /// The line through (raw[0], value[0]) and (raw[1], value[1]); the raw numbers differ.
        public init(raw: [ExactDecimal], value: [ExactDecimal]) {
            precondition(raw.count == 2 && value.count == 2 && raw[0].normalized != raw[1].normalized)
            self.raw = raw
            self.value = value
        }
    }

    /// The value is raw × scale + offset.
    public var scale: ExactDecimal
    /// The value is raw × scale + offset.
    public var offset: ExactDecimal
    /// The bits of an integer that are meant, 0 the least; nil for all. Of a signed type the greatest of them is the sign:
    /// an s16 with the bits 0…7 is the signed low byte.
    public var bits: ClosedRange<Int>?
    /// A register that scales the value further.
    public var scaleRegister: ScaleRegister?
    /// A straight line in place of scale and offset.
    public var line: Line?

    /// A conversion with every property given.
    public init(
        scale: ExactDecimal = .one, offset: ExactDecimal = .zero, bits: ClosedRange<Int>? = nil,
        scaleRegister: ScaleRegister? = nil, line: Line? = nil
    ) {
        self.scale = scale
        self.offset = offset
        self.bits = bits
        self.scaleRegister = scaleRegister
        self.line = line
    }

    /// The number is the value.
    public static let none = Conversion()
}
