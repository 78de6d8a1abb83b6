internal import Metering

/// Reads a meter's definition, one file a model.
///
/// ```yaml
/// manufacturer: Eastron
/// product: SDM630-Modbus V2
/// status: agreed          # manual: its pages are named; agreed: two public sources; own: yours
/// sources: [owner/repository path, https://…]
/// limits: {registers: 80, gap: 16}
/// defaults: {function: input, type: f32, order: ABCD, not_available: {u16: 0xFFFF}}
/// points:
///   - {name: voltage-l1, quantity: voltage, unit: V, kind: gauge, register: 0, obis: "1-0:32.7.0"}
/// ```
/// The model is the file's name. A point's own keys go before the defaults.
struct DefinitionReader {
    enum Key: String, SectionKey {
        case manufacturer, product, status, sources, limits, defaults, points

        var example: String {
            switch self {
            case .manufacturer: "manufacturer: Eastron"
            case .product: "product: SDM630-Modbus V2"
            case .status: "status: own"
            case .sources: "sources: [what was read, and where]"
            case .limits: Limits.Key.registers.example
            case .defaults: "defaults: {function: input, type: f32}"
            case .points: "points: [{name: …}]"
            }
        }
    }

    /// The definition in `file`, or nil when it could not be read; `findings` then says why.
    static func read(file: String, model: String, findings: Findings) -> MeterDefinition? {
        guard let root = YAMLDocument.read(file: file, findings: findings) else { return nil }
        return read(Field(node: root, path: "", findings: findings), model: model)
    }

    static func read(_ field: Field, model: String) -> MeterDefinition? {
        guard let section = Section<Key>(field) else { return nil }
        let manufacturer = section.required(.manufacturer)?.text()
        let product = section.required(.product)?.text()
        let status = section.required(.status)?.choice(MeterDefinition.Status.self, "status")
        let sources = section.value(.sources, or: []) { Self.sources($0) }
        let limits = section.value(.limits, or: Limits()) { Limits($0) }
        let defaults = section.optional(.defaults).map { PointDefaults($0) } ?? PointDefaults()
        let reader = PointReader(defaults: defaults, doubtsManualNumbers: false)
        let points = section.required(.points).flatMap { reader.points($0) }
        if let status, let sources, sources.count < status.neededSources {
            (section.optional(.sources) ?? field).error(
                "status \"\(status.rawValue)\" needs \(status.neededSources) sources, found \(sources.count)",
                hint: "name what was read and where, or write \"status: own\"")
            return nil
        }
        guard let manufacturer, let product, let status, let sources, let limits, let points else { return nil }
        return MeterDefinition(
            model: model, manufacturer: manufacturer, product: product, status: status, sources: sources,
            maximumRegisters: limits.registers, maximumGap: limits.gap, points: points)
    }

    private static func sources(_ field: Field) -> [String]? {
        guard let items = field.items(example: "[first source, second source]") else { return nil }
        let texts = items.compactMap { $0.text("a source", limit: 300) }
        return texts.count == items.count ? texts : nil
    }
}

extension MeterDefinition.Status {
    /// How many sources must be named.
    var neededSources: Int {
        switch self {
        case .manual: 1
        case .agreed: 2
        case .own: 0
        }
    }
}

/// What a meter stands in one request.
struct Limits {
    enum Key: String, SectionKey {
        case registers, gap

        var example: String { self == .registers ? "limits: {registers: 80}" : "limits: {gap: 16}" }
    }

    var registers = RegisterSpan.maximumCount
    var gap = 16

    init() {}

    init(of definition: MeterDefinition) {
        (registers, gap) = (definition.maximumRegisters, definition.maximumGap)
    }

    /// Limits for points that nobody has checked against a manual: many meters answer a gap with exception 2.
    static let cautious = {
        var limits = Limits()
        limits.gap = 0
        return limits
    }()

    /// What `field` says; where it says nothing, `standard`.
    init?(_ field: Field, or standard: Limits = Limits()) {
        guard let section = Section<Key>(field) else { return nil }
        self = standard
        // Four registers hold the widest value; a smaller limit could never be kept.
        let registers = section.value(.registers, or: registers) { $0.integer(in: 4...RegisterSpan.maximumCount) }
        let gap = section.value(.gap, or: gap) { $0.integer(in: 0...(RegisterSpan.maximumCount - 2)) }
        guard let registers, let gap else { return nil }
        self.registers = registers
        self.gap = gap
    }
}
