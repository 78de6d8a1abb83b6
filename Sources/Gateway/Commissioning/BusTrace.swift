internal import Fieldbus
internal import Metering
internal import Posix

/// Shows the frames of a bus as they pass: those of the running agent; without one, what this program itself asks the
/// configured meters, or, on a line, what others say.
public struct BusTrace: ~Copyable {
    /// Where the frames come from.
    public enum Source: String, Sendable {
        /// The running agent's own polls, and what commands ask through it.
        case agent
        /// No agent runs: this program polls the configured meters.
        case polls
        /// The line alone; nothing is sent.
        case listening
    }

    /// When it ends by itself.
    public struct Limit: Sendable {
        /// After so many frames; nil for never.
        public var frames: Int?
        /// After so long; nil for never.
        public var seconds: Double?

        /// A limit with every property given.
        public init(frames: Int? = nil, seconds: Double? = nil) {
            self.frames = frames
            self.seconds = seconds
        }
    }

    /// What came of it.
    public struct Summary: Sendable {
        /// Where the frames came from.
        public var source: Source
        /// How many frames passed.
        public var frames = 0
        /// How many of them were whole answers, or refusals.
        public var answers = 0
        /// Why it ended, where neither a limit nor a person ended it.
        public var ending: String?
        /// What to do next.
        public var hint: String?
    }

    private let choice: BusChoice
    private let limit: Limit
    private let isListening: Bool
    private let interruption: Interruption
    private let settings: BusSettings
    private let offset = BootClock.offset
    private let begin = BootClock.now

    /// Signals and limits are looked at this often.
    private static let tick = Duration.milliseconds(100)

    /// A trace of `choice`; `isListening` asks for the line alone.
    public init(
        _ choice: BusChoice, limit: Limit, isListening: Bool, interruption: Interruption
    ) throws(AgentError) {
        self.choice = choice
        self.limit = limit
        self.isListening = isListening
        self.interruption = interruption
        var settings = choice.settings
        if let line = choice.lines.first { settings.line = line }
        self.settings = settings
        if isListening, case .tcp = settings.endpoint {
            throw AgentError(
                code: .usage, message: "on Modbus TCP there is nothing to listen to: frames go from one to one",
                hint: "leave --listen away: the agent's polls are shown, or the configured meters are polled")
        }
    }

    /// Runs until a limit, Ctrl-C or the end of the frames. `started` is told where they come from, before the first.
    public func run(
        started: (Source) -> Void, tell: (TraceEntry) -> Void
    ) throws(AgentError) -> Summary {
        if let summary = try watchAgent(started, tell) { return summary }
        if isListening || choice.meters.isEmpty {
            if case .tcp = settings.endpoint {
                throw AgentError(
                    code: .usage, message: "no agent runs on \(choice.title), and no meter is configured there",
                    hint: "nothing passes that could be shown: configure a meter, or start the agent")
            }
            return try listen(started, tell)
        }
        return try poll(started, tell)
    }

    // MARK: - What ends it

    private func isOver(_ summary: Summary) -> Bool {
        if let frames = limit.frames, summary.frames >= frames { return true }
        return interruption.isAsked || remaining <= .zero
    }

    private var remaining: Duration {
        limit.seconds.map { .seconds($0) - (BootClock.now - begin) } ?? .seconds(3600)
    }

    private func take(
        _ frame: FrameTrace, _ decoder: inout FrameDecoder, _ summary: inout Summary, _ tell: (TraceEntry) -> Void
    ) {
        if let frames = limit.frames, summary.frames >= frames { return }
        let entry = decoder.decode(frame, offset: offset)
        summary.frames += 1
        if ["answer", "exception", "foreign answer"].contains(entry.kind) { summary.answers += 1 }
        tell(entry)
    }

    // MARK: - Through the agent

