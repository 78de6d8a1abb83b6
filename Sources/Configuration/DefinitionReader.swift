internal import Metering

/// Reads a meter's definition, one file a model.
///
/// ```yaml
/// manufacturer: Eastron
/// product: SDM630-Modbus V2
/// status: agreed          # manual: its pages are named; agreed: two public sources; own: yours
/// sources: [owner/repository path, https://…]
/// identity:               # or: unknown
///   serial: {function: holding, register: 64512, type: u32}
///   model: {function: holding, register: 64514, type: u16, values: [112]}
///   vendor: Eastron       # what Read Device Identification answers, where the meter knows it
///   products: [SDM630]
/// sunspec: {model: 203, lengths: [105]}   # registers then count from the model's ID register, at the meter's `at`
/// limits: {registers: 80, gap: 16, holes: ["input 90-99"]}
/// timing: {timeout: 1s, byte_timeout: 50ms, pause: 20ms, after_connect: 500ms}
/// factory: {baud: 9600, parity: none, stop_bits: 1, unit: 1}
/// rated_power: 69kW       # of directly connected meters: more than that in a counter is doubted
/// defaults: {function: input, type: f32, order: ABCD, not_available: {u16: 0xFFFF}}
/// points:
///   - {name: voltage-l1, quantity: voltage, unit: V, kind: gauge, register: 0, obis: "1-0:32.7.0"}
/// ```
/// The model is the file's name. A point's own keys go before the defaults; all that a point can say stands at the head of
/// `AgentConfiguration.swift`.
struct DefinitionReader {
    enum Key: String, SectionKey {
        case manufacturer, product, status, sources, sunspec, identity, limits, timing, factory, defaults, points
        case ratedPower = "rated_power"

        var example: String {
            switch self {
            case .manufacturer: "manufacturer: Eastron"
            case .product: "product: SDM630-Modbus V2"
            case .status: "status: own"
            case .sources: "sources: [what was read, and where]"
            case .sunspec: "sunspec: {model: 203, lengths: [105]}"
            case .identity: "identity: {serial: {function: holding, register: 0, type: u32}}"
            case .limits: LimitsKey.registers.example
            case .timing: "timing: {timeout: 1s}"
            case .factory: "factory: {baud: 9600, parity: none, unit: 1}"
            case .ratedPower: "rated_power: 69kW"
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
        let sources = section.value(.sources, or: []) { $0.texts("a source") }
        let sunSpec = section.value(.sunspec, or: nil) { SunSpecModel.read($0).map(Optional.some) }
        let identity = section.value(.identity, or: nil) { MeterIdentity.read($0).map(Optional.some) }
        let limits = section.value(.limits, or: RequestLimits()) { RequestLimits.read($0) }
        let timing = section.value(.timing, or: Timing()) { Timing.read($0) }
        let factory = section.value(.factory, or: nil) { FactorySettings.read($0).map(Optional.some) }
        let ratedPower = section.value(.ratedPower, or: nil) { $0.power().map(Optional.some) }
        let defaults = section.optional(.defaults).map { PointDefaults($0) } ?? PointDefaults()
        let reader = PointReader(defaults: defaults, doubtsManualNumbers: false)
        let points = section.required(.points).flatMap { reader.points($0) }
        if let status, let sources, sources.count < status.neededSources {
            (section.optional(.sources) ?? field).error(
                "status \"\(status.rawValue)\" needs \(status.neededSources) sources, found \(sources.count)",
                hint: "name what was read and where, or write \"status: own\"")
            return nil
        }
        guard let manufacturer, let product, let status, let sources, let sunSpec, let identity, let limits, let timing,
            let factory,
            let ratedPower, let points
        else { return nil }
        return MeterDefinition(
            model: model, manufacturer: manufacturer, product: product, status: status, sources: sources,
            sunSpec: sunSpec, identity: identity, limits: limits, timing: timing, factory: factory,
            ratedPower: ratedPower, points: points
        )
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
