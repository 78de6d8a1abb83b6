internal import ArgumentParser

/// The program `parthe-lab`.
public enum LabProgram {
    /// Runs the command that the program's arguments name, and ends the process.
    public static func run() -> Never {
        LabCommand.main()
        LabCommand.exit()
    }
}

/// `parthe-lab`: the world around the agent.
struct LabCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parthe-lab",
        abstract: "The world around the agent: meters, platform, line, judge.",
        discussion: """
            Everything listens on loopback only. Each server prints one line with its address when it is ready, and ends
            on SIGTERM or SIGINT.
            """,
        subcommands: [
            DemoCommand.self, MetersCommand.self, LineCommand.self, PulsesCommand.self, PlatformCommand.self,
            ProxyCommand.self,
            AuditCommand.self,
            BenchCommand.self, SpoolWriterCommand.self, SpoolCheckCommand.self, PowerCutsCommand.self,
        ])
}