    /// Nil when no agent has this bus.
    private func watchAgent(
        _ started: (Source) -> Void, _ tell: (TraceEntry) -> Void
    ) throws(AgentError) -> Summary? {
        let conversation: UnixConversation
        do throws(PosixError) {
            conversation = try UnixSocket.converse(TraceLine.word + choice.settings.id, at: choice.options.socket)
        } catch {
            guard let obstacle = AgentError(asking: choice.options.socket, for: choice.settings.id, error) else {
                return nil
            }
            throw obstacle
        }
        var summary = Summary(source: .agent)
        var decoder = FrameDecoder(choice.settings)
        var rest: [UInt8] = []
        while !isOver(summary) {
            let wait = Int32(clamping: max(1, min(remaining, .seconds(60)).wholeMilliseconds))
            guard
                Poller.readable([conversation.descriptor, interruption.descriptor], within: wait)
                    .contains(conversation.descriptor)
            else { continue }
            guard let part = conversation.receive() else {
                summary.ending = "the agent is gone"
                summary.hint = "look at `parthe status`"
                return summary
            }
            rest += part
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = TraceLine(json: rest[..<end])
                rest.removeSubrange(...end)
                switch line {
                case .noBus: return nil
                case .began:
                    guard !isListening else {
                        throw AgentError(
                            code: .usage, message: "the agent has the port of \(choice.title)",
                            hint: "leave --listen away to see its frames, others' among them; or stop the agent")
                    }
                    started(.agent)
                case .frame(let frame): take(frame, &decoder, &summary, tell)
                case .ended(let why):
                    summary.ending = why
                    return summary
                case nil:
                    throw AgentError(
                        code: .system, message: "the agent at \(choice.options.socket) gives no trace",
                        hint: "it may be of another version: look at `parthe status`")
                }
            }
        }
        return summary
    }

    // MARK: - Alone

    private func poll(_ started: (Source) -> Void, _ tell: (TraceEntry) -> Void) throws(AgentError) -> Summary {
        var link = ModbusLink(settings)
        let found = FrameBox()
        link.trace = { found.frames.append($0) }
        var summary = Summary(source: .polls)
        var decoder = FrameDecoder(settings)
        var polls = choice.meters.map { meter in
            (
                poll: MeterPoll(meter: meter, points: meter.points, on: settings),
                interval: max(meter.points.map(\.interval).min() ?? .seconds(10), .milliseconds(100)), due: begin
            )
        }
        started(.polls)
        while !isOver(summary) {
            guard let index = polls.indices.min(by: { polls[$0].due < polls[$1].due }) else { break }
            let now = BootClock.now
            guard polls[index].due <= now else {
                interruption.wait(min(polls[index].due - now, remaining))
                continue
            }
            // After Ctrl-C, or when it has shown enough, it asks no more.
            let outcome = polls[index].poll.run(on: &link, isStopped: { interruption.isAsked }) { _, _, _, _ in }
            polls[index].due = max(polls[index].due + polls[index].interval, BootClock.now)
            for frame in found.frames { take(frame, &decoder, &summary, tell) }
            found.frames.removeAll()
            guard let error = outcome.error, !link.isConnected, error.disposition == .reconnect else { continue }
            summary.ending = error.description
            summary.hint = error.hint
            return summary
        }
        return summary
    }

    private func listen(_ started: (Source) -> Void, _ tell: (TraceEntry) -> Void) throws(AgentError) -> Summary {
        var summary = Summary(source: .listening)
        var listener = LineListener(settings)
        var decoder = FrameDecoder(settings)
        do throws(ModbusError) {
            try listener.open()
            started(.listening)
            while !isOver(summary) {
                try listener.listen(within: min(Self.tick, max(.milliseconds(1), remaining))) { frame in
                    take(frame, &decoder, &summary, tell)
                }
            }
        } catch {
            summary.ending = error.description
            summary.hint = error.hint
        }
        return summary
    }
}

/// Gathers frames while a poll runs.
private final class FrameBox {
    var frames: [FrameTrace] = []
}
