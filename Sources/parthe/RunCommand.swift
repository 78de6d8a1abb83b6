import ArgumentParser
import Gateway
import Logging

/// `parthe run`.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the agent until SIGTERM.",
        discussion: """
            Needs no privileges: every path can be chosen. The log goes to standard error.
            SIGTERM and Ctrl-C finish the commit and end within 5 s. SIGHUP reads the configuration again; a wrong \
            one is refused and the old one goes on.
            """)

    @OptionGroup var files: ConfigurationOptions
    @OptionGroup var control: SocketOption

    @Option(help: ArgumentHelp("The folder of the spool.", valueName: "dir"), completion: .directory)
    var state = "/var/lib/parthe"

    @Option(
        help: "What is logged: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).",
        completion: .list(Logger.Level.allCases.map(\.rawValue)),
        transform: { text in
            guard let level = Logger.Level(rawValue: text) else {
                throw ValidationError("There is no level '\(text)'.")
            }
            return level
        })
    var logLevel = Logger.Level.info

    func run() throws {
        let level = logLevel
        let log = Logger(label: "parthe") { _ in StandardErrorLog(level: level) }
        let options = Agent.Options(
            configuration: files.config, state: state, socket: control.socket, share: files.share)
        try withExitCodes {
            try Agent(options, log: log).run()
        }
    }
}
