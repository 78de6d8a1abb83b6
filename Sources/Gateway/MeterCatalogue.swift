internal import Configuration
internal import Metering

/// What `parthe meter list` and `parthe meter show` tell of the catalogue.
public struct MeterCatalogue: Encodable, Sendable {
    /// One model.
    public struct Model: Encodable, Sendable {
        /// The name for `model:` in configurations.
        public var name: String
        /// Who makes it.
        public var manufacturer: String
        /// What its plate says.
        public var product: String
        /// How far the register map is confirmed: `manual`, `agreed` or `own`.
        public var status: String
        /// Where the register map comes from.
        public var sources: [String]
        /// The file that defines it.
        public var file: String
        /// The line and unit id that it leaves the factory with, where they are known: `9600 8N1, unit 1`.
        public var factory: String?
        /// What tells one device from another, where that is known: `holding 64512`.
        public var serialNumber: String?
        /// Its points.
        public var points: [Point]
    }

    /// One point of a model.
    public struct Point: Encodable, Sendable {
        /// The point's name.
        public var name: String
        /// The unit as people write it: `kWh`.
        public var symbol: String
        /// `counter`, `gauge` or `state`.
        public var kind: String
        /// OBIS code, where one is known.
        public var obis: String?
        /// Both notations of its first register, `30001 = input 0, 0x0`; of a SunSpec model `holding, ID register + 16`.
        public var register: String
        /// What its registers hold: `f32 ABCD`, `u16 bits 4-7`, `s16 × 10^register 54`.
        public var type: String
        /// How fast its value moves: `fast`, `normal` or `slow`, for `interval: {fast: 1s, slow: 1m}`.
        public var intervalClass: String
    }

    /// The models in order of their names; those whose file is wrong are in `problems`.
    public var models: [Model] = []
    /// What is wrong in definitions, with file, line and column.
    public var problems: [String] = []

    /// Every model of the catalogue, or the one called `name`.
    public init(share: String?, model name: String? = nil) throws(AgentError) {
        let catalogue = Catalogue(share: share)
        let known = catalogue.models()
        guard !known.isEmpty else {
            throw AgentError(
                code: .configuration, message: "no definitions in \(catalogue.folders.joined(separator: " or "))",
                hint: "name the folder that holds meters/ with --share")
        }
        if let name, !known.contains(where: { $0.name == name }) {
            throw AgentError(
                code: .usage, message: "the catalogue has no model \(name)",
                hint: Configuration.hint(for: name, among: known.map(\.name), called: "known"))
        }
        for entry in known where name == nil || entry.name == name {
            do {
                guard let definition = try catalogue.definition(model: entry.name) else { continue }
                models.append(Model(definition, file: entry.file))
            } catch {
                problems += error.problems.map(\.description)
            }
        }
    }

    /// The catalogue as JSON.
    public var json: [UInt8] { jsonBytes(self) }
}

extension MeterCatalogue.Model {
    fileprivate init(_ definition: MeterDefinition, file: String) {
        name = definition.model
        manufacturer = definition.manufacturer
        product = definition.product
        status = definition.status.rawValue
        sources = definition.sources
        self.file = file
        if let settings = definition.factory {
            let parts = [settings.line.map { "\($0)" }, settings.unit.map { "unit \($0)" }].compactMap { $0 }
            factory = parts.joined(separator: ", ")
        }
        serialNumber = definition.identity?.serial.map { $0.function.notation(of: $0.address) }
        points = definition.points.map { point in
            MeterCatalogue.Point(
                name: point.name, symbol: point.unit.symbol, kind: point.kind.rawValue, obis: point.obis,
                register: definition.sunSpec == nil
                    ? point.function.notation(of: point.address)
                    : "\(point.function.word), ID register + \(point.address)",
                type: point.typeText, intervalClass: point.intervalClass.rawValue)
        }
    }
}

extension PointDefinition {
    /// What its registers hold, and what is made of it.
    fileprivate var typeText: String {
        var text = type.rawValue
        if type.wordCount > 1 { text += " " + order.rawValue }
        if let bits = conversion.bits {
            text += bits.count == 1 ? " bit \(bits.lowerBound)" : " bits \(bits.lowerBound)-\(bits.upperBound)"
        }
        if conversion.scale != .one { text += " × \(conversion.scale)" }
        switch conversion.scaleRegister {
        case let register? where register.role == .exponent: text += " × 10^register \(register.address)"
        case let register?: text += " × register \(register.address)"
        case nil: break
        }
        return text
    }
}

extension RegisterFunction {
    /// An address in both notations, the manuals' and the wire's: `40841 = holding 840, 0x348`.
    func notation(of address: UInt16) -> String {
        "\(manualNumber(of: address)) = \(word) \(address), 0x\(String(address, radix: 16, uppercase: true))"
    }
}
