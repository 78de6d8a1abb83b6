internal import Metering
internal import Posix

/// Reads a configuration: the main file, `meters/` beside it, and the definitions that they name.
public struct ConfigurationReader: Sendable {
    private let catalogue: Catalogue
    private let boards: Boards

    /// A reader with the catalogue and the boards of the installation, or those in `share`.
    public init(share: String?) {
        catalogue = Catalogue(share: share)
        boards = Boards(share: share)
    }

    /// A reader with a catalogue of its own.
    public init(catalogue: Catalogue, boards: Boards = Boards(share: nil)) {
        self.catalogue = catalogue
        self.boards = boards
    }

    /// What `file` says, and everything that is wrong or doubtful in all files, in file and line order.
    ///
    /// The configuration is nil when any problem is an error.
    public func read(file: String) -> (configuration: AgentConfiguration?, problems: [Problem]) {
        var assembly = Assembly(catalogue: catalogue, boards: boards, file: file)
        let configuration = assembly.run()
        return (assembly.findings.hasErrors ? nil : configuration, assembly.findings.problems)
    }
}

/// One run of the reader.
struct Assembly {
    enum Key: String, SectionKey {
        case gateway, buses, meters, inputs, uplinks, spool

        var example: String {
            switch self {
            case .gateway: "gateway: {id: …, location: …}"
            case .buses: "buses: [{id: …, tcp: …}]"
            case .meters: "meters: [{id: …, bus: …, unit: …, model: …}]"
            case .inputs: "inputs: [{id: …, line: …, pulses_per: …, unit: …}]"
            case .uplinks: "uplinks: [{id: …, sensorthings: …}]"
            case .spool: "spool: {limit: 256MB}"
            }
        }
    }

    static let busLimit = 64
    static let meterLimit = 1000
    static let uplinkLimit = 8

    let catalogue: Catalogue
    let boards: Boards
    let file: String
    let findings = Findings()
    var busNames = Names(of: "bus")
    var meterNames = Names(of: "meter")
    var uplinkNames = Names(of: "uplink")
    /// Definitions that were asked for in this run, so that each file is read and its problems are told once.
    var definitions: [String: MeterDefinition?] = [:]
    /// Where each bus stands, for what shows only when all meters are known.
    var busFields: [String: Field] = [:]
    /// The buses that are lines, where unit ids end at 247.
    var lines: Set<String> = []
    /// The unit ids taken on each bus, and by whom.
    var units: [String: [UInt8: String]] = [:]
    var busesInUse: Set<String> = []

    /// The gateway's board, once it was read.
    var board: BoardProfile?

    init(catalogue: Catalogue, boards: Boards, file: String) {
        self.catalogue = catalogue
        self.boards = boards
        self.file = file
    }

    /// The folder that paths in the file are relative to.
    var folder: String {
        guard let slash = file.lastIndex(of: "/") else { return "." }
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }

    mutating func run() -> AgentConfiguration? {
        guard let root = YAMLDocument.read(file: file, findings: findings) else {
            // The main file cannot be read, but each file in meters/ may still show its own mistakes.
            busNames.giveUp()
            if File.exists(file) { _ = readMeterFiles(at: nil) }
            return nil
        }
        guard let section = Section<Key>(Field(node: root, path: "", findings: findings)) else { return nil }
        let gateway = section.required(.gateway).flatMap { readGateway($0) }
        // A gateway that only counts pulses has no bus.
        let hasInputs = section.has(.inputs) || File.exists(folder + "/inputs")
        let buses = readBuses(hasInputs ? section.optional(.buses) : section.required(.buses))
        var meters = section.optional(.meters).map { readMeters($0, at: gateway?.location) } ?? []
        meters += readMeterFiles(at: gateway?.location)
        let inputs = readInputs(section.optional(.inputs), at: gateway?.location)
        let uplinks = section.optional(.uplinks).map { readUplinks($0) } ?? []
        let spool = section.value(.spool, or: SpoolSettings()) { readSpool($0) }
        warnOfIdle(section, meterCount: meters.count + inputs.count)
        warnOfOverload(buses, meters)
        guard let gateway, let spool else { return nil }
        return AgentConfiguration(
            gateway: gateway, buses: buses, meters: meters, inputs: inputs, uplinks: uplinks, spool: spool)
    }
}
