/// Whether a point accumulates or shows the moment.
public enum PointKind: String, Hashable, Sendable, CaseIterable {
    /// A cumulative register: energy, volume, pulses.
    case counter
    /// A momentary value: power, voltage, temperature.
    case gauge
    /// A contact, a status word, a text: what counts is when it changes.
    case state
}

/// One measurable quantity as a meter's definition describes it.
public struct PointDefinition: Hashable, Sendable {
    /// The point's name within its meter: lower case words with hyphens, `active-energy-import`.
    public var name: String
    /// What is measured.
    public var quantity: Quantity
    /// The unit that values have after scale and offset.
    public var unit: Unit
    /// Counter, gauge or state.
    public var kind: PointKind
    /// The function code that reads it.
    public var function: RegisterFunction
    /// Zero-based PDU address of its first register.
    public var address: UInt16
    /// What its registers hold.
    public var type: RegisterType
    /// The order of its bytes.
    public var order: WordOrder
    /// How many registers: as many as the type takes, but for text.
    public var count: Int
    /// How the number in the registers becomes the value.
    public var conversion: Conversion
    /// Raw register contents by which the meter says "no value" (as the unsigned integer of the registers' width).
    public var notAvailable: [UInt64]
    /// OBIS code (IEC 62056-61), such as `1-0:1.8.0`, where one is known.
    public var obis: String?
    /// Overrides the meter's poll interval.
    public var interval: Duration?
    /// How fast its value moves: what its definition says, else what its kind and quantity let expect.
    public var intervalClass: IntervalClass
    /// The greatest plausible increase of a counter, in its unit per hour; nil where the meter's rated power says it, or
    /// nothing does.
    public var maximumRate: ExactDecimal?
    /// The value at which a counter begins anew, where that is not the end of its registers.
    public var rollover: ExactDecimal?
    /// Which of its readings are kept, where that is not the meter's rule.
    public var keep: KeepPolicy?
    /// What its values 0, 1 … are called, where they are states: `closed`, `open`.
    public var states: [String] = []
    /// Whether its readings may be thinned when the spool is full, where that is not the meter's rule.
    public var thin: ThinningPolicy?

    /// A point with every property given.
    public init(
        name: String, quantity: Quantity, unit: Unit, kind: PointKind, function: RegisterFunction, address: UInt16,
        type: RegisterType, count: Int? = nil, order: WordOrder = .abcd, conversion: Conversion = .none,
        notAvailable: [UInt64] = [], obis: String? = nil, interval: Duration? = nil,
        intervalClass: IntervalClass? = nil, maximumRate: ExactDecimal? = nil, rollover: ExactDecimal? = nil,
        keep: KeepPolicy? = nil, thin: ThinningPolicy? = nil
    ) {
        self.name = name
        self.quantity = quantity
        self.unit = unit
        self.kind = kind
        self.function = function
        self.address = address
        self.type = type
        self.order = order
        self.count = count ?? type.wordCount
        self.conversion = conversion
        self.notAvailable = notAvailable
        self.obis = obis
        self.interval = interval
        self.intervalClass = intervalClass ?? IntervalClass(of: quantity, kind)
        self.maximumRate = maximumRate
        self.rollover = rollover
        self.keep = keep
        self.thin = thin
    }

    /// The registers the point occupies.
    public var span: RegisterSpan {
        RegisterSpan(function: function, address: address, count: count)
    }

    /// Whether its values are texts: a text that is a counter or a gauge is the number that it spells.
    public var isText: Bool { type == .text && kind == .state }

    /// The registers that must be in one answer: the point's own, and its scale's where another register scales it.
    public var neededSpan: RegisterSpan {
        guard let scale = conversion.scaleRegister else { return span }
        let first = min(address, scale.address)
        let end = max(Int(address) + count, Int(scale.address) + scale.type.wordCount)
        return RegisterSpan(function: function, address: first, count: end - Int(first))
    }
}

/// A meter model's data: what the catalogue holds.
public struct MeterDefinition: Hashable, Sendable {
    /// How far a definition's register map is confirmed.
    public enum Status: String, Hashable, Sendable, CaseIterable {
        /// The maker's manual was read; `sources` name it with pages.
        case manual
        /// Two public sources agree; where a manual is one of them, its pages are not named.
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
    /// The SunSpec model that it describes: addresses then count from the model's ID register; nil for other meters.
    public var sunSpec: SunSpecModel?
    /// By what it tells which model and which device it is; empty where no source knows, nil where nobody has looked.
    public var identity: MeterIdentity?
    /// What it stands in one request.
    public var limits: RequestLimits
    /// How long it takes to answer, and the rest that it needs.
    public var timing: Timing
    /// The line's settings and the unit id as the maker sets them; nil where no source states them.
    public var factory: FactorySettings?
    /// The most power that it can measure, in W; nil where no source states it (transformer meters: their ratio does).
    public var ratedPower: ExactDecimal?
    /// Its points.
    public var points: [PointDefinition]

    /// A definition with every property given.
    public init(
        model: String, manufacturer: String, product: String, status: Status, sources: [String],
        sunSpec: SunSpecModel? = nil, identity: MeterIdentity? = nil, limits: RequestLimits = RequestLimits(),
        timing: Timing = Timing(),
        factory: FactorySettings? = nil, ratedPower: ExactDecimal? = nil, points: [PointDefinition]
    ) {
        self.model = model
        self.manufacturer = manufacturer
        self.product = product
        self.status = status
        self.sources = sources
        self.sunSpec = sunSpec
        self.identity = identity
        self.limits = limits
        self.timing = timing
        self.factory = factory
        self.ratedPower = ratedPower
        self.points = points
    }
}

/// What a meter is set to when it leaves the factory.
public struct FactorySettings: Hashable, Sendable {
    /// The line, for meters with RS-485.
    public var line: SerialLine?
    /// The unit id.
    public var unit: UInt8?

    /// Settings with every property given.
    public init(line: SerialLine? = nil, unit: UInt8? = nil) {
        self.line = line
        self.unit = unit
    }
}
