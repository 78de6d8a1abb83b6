internal import Metering

/// The keys of a point, in a definition and in a meter without model.
enum PointKey: String, SectionKey {
    case name, quantity, unit, register, function, type, order, scale, offset, kind, obis, interval
    case count, bits, map, rollover, keep, thin
    case notAvailable = "not_available"
    case scaleBy = "scale_by"
    case maximumRate = "max_rate"
    case intervalClass = "interval_class"

    var example: String {
        switch self {
        case .count: "count: 8"
        case .bits: "bits: 4-7"
        case .map: "map: {raw: [4000, 20000], value: [0, 10]}"
        case .scaleBy: "scale_by: {register: 12, as: exponent}"
        case .maximumRate: "max_rate: 6"
        case .rollover: "rollover: 1000000"
        case .keep: "keep: {every: 15m}"
        case .thin: "thin: forbidden"
        case .intervalClass: "interval_class: slow"
        case .name: "name: active-power"
        case .quantity: "quantity: active-power"
        case .unit: "unit: W"
        case .register: "register: 12"
        case .function: "function: input"
        case .type: "type: f32"
        case .order: "order: ABCD"
        case .scale: "scale: 0.1"
        case .offset: "offset: 0"
        case .kind: "kind: gauge"
        case .obis: "obis: \"1-0:1.8.0\""
        case .interval: "interval: 1m"
        case .notAvailable: "not_available: 0xFFFF"
        }
    }

    static let synonyms = [
        "address": "register", "adress": "register", "datatype": "type", "data_type": "type", "word_order": "order",
        "byte_order": "order", "factor": "scale", "multiplier": "scale", "id": "name", "nan": "not_available",
        "bit": "bits", "mask": "bits", "scale_factor": "scale_by",
    ]
}

/// What the points of one meter have in common; each point may say otherwise.
struct PointDefaults {
    enum Key: String, SectionKey {
        case function, type, order
        case notAvailable = "not_available"

        var example: String {
            self == .notAvailable ? "not_available: {u16: 0xFFFF}" : PointKey(rawValue: rawValue)?.example ?? rawValue
        }
    }

    var function: RegisterFunction?
    var type: RegisterType?
    /// The order of the Modbus standard, where nothing else is said.
    var order = WordOrder.abcd
    var notAvailable: [RegisterType: [UInt64]] = [:]

    init() {}

    /// After a wrong default a stand-in takes its place, so that the points show their own mistakes only.
    init(_ field: Field) {
        guard let section = Section<Key>(field) else {
            (function, type) = (.input, .u16)
            return
        }
        function = section.optional(.function).map { $0.function() ?? .input }
        type = section.optional(.type).map { $0.registerType() ?? .u16 }
        order = section.optional(.order)?.wordOrder() ?? .abcd
        notAvailable = section.optional(.notAvailable).map { Self.codes($0) } ?? [:]
    }

    /// `{u16: 0xFFFF, s16: 0x7FFF}`.
    private static func codes(_ field: Field) -> [RegisterType: [UInt64]] {
        guard let section = Section<RegisterType>(field) else { return [:] }
        var codes: [RegisterType: [UInt64]] = [:]
        for type in RegisterType.allCases { codes[type] = section.optional(type)?.codes(of: type) }
        return codes
    }
}

extension RegisterType: SectionKey {
    var example: String { "\(rawValue): 0xFFFF" }
}

/// Reads lists of points.
struct PointReader {
    /// Most points of one meter.
    static let limit = 1000

    var defaults = PointDefaults()
    /// Whether addresses that look like a manual's number are doubted: in configurations, not in the catalogue.
    var doubtsManualNumbers: Bool

    /// Every point of a list, or nil when something in it is wrong.
    func points(_ field: Field) -> [PointDefinition]? {
        guard let items = field.items(example: "a list of points, each with name, quantity, unit, register …") else {
            return nil
        }
        guard (1...Self.limit).contains(items.count) else {
            field.error("\(items.count) points; there must be 1…\(Self.limit)")
            return nil
        }
        var names = Names(of: "point")
        var points: [(point: PointDefinition, field: Field)] = []
        for item in items {
            if let point = point(item, names: &names) { points.append((point, item)) }
        }
        warnOfOverlaps(points)
        return points.count == items.count && !names.hasDuplicates ? points.map(\.point) : nil
    }

