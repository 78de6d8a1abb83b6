/// A serial line's settings (Modbus over Serial Line V1.02, sections 2.5.1 and 3.4).
public struct SerialLine: Hashable, Sendable {
    /// The bit that checks each character.
    public enum Parity: String, Hashable, Sendable, CaseIterable {
        // As `stty` and manuals call them.
        case none, even, odd
    }

    /// How the transceiver's direction is switched where it does not switch itself.
    public struct Direction: Hashable, Sendable {
        /// The level of RTS while sending: high unless stated.
        public var rtsIsHighToSend: Bool
        /// From RTS to the first bit.
        public var delayBefore: Duration
        /// From the last bit to RTS.
        public var delayAfter: Duration

        /// A direction with every property given.
        public init(rtsIsHighToSend: Bool = true, delayBefore: Duration = .zero, delayAfter: Duration = .zero) {
            self.rtsIsHighToSend = rtsIsHighToSend
            self.delayBefore = delayBefore
            self.delayAfter = delayAfter
        }
    }

    /// Bits per second.
    public var baud: Int
    /// The parity bit.
    public var parity: Parity
    /// Data bits of a character, 7 or 8; RTU needs 8.
    public var dataBits: Int
    /// Stop bits of a character, 1 or 2.
    public var stopBits: Int
    /// RTS as direction switch, by the kernel's RS-485 mode where there is one; nil for ports that switch by themselves.
    public var direction: Direction?

    /// A line with every property given.
    public init(
        baud: Int = 9600, parity: Parity = .none, dataBits: Int = 8, stopBits: Int = 1, direction: Direction? = nil
    ) {
        self.baud = baud
        self.parity = parity
        self.dataBits = dataBits
        self.stopBits = stopBits
        self.direction = direction
    }

    /// Bits of one character on the wire, the start bit included.
    public var characterBits: Int { 1 + dataBits + (parity == .none ? 0 : 1) + stopBits }

    /// The time that `count` characters take on the wire.
    public func duration(ofCharacters count: Int) -> Duration {
        .nanoseconds(Int64(count) * Int64(characterBits) * 1_000_000_000 / Int64(baud))
    }

    /// The silence that separates frames: 3.5 characters of 11 bits; 1.75 ms above 19 200 (section 2.5.1.1).
    public var silence: Duration {
        baud > 19_200 ? .microseconds(1750) : .nanoseconds(38_500_000_000 / Int64(baud))
    }
}

extension SerialLine: CustomStringConvertible {
    /// `9600 8N1`.
    public var description: String {
        "\(baud) \(dataBits)\(parity == .none ? "N" : parity == .even ? "E" : "O")\(stopBits)"
    }
}
