/// Whether a point accumulates or shows the moment.
public enum PointKind: String, Hashable, Sendable, CaseIterable {
    /// A cumulative register: energy, volume, pulses.
    case counter
    /// A momentary value: power, voltage, temperature.
    case gauge
}

/// One measurable quantity as a meter's definition describes it.
public struct PointDefinition: Hashable, Sendable {
    /// The point's name within its meter: lower case words with hyphens, `active-energy-import`.
    public var name: String
    /// What is measured.
    public var quantity: Quantity
    /// The unit that values have after scale and offset.
    public var unit: Unit
    /// Counter or gauge.
    public var kind: PointKind
    /// The function code that reads it.
    public var function: RegisterFunction
    /// Zero-based PDU address of its first register.
    public var address: UInt16
    /// What its registers hold.
    public var type: RegisterType
    /// The order of its bytes.
    public var order: WordOrder
    /// The value is raw × scale + offset.
    public var scale: ExactDecimal
    /// The value is raw × scale + offset.
    public var offset: ExactDecimal
    /// Raw register contents by which the meter says "no value" (as the unsigned integer of the registers' width).
    public var notAvailable: [UInt64]
    /// OBIS code (IEC 62056-61), such as `1-0:1.8.0`, where one is known.
    public var obis: String?
    /// Overrides the meter's poll interval.
    public var interval: Duration?

    /// A point with every property given.
    public init(
        name: String, quantity: Quantity, unit: Unit, kind: PointKind, function: RegisterFunction, address: UInt16,
        type: RegisterType, order: WordOrder = .abcd, scale: ExactDecimal = .one, offset: ExactDecimal = .zero,
        notAvailable: [UInt64] = [], obis: String? = nil, interval: Duration? = nil
    ) {
        self.name = name
        self.quantity = quantity
        self.unit = unit
        self.kind = kind
        self.function = function
        self.address = address
        self.type = type
        self.order = order
        self.scale = scale
        self.offset = offset
        self.notAvailable = notAvailable
        self.obis = obis
        self.interval = interval
    }

    /// The registers the point occupies.
    public var span: RegisterSpan {
        RegisterSpan(function: function, address: address, count: type.wordCount)
    }
}

/// A meter model's data: what the catalogue holds.
public struct MeterDefinition: Hashable, Sendable {
    /// How far a definition's register map is confirmed.
    public enum Status: String, Hashable, Sendable, CaseIterable {
        /// The maker's manual was read; `sources` name it with pages.
        case manual
        /// Two public sources agree; no manual was read.
        case agreed
        /// Written in the configuration by its owner.
        case own
    }

    /// The model's name in configurations: `eastron-sdm630`.
    public var model: String
    /// Who makes it.
    public var manufacturer: String
    /// What its plate says.
    public var product: String
    /// How far the register map is confirmed.
    public var status: Status
    /// Where the register map comes from.
    public var sources: [String]
    /// Most registers the meter answers at once (1…125).
    public var maximumRegisters: Int
    /// Most unused registers that may be read along between two points; 0 where the meter forbids it.
    public var maximumGap: Int
    /// Its points.
    public var points: [PointDefinition]

    /// A definition with every property given.
    public init(
        model: String, manufacturer: String, product: String, status: Status, sources: [String],
        maximumRegisters: Int = RegisterSpan.maximumCount, maximumGap: Int = 16, points: [PointDefinition]
    ) {
        self.model = model
        self.manufacturer = manufacturer
        self.product = product
        self.status = status
        self.sources = sources
        self.maximumRegisters = maximumRegisters
        self.maximumGap = maximumGap
        self.points = points
    }
}
