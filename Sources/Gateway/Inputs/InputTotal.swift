internal import Configuration
internal import Glibc
internal import Metering
internal import Posix
internal import Spooling

/// Sets the total of a pulse input to what its dial shows: in the running agent, or in the spool where none runs.
public struct InputTotal: Sendable {
    /// What happened, in words.
    public let text: String

    /// Sets the total of `input` to `dial`, which is in `unit`: that of the input, as a precaution.
    public init(
        _ input: String, dial: String, unit: String, options: Agent.Options, state: String
    ) throws(AgentError) {
        let configuration = try AgentConfiguration(checked: options)
        guard let settings = configuration.inputs.first(where: { $0.id == input }),
            case .pulses = settings.use, let total = settings.meter.points.first?.definition
        else {
            let all = configuration.inputs.filter { if case .pulses = $0.use { true } else { false } }.map(\.id)
            throw AgentError(
                code: .usage, message: "\(options.configuration) has no pulse input \(input)",
                hint: Configuration.hint(for: input, among: all, called: "it has"))
        }
        guard unit == total.unit.ucum || unit == total.unit.symbol else {
            throw AgentError(
                code: .usage, message: "\(input) counts \(total.unit.ucum), not \(unit)",
                hint: "parthe input set-total \(input) \(dial) \(total.unit.ucum)")
        }
        guard let number = ExactDecimal(dial), Self.isDial(number) else {
            throw AgentError(
                code: .usage, message: "\(dial) is no stand of a dial",
                hint: "such as 12345.678: a point, at most 12 digits before and 6 behind it")
        }
        if let told = try Self.tellAgent(input, dial, options) {
            text = told
            return
        }
        text = try Self.write(settings, number, configuration, state)
    }

    /// Whether a dial can show this; so the total stays exact, whatever is counted to it.
    private static func isDial(_ number: ExactDecimal) -> Bool {
        let number = number.normalized
        return !number.isNegative && (-6...12).contains(number.exponent) && number.approximate < 1e12
    }

    /// Nil when no agent runs.
    private static func tellAgent(
        _ input: String, _ dial: String, _ options: Agent.Options
    ) throws(AgentError) -> String? {
        let question = TotalQuestion(input: input, dial: dial, who: User.current)
        let json: [UInt8]
        do throws(PosixError) {
            json = try UnixSocket.ask(question.text, at: options.socket)
        } catch {
            if error.code == ENOENT || error.code == ECONNREFUSED { return nil }
            throw AgentError(
                code: .system, message: "the agent at \(options.socket) was not told: \(error)",
                hint: error.code == EACCES ? "ask as the agent's user, as one of its group, or with sudo" : "try again")
        }
        guard let text = TotalReply(json: json)?.text else {
            throw AgentError(
                code: .usage, message: "the running agent has no pulse input \(input)",
                hint: "after a change of the configuration: systemctl reload parthe")
        }
        return input + " " + text
    }

    /// Writes the total into the spool of an agent that does not run.
    private static func write(
        _ settings: InputSettings, _ dial: ExactDecimal, _ configuration: AgentConfiguration, _ state: String
    ) throws(AgentError) -> String {
        do throws(SpoolError) {
            // A spool that is made here could be one that the agent's user may not open.
            _ = try SpoolStore.openForReading(directory: state)
            let store = try SpoolStore(
                directory: state, settings: configuration.spool, uplinks: configuration.uplinks.map(\.id),
                bootID: BootClock.bootID)
            let ids = try store.identify(
                settings.meter.points.map(\.key), notes: PointNote.all(of: configuration, only: settings.meter))
            var logic = InputLogic(settings, ids: ids, memory: try store.memory())
            var output = InputLogic.Output()
            _ = logic.set(
                total: dial, by: User.current, at: BootClock.now, offset: BootClock.offset, into: &output)
            // What the clock is worth, the agent says at its next start.
            try store.append(
                Intake.Content(readings: output.readings, memory: output.memory, events: output.events))
            return settings.id + " " + (output.events.first?.kind.text ?? "is set") + "; no agent runs"
        } catch {
            throw AgentError(code: .spool, message: "\(error)", hint: error.hint)
        }
    }
}
