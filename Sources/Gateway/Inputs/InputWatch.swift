internal import Configuration
internal import DigitalInputs
internal import Metering
internal import Posix

/// Shows the edges of a line as they come: of an input of the running agent, or of a line that nobody uses.
public struct InputWatch: ~Copyable {
    /// An edge as it is shown.
    public struct Edge: Codable, Sendable {
        /// When, by this machine's clock.
        public var time: String
        /// Whether the line is active from now on.
        public var active: Bool
        /// How long it had been at the level before, in milliseconds; absent for the first edge.
        public var lastedMilliseconds: Double?
        /// From the beginning of the pulse before to the beginning of this one.
        public var spacingMilliseconds: Double?

        /// The edge as one line of JSON.
        public var json: [UInt8] { jsonLine(self) }
    }

    /// What came of it.
    public struct Report: Codable, Sendable {
        /// The line: `pinctrl-bcm2711 line 17`, or the agent's input.
        public var line: String
        /// Whether the running agent showed it.
        public var isThroughAgent: Bool
        /// `ok`, `failed` or `unknown`.
        public var result: String
        /// What it looks like, in words.
        public var verdict: String
        /// What to do next.
        public var next: String
        /// Keys for the configuration.
        public var proposal: [String]
        /// All edges.
        public var edges: Int
        /// Pulses, once bounces are left out.
        public var pulses: Int
        /// Widths of the pulses, the least and the greatest, in milliseconds.
        public var widthsMilliseconds: [Double]
        /// Why it ended, where neither a limit nor a person ended it.
        public var ending: String?

        /// The report as JSON.
        public var json: [UInt8] { jsonBytes(self) }
    }

    private let name: String
    private let options: Agent.Options
    private let configuration: AgentConfiguration?
    private let interruption: Interruption
    private let offset = BootClock.offset
    private let begin = BootClock.now
    private var judgement = SignalJudgement(level: false)
    private var last: LineEdge?
    private var lastPulse: Instant?

    /// A watch of `name`: an input of the configuration, a line's name, `CHIP:OFFSET`, or a terminal of the board.
    public init(_ name: String, options: Agent.Options, interruption: Interruption) {
        self.name = name
        self.options = options
        self.interruption = interruption
        configuration = File.exists(options.configuration) ? try? AgentConfiguration(checked: options) : nil
    }

    /// Watches for at most `seconds`, or until `count` edges were seen, Ctrl-C, or the end of the line.
    public consuming func run(
        seconds: Double?, count: Int?, started: (String) -> Void = { _ in }, tell: (Edge) -> Void
    ) throws(AgentError) -> Report {
        let end = seconds.map { begin + .milliseconds(Int64($0 * 1000)) }
        if let report = try watchAgent(end, count, started, tell) { return report }
        return try watchLine(end, count, started, tell)
    }

    private func isOver(_ end: Instant?, _ count: Int?) -> Bool {
        interruption.isAsked || end.map { $0 <= BootClock.now } ?? false || count.map { judgement.edges >= $0 } ?? false
    }

    private func rest(_ end: Instant?) -> Int32 {
        let rest = end.map { $0 - BootClock.now } ?? .seconds(1)
        return Int32(clamping: max(1, min(rest, .seconds(1)).wholeMilliseconds))
    }

    private mutating func take(_ edge: LineEdge, _ tell: (Edge) -> Void) {
        judgement.take(edge)
        func milliseconds(_ since: Instant?) -> Double? {
            since.map { Double((edge.instant - $0).wholeNanoseconds / 1000) / 1000 }
        }
        tell(
            Edge(
                time: offset.timestamp(of: edge.instant).description, active: edge.isActive,
                lastedMilliseconds: milliseconds(last?.instant),
                spacingMilliseconds: edge.isActive ? milliseconds(lastPulse) : nil))
        last = edge
        if edge.isActive { lastPulse = edge.instant }
    }

    // MARK: - Through the agent

