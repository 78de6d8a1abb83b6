internal import ArgumentParser
internal import Metering
internal import Posix

/// `parthe-lab pulses`.
struct PulsesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pulses",
        abstract: "Pulses or contacts on a simulated line of the kernel's gpio-sim.",
        discussion: """
            Prints `ready` when it begins and one line of JSON at its end: how many pulses were made, how late the latest
            began, how wide the narrowest and the widest were. Ends early on SIGTERM or SIGINT, between two pulses.
            """)

    @Argument(help: "The file `pull` of the line, below /sys/devices/platform.")
    var line: String
    @Option(help: "How many pulses.")
    var count = 1
    @Option(help: "Pulses per second.")
    var rate = 10.0
    @Option(help: "How long each is active, in milliseconds.")
    var width = 30.0
    @Option(help: "How often the contact bounces at each change of level.")
    var bounces = 0
    @Option(help: "How long the line keeps each level while it bounces, in milliseconds.")
    var bounce = 0.5
    @Option(help: "File that gets a line for each change of level: its time in ms since 1970, and 1 or 0.")
    var edges: String?

    private var plan: PulseGenerator.Plan {
        func nanoseconds(_ milliseconds: Double) -> Duration { .nanoseconds(Int64((milliseconds * 1e6).rounded())) }
        return PulseGenerator.Plan(
            count: count, period: nanoseconds(1000 / rate), width: nanoseconds(width), bounces: bounces,
            bounce: nanoseconds(bounce))
    }

    func validate() throws {
        guard (1...100_000_000).contains(count) else { throw ValidationError("--count is from 1 to 100000000.") }
        guard (0.001...10_000).contains(rate) else { throw ValidationError("--rate is from 0.001 to 10000.") }
        guard (0.01..<1000 / rate).contains(width) else {
            throw ValidationError("--width is from 0.01 to less than the period, \(1000 / rate) ms.")
        }
        guard (0...1000).contains(bounces), bounce > 0, Double(bounces) * 2 * bounce < width else {
            throw ValidationError("Bounces take less than the width.")
        }
    }

    func run() throws {
        Signals.prepare()
        var log: [UInt8] = []
        Output.line("ready")
        let outcome = try PulseGenerator(path: line).run(
            plan,
            onEdge: { edge in
                guard edges != nil else { return }
                let time = BootClock.offset.timestamp(of: edge.time).milliseconds
                log += Array("\(time) \(edge.isActive ? 1 : 0)\n".utf8)
            },
            isOver: { Signals.endWasGiven })
        if let edges { try LabFile.write(log, to: edges) }
        func milliseconds(_ duration: Duration?) -> JSON {
            duration.map { .number("\(Double($0.wholeNanoseconds / 1000) / 1000)") } ?? .null
        }
        let report: JSON = [
            "pulses": .integer(outcome.pulses), "edges": .integer(outcome.edges),
            "duration_ms": milliseconds(outcome.duration), "latest_ms": milliseconds(outcome.latest),
            "narrowest_ms": milliseconds(outcome.shortest), "widest_ms": milliseconds(outcome.longest),
            "longest_bounce_ms": milliseconds(outcome.longestBounce),
        ]
        Output.line(String(decoding: report.bytes, as: UTF8.self))
    }
}
