import ArgumentParser
import Gateway

/// `parthe status`.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Ask the running agent how it is.",
        discussion: """
            On a terminal the page fits the terminal; in a file or a pipe it is complete.
            Exit code 0 when all is well, 1 when the agent runs and something is wrong (it says what), 69 when no agent \
            answers.
            """)

    @OptionGroup var control: SocketOption
    @Flag(help: "Print JSON.") var json = false
    @Flag(name: .long, help: "Show everything, however many lines that takes.") var all = false

    func run() throws {
        let report: StatusReport
        do {
            report = try StatusReport.ask(at: control.socket)
        } catch {
            Terminal.complain(error.description)
            throw ExitCode.unavailable
        }
        if json {
            Terminal.write(report.json)
        } else {
            // One line stays for the prompt.
            let size = all ? nil : Terminal.size
            print(StatusPage(report, lines: size.map { $0.lines - 1 } ?? .max, width: size?.columns ?? .max).text)
        }
        if !report.problems.isEmpty { throw ExitCode.partly }
    }
}
