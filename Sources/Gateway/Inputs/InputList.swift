internal import Configuration
internal import DigitalInputs
internal import Metering

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
    /// The devices of chips that this user may not open: their lines are not here.
    public var closed: [String]
    /// What opens them.
    public var advice: String?
    /// The board that the configuration names.
    public var board: String?
    /// Why the configuration tells no terminals and inputs: it is missing, or wrong.
    public var problem: String?
    /// The version of libgpiod in use.
    public var library: String
    /// What that version cannot do; absent where nothing is missing.
    public var limits: String?

    /// Looks at all lines; the configuration, where there is a right one, tells terminals and inputs.
    public init(options: Agent.Options) throws(AgentError) {
        try self.init(GPIOChips.survey(), LineNames(options))
    }

    init(_ survey: GPIOChips.Survey, _ names: LineNames) throws(AgentError) {
        guard !survey.lines.isEmpty else { throw Self.nothing(survey) }
        let configuration = names.configuration
        let board = configuration?.gateway.board
        lines = survey.lines.map { line in
            Line(
                terminal: board?.terminal(chip: line.chip, offset: line.offset, name: line.name), chip: line.chip,
                offset: line.offset, name: line.name, consumer: line.consumer, used: line.isUsed,
                direction: line.isOutput ? "output" : "input",
                input: configuration?.inputs.first { line.isAt($0.line) }?.id)
        }
        closed = survey.closed.map(\.device)
        advice = survey.closed.isEmpty ? nil : ClosedChip.advice(survey.closed)
        self.board = board?.product
        problem = names.problem
        library = GPIOChips.libraryVersion
        limits = GPIOChips.limits?.what
    }

    /// Why there is no line at all.
    private static func nothing(_ survey: GPIOChips.Survey) -> AgentError {
        guard survey.closed.isEmpty else {
            return AgentError(
                code: .unavailable,
                message: "no permission to open " + survey.closed.map(\.device).joined(separator: ", "),
                hint: ClosedChip.advice(survey.closed))
        }
        guard !survey.isRefused else {
            let error = GPIOError(.oldLibrary, .name(""))
            return AgentError(code: .unavailable, message: error.what, hint: error.hint)
        }
        return AgentError(
            code: .unavailable, message: "this machine has no GPIO chips",
            hint: "`ls -l /dev/gpiochip*` shows them; dmesg tells whether a driver found them")
    }

    /// The list as JSON.
    public var json: [UInt8] { jsonBytes(self) }
}
