import ArgumentParser
import Gateway

/// Where the configuration is: the same for every command that reads it.
struct ConfigurationOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: ArgumentHelp("The configuration file.", valueName: "file"), completion: .file())
    var config = "/etc/parthe/parthe.yaml"

    @Option(
        help: ArgumentHelp(
            "The folder with meters/ and boards/, where it is not /usr/share/parthe.", valueName: "dir"),
        completion: .directory)
    var share: String?
}

/// Where the running agent answers.
struct SocketOption: ParsableArguments {
    @Option(help: ArgumentHelp("The control socket of the agent.", valueName: "path"), completion: .file())
    var socket = "/run/parthe/parthe.sock"
}

extension Agent.Options {
    /// The options of a command that only reads the configuration.
    init(_ options: ConfigurationOptions) {
        self.init(configuration: options.config, state: "", socket: "", share: options.share)
    }

    /// The options of a command that reads the configuration and asks the running agent.
    init(_ options: ConfigurationOptions, _ agent: SocketOption) {
        self.init(configuration: options.config, state: "", socket: agent.socket, share: options.share)
    }
}
