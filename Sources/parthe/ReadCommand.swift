import ArgumentParser
import Gateway

/// `parthe read`.
struct ReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read", abstract: "Read one meter now, and show every point.",
        discussion: """
            Goes through the running agent, which lends its bus, or alone where none runs. Registers are shown zero-based, as the request \
            carries them, and as most manuals print them (30001 for input register 0, 40001 for holding register 0).
            Exit code 0 when every point has a value, 1 when some have none, 69 when \
            the meter does not answer, 64 when there is no such meter.
            """)

    @Argument(help: "The meter's id in the configuration.") var meter: String
    @OptionGroup var files: ConfigurationOptions
    @OptionGroup var agent: SocketOption
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        try withExitCodes {
            let readout = try MeterReadout(of: meter, options: Agent.Options(files, agent))
            if json { Terminal.write(readout.json) } else { show(readout) }
            if readout.points.allSatisfy(\.words.isEmpty) { throw ExitCode.unavailable }
            if readout.values < readout.points.count { throw ExitCode.partly }
        }
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
            let place = max(8, readout.points.map { self.place($0).count }.max() ?? 0)
            print(
                Terminal.paint(
                    "\(Terminal.left("POINT", name))  \(Terminal.right("VALUE", value))  "
                        + "\(Terminal.left("UNIT", unit))  \(Terminal.left("REGISTER", place))  RAW", .dim))
            for line in readout.points {
                let rest = line.words.joined(separator: " ") + (line.words.isEmpty || line.error == nil ? "" : "  ")
                print(
                    "\(Terminal.left(line.name, name))  \(Terminal.right(text(line), value))  "
                        + "\(Terminal.left(line.symbol, unit))  \(Terminal.left(self.place(line), place))  "
                        + rest + (line.error ?? ""))
            }
        }
        if let error = readout.error {
            print((hasAnswered ? "\n" : "") + Terminal.paint(error, .red))
            if let hint = readout.hint { print("  → \(hint)") }
        }
    }

    /// `30001 = input 0`.
    private func place(_ line: MeterReadout.Line) -> String {
        "\(line.manualRegister) = \(line.function == 3 ? "holding" : "input") \(line.register)"
    }

    private func text(_ line: MeterReadout.Line) -> String {
        line.value.map { "\($0)" } ?? line.text ?? "–"
    }
}
