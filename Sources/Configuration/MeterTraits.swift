internal import Metering

// What a meter stands and by what it is known: the sections `limits`, `timing`, `identity` and `factory`.

enum LimitsKey: String, SectionKey {
    case registers, gap, holes

    var example: String {
        switch self {
        case .registers: "limits: {registers: 80}"
        case .gap: "limits: {gap: 16}"
        case .holes: "limits: {holes: [\"holding 100-109\"]}"
        }
    }
}

extension RequestLimits {
    /// Limits for points that nobody has checked against a manual: many meters answer a gap with exception 2.
    static let cautious = RequestLimits(gap: 0)

    /// What `field` says; where it says nothing, `standard`.
    static func read(_ field: Field, or standard: RequestLimits = RequestLimits()) -> RequestLimits? {
        guard let section = Section<LimitsKey>(field) else { return nil }
        // Four registers hold the widest number; a smaller limit could never be kept.
        let registers = section.value(.registers, or: standard.registers) {
            $0.integer(in: 4...RegisterSpan.maximumCount)
        }
        let gap = section.value(.gap, or: standard.gap) { $0.integer(in: 0...(RegisterSpan.maximumCount - 2)) }
        let holes = section.value(.holes, or: standard.holes) { $0.registerRanges() }
        guard let registers, let gap, let holes else { return nil }
        return RequestLimits(registers: registers, gap: gap, holes: holes)
    }
}

enum TimingKey: String, SectionKey {
    case timeout, pause
    case byteTimeout = "byte_timeout"
    case afterConnect = "after_connect"

    var example: String {
        switch self {
        case .timeout: "timeout: 1s"
        case .byteTimeout: "byte_timeout: 50ms"
        case .pause: "pause: 20ms"
        case .afterConnect: "after_connect: 500ms"
        }
    }

    var range: ClosedRange<Duration> {
        switch self {
        case .timeout: .milliseconds(50) ... .seconds(10)
        case .byteTimeout: .milliseconds(1) ... .seconds(2)
        case .pause: .zero ... .seconds(5)
        case .afterConnect: .zero ... .seconds(30)
        }
    }
}

extension Timing {
    static func read(_ field: Field) -> Timing? {
        Section<TimingKey>(field).flatMap { read($0, keys: TimingKey.allCases) }
    }

    /// The timing in `section`, whose `keys` are called as those of a timing.
    static func read<Key>(_ section: Section<Key>, keys: [Key]) -> Timing? {
        var times: [TimingKey: Duration] = [:]
        for key in keys {
            guard let meaning = TimingKey(rawValue: key.rawValue), let field = section.optional(key) else { continue }
            guard let time = field.duration(in: meaning.range) else { return nil }
            times[meaning] = time
        }
        return Timing(
            responseTimeout: times[.timeout], byteTimeout: times[.byteTimeout], pause: times[.pause],
            afterConnect: times[.afterConnect])
    }
}

private enum IdentityKey: String, SectionKey {
    case serial, model, vendor, products

    var example: String {
        switch self {
        case .serial: "serial: {function: holding, register: 0, type: u32}"
        case .model: "model: {function: holding, register: 0, type: u16, values: [112]}"
        case .vendor: "vendor: Schneider Electric"
        case .products: "products: [iEM3155]"
        }
    }
}

private enum IdentityRegisterKey: String, SectionKey {
    case function, register, type, count, order, values

    var example: String {
        switch self {
        case .values: "values: [112]"
        case .count: "count: 8"
        default: PointKey(rawValue: rawValue)?.example ?? rawValue
        }
    }
}

extension MeterIdentity {
    /// A mapping, or the word `unknown`.
    static func read(_ field: Field) -> MeterIdentity? {
        if case .scalar("unknown", isPlain: _) = field.node.content { return MeterIdentity() }
        guard let section = Section<IdentityKey>(field) else { return nil }
        let serial = section.value(.serial, or: nil) { register($0).map(Optional.some) }
        let model = section.value(.model, or: nil) { register($0).map(Optional.some) }
        let vendor = section.value(.vendor, or: nil) { $0.text("a maker's name").map(Optional.some) }
        let products = section.value(.products, or: []) { $0.texts("a product's code") }
        guard let serial, let model, let vendor, let products else { return nil }
        return MeterIdentity(serial: serial, model: model, vendorName: vendor, productCodes: products)
    }

