/// What a meter stands in one request.
public struct RequestLimits: Hashable, Sendable {
    /// Addresses of one function code.
    public struct Range: Hashable, Sendable {
        /// The function code.
        public var function: RegisterFunction
        /// Zero-based PDU addresses.
        public var addresses: Swift.Range<Int>

        /// The `addresses` of `function`.
        public init(function: RegisterFunction, addresses: Swift.Range<Int>) {
            self.function = function
            self.addresses = addresses
        }
    }

    /// Most registers the meter answers at once (1…125).
    public var registers: Int
    /// Most unused registers that may be read along between two points; 0 where the meter forbids it.
    public var gap: Int
    /// Registers that must not be read along: the meter answers "illegal data address".
    public var holes: [Range]

    /// Limits with every property given.
    public init(registers: Int = RegisterSpan.maximumCount, gap: Int = 16, holes: [Range] = []) {
        self.registers = registers
        self.gap = gap
        self.holes = holes
    }
}
