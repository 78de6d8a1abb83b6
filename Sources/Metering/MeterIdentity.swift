/// By what a meter tells which model and which device it is. Empty where no source states it.
public struct MeterIdentity: Hashable, Sendable {
    /// One thing that can be read.
    public struct Register: Hashable, Sendable {
        /// The function code.
        public var function: RegisterFunction
        /// Zero-based PDU address of the first register.
        public var address: UInt16
        /// What the registers hold.
        public var type: RegisterType
        /// How many registers, for text; else as many as the type takes.
        public var count: Int
        /// The order of its bytes.
        public var order: WordOrder
        /// What devices of this model answer; empty where any answer will do. Numbers in decimal; for text its beginning.
        public var values: [String]

        /// A register with every property given.
        public init(
            function: RegisterFunction, address: UInt16, type: RegisterType, count: Int? = nil,
            order: WordOrder = .abcd, values: [String] = []
        ) {
            self.function = function
            self.address = address
            self.type = type
            self.count = count ?? type.wordCount
            self.order = order
            self.values = values
        }

        /// The registers to read.
        public var span: RegisterSpan { RegisterSpan(function: function, address: address, count: count) }
    }

    /// The device's own number: a change means another device.
    public var serial: Register?
    /// Which model it is.
    public var model: Register?
    /// The beginning of the VendorName that Read Device Identification (0x2B/0x0E) gives.
    public var vendorName: String?
    /// The beginnings of the ProductCode that Read Device Identification gives.
    public var productCodes: [String]

    /// An identity with every property given.
    public init(
        serial: Register? = nil, model: Register? = nil, vendorName: String? = nil, productCodes: [String] = []
    ) {
        self.serial = serial
        self.model = model
        self.vendorName = vendorName
        self.productCodes = productCodes
    }

    /// Whether nothing is known.
    public var isEmpty: Bool { self == MeterIdentity() }
}

extension MeterIdentity.Register {
    /// What the registers say, as `values` are written; nil when they say nothing.
    public func text(_ words: [UInt16]) -> String? {
        guard words.count >= count else { return nil }
        guard type == .text else {
            let point = PointDefinition(
                name: "identity", quantity: .count, unit: Unit.known[0], kind: .gauge, function: function,
                address: address, type: type, order: order)
            guard case .value(let value) = RegisterDecoder(point).decode(words) else { return nil }
            return value.description
        }
        let characters = words.withUnsafeBufferPointer { order.characters(in: $0, at: 0, count: count) }
        return ExactText(characters: characters)?.description
    }
}