    private static func register(_ field: Field) -> Register? {
        guard let section = Section<IdentityRegisterKey>(field) else { return nil }
        let function = section.required(.function)?.function()
        let address = section.required(.register)?.integer(in: 0...65_535, "a register (zero-based PDU address)")
        let type = section.required(.type)?.registerType()
        let order = section.value(.order, or: .abcd) { $0.wordOrder() }
        if let order, let type { _ = section.optional(.order)?.allows(order, of: type) }
        let count = type == .text ? section.required(.count)?.integer(in: 1...60) : type?.wordCount
        let values = section.value(.values, or: []) { $0.texts("what the meter answers") }
        guard let function, let address, let type, let order, let count, let values else { return nil }
        guard address + count <= 65_536 else {
            field.error("\(count) registers from \(address) on reach beyond 65535", hint: "check register and type")
            return nil
        }
        return Register(
            function: function, address: UInt16(address), type: type, count: count, order: order, values: values)
    }
}

private enum SunSpecKey: String, SectionKey {
    case model, lengths

    var example: String { self == .model ? "model: 203" : "lengths: [105]" }
}

extension SunSpecModel {
    static func read(_ field: Field) -> SunSpecModel? {
        guard let section = Section<SunSpecKey>(field) else { return nil }
        let model = section.required(.model)?.integer(in: 1...65_534, "a SunSpec model")
        let lengths = section.required(.lengths)?.items(example: "[105]")?.compactMap { $0.integer(in: 1...1000) }
        guard let model, let lengths, !lengths.isEmpty else { return nil }
        return SunSpecModel(id: UInt16(model), lengths: lengths)
    }
}

private enum FactoryKey: String, SectionKey {
    case baud, parity, unit
    case stopBits = "stop_bits"

    var example: String {
        switch self {
        case .baud: "baud: 9600"
        case .parity: "parity: even"
        case .stopBits: "stop_bits: 1"
        case .unit: "unit: 1"
        }
    }
}

extension FactorySettings {
    static func read(_ field: Field) -> FactorySettings? {
        guard let section = Section<FactoryKey>(field) else { return nil }
        let unit = section.value(.unit, or: nil) { $0.integer(in: 1...247).map { UInt8($0) } }
        guard section.has(.baud) else { return unit.map { FactorySettings(unit: $0) } }
        let baud = section.required(.baud)?.baud()
        let parity = section.value(.parity, or: .none) { $0.choice(SerialLine.Parity.self, "parity") }
        let stopBits = section.value(.stopBits, or: 1) { $0.integer(in: 1...2) }
        guard let unit, let baud, let parity, let stopBits else { return nil }
        return FactorySettings(line: SerialLine(baud: baud, parity: parity, stopBits: stopBits), unit: unit)
    }
}

extension Field {
    /// A list of texts or numbers.
    func texts(_ what: String) -> [String]? {
        guard let items = items(example: "[first, second]") else { return nil }
        let texts = items.compactMap { $0.text(what, limit: 300) }
        return texts.count == items.count ? texts : nil
    }

    /// A list such as `["holding 100-109", "input 7"]`.
    fileprivate func registerRanges() -> [RequestLimits.Range]? {
        guard let items = items(example: "[\"holding 100-109\", \"input 7\"]") else { return nil }
        let ranges = items.compactMap { $0.registerRange() }
        return ranges.count == items.count ? ranges : nil
    }

    private func registerRange() -> RequestLimits.Range? {
        guard let text = text("registers") else { return nil }
        let words = text.split(separator: " ")
        let numbers = words.last?.split(separator: "-").map {
            Number.integer(String($0)).flatMap { UInt16(exactly: $0) }
        }
        guard words.count == 2, let function = RegisterFunction.allCases.first(where: { $0.word == words[0] }),
            let numbers, (1...2).contains(numbers.count), let first = numbers[0], let last = numbers[numbers.count - 1],
            first <= last
        else { return expected("registers that are not read along", hint: "such as \"holding 100-109\"") }
        return RequestLimits.Range(function: function, addresses: Int(first)..<Int(last) + 1)
    }

    /// A power such as `69kW`, in W.
    func power() -> ExactDecimal? {
        let hint = "a number with W, kW or MW: \"69kW\""
        guard let text = text("a power") else { return nil }
        let digits = text.prefix { $0.isASCII && ($0.isWholeNumber || $0 == ".") }
        let exponents: [Substring: Int8] = ["W": 0, "kW": 3, "MW": 6]
        guard let number = ExactDecimal(digits), number.magnitude > 0,
            let exponent = exponents[text[digits.endIndex...]],
            let power = number.multiplied(by: ExactDecimal(1, exponent: exponent))
        else { return expected("a power", hint: hint) }
        return power.normalized
    }
}
