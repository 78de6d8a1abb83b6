import ArgumentParser
import Gateway

extension BusCommand {
    /// `parthe bus scan`.
    struct Scan: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Find out who answers on a bus, and what to write into the configuration.",
            usage: "parthe bus scan <bus> [<options>]",
            discussion: """
                Asks every unit id, 1…247 and on Modbus TCP 0 and 255 as well, for two registers. Whoever answers, if \
                only with a refusal, is then asked what it is: device identification, server id, SunSpec models, \
                and the registers by which the catalogue tells models apart.
                \(BusHelp.through)

                  parthe bus scan hall
                  parthe bus scan hall --units 1-32,40
                  parthe bus scan tcp:192.168.1.20
                  parthe bus scan /dev/serial/by-id/usb-FTDI… --baud 9600,19200 --parity none,even
                  parthe bus scan hall --write       and add what is new to meters/

                A silent unit id costs the timeout: 300 ms on a serial port, 500 ms behind a converter, 1 s on Modbus \
                TCP, unless --timeout says otherwise (at most 1500ms). Slower devices are noticed by their late \
                answers, as long as no agent polls between.
                A SunSpec device is offered with the rated power of its plate and the register of its serial number. \
                Whoever answers at other line settings than the bus has is offered with what to change first; where no \
                model is sure enough, a meter with points of its own whose blanks you fill in by the manual. --write \
                writes neither.
                Ctrl-C ends it and shows what was found.
                Exit code 0 when somebody answers, 1 when it was ended early or only garbled answers came, 69 when \
                nobody answers or the bus cannot be reached.
                """)

        @Argument(help: BusHelp.bus) var bus: String
        @Option(
            name: [.long, .customLong("unit")],
            help: ArgumentHelp("Unit ids: 1-32,40; all unless given.", valueName: "list"), transform: unitList)
        var units: [[UInt8]] = []
        @Flag(help: "Ask silent unit ids by other functions as well: takes three times as long.") var thorough = false
        @Flag(help: "Write a file for each new meter into meters/ beside the configuration; none is overwritten.")
        var write = false
        @OptionGroup var options: BusOptions

        func run() throws {
            try withExitCodes {
                let interruption = try Interruption()
                let scanOptions = BusScan.Options(
                    units: units.flatMap { $0 }, timeoutMilliseconds: options.timeout, isThorough: thorough,
                    writes: write)
                var scan = try BusScan(options.choice(bus), scanOptions)
                let line = ProgressLine()
                line.say(scan.plan)
                let report = try scan.run(isStopped: { interruption.isAsked }) { progress in
                    let place = progress.line.map { " at \($0)" } ?? ""
                    guard !progress.isSurvey else {
                        return line.show("unit \(progress.unit)\(place): what is it?", isLast: false)
                    }
                    if progress.isFound { line.say("unit \(progress.unit)\(place) answers") }
                    line.show(
                        "\(progress.done) of \(progress.total): unit \(progress.unit)\(place), \(progress.found) found, "
                            + "\(progress.remaining.rounded) to go", isLast: progress.done == progress.total)
                }
                line.clear()
                if options.json { Terminal.write(report.json) } else { print(ScanPage(report).text) }
                if report.result != "ok" {
                    throw report.units.isEmpty && report.isComplete || report.result == "failed"
                        ? ExitCode.unavailable : ExitCode.partly
                }
                if !report.isComplete { throw ExitCode.partly }
            }
        }

        /// `1-32,40`.
        private static func unitList(_ text: String) throws -> [UInt8] {
            try text.split(separator: ",", omittingEmptySubsequences: false).flatMap { part -> [UInt8] in
                let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { UInt8($0) }
                guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last else {
                    throw ValidationError("'\(part)' is no unit id and no range: write 1-32,40.")
                }
                return Array(first...last)
            }
        }
    }
}

/// How far a long command is: a line that renews itself on a terminal, else a line now and then. Goes to standard error.
final class ProgressLine {
    private let isTerminal = Terminal.errorIsTerminal
    private var shown = false
    private var last: ContinuousClock.Instant?

    /// Off a terminal so much time passes between two lines.
    private static let interval = Duration.seconds(10)

    /// Says something that stays.
    func say(_ text: String) {
        clear()
        for line in Terminal.wrapped(text, Terminal.width, first: "", rest: "  ", most: 6) {
            Terminal.tell(line + "\n")
        }
    }

    /// Shows how far it is.
    func show(_ text: String, isLast: Bool) {
        if isTerminal {
            Terminal.tell("\r\u{1B}[K" + Terminal.cut(text, Terminal.width - 1))
            shown = true
            return
        }
        let now = ContinuousClock.now
        guard let last else { return last = now }
        guard !isLast, now - last >= Self.interval else { return }
        self.last = now
        Terminal.tell(text + "\n")
    }

    /// Takes the line away.
    func clear() {
        guard shown else { return }
        Terminal.tell("\r\u{1B}[K")
        shown = false
    }
}
