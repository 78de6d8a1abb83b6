import ArgumentParser
import Gateway

/// The command `parthe`.
@main struct Parthe: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parthe",
        abstract: "Reads meters, keeps readings while the network is away, delivers each of them once.",
        discussion: """
            Start with a configuration in /etc/parthe/parthe.yaml:
              parthe check            say what is wrong with it, and what is understood
              parthe read METER       read one meter now
              parthe bus scan BUS     who answers on a bus, and what to write into the configuration
              parthe bus why BUS UNIT why a meter is silent
              parthe bus trace BUS    the frames as they pass, decoded
              parthe input list       the digital lines; watch, test, add, set-total
              parthe status           ask the running agent
              parthe spool            what it holds, how long it lasts; quarantine, verify, repair, export
              parthe meter list       the models that are known

            Exit codes:
              0   all is well
              1   it works in part: a point without value, a silent meter, an uplink away
              64  the command is not understood, or there is no such meter
              65  the spool is damaged
              66  there is no spool, or this user may not read it
              69  nobody answers: no agent at the socket, no meter at the address, no way to the bus
              71  the system refuses a socket or signals
              73  a file cannot be written: the spool, the last readings, a new meter
              74  standard output cannot be written to
              78  the configuration is wrong
            """,
        version: PartheVersion.text,
        subcommands: [
            RunCommand.self, CheckCommand.self, ReadCommand.self, BusCommand.self, InputCommand.self,
            StatusCommand.self, SpoolCommand.self,
            MeterCommand.self,
            VersionCommand.self,
        ])

    /// `parthe help WORD` would show the whole help and succeed, whatever the word.
    static func main() {
        let words = CommandLine.arguments.dropFirst()
        let commands = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        if words.first == "help", let asked = words.dropFirst().first, !asked.hasPrefix("-"), !commands.contains(asked)
        {
            Terminal.complain("there is no command '\(asked)'; commands: \(commands.joined(separator: ", "))")
            Self.exit(withError: ExitCode.validationFailure)
        }
        main(nil)
    }
}

/// `parthe version`.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version, and the versions of the libraries in use.")

    @Flag(help: "Print JSON.") var json = false

    func run() {
        let libraries = Libraries.inUse
        if json {
            let fields = [("version", PartheVersion.text)] + libraries
            print("{" + fields.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",") + "}")
        } else {
            print("parthe \(PartheVersion.text)")
            for (name, version) in libraries { print("  \(name) \(version)") }
        }
    }
}
