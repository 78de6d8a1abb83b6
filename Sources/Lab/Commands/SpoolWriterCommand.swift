internal import ArgumentParser

/// `parthe-lab spool-writer`.
struct SpoolWriterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spool-writer",
        abstract: "Writes a spool whose readings can be checked, and marks on a raw disk what it has promised.",
        discussion: "For scripts/test-powercut, in its virtual machine.")

    @Option(help: "The spool's folder.")
    var spool: String
    @Option(help: "The partition for the marks; its first sector is overwritten.")
    var marks: String
    @Option(help: "How many commits.")
    var commits = 400
    @Option(help: "Decides how many readings each commit has.")
    var seed: UInt64 = 1
    @Flag(name: .customLong("no-sync"), help: "Lets SQLite believe that its files are synced: the control.")
    var isUnsynced = false

    func run() throws {
        if isUnsynced { UnsyncedFiles.install() }
        let marks = try MarkFile(marks)
        var promise = ProbeSpool.Promise()
        try ProbeSpool.write(to: spool, commits: commits, seed: seed) { new in
            promise = new
            try marks.write(promise)
        }
        Output.line("\(commits) commits of \(promise.committed) readings, \(promise.settled) settled")
    }
}
