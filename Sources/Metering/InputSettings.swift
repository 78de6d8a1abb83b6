/// A digital input: a line on which a meter pulses, or a contact.
public struct InputSettings: Hashable, Sendable {
    /// Which line it is. Never a chip's number: that changes between kernels.
    public enum Line: Hashable, Sendable {
        /// By the name that the board gives it: `GPIO17`.
        case name(String)
        /// By its chip's label and its place there.
        case chip(label: String, offset: Int)
    }

    /// What holds the line at a level when nothing is connected.
    public enum Bias: String, Hashable, Sendable, CaseIterable {
        /// As the board has it.
        case asIs = "as-is"
        // The chip's own resistors.
        case none, pullUp = "pull-up", pullDown = "pull-down"
    }

    /// What the line means.
    public enum Use: Hashable, Sendable {
        /// Pulses.
        case pulses(PulseUse)
        /// A contact.
        case contact(ContactUse)
    }

    /// The input's name in the configuration, unique among meters and inputs.
    public var id: String
    /// Which line it is.
    public var line: Line
    /// What is printed beside it on the enclosure, where it was named by that.
    public var terminal: String?
    /// What holds the line.
    public var bias: Bias
    /// Whether a low voltage is the active level: a contact to ground.
    public var isInverted: Bool
    /// How long a level must last to count.
    public var debounce: Duration
    /// What the line means.
    public var use: Use
    /// What is delivered of it: a Thing with its Datastreams.
    public var meter: Meter

    /// An input with every property given.
    public init(
        id: String, line: Line, terminal: String? = nil, bias: Bias = .asIs, isInverted: Bool = false,
        debounce: Duration = .zero, use: Use,
        meter: Meter
    ) {
        self.id = id
        self.line = line
        self.terminal = terminal
        self.bias = bias
        self.isInverted = isInverted
        self.debounce = debounce
        self.use = use
        self.meter = meter
    }
}

/// What pulses mean.
public struct PulseUse: Hashable, Sendable {
    /// What is a pulse.
    public var rule: PulseCounter.Rule
    /// Pulses for one of the total's unit: 1000 for 1000 pulses per kWh.
    public var perUnit: ExactDecimal
    /// How often total and rate are read, aligned to UTC.
    public var interval: Duration
    /// After so long without a pulse the rate is 0.
    public var silence: Duration

    /// A meaning with every property given.
    public init(rule: PulseCounter.Rule, perUnit: ExactDecimal, interval: Duration, silence: Duration) {
        self.rule = rule
        self.perUnit = perUnit
        self.interval = interval
        self.silence = silence
    }
}

/// What a contact's two states mean.
public struct ContactUse: Hashable, Sendable {
    /// How often the state is told when nothing changes.
    public var heartbeat: Duration
    /// What the active state is called: `open`.
    public var active: String
    /// What the other state is called: `closed`.
    public var inactive: String

    /// A meaning with every property given.
    public init(heartbeat: Duration, active: String, inactive: String) {
        self.heartbeat = heartbeat
        self.active = active
        self.inactive = inactive
    }
}

extension PointDefinition {
    /// A point that is in no register: a digital input's, or one that nobody reads any more.
    public init(
        name: String, quantity: Quantity, unit: Unit, kind: PointKind, type: RegisterType = .bit, obis: String? = nil,
        states: [String] = []
    ) {
        self.init(
            name: name, quantity: quantity, unit: unit, kind: kind, function: .discrete, address: 0, type: type,
            obis: obis)
        self.states = states
    }
}

extension InputSettings.Line: CustomStringConvertible {
    /// `GPIO17`; `pinctrl-bcm2711 line 17`.
    public var description: String {
        switch self {
        case .name(let name): name
        case .chip(let label, let offset): "\(label) line \(offset)"
        }
    }
}