    /// Nil when no agent runs, or it has no such input.
    private mutating func watchAgent(
        _ end: Instant?, _ count: Int?, _ started: (String) -> Void, _ tell: (Edge) -> Void
    ) throws(AgentError) -> Report? {
        guard let conversation = try? UnixSocket.converse(EdgeLine.word + name, at: options.socket) else { return nil }
        var pending: [UInt8] = []
        while !isOver(end, count) {
            guard
                Poller.readable([conversation.descriptor, interruption.descriptor], within: rest(end))
                    .contains(conversation.descriptor)
            else { continue }
            guard let part = conversation.receive() else { return report("input \(name)", true, "the agent is gone") }
            pending += part
            while let newline = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let line = EdgeLine(json: pending[..<newline])
                pending.removeSubrange(...newline)
                switch line {
                case .noInput: return nil
                case .began(let level):
                    judgement = SignalJudgement(level: level)
                    started("input \(name) of the running agent, \(level ? "active" : "not active") now")
                case .edge(let nanoseconds, let isActive):
                    if isOver(nil, count) { break }
                    take(LineEdge(Instant(nanoseconds: nanoseconds), isActive: isActive), tell)
                case .ended(let why): return report("input \(name)", true, why)
                case nil:
                    throw AgentError(
                        code: .system, message: "the agent at \(options.socket) shows no edges",
                        hint: "it may be of another version: look at `parthe status`")
                }
            }
        }
        return report("input \(name)", true, nil)
    }

    // MARK: - Alone

    private mutating func watchLine(
        _ end: Instant?, _ count: Int?, _ started: (String) -> Void, _ tell: (Edge) -> Void
    ) throws(AgentError) -> Report {
        let settings = LineChoice.settings(name, configuration)
        let place = settings.line.description
        do throws(GPIOError) {
            let watcher = try LineWatcher(settings)
            judgement = SignalJudgement(level: watcher.level)
            started("line \(place), \(watcher.level ? "active" : "not active") now")
            while !isOver(end, count) {
                guard
                    Poller.readable([watcher.descriptor, interruption.descriptor], within: rest(end))
                        .contains(watcher.descriptor)
                else { continue }
                for edge in try watcher.edges() where !isOver(nil, count) { take(edge, tell) }
            }
            return report("line \(place)", false, nil)
        } catch {
            guard error.code == .gone, judgement.edges > 0 else {
                throw AgentError(code: .unavailable, message: "\(error)", hint: error.hint)
            }
            return report("line \(place)", false, error.what)
        }
    }

    private func report(_ line: String, _ isThroughAgent: Bool, _ ending: String?) -> Report {
        let words = judgement.words
        return Report(
            line: line, isThroughAgent: isThroughAgent, result: words.result, verdict: words.verdict, next: words.next,
            proposal: judgement.proposal, edges: judgement.edges, pulses: judgement.total,
            widthsMilliseconds: judgement.widths.map {
                [$0.lowerBound, $0.upperBound].map { Double($0.wholeNanoseconds / 1000) / 1000 }
            } ?? [], ending: ending)
    }
}

extension SignalJudgement {
    /// The verdict for a technician.
    fileprivate var words: (result: String, verdict: String, next: String) {
        func text(_ time: Duration) -> String { "\(Double(time.wholeNanoseconds / 100_000) / 10) ms" }
        let width = widths.map { "\(text($0.lowerBound))…\(text($0.upperBound)) wide" } ?? ""
        switch verdict {
        case .nothing:
            return (
                "unknown", "nothing: no edge was seen",
                "let the meter count, or bridge the contact: check the wires and their polarity (S0+ to the input, S0− "
                    + "to ground), bias: pull-up where nothing else pulls, and that it is this line"
            )
        case .oneChange:
            return ("unknown", "the level changed, but no pulse ended", "watch longer: slow meters pulse once an hour")
        case .s0: return ("ok", "a clean S0 signal: \(total) pulses, \(width), no bounces", "pulse: s0 fits")
        case .short:
            return (
                "ok", "clean pulses, but not S0: \(total) pulses, \(width)",
                "S0 pulses and pauses last 30 ms at least: give the width that the meter's manual states"
            )
        case .bouncing(let time):
            return (
                "ok", "a contact that bounces, for \(text(time)) between edges: \(total) pulses, \(edges) edges",
                "a debounce counts each closing once; it must be shorter than the shortest pulse"
            )
        }
    }
}
