internal import ArgumentParser
internal import Metering

/// `parthe-lab line`.
struct LineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "line",
        abstract: "An RS-485 line with meters on a pseudo-terminal, in true time, with faults.",
        discussion: """
            Prints `line PORT` when it is ready: the stable name of the port, which leads to
            another device after the adapter was unplugged. Units do not hear a request that
            begins before 3.5 characters of silence.

            Faults are written [UNIT:]FAULT[=HOW][:SHARE][@FROM[-UNTIL]]; * means every unit,
            times count from the start:
              3:silence         unit 3 is dead
              *:crc:0.02        2 % of all answers have a wrong bit
              2:late=700ms:0.1  every tenth answer is so much later
              2:cut             answers end in their middle
              2:split=30ms      answers pause in their middle
              2:noise=4         four bytes that are no frame before each answer
              2:exception=6     refuses with this code
              2:stuck@10s       repeats one frame for ever
              2:babble=3s:0.01  sends for so long without a pause
              2:swap@30s        is another meter from then on
              echo              the adapter hears itself
              foreign=2s        others talk about once in two seconds
              unplug@20s-25s    the adapter, or the converter, is away
            """)

    @Option(help: "The model of all units: its name in the catalogue.")
    var model = "eastron-sdm630"
    @Option(help: "How many units, with unit ids from 1.")
    var count = 1
    @Option(
        name: .customLong("unit"),
        help: "One unit, as ID=MODEL or ID=MODEL,TURNAROUND; may be repeated, in place of --model and --count.")
    var units: [String] = []
    @Option(help: "From the end of a request to the answer, beyond 3.5 characters: 5ms.")
    var turnaround = "5ms"
    @Option(help: "Bits per second.")
    var baud = 9600
    @Option(help: "none, even or odd.")
    var parity = "none"
    @Option(help: "Stop bits: 1 or 2.")
    var stopBits = 1
    @Option(name: .customLong("fault"), help: "What goes wrong; may be repeated.")
    var faults: [String] = []
    @Option(help: "Gives the buildings behind the meters, and all chance.")
    var seed: UInt64 = 1
    @Option(help: "Folder in which by-id/usb-LAB is made; otherwise a new temporary one.")
    var folder: String?
    @Option(help: "Also RTU over TCP, at this port on 127.0.0.1; 0 takes a free one.")
    var converter: UInt16?
    @Option(help: "File that gets a line of JSON for each frame and event.")
    var truth: String?
    @Option(help: "Folder with meters/ to look for models in, instead of the installed catalogue.")
    var share: String?
    @Flag(
        name: .customLong("patient"),
        help: "Units answer without 3.5 characters of silence as well: for a master whose clock is not this machine's.")
    var isPatient = false
    @Flag(help: "Prints the address as JSON.")
    var json = false

    func validate() throws {
        guard (1...247).contains(count) else { throw ValidationError("--count is from 1 to 247.") }
        guard (300...1_000_000).contains(baud) else { throw ValidationError("--baud is from 300 to 1000000.") }
        guard SerialLine.Parity(rawValue: parity) != nil else {
            throw ValidationError("--parity is none, even or odd.")
        }
        guard (1...2).contains(stopBits) else { throw ValidationError("--stop-bits is 1 or 2.") }
        guard LineFault.duration(turnaround) != nil else {
            throw ValidationError("--turnaround is a time such as 5ms.")
        }
    }

    func run() throws {
        Signals.prepare()
        let line = try EmulatedLine(
            try specifications(),
            line: SerialLine(baud: baud, parity: SerialLine.Parity(rawValue: parity) ?? .none, stopBits: stopBits),
            faults: try faults.map { try LineFault($0) }, seed: seed, isPatient: isPatient, folder: folder,
            converter: converter, truth: truth)
        if json {
            let ready: JSON = [
                "port": .string(line.path), "device": line.device.map { .string($0) } ?? .null,
                "converter": line.converterPort.map { .integer($0) } ?? .null,
            ]
            Output.line(String(decoding: ready.bytes, as: UTF8.self))
        } else {
            Output.line("line \(line.path)" + (line.converterPort.map { " 127.0.0.1:\($0)" } ?? ""))
        }
        Signals.waitForEnd()
        line.stop()
        let counts = line.counts
        Output.error(
            "\(counts.heard) requests heard, \(counts.gapViolations) too early, \(counts.unheard) not heard otherwise; "
                + "\(counts.answers) answers")
    }

    private func specifications() throws -> [EmulatedLine.Unit] {
        let usual = LineFault.duration(turnaround) ?? .milliseconds(5)
        guard !units.isEmpty else {
            let definition = try Models.definition(named: model, share: share)
            return (1...count).map { EmulatedLine.Unit(id: UInt8($0), definition: definition, turnaround: usual) }
        }
        return try units.map { text in
            let parts = text.split(separator: "=", maxSplits: 1)
            let fields = (parts.count == 2 ? parts[1] : "").split(separator: ",").map(String.init)
            let time = fields.count == 2 ? LineFault.duration(fields[1]) : usual
            guard let id = parts.first.flatMap({ UInt8($0) }), (1...2).contains(fields.count), let time else {
                throw LabError(.format, "unit '\(text)'", hint: "such as 7=eastron-sdm630 or 7=eastron-sdm630,20ms")
            }
            return EmulatedLine.Unit(
                id: id, definition: try Models.definition(named: fields[0], share: share), turnaround: time)
        }
    }
}
