internal import ArgumentParser

/// `parthe-lab spool-check`.
struct SpoolCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spool-check",
        abstract: "Opens a spool of spool-writer as the agent does, checks every reading, and goes on with it.",
        discussion: "Exit code 0: nothing that was promised is missing, and nothing is wrong; 1: not so.")

    @Argument(help: "The spool's folder.")
    var folder: String
    @Option(help: "The newest sequence number that was acknowledged.")
    var acked: Int64 = 0
    @Option(help: "The newest whose settlement was acknowledged.")
    var settled: Int64 = 0
    @Option(help: "The newest whose settlement may be in the file; otherwise all may.")
    var settling: Int64?

    func run() throws {
        let promise = ProbeSpool.Promise(committed: acked, settled: settled, settling: settling ?? .max)
        let finding = ProbeSpool.check(folder, promise)
        Output.line("\(finding.committed) readings, \(acked) acknowledged, \(finding.lost) lost")
        for problem in finding.problems.prefix(20) { Output.line("  \(problem)") }
        if !finding.problems.isEmpty { throw ExitCode(1) }
    }
}
