internal import ArgumentParser
internal import Metering

/// `parthe-lab meters`.
struct MetersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meters",
        abstract: "Meters on loopback TCP whose values move like a building's load.",
        discussion: """
            Prints `meters 127.0.0.1:PORT …` when they are ready: one address a meter, or the one that all share.
            """)

    @Option(help: "The model: its name in the catalogue.")
    var model = "eastron-sdm630"
    @Option(help: "How many meters.")
    var count = 1
    @Flag(help: "All behind one port, as units 1, 2, …; otherwise each has a port of its own.")
    var units = false
    @Option(help: "The first port on 127.0.0.1; 0 takes free ones.")
    var port: UInt16 = 0
    @Option(help: "Gives the buildings behind the meters.")
    var seed: UInt64 = 1
    @Option(help: "File that gets a line for each point served: time in ms, meter, point, registers, value.")
    var truth: String?
    @Option(help: "Folder with meters/ to look for models in, instead of the installed catalogue.")
    var share: String?
    @Flag(help: "Prints the addresses as JSON.")
    var json = false

    func validate() throws {
        guard (1...500).contains(count) else { throw ValidationError("--count is from 1 to 500.") }
        if units, count > 247 { throw ValidationError("One endpoint has room for 247 units.") }
    }

    func run() throws {
        Signals.prepare()
        let definition = try Models.definition(named: model, share: share)
        let meters = try SimulatedMeters(
            definition, count: count, layout: units ? .units : .endpoints, port: port, seed: seed, truth: truth)
        let ready: JSON = [
            "model": .string(definition.model), "count": .integer(count), "units": .bool(units),
            "ports": .array(meters.ports.map { .integer($0) }),
        ]
        let addresses = meters.ports.map { "127.0.0.1:\($0)" }.joined(separator: " ")
        Output.line(json ? String(decoding: ready.bytes, as: UTF8.self) : "meters \(addresses)")
        Signals.waitForEnd()
        meters.stop()
    }
}