    private func point(_ field: Field, names: inout Names) -> PointDefinition? {
        guard let section = Section<PointKey>(field) else { return nil }
        let name = section.required(.name).flatMap { names.claim($0) }
        let quantity = section.required(.quantity)?.choice(Quantity.self, "quantity")
        let unit = section.required(.unit)?.unit()
        let kind = section.required(.kind)?.choice(PointKind.self, "kind")
        let function =
            section.has(.function) || defaults.function == nil
            ? section.required(.function)?.function() : defaults.function
        let type = section.has(.type) || defaults.type == nil ? section.required(.type)?.registerType() : defaults.type
        let order = section.value(.order, or: defaults.order) { $0.wordOrder() }
        let count = count(section, type: type)
        let address = section.required(.register).flatMap { register($0, count: count ?? 1) }
        let conversion = conversion(section, type: type, address: address, count: count ?? 1)
        let maximumRate = section.value(.maximumRate, or: nil) { $0.scale().map(Optional.some) }
        let rollover = section.value(.rollover, or: nil) { $0.scale().map(Optional.some) }
        let keep = section.value(.keep, or: nil) { KeepPolicy.read($0).map(Optional.some) }
        let thin = section.value(.thin, or: nil) { $0.thinningPolicy().map(Optional.some) }
        let obis = section.value(.obis, or: nil) { $0.obis().map(Optional.some) }
        let interval = section.value(.interval, or: nil) { $0.pollInterval().map(Optional.some) }
        let intervalClass = section.value(.intervalClass, or: nil) {
            $0.choice(IntervalClass.self, "interval class").map(Optional.some)
        }
        let codes = section.value(.notAvailable, or: type.flatMap { defaults.notAvailable[$0] } ?? []) { field in
            type.flatMap { field.codes(of: $0) }
        }
        if let quantity, let unit { checkUnit(unit, of: quantity, at: section) }
        if let quantity, let kind { checkKind(kind, of: quantity, at: section) }
        if let function, let type { checkType(type, of: function, at: section) }
        if let order, let type, type != .bit {
            _ = (section.optional(.order) ?? section.optional(.type) ?? section.field).allows(order, of: type)
        }
        if type == .text, kind == .state { checkText(of: quantity, at: section) }
        guard let name, let quantity, let unit, let kind, let function, let type, let order, let count,
            let address, let conversion, let obis, let interval, let intervalClass, let codes,
            let maximumRate, let rollover, let keep, let thin
        else { return nil }
        return PointDefinition(
            name: name, quantity: quantity, unit: unit, kind: kind, function: function, address: address, type: type,
            count: count, order: order, conversion: conversion, notAvailable: codes, obis: obis, interval: interval,
            intervalClass: intervalClass, maximumRate: maximumRate, rollover: rollover, keep: keep,
            thin: thin)
    }

    /// Bits are read as bits, registers as everything else.
    private func checkType(_ type: RegisterType, of function: RegisterFunction, at section: Section<PointKey>) {
        guard function.readsBits != (type == .bit) else { return }
        (section.optional(.type) ?? section.optional(.function) ?? section.field).error(
            function.readsBits ? "a \(function.word) holds one bit, not \(type.rawValue)" : "a register is no bit",
            hint: function.readsBits ? "type: bit" : "one bit of a register: type: u16, bits: 3")
    }

    /// A text that is a state is kept as it is.
    private func checkText(of quantity: Quantity?, at section: Section<PointKey>) {
        for key in [PointKey.scale, .offset, .map, .scaleBy] {
            section.optional(key)?.error(
                "a text of kind state is no number: it has no \(key.rawValue)",
                hint: "remove it; if the text spells a number, it is of kind gauge or counter")
        }
        guard let quantity, quantity != .state else { return }
        section.optional(.quantity)?.error(
            "a text of kind state is no \(quantity.rawValue)",
            hint: "quantity: state; if the text spells a number, it is of kind gauge or counter")
    }

