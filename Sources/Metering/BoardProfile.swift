/// What a gateway's board calls its ports and lines: the names printed on the enclosure, and what the kernel calls them.
public struct BoardProfile: Hashable, Sendable {
    /// A serial port.
    public struct Port: Hashable, Sendable {
        /// What is printed beside it: `RS485-1`.
        public var terminal: String
        /// Its device by a name that stays: `/dev/serial0`.
        public var path: String
        /// Who switches its direction, where RTS does.
        public var direction: SerialLine.Direction?

        /// A port with every property given.
        public init(terminal: String, path: String, direction: SerialLine.Direction? = nil) {
            self.terminal = terminal
            self.path = path
            self.direction = direction
        }
    }

    /// A digital line.
    public struct Line: Hashable, Sendable {
        /// What is printed beside it: `DI 1`, `pin 11`.
        public var terminal: String
        /// The line behind it.
        public var line: InputSettings.Line
        /// Whether a low voltage at the line means that the terminal is active.
        public var isInverted: Bool

        /// A line with every property given.
        public init(terminal: String, line: InputSettings.Line, isInverted: Bool = false) {
            self.terminal = terminal
            self.line = line
            self.isInverted = isInverted
        }
    }

    /// Its name in configurations: `raspberry-pi-4`.
    public var name: String
    /// What it is.
    public var product: String
    /// Where its terminals' meanings come from.
    public var sources: [String]
    /// Its serial ports.
    public var ports: [Port]
    /// Its digital lines.
    public var lines: [Line]

    /// A profile with every property given.
    public init(name: String, product: String, sources: [String], ports: [Port], lines: [Line]) {
        self.name = name
        self.product = product
        self.sources = sources
        self.ports = ports
        self.lines = lines
    }

    /// What is printed beside a line; nil for one that has no terminal.
    public func terminal(chip: String, offset: Int, name: String) -> String? {
        lines.first { $0.line == .chip(label: chip, offset: offset) || !name.isEmpty && $0.line == .name(name) }?
            .terminal
    }
}
