import ArgumentParser
import Gateway

/// `parthe read`.
struct ReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read", abstract: "Read one meter now, or one range of registers in every type.",
        usage: """
            parthe read <meter>
            parthe read --raw <bus> <unit> <address> [<count>]
            """,
        discussion: """
            Goes through the running agent, which lends its bus, or alone where none runs. Registers are shown zero-based, as the request \
            carries them, and as most manuals print them (30001 for input register 0, 40001 for holding register 0).

            With --raw: BUS is a bus of the configuration or a place (tcp:HOST, rtu_over_tcp:HOST:PORT, /dev/…).
            ADDRESS is zero-based (840, 0x348, h:840, i:0) or a manual's number (40841, 30001); how it was \
            understood is shown. With --function every number is zero-based.
              parthe read main                      every point of the meter main
              parthe read --raw hall 1 30001 2      the first input registers
              parthe read --raw hall 1 0x348 4      holding registers 840…843
              parthe read --raw /dev/ttyS1 1 i:0 --baud 19200 --parity even

            Exit code 0 when every point has a value, 1 when some have none or the registers are refused, 69 when \
            the meter does not answer, 64 when there is no such meter.
            """)

    @Argument(help: "The meter's id in the configuration; with --raw: bus, unit id, address, and how many registers.")
    var words: [String]
    @Flag(help: "Read one range of registers and show it in every type and word order.") var raw = false
    @Option(
        help: ArgumentHelp(
            "With --raw: 3 holding registers, 4 input registers, 1 coils, 2 discrete inputs.", valueName: "code"))
    var function: Int?
    @OptionGroup var bus: BusOptions

    func validate() throws {
        if raw {
            guard (3...4).contains(words.count) else {
                throw ValidationError("--raw needs: bus, unit id, address, and perhaps how many registers.")
            }
        } else if words.count != 1 {
            throw ValidationError("One meter is read at a time; for registers add --raw.")
        } else if function != nil {
            throw ValidationError("--function goes with --raw.")
        } else if let option = bus.line.given {
            throw ValidationError(
                "\(option) goes with --raw: a meter is read at the settings that its bus has in the configuration. "
                    + "Others are tried by `parthe bus why <bus> <unit> \(option) …`.")
        } else if bus.timeout != nil {
            throw ValidationError(
                "--timeout goes with --raw: a meter is waited for as the configuration says, "
                    + "`timing: {timeout: 1s}` at the meter.")
        }
    }

    func run() throws {
        try withExitCodes {
            if raw { try readRaw() } else { try readMeter(words[0]) }
        }
    }

    private func readRaw() throws {
        let unit = try unitNumber(words[1])
        guard let count = words.count > 3 ? Int(words[3]) : 2 else {
            throw ValidationError("'\(words[3])' is no number of registers.")
        }
        let readout = try RawReadout(
            bus.choice(words[0]), unit: unit, address: words[2], count: count, function: function,
            timeoutMilliseconds: bus.timeout)
        if bus.json { Terminal.write(readout.json) } else { print(RawPage(readout).text) }
        switch readout.result {
        case "ok": break
        case "failed": throw ExitCode.partly
        default: throw ExitCode.unavailable
        }
    }

    private func readMeter(_ meter: String) throws {
        let readout = try MeterReadout(of: meter, options: Agent.Options(bus.files, bus.agent))
        if bus.json { Terminal.write(readout.json) } else { show(readout) }
        if readout.points.allSatisfy(\.words.isEmpty) { throw ExitCode.unavailable }
        if readout.values < readout.points.count { throw ExitCode.partly }
    }

    private func show(_ readout: MeterReadout) {
        let points = counted(readout.points.count, "point")
        let result =
            readout.values > 0
            ? "\(readout.values) of \(points) in \(counted(readout.requests.count, "request"))" : "none of \(points)"
        print(
            """
            \(Terminal.paint(readout.meter, .bold)): \(readout.model) (\(readout.status)), \(readout.endpoint) \
            unit \(readout.unit)
            \(result), \(readout.milliseconds) ms\(readout.isLent ? " through the agent" : ""), \(readout.time)

            """)
        // A meter that answers without any value is worth looking at as well.
        let hasAnswered = readout.points.contains { !$0.words.isEmpty }
        if hasAnswered {
            let name = max(5, readout.points.map(\.name.count).max() ?? 0)
            let value = max(5, readout.points.map { text($0).count }.max() ?? 0)
            let unit = max(4, readout.points.map(\.symbol.count).max() ?? 0)
            let place = max(8, readout.points.map(\.notation.count).max() ?? 0)
            print(
                Terminal.paint(
                    "\(Terminal.left("POINT", name))  \(Terminal.right("VALUE", value))  "
                        + "\(Terminal.left("UNIT", unit))  \(Terminal.left("REGISTER", place))  RAW", .dim))
            for line in readout.points {
                let rest = line.words.joined(separator: " ") + (line.words.isEmpty || line.error == nil ? "" : "  ")
                print(
                    "\(Terminal.left(line.name, name))  \(Terminal.right(text(line), value))  "
                        + "\(Terminal.left(line.symbol, unit))  \(Terminal.left(line.notation, place))  "
                        + rest + (line.error ?? ""))
            }
        }
        if !readout.requests.isEmpty {
            if hasAnswered { print() }
            for line in Terminal.wrapped(
                readout.requests.joined(separator: ", "), Terminal.width, first: "sent: ", rest: "      ", most: 40)
            { print(line) }
        }
        if let error = readout.error {
            print((hasAnswered ? "\n" : "") + Terminal.paint(error, .red))
            if let hint = readout.hint {
                for line in Terminal.wrapped(hint, Terminal.width, first: "  → ", rest: "    ", most: 6) { print(line) }
            }
            if !hasAnswered { print("  → `parthe bus why \(readout.bus) \(readout.unit)` looks closer") }
        }
    }

    private func text(_ line: MeterReadout.Line) -> String {
        line.value.map { "\($0)" } ?? line.text ?? "–"
    }
}