    /// How many registers a point takes: as many as its type, but for a text, whose length the type does not say.
    private func count(_ section: Section<PointKey>, type: RegisterType?) -> Int? {
        guard type != .text else { return section.required(.count)?.integer(in: 1...60, "registers of a text") }
        guard let field = section.optional(.count) else { return type?.wordCount ?? 1 }
        if let type {
            field.error("only a text has a count; \(type.rawValue) takes \(type.wordCount)", hint: "remove it")
        }
        return nil
    }

    /// A zero-based PDU address whose registers all lie within 0…65535.
    private func register(_ field: Field, count: Int) -> UInt16? {
        if case .scalar(let text, isPlain: true) = field.node.content, let number = Number.integer(text) {
            if let hint = ManualNumber.hint(for: number), number > 65_535 {
                field.error(
                    "\(clipped(text)) is no address: register is the zero-based PDU address, 0…65535", hint: hint)
                return nil
            }
            // Who writes an address in hex does not copy it from a table of 3xxxx and 4xxxx numbers.
            if doubtsManualNumbers, !text.hasPrefix("0x"), let hint = ManualNumber.hint(for: number) {
                field.warning(
                    "\(clipped(text)) looks like a manual's number; register is the zero-based PDU address", hint: hint)
            }
        }
        guard let address = field.integer(in: 0...65_535, "a register (zero-based PDU address)") else { return nil }
        guard address + count <= 65_536 else {
            field.error("\(count) registers from \(address) on reach beyond 65535", hint: "check register and type")
            return nil
        }
        return UInt16(address)
    }

    private func checkUnit(_ unit: Unit, of quantity: Quantity, at section: Section<PointKey>) {
        guard let units = quantity.units, !units.contains(unit.ucum) else { return }
        section.optional(.unit)?.error(
            "\(unit.ucum) (\(unit.name)) is no unit of \(quantity.rawValue)",
            hint: "units of \(quantity.rawValue): " + units.joined(separator: ", "))
    }

    private func checkKind(_ kind: PointKind, of quantity: Quantity, at section: Section<PointKey>) {
        guard kind == .counter, !quantity.accumulates else { return }
        section.optional(.kind)?.error(
            "\(quantity.rawValue) does not accumulate", hint: "kind: gauge; counters are energies, volumes and counts")
    }

    /// Two points on the same registers with different types are most often a slip in an address.
    private func warnOfOverlaps(_ points: [(point: PointDefinition, field: Field)]) {
        let ordered = points.sorted { $0.point.address < $1.point.address }
        for (index, (point, field)) in ordered.enumerated() {
            for (other, _) in ordered[..<index].suffix(4)
            where other.function == point.function && other.span != point.span
                && other.span.addresses.overlaps(point.span.addresses)
            {
                field.warning("registers \(point.span) overlap those of \"\(other.name)\" (\(other.span))")
            }
        }
    }
}

/// Register numbers as manuals print them, which are not what goes over the wire.
enum ManualNumber {
    /// What a number such as 30013, 40001 or 400001 means as an address; nil when it looks like no such number.
    static func hint(for number: Int128) -> String? {
        let (table, base): (RegisterFunction, Int128)
        switch number {
        case 30_001...39_999: (table, base) = (.input, 30_001)
        case 40_001...49_999: (table, base) = (.holding, 40_001)
        case 300_001...365_536: (table, base) = (.input, 300_001)
        case 400_001...465_536: (table, base) = (.holding, 400_001)
        default: return nil
        }
        let meaning = "as a manual's number \(number) means register: \(number - base), function: \(table.word)"
        return number > 65_535
            ? meaning : meaning + "; if it is the address, write 0x\(String(number, radix: 16, uppercase: true))"
    }
}
