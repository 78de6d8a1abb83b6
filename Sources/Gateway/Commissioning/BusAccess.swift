internal import Configuration
internal import Fieldbus
internal import Glibc
internal import Metering
internal import Posix

/// A way to a bus for one command: through the running agent, which lends it step by step, or alone when none runs.
struct BusAccess: ~Copyable {
    /// The bus.
    let settings: BusSettings
    private let socket: String
    private var link: ModbusLink
    private var isThroughAgent: Bool
    private var line: BusStep.Line?

    /// A step takes 2 s at most, and waits for the poll before it and for steps of others.
    private static let patience = 15
    /// A unit that still rests, or may still send a late answer, is asked again after a second: the next loan may do.
    private static let tries = 3

    /// A way to `settings`; asks the agent at `socket` whether it has the bus.
    init(_ settings: BusSettings, socket: String) {
        self.settings = settings
        self.socket = socket
        link = ModbusLink(settings)
        isThroughAgent = true
    }

    /// A way to the bus of a command. `line` holds for each of its steps where it is not the bus's own.
    init(_ choice: BusChoice, line: SerialLine? = nil) {
        self.init(choice.settings, socket: choice.options.socket)
        if let line, line != choice.settings.line { self.line = BusStep.Line(line) }
    }

    /// Whether the last step went through the running agent.
    var isLent: Bool { isThroughAgent }

    /// Takes one step.
    mutating func take(_ step: BusStep) throws(AgentError) -> BusAnswer {
        var step = step
        step.line = step.line ?? line
        if isThroughAgent {
            if let answer = try askAgentInTime(step) { return answer }
            isThroughAgent = false
        }
        return step.take(on: &link, settings, isLent: false)
    }

    /// Asks the agent until the time of the loan is enough, or `tries` were not.
    private func askAgentInTime(_ step: BusStep) throws(AgentError) -> BusAnswer? {
        var answer = try askAgent(step)
        for _ in 1..<Self.tries where answer?.error?.code == .outOfTime {
            BootClock.sleep(until: BootClock.now + .seconds(1))
            answer = try askAgent(step)
        }
        return answer
    }

    /// Asks the agent; nil when there is none, or it does not use this bus.
    private func askAgent(_ step: BusStep) throws(AgentError) -> BusAnswer? {
        let json: [UInt8]
        do throws(PosixError) {
            json = try UnixSocket.ask(
                BusQuestion(bus: settings.id, step: step).text, at: socket, seconds: Self.patience)
        } catch {
            guard let obstacle = AgentError(asking: socket, for: settings.id, error) else { return nil }
            throw obstacle
        }
        switch BusReply(json: json) {
        case .answer(let answer): return answer
        case .noBus: return nil
        case nil:
            throw AgentError(
                code: .system, message: "the agent at \(socket) gave no answer for bus \(settings.id)",
                hint: "it may be ending, or be of another version: look at `parthe status`")
        }
    }
}

extension AgentError {
    /// Why the agent behind `socket` cannot be asked for `bus`; nil when there is no agent.
    init?(asking socket: String, for bus: String, _ error: PosixError) {
        if error.code == ENOENT || error.code == ECONNREFUSED { return nil }
        self.init(
            code: .system, message: "the agent at \(socket) does not lend bus \(bus): \(error)",
            hint: error.code == EACCES
                ? "ask as the agent's user, as one of its group, or with sudo"
                : "it may be ending, or the bus may be busy: try again")
    }
}
