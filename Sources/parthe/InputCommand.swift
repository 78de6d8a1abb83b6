import ArgumentParser
import Gateway

/// `parthe input`: digital inputs, on the gateway.
struct InputCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "input", abstract: "Look at digital inputs: lines, edges, totals.",
        subcommands: [List.self, Watch.self, Test.self, Add.self, SetTotal.self])
}

/// What every look at a line says of itself.
enum InputHelp {
    static let line = ArgumentHelp(
        "An input of the configuration, a terminal of its board, a line's name, or CHIP:OFFSET.", valueName: "line")
}

/// What is tried on a line that nobody uses yet.
struct TrialOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Try a bias on a line that nobody uses: as-is, none, pull-up or pull-down.", valueName: "bias"))
    var bias: String?
    @Flag(inversion: .prefixedNo, help: "Try whether a low voltage is the active level, on a line that nobody uses.")
    var inverted: Bool?

    /// A watch of `line`; what the configuration cannot tell is told.
    func watch(_ line: String, _ options: InputOptions) throws -> InputWatch {
        let watch = try InputWatch(
            line, bias: bias, isInverted: inverted, options: options.options, interruption: try Interruption())
        if let problem = watch.problem { Terminal.complain(problem) }
        return watch
    }
}

/// The folders and the agent, for commands that look at inputs.
struct InputOptions: ParsableArguments {
    @OptionGroup var files: ConfigurationOptions
    @OptionGroup var agent: SocketOption
    @Flag(help: "Print JSON.") var json = false

    var options: Agent.Options { Agent.Options(files, agent) }
}

