import ArgumentParser
import Gateway

/// `parthe check`.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say what is wrong with the configuration, and what is understood.",
        discussion: """
            Reads all files and starts nothing. Every error of every file is printed at once, each with its place and \
            what to do. Exit code 0 when the agent would start with it, 78 when not.
            """)

    @OptionGroup var files: ConfigurationOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let report = CheckReport(Agent.Options(files))
        if json {
            Terminal.write(report.json)
        } else {
            for finding in report.findings {
                print(finding.text)
            }
            if let summary = report.summary {
                if !report.findings.isEmpty { print() }
                print(summary)
            }
            let errors = report.findings.count { $0.severity == "error" }
            let warnings = report.findings.count - errors
            print(
                report.isValid
                    ? Terminal.paint("right", .green) + (warnings > 0 ? ", with \(counted(warnings, "warning"))" : "")
                    : Terminal.paint("wrong", .red) + ": \(counted(errors, "error"))"
                        + (warnings > 0 ? ", \(counted(warnings, "warning"))" : ""))
        }
        if !report.isValid { throw ExitCode(78) }
    }
}

/// `1 error`, `2 errors`.
func counted(_ count: Int, _ noun: String) -> String {
    count == 1 ? "1 \(noun)" : "\(count) \(noun)s"
}
