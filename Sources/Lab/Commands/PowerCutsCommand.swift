internal import ArgumentParser
internal import Metering
internal import Posix

/// `parthe-lab power-cuts`.
struct PowerCutsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "power-cuts",
        abstract: "Puts together what a disk holds after power cuts, and checks the spool on it.",
        discussion: """
            From the log of QEMU's blklogwrites: everything up to the last flush before the cut, and of what follows all, \
            some, some in another order, or some sectors. Needs e2fsck and debugfs. Exit code 0: no reading was lost and \
            nothing is wrong in any state (with --control: readings were lost, as they must be); 1: not so.
            """)

    @Option(help: "The log.")
    var log: String
    @Option(help: "The disk as it was when the log began.")
    var disk: String
    @Option(help: "How many states to look at, spread over the log.")
    var states = 300
    @Option(help: "Decides what is kept and what is lost.")
    var seed: UInt64 = 1
    @Flag(help: "The writer did not sync: readings must be lost.")
    var control = false

    func validate() throws {
        guard states > 0 else { throw ValidationError("--states is at least 1.") }
    }

    func run() throws {
        let scratch = try LabFile.temporaryFolder("parthe-power-cuts")
        defer { LabFile.remove(folder: scratch) }
        let begin = BootClock.now
        let outcome = try PowerCuts(log: log, disk: disk, scratch: scratch).run(states: states, seed: seed) { line in
            if !control { Output.line(line) }
        }
        let seconds = Double((BootClock.now - begin).wholeMilliseconds) / 1000
        Output.line(
            """
            \(outcome.states) power cuts within \(outcome.promises) commits and \(outcome.flushes) flushes: \
            \(outcome.lost) committed readings lost in \(outcome.losingStates) states, \
            \(outcome.wrongStates - outcome.losingStates) states wrong otherwise (\(Int(seconds)) s, \
            \(Int(seconds * 1000) / states) ms each)
            """)
        // A log without promises proves nothing.
        guard outcome.promises > 0, control ? outcome.losingStates > 0 : outcome.wrongStates == 0 else {
            throw ExitCode(1)
        }
    }
}
