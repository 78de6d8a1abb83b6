import ArgumentParser
import Gateway

/// `parthe bus`.
struct BusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bus", abstract: "Look at a bus: who is there, why is a meter silent, what passes.",
        discussion: """
            Works through the running agent, which lends its bus for at most 2 s a step, or alone where none runs. \
            Nothing here can write to a meter.
            """,
        subcommands: [Scan.self, Why.self, Trace.self])
}
