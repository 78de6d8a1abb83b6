internal import ArgumentParser
internal import Glibc
internal import Posix

/// `parthe-lab demo`.
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "The whole job in about a minute: an outage, a kill, an audit.",
        discussion: "Exit code 0 when nothing is missing and nothing is there twice, 1 when the promise is broken.")

    @Flag(help: "Keep everything running before the audit, until Ctrl-C.")
    var keep = false

    func run() throws {
        Signals.prepare()
        let folder = try LabFile.temporaryFolder("parthe-demo")
        do {
            let isClean = try Demonstration(folder: folder).run(keep: keep)
            guard isClean else {
                Output.error("what happened is in \(folder)")
                throw ExitCode.failure
            }
            LabFile.remove(folder: folder)
        } catch is Demonstration.Interruption {
            LabFile.remove(folder: folder)
            throw ExitCode(130)
        }
    }
}
