internal import Configuration
internal import DigitalInputs
internal import Metering
internal import Posix

/// The configuration for a look at lines, which goes on without one: it only tells terminals and inputs.
struct LineNames {
    /// Nil where it is missing or wrong.
    let configuration: AgentConfiguration?
    /// Why it tells nothing.
    let problem: String?

    /// Reads the configuration of `options`.
    init(_ options: Agent.Options) {
        let unknown = "terminals and inputs are not known: "
        guard File.exists(options.configuration) else {
            (configuration, problem) = (nil, unknown + "there is no \(options.configuration)")
            return
        }
        do throws(AgentError) {
            (configuration, problem) = (try AgentConfiguration(checked: options), nil)
        } catch {
            (configuration, problem) = (nil, unknown + "the configuration is wrong\n\(error)")
        }
    }
}

/// The line that a command means, and the input that is there.
struct LineChoice {
    /// What is tried on a line in place of what the configuration says of it.
    struct Trial {
        /// What holds the line; nil as configured.
        var bias: InputSettings.Bias?
        /// What the key `inverted` would say; nil as configured.
        var isInverted: Bool?

        /// Whether anything is tried.
        var isAny: Bool { bias != nil || isInverted != nil }
    }

    /// The configuration's input at this line; nil where there is none.
    let input: InputSettings?
    /// How the line is watched alone: without a debounce, since bounces are what is looked for.
    let settings: InputSettings
    /// What the configuration says, or would say, of `inverted`: that of the board's terminal is on top of it.
    let isInverted: Bool

    /// Takes an input of the configuration, a terminal of its board, `CHIP:OFFSET`, or a line's name. `lines` are those of
    /// the kernel, which tell that `GPIO17` is `pinctrl-bcm2711:17`; they are looked at where the configuration names the
    /// line otherwise.
    init(
        _ name: String, _ configuration: AgentConfiguration?, trial: Trial = Trial(), lines: () -> [GPIOLineInfo]
    ) {
        let terminals = configuration?.gateway.board?.lines ?? []
        let inputs = configuration?.inputs ?? []
        let terminal = terminals.first { $0.terminal == name }
        let place = terminal?.line ?? Self.place(name)
        let found =
            inputs.first { $0.id == name } ?? inputs.first { $0.line == place } ?? Self.other(place, inputs, lines)
        var settings =
            found
            ?? InputSettings(
                id: "watch", line: place, isInverted: terminal?.isInverted ?? false,
                use: .contact(ContactUse(heartbeat: .seconds(3600), active: "active", inactive: "inactive")),
                meter: Meter(
                    id: "watch", bus: "", unit: 0,
                    definition: MeterDefinition(
                        model: "watch", manufacturer: "", product: "", status: .own, sources: [], points: []),
                    points: [], location: Location(latitude: .zero, longitude: .zero)))
        let known = found.map { input in terminals.first { $0.terminal == input.terminal } } ?? terminal
        let isTurned = known?.isInverted ?? false
        settings.debounce = .zero
        if let bias = trial.bias { settings.bias = bias }
        if let isInverted = trial.isInverted { settings.isInverted = isInverted != isTurned }
        isInverted = settings.isInverted != isTurned
        input = found
        self.settings = settings
    }

    /// The input at `place` under another name of the same line.
    private static func other(
        _ place: InputSettings.Line, _ inputs: [InputSettings], _ lines: () -> [GPIOLineInfo]
    ) -> InputSettings? {
        guard !inputs.isEmpty else { return nil }
        let same = lines().filter { $0.isAt(place) }
        return inputs.first { input in same.contains { $0.isAt(input.line) } }
    }

    /// `pinctrl-bcm2711:17`, or a name.
    static func place(_ text: String) -> InputSettings.Line {
        guard let colon = text.lastIndex(of: ":"), let offset = Int(text[text.index(after: colon)...]), offset >= 0
        else {
            return .name(text)
        }
        return .chip(label: String(text[..<colon]), offset: offset)
    }
}

extension GPIOLineInfo {
    /// Whether this line is meant by `line`.
    func isAt(_ line: InputSettings.Line) -> Bool {
        switch line {
        case .name(let name): !name.isEmpty && name == self.name
        case .chip(let label, let offset): label == chip && offset == self.offset
        }
    }
}
