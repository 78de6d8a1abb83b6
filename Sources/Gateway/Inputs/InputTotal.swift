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
            case .pulses(let pulses) = settings.use, let total = settings.meter.points.first?.definition
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
        guard let number = ExactDecimal(dial), !number.isNegative else {
            throw AgentError(
                code: .usage, message: "\(dial) is no stand of a dial", hint: "such as 12345.678, with a point")
        }
        if let told = try Self.tellAgent(input, dial, options) {
            text = told
            return
        }
        text = try Self.write(settings, pulses, number, state)
    }

    /// Nil when no agent runs.
    private static func tellAgent(
        _ input: String, _ dial: String, _ options: Agent.Options
    ) throws(AgentError) -> String? {
        let question = TotalQuestion(input: input, dial: dial, who: who)
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
        _ settings: InputSettings, _ pulses: PulseUse, _ dial: ExactDecimal, _ state: String
    ) throws(AgentError) -> String {
        do throws(SpoolError) {
            let store = try SpoolStore(
                directory: state, settings: SpoolSettings(), uplinks: [], bootID: BootClock.bootID)
            let ids = try store.identify(settings.meter.points.map(\.key))
            var logic = InputLogic(settings, ids: ids, memory: try store.memory())
            var output = InputLogic.Output()
            _ = logic.set(total: dial, by: who, at: BootClock.now, into: &output)
            try store.append(
                Intake.Content(memory: output.memory, events: output.events), offset: BootClock.offset)
            return settings.id + " " + (output.events.first?.kind.text ?? "is set") + "; no agent runs"
        } catch {
            throw AgentError(code: .spool, message: "\(error)", hint: error.hint)
        }
    }

    /// Who says so: the person behind sudo, else this user.
    private static var who: String {
        for variable in ["SUDO_USER", "USER", "LOGNAME"] {
            if let name = getenv(variable).map({ String(cString: $0) }), !name.isEmpty { return name }
        }
        return "user \(getuid())"
    }
}
