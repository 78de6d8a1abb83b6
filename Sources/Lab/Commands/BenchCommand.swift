internal import ArgumentParser
internal import Posix

/// `parthe-lab bench`: the figures; `scripts/bench` builds what it needs and calls it.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure; one JSON line a case.",
        subcommands: [
            Plan.self, Poll.self, Line.self, Spool.self, Flash.self, Start.self, Lease.self,
            Load.self, Pulses.self,
        ])

    struct Plan: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Wire time of every model, beside the least.")
        @Option(help: "The folder with the catalogue, instead of the usual ones.") var share: String?

        func run() throws {
            for line in try PlanBench(share: share).run() { Output.line(line) }
        }
    }

    struct Poll: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One meter as fast as possible, beside a loop in C.")
        @Option(help: "The C program poll.") var baseline: String

        func run() throws {
            Output.line(try PollBench(baseline: baseline).run())
        }
    }

    struct Line: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Eight meters on one emulated line, beside loops in C.")
        @Option(help: "The C program line.") var baseline: String
        @Option(help: "How long each of the twelve runs takes.") var seconds = 40

        func run() throws {
            for line in try LineBench(baseline: baseline, seconds: max(15, seconds)).run() { Output.line(line) }
        }
    }

    struct Spool: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Readings committed, beside C and bare SQLite; leased, settled.")
        @Option(help: "The C program spool.") var baseline: String
        @Option(help: "A folder on the disk to measure.") var folder: String

        func run() throws {
            for line in try SpoolComparison(baseline: baseline, folder: folder).run() { Output.line(line) }
        }
    }

    struct Flash: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Bytes to disk from commit to settlement, beside rows in SQLite and a plain file.")
        @Option(help: "The C program flash.") var baseline: String
        @Option(help: "A folder on the disk to measure.") var folder: String

        func run() throws {
            try FlashBench(baseline: baseline, folder: folder).run { Output.line($0) }
        }
    }

    struct Start: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "From exec to the first request, with nothing and with millions of readings waiting.")
        @Option(help: "A folder on the disk to measure; 200 MB are needed.") var folder: String

        func run() throws {
            try StartBench(folder: folder).run { Output.line($0) }
        }
    }

    struct Lease: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Windows from either end, with millions of readings waiting.")
        @Option(help: "A folder on the disk to measure; 200 MB are needed.") var folder: String

        func run() throws {
            try LeaseBench(folder: folder).run { Output.line($0) }
        }
    }

    struct Load: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "32 meters × 40 points every second, delivered.")
        @Option(help: "How long each run is measured.") var seconds = 60
        @Option(help: "How many runs; each figure is their median.") var runs = 3

        func run() throws {
            for isShared in [false, true] {
                Output.line(try LoadBench(seconds: seconds, runs: max(1, runs), isShared: isShared).run())
            }
        }
    }

    struct Pulses: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Pulses, counted by the decisions alone.")

        func run() {
            for line in PulseBench().run() { Output.line(line) }
        }
    }
}
