import ArgumentParser
import Gateway

extension BusCommand {
    /// `parthe bus why`.
    struct Why: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Find out why a meter is silent, and what to do.",
            usage: "parthe bus why <bus> <unit> [<options>]",
            discussion: """
                Tries one thing after the other, the cheapest first, and shows what came: the port or connection, the \
                unit as it is configured, more patience, the other framing (RTU over TCP, Modbus TCP), other baud rates \
                and parities on a serial port, the neighbours. Where the unit answers but refuses, or points \
                of your own hold what cannot be: the registers one beside, the other order of words, and the other \
                table. Ends with a verdict, what to do next, and the line of the configuration \
                to change where that is it.
                \(BusHelp.through)

                  parthe bus why hall 3
                  parthe bus why /dev/ttyS1 1 --baud 9600 --parity even
                  parthe bus why tcp:192.168.1.20 1

                Exit code 0 when all is well, 1 when the unit answers but something is wrong, 69 when it does not \
                answer as it is configured, or the bus cannot be reached, 64 for unit 0 of a line, which no unit has.
                """)

        @Argument(help: BusHelp.bus) var bus: String
        @Argument(help: "The unit id: 1…247, on Modbus TCP 0 and 255 as well.", transform: unitNumber) var unit: UInt8
        @OptionGroup var options: BusOptions

        func run() throws {
            try withExitCodes {
                let interruption = try Interruption()
                var diagnosis = try BusDiagnosis(
                    options.choice(bus), unit: unit, timeoutMilliseconds: options.timeout)
                if !options.json { print(Terminal.paint(diagnosis.title, .bold)) }
                var shown: String?
                let report = try diagnosis.run(isStopped: { interruption.isAsked }) { step in
                    guard !options.json else { return }
                    // The same question into the same silence needs to be shown once.
                    let isNew = step.sent != shown || step.received != nil
                    print(Self.text(of: step, withFrames: step.result != "ok" && isNew))
                    if isNew { shown = step.sent }
                }
                if options.json { Terminal.write(report.json) } else { print(Self.verdict(of: report)) }
                guard report.isComplete, report.result != "ok" else {
                    if !report.isComplete { throw ExitCode.partly }
                    return
                }
                throw report.isAnsweringAsConfigured ? ExitCode.partly : ExitCode.unavailable
            }
        }

        private static func text(of step: WhyReport.Step, withFrames: Bool) -> String {
            let colour: Terminal.Colour = step.result == "ok" ? .green : step.result == "failed" ? .red : .yellow
            var lines = Terminal.wrapped(
                "\(step.name): \(step.evidence)", Terminal.width, first: Terminal.left(step.result, 7) + "  ",
                rest: "           ", most: 4, colour: colour)
            if withFrames, let sent = step.sent {
                lines += Terminal.wrapped(
                    sent, Terminal.width, first: "         sent      ", rest: "                   ")
                if let received = step.received {
                    lines += Terminal.wrapped(
                        received, Terminal.width, first: "         received  ", rest: "                   ", most: 4)
                }
            }
            return lines.joined(separator: "\n")
        }

        private static func verdict(of report: WhyReport) -> String {
            let colour: Terminal.Colour = report.result == "ok" ? .green : report.result == "failed" ? .red : .yellow
            let word = report.result == "unknown" ? "not proven" : report.result == "ok" ? "all is well" : "found"
            var lines = Terminal.wrapped(
                report.verdict, Terminal.width, first: "\(word): ", rest: "  ", most: 4, colour: colour)
            lines[0] = "\n" + lines[0]
            if let next = report.next {
                lines += Terminal.wrapped(next, Terminal.width, first: "  → ", rest: "    ", most: 6)
            }
            if let change = report.change {
                let place = report.changeAt.map { ", at \($0)" } ?? ""
                lines.append("    in the configuration\(place): " + Terminal.paint(change, .bold))
            }
            return lines.joined(separator: "\n")
        }
    }
}