extension InputCommand {
    /// `parthe input list`.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show all lines of all chips: name, who uses it, terminal on the enclosure.",
            discussion: """
                Terminals are shown where the configuration names the gateway's board. Chips that this user may not open \
                are told, with what opens them.
                Exit code 0; 69 when there is no chip that this user may open.
                """)

        @OptionGroup var options: InputOptions

        func run() throws {
            try withExitCodes {
                let list = try InputList(options: options.options)
                if let problem = list.problem { Terminal.complain(problem) }
                if let advice = list.advice { Terminal.complain("not shown: \(advice)") }
                if options.json { return Terminal.write(list.json) }
                let chip = max(4, list.lines.map(\.chip.count).max() ?? 0)
                let name = max(4, list.lines.map(\.name.count).max() ?? 0)
                let terminal = list.lines.compactMap(\.terminal?.count).max().map { max(8, $0) }
                func row(_ line: InputList.Line) -> String {
                    let use = line.used ? "used by \(line.consumer.isEmpty ? "the kernel" : line.consumer)" : "free"
                    return (terminal.map { Terminal.left(line.terminal ?? "", $0) + "  " } ?? "")
                        + Terminal.left(line.chip, chip) + "  " + Terminal.right("\(line.offset)", 6) + "  "
                        + Terminal.left(line.name, name) + "  " + Terminal.left(line.direction, 6) + "  " + use
                        + (line.input.map { ", input \($0)" } ?? "")
                }
                let title =
                    (terminal.map { Terminal.left("TERMINAL", $0) + "  " } ?? "") + Terminal.left("CHIP", chip)
                    + "  OFFSET  " + Terminal.left("NAME", name) + "  KIND    USE"
                print(Terminal.paint(title, .dim))
                for line in list.lines { print(row(line)) }
                print("\n\(counted(list.lines.count, "line"))" + (list.board.map { ", \($0)" } ?? ""))
                if let limits = list.limits { print(limits) }
            }
        }
    }

    /// `parthe input watch`.
    struct Watch: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show edges as they come, with width and spacing.",
            discussion: """
                Goes through the running agent where it watches the line, or alone where nobody does.

                  parthe input watch gas
                  parthe input watch pinctrl-bcm2711:17 --seconds 60
                  parthe input watch "pin 11" --bias pull-up --inverted

                Ctrl-C ends it. Exit code 0 when an edge was seen, 1 when none was, 64 when the agent has the line and \
                something else is to be tried on it, 69 when there is no such line.
                """)

        @Argument(help: InputHelp.line) var line: String
        @Option(help: ArgumentHelp("End after so many edges.", valueName: "number")) var count: Int?
        @Option(help: ArgumentHelp("End after so many seconds.", valueName: "number")) var seconds: Double?
        @OptionGroup var trial: TrialOptions
        @OptionGroup var options: InputOptions

        func validate() throws {
            if let count, count < 1 { throw ValidationError("--count is 1 or more.") }
            if let seconds, !(0.1...1e6).contains(seconds) { throw ValidationError("--seconds is 0.1 or more.") }
        }

        func run() throws {
            try withExitCodes {
                let watch = try trial.watch(line, options)
                let report = try watch.run(
                    seconds: seconds, count: count, started: { Terminal.tell($0 + "\n") },
                    tell: { edge in
                        guard !options.json else { return Terminal.write(edge.json) }
                        let width = edge.lastedMilliseconds.map {
                            "  \(edge.active ? "pause" : "pulse") of \(figure($0)) ms"
                        }
                        let spacing = edge.spacingMilliseconds.map { ", \(figure($0)) ms after the pulse before" }
                        print("\(edge.time)  \(edge.active ? "on " : "off")" + (width ?? "") + (spacing ?? ""))
                    })
                Terminal.tell("\(counted(report.edges, "edge")), \(counted(report.pulses, "pulse"))\n")
                if let ending = report.ending { Terminal.complain(ending) }
                if report.edges == 0 { throw ExitCode.partly }
            }
        }
    }

    /// `parthe input test`.
    struct Test: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell whether a line has a clean S0 signal, a bouncing contact, or nothing.",
            discussion: """
                Watches for 30 s unless told otherwise, tells what it looks like, and what to write. What the running \
                agent filters with an input's debounce cannot be seen through it.

                  parthe input test "pin 11" --seconds 60
                  parthe input test GPIO17 --bias pull-up

                Exit code 0 when pulses were seen, 1 when it cannot be told, 64 when the agent has the line and \
                something else is to be tried on it, 69 when there is no such line.
                """)

        @Argument(help: InputHelp.line) var line: String
        @Option(help: ArgumentHelp("How long to watch.", valueName: "number")) var seconds = 30.0
        @OptionGroup var trial: TrialOptions
        @OptionGroup var options: InputOptions

        func validate() throws {
            if !(0.1...86_400).contains(seconds) { throw ValidationError("--seconds is 0.1 to 86400.") }
        }

        func run() throws {
            try withExitCodes {
                let watch = try trial.watch(line, options)
                let progress = ProgressLine()
                var edges = 0
                let report = try watch.run(
                    seconds: seconds, count: nil,
                    started: { progress.say("watching \($0), for \(Int(seconds)) s; Ctrl-C ends it") },
                    tell: { _ in
                        edges += 1
                        progress.show("\(counted(edges, "edge"))", isLast: false)
                    })
                progress.clear()
                if options.json { Terminal.write(report.json) } else { Self.show(report) }
                if let ending = report.ending { Terminal.complain(ending) }
                if report.result != "ok" { throw ExitCode.partly }
            }
        }

        private static func show(_ report: InputWatch.Report) {
            let colour: Terminal.Colour = report.result == "ok" ? .green : .yellow
            let lines =
                Terminal.wrapped(
                    report.verdict, Terminal.width, first: Terminal.left(report.result, 7) + "  ", rest: "         ",
                    most: 4, colour: colour)
                + Terminal.wrapped(report.next, Terminal.width, first: "  → ", rest: "    ", most: 6)
            print(lines.joined(separator: "\n"))
            for key in report.proposal { print("    in the configuration: " + Terminal.paint(key, .bold)) }
        }
    }

    /// `parthe input add`.
    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add an input: a file in inputs/ beside the configuration.",
            discussion: """
                  parthe input add gas "pin 11" --pulses-per 100 --unit m3 --key "pulse: s0" --key "bias: pull-up"
                  parthe input add door GPIO27 --contact open,closed

                Nothing is overwritten, and a file that would be wrong is not left behind. The running agent takes it \
                up with the next reload (SIGHUP).
                Exit code 0; 64 or 78 when something is wrong with it, 73 when it cannot be written.
                """)

        @Argument(help: "The input's name.") var id: String
        @Argument(help: "A terminal of the board, a line's name, or CHIP:OFFSET.") var line: String
        @Option(help: ArgumentHelp("Pulses for one unit.", valueName: "number")) var pulsesPer: String?
        @Option(help: ArgumentHelp("The unit: m3, kW.h, l …", valueName: "unit")) var unit: String?
        @Option(help: ArgumentHelp("The names of the active and the other state.", valueName: "a,b"))
        var contact: String?
        @Option(name: .customLong("key"), help: ArgumentHelp("A further key, such as \"pulse: s0\".", valueName: "key"))
        var keys: [String] = []
        @OptionGroup var files: ConfigurationOptions

        func run() throws {
            try withExitCodes {
                let offer = try InputOffer(
                    id, line: line, use: try use(), more: keys, options: Agent.Options(files))
                print("\(offer.path):\n\n\(offer.text)")
                print("Reload the agent to take it up: systemctl reload parthe")
            }
        }

        private func use() throws -> InputOffer.Use {
            switch (pulsesPer, unit, contact) {
            case (let perUnit?, let unit?, nil): return .pulses(per: perUnit, unit: unit)
            case (nil, nil, let contact?):
                let names = contact.split(separator: ",").map(String.init)
                guard names.count == 2 else { throw ValidationError("--contact has two names: open,closed.") }
                return .contact(active: names[0], inactive: names[1])
            default: throw ValidationError("Give --pulses-per and --unit for pulses, or --contact for a contact.")
            }
        }
    }

    /// `parthe input set-total`.
    struct SetTotal: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set-total", abstract: "Set a pulse input's total to what the dial shows.",
            discussion: """
                The count of pulses stays; what the dial shows now is added from here on. Who did it and when is kept \
                as an event, and delivered with the next reading.

                  parthe input set-total gas 12345.678 m3

                Exit code 0; 64 when there is no such input, or it counts in another unit.
                """)

        @Argument(help: "The input's name.") var input: String
        @Argument(help: "What the dial shows: 12345.678.") var dial: String
        @Argument(help: "The unit, as a precaution: m3, kW.h, l …") var unit: String
        @OptionGroup var files: ConfigurationOptions
        @OptionGroup var agent: SocketOption
        @Option(help: ArgumentHelp("The folder of the spool.", valueName: "dir"), completion: .directory)
        var state = "/var/lib/parthe"

        func run() throws {
            try withExitCodes {
                let total = try InputTotal(
                    input, dial: dial, unit: unit, options: Agent.Options(files, agent), state: state)
                print(total.text)
            }
        }
    }
}

/// `12.3`; whole numbers from 100 on.
private func figure(_ milliseconds: Double) -> String {
    milliseconds < 100 ? "\((milliseconds * 10).rounded() / 10)" : "\(Int(milliseconds.rounded()))"
}
