internal import ArgumentParser
internal import Spooling

/// `parthe-lab audit`.
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Compares what a spool committed with what a platform holds.",
        discussion: """
            Prints the totals and the worst points. Readings that are under way, or were when the agent ended, count as
            missing until they arrive. Exit code 0: every committed reading is there once and nothing else; 1: not so; 2: one of
            the two could not be asked.
            """)

    @Option(help: "The spool's folder; its agent may run or not.")
    var spool: String
    @Option(help: "The platform's service root, such as http://127.0.0.1:8080/v1.1.")
    var platform: String
    @Option(help: "Looks at this gateway's Datastreams only; needed where the platform has several.")
    var gateway: String?
    @Option(help: "How many points to list that are not as they should be.")
    var worst = 10
    @Flag(help: "Prints everything as JSON.")
    var json = false

    func run() throws {
        let comparison: AuditComparison
        do {
            let lines = try SpoolStore.openForReading(directory: spool).audit()
            comparison = AuditComparison(spool: lines, platform: try .fetch(from: platform), gateway: gateway)
        } catch {
            Output.error("\(error)")
            throw ExitCode(2)
        }
        if json {
            Output.line(String(decoding: comparison.json.bytes, as: UTF8.self))
        } else {
            Output.line(comparison.summary)
            let offenders = comparison.offenders
            for point in offenders.prefix(max(0, worst)) { Output.line("  \(point)") }
            if offenders.count > worst { Output.line("  and \(offenders.count - worst) more points") }
        }
        if !comparison.isClean { throw ExitCode(1) }
    }
}
