import ArgumentParser
import Gateway

/// Line settings other than the bus's own: for serial ports only.
struct LineOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Baud rates, with commas; the bus's own unless given (9600 for a port without configuration).",
            valueName: "list"),
        transform: numbers)
    var baud: [[Int]] = []

    @Option(
        help: ArgumentHelp("Parities: none, even, odd, with commas.", valueName: "list"),
        transform: { $0.split(separator: ",").map { String($0).lowercased() } })
    var parity: [[String]] = []

    @Option(help: ArgumentHelp("Stop bits: 1, 2, with commas.", valueName: "list"), transform: numbers)
    var stopBits: [[Int]] = []

    /// The first of these options that was given; nil where none was.
    var given: String? {
        baud.isEmpty ? parity.isEmpty ? stopBits.isEmpty ? nil : "--stop-bits" : "--parity" : "--baud"
    }

    /// The bus `name` at these settings.
    func choice(_ name: String, _ options: Agent.Options) throws -> BusChoice {
        try BusChoice(
            BusChoice.Request(
                bus: name, bauds: baud.flatMap { $0 }, parities: parity.flatMap { $0 },
                stopBits: stopBits.flatMap { $0 }),
            options: options)
    }

    /// `9600,19200`.
    static func numbers(_ text: String) throws -> [Int] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            guard let number = Int(part) else { throw ValidationError("'\(part)' is no number.") }
            return number
        }
    }
}

/// The folders and the agent, for commands that look at a bus.
struct BusOptions: ParsableArguments {
    @OptionGroup var line: LineOptions
    @Option(
        help: ArgumentHelp("How long to wait for an answer, such as 300ms or 1s.", valueName: "time"),
        transform: milliseconds)
    var timeout: Int64?
    @OptionGroup var files: ConfigurationOptions
    @OptionGroup var agent: SocketOption
    @Flag(help: "Print JSON.") var json = false

    /// The bus `name`.
    func choice(_ name: String) throws -> BusChoice {
        try line.choice(name, Agent.Options(files, agent))
    }

    private static func milliseconds(_ text: String) throws -> Int64 {
        let factors: [(String, Int64)] = [("ms", 1), ("s", 1000)]
        guard let (suffix, factor) = factors.first(where: { text.hasSuffix($0.0) }),
            let number = Int64(text.dropLast(suffix.count)), (1...60_000).contains(number), number * factor >= 10
        else { throw ValidationError("'\(text)' is no time: write 300ms or 1s.") }
        return number * factor
    }
}

/// What every look at a bus says of itself.
enum BusHelp {
    static let bus = ArgumentHelp(
        "A bus of the configuration, or a place: tcp:HOST[:PORT], rtu_over_tcp:HOST:PORT, /dev/serial/by-id/…",
        valueName: "bus")
    static let through =
        "Goes through the running agent, which lends its bus for at most 2 s a step, or alone where none runs. "
        + "Never writes to a meter."
}

/// Reads a unit id.
func unitNumber(_ text: String) throws -> UInt8 {
    guard let number = UInt8(text) else { throw ValidationError("'\(text)' is no unit id: a number in 0…255.") }
    return number
}
