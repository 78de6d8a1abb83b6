import ArgumentParser
import Gateway

extension BusCommand {
    /// `parthe bus trace`.
    struct Trace: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the frames of a bus as they pass, decoded.",
            usage: "parthe bus trace <bus> [<options>]",
            discussion: """
                With a running agent its own frames are shown, live: polls, probes, and what commands ask through it. \
                Without one the configured meters are polled, and that is shown. With --listen, or where no meter is \
                configured, nothing is sent: on a serial line or behind a converter it shows what others say.

                  parthe bus trace hall
                  parthe bus trace hall --seconds 60 --json > hall.jsonl
                  parthe bus trace /dev/ttyS1 --listen --baud 19200 --parity even

                Each line: the time (UTC), the milliseconds since the frame before, > for requests and < for answers, \
                the unit, what is asked with the PDU that was sent, and how long the unit took. Ctrl-C ends it.
                Exit code 0 when an answer passed, 1 when frames passed but no answer, 69 when nothing did.
                """)

        @Argument(help: BusHelp.bus) var bus: String
        @Flag(help: "Send nothing, only listen: serial lines and converters.") var listen = false
        @Option(help: ArgumentHelp("End after so many frames.", valueName: "number")) var count: Int?
        @Option(help: ArgumentHelp("End after so many seconds.", valueName: "number")) var seconds: Double?
        @OptionGroup var line: LineOptions
        @OptionGroup var files: ConfigurationOptions
        @OptionGroup var agent: SocketOption
        @Flag(help: "Print a line of JSON for each frame, and one for what came of it.") var json = false

        func validate() throws {
            if let count, count < 1 { throw ValidationError("--count is 1 or more.") }
            if let seconds, !(0.1...1e6).contains(seconds) { throw ValidationError("--seconds is 0.1 or more.") }
        }

        func run() throws {
            try withExitCodes {
                let interruption = try Interruption()
                let choice = try line.choice(bus, Agent.Options(files, agent))
                let trace = try BusTrace(
                    choice, limit: .init(frames: count, seconds: seconds), isListening: listen,
                    interruption: interruption)
                let summary = try trace.run(started: Self.tell) { entry in
                    if json { Terminal.write(entry.json) } else { print(Self.text(of: entry)) }
                }
                if json { Terminal.write(summary.json) }
                Self.tell(summary)
                if summary.frames == 0 { throw ExitCode.unavailable }
                if summary.answers == 0 { throw ExitCode.partly }
            }
        }

        private static func tell(_ source: BusTrace.Source) {
            switch source {
            case .agent: Terminal.tell("the agent's frames:\n")
            case .polls: Terminal.tell("no agent has this bus: the configured meters are polled from here\n")
            case .listening: Terminal.tell("listening; nothing is sent\n")
            }
        }

        private static func tell(_ summary: BusTrace.Summary) {
            let figures = "\(counted(summary.frames, "frame")), \(counted(summary.answers, "answer"))"
            Terminal.tell("\(summary.result): \(figures)\n")
            if let ending = summary.ending { Terminal.complain(ending) }
            guard let hint = summary.hint else { return }
            for line in Terminal.wrapped(hint, Terminal.width, first: "  → ", rest: "    ", most: 6) {
                Terminal.tell(line + "\n")
            }
        }

        private static func text(of entry: TraceEntry) -> String {
            // 2026-11-27T15:34:06.144Z
            let time = entry.time.dropFirst(11).prefix(12)
            let since = entry.sinceMilliseconds.map { "+" + figure($0) } ?? ""
            let isRequest = entry.kind == "request" || entry.kind == "foreign request" || entry.kind == "echo"
            let head = "\(time) \(Terminal.right(since, 8)) \(isRequest ? ">" : "<") "
            var parts: [String] = []
            if let unit = entry.unit { parts.append("unit \(unit)") }
            if let function = entry.function {
                parts.append("FC\(function)" + (entry.register == nil ? entry.functionName.map { " \($0)" } ?? "" : ""))
            }
            if let register = entry.register { parts.append(register + (isRequest ? " ×\(entry.count ?? 1)" : "")) }
            if let code = entry.exception { parts.append("exception \(code) (\(entry.exceptionName ?? ""))") }
            if !["request", "answer", "exception"].contains(entry.kind) { parts.append(entry.kind) }
            if let note = entry.note, entry.kind != note { parts.append(note) }
            if let turnaround = entry.turnaroundMilliseconds { parts.append("after \(figure(turnaround)) ms") }
            if isRequest, entry.note == nil, let pdu = entry.pdu {
                parts.append("[\(pdu)]")
            } else if let words = entry.words {
                parts.append(words.joined(separator: " "))
            } else if entry.note != nil || entry.unit == nil || entry.exception == nil && !isRequest {
                parts.append("[\(entry.bytes)]")
            }
            let rest = String(repeating: " ", count: head.count)
            let colour: Terminal.Colour? =
                switch entry.kind {
                case "exception", "garbled", "cut", "malformed": .red
                case "late", "noise", "echo": .yellow
                case "foreign request", "foreign answer": .dim
                default: nil
                }
            let silence =
                entry.isAfterSilence ?? false
                ? [String(repeating: " ", count: head.count - 2) + Terminal.paint("– no answer", .yellow)] : []
            let lines = Terminal.wrapped(
                parts.joined(separator: ", "), Terminal.width, first: head, rest: rest, most: 20)
            return (silence + lines.map { line in colour.map { Terminal.paint(line, $0) } ?? line })
                .joined(separator: "\n")
        }

        private static func figure(_ milliseconds: Double) -> String {
            milliseconds < 100 ? "\((milliseconds * 10).rounded() / 10)" : "\(Int(milliseconds.rounded()))"
        }
    }
}
