internal import Configuration
internal import DigitalInputs
internal import Metering
internal import Posix

/// What `parthe input list` tells: every line of every chip.
public struct InputList: Codable, Sendable {
    /// A line.
    public struct Line: Codable, Sendable {
        /// What is printed beside it on the enclosure, by the board's profile.
        public var terminal: String?
        /// The chip's label.
        public var chip: String
        /// Its place on the chip.
        public var offset: Int
        /// Its name; empty where the board gives none.
        public var name: String
        /// Who uses it; empty where nobody does.
        public var consumer: String
        /// Whether it is in use.
        public var used: Bool
        /// `input` or `output`.
        public var direction: String
        /// The input of the configuration that it is.
        public var input: String?
    }

    /// The lines, chip by chip.
    public var lines: [Line]
    /// The board that the configuration names.
    public var board: String?
    /// The version of libgpiod in use.
    public var library: String

    /// Looks at all lines; the configuration, where there is a right one, tells terminals and inputs.
    public init(options: Agent.Options) throws(AgentError) {
        let configuration = File.exists(options.configuration) ? try? AgentConfiguration(checked: options) : nil
        let board = configuration?.gateway.board
        let found = GPIOChips.survey().lines
        guard !found.isEmpty else {
            throw AgentError(
                code: .unavailable, message: "no GPIO chip that this user may open",
                hint: "`ls -l /dev/gpiochip*` shows the chips and the group that may: `usermod -aG GROUP USER`")
        }
        lines = found.map { line in
            let input = configuration?.inputs.first {
                $0.line == .chip(label: line.chip, offset: line.offset) || $0.line == .name(line.name)
            }
            return Line(
                terminal: board?.terminal(chip: line.chip, offset: line.offset, name: line.name), chip: line.chip,
                offset: line.offset, name: line.name, consumer: line.consumer, used: line.isUsed,
                direction: line.isOutput ? "output" : "input", input: input?.id)
        }
        self.board = board?.product
        library = GPIOChips.libraryVersion
    }

    /// The list as JSON.
    public var json: [UInt8] { jsonBytes(self) }
}
