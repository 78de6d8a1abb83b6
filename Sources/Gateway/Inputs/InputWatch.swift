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
        /// Whether the line is active between pulses.
        public var restsActive: Bool
        /// The debounce that the agent's edges have passed: bounces that are shorter are not seen; absent without one.
        public var debounceMilliseconds: Double?
        /// Why it ended, where neither a limit nor a person ended it.
        public var ending: String?
        /// Why the configuration tells no terminals and inputs: it is missing, or wrong.
        public var problem: String?

        /// The report as JSON.
        public var json: [UInt8] { jsonBytes(self) }
    }

    /// Why the configuration tells no terminals and inputs: it is missing, or wrong.
    public let problem: String?
    private let name: String
    private let options: Agent.Options
    private let choice: LineChoice
    private let trial: LineChoice.Trial
    private let interruption: Interruption
    private let offset = BootClock.offset
    private let begin = BootClock.now
    private var judgement = SignalJudgement(level: false, at: BootClock.now)
    private var last: LineEdge?
    private var lastPulse: Instant?

    /// A watch of `name`: an input of the configuration, a line's name, `CHIP:OFFSET`, or a terminal of the board. On a line
    /// that nobody uses, `bias` and `isInverted` are tried in place of what the configuration says.
    public init(
        _ name: String, bias: String? = nil, isInverted: Bool? = nil, options: Agent.Options,
        interruption: Interruption
    ) throws(AgentError) {
        let trial = LineChoice.Trial(bias: try Self.bias(bias), isInverted: isInverted)
        self.init(name, trial: trial, options: options, interruption: interruption)
    }

    // Apart from what throws: Swift 6.2 fails on an initialiser that throws before it fills such a struct.
    private init(_ name: String, trial: LineChoice.Trial, options: Agent.Options, interruption: Interruption) {
        self.trial = trial
        self.name = name
        self.options = options
        self.interruption = interruption
        let names = LineNames(options)
        problem = names.problem
        choice = LineChoice(name, names.configuration, trial: trial) { GPIOChips.survey().lines }
    }

    private static func bias(_ text: String?) throws(AgentError) -> InputSettings.Bias? {
        guard let text else { return nil }
        guard let bias = InputSettings.Bias(rawValue: text) else {
            throw AgentError(
                code: .usage, message: "'\(text)' is no bias",
                hint: "one of " + InputSettings.Bias.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return bias
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
        // The agent knows its inputs by their names; the line may have been meant by a terminal.
        let id = choice.input?.id ?? name
        guard let conversation = try? UnixSocket.converse(EdgeLine.word + id, at: options.socket) else { return nil }
        let place = "input \(id)" + (id == name ? "" : " (\(name))")
        var pending: [UInt8] = []
        while !isOver(end, count) {
            guard
                Poller.readable([conversation.descriptor, interruption.descriptor], within: rest(end))
                    .contains(conversation.descriptor)
            else { continue }
            guard let part = conversation.receive() else {
                return report(place, true, "the agent ends, or has a new configuration")
            }
            pending += part
            while let newline = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let line = EdgeLine(json: pending[..<newline])
                pending.removeSubrange(...newline)
                switch line {
                case .noInput: return nil
                case .failing(let what, let hint):
                    throw AgentError(code: .unavailable, message: "\(place): \(what)", hint: hint)
                case .began(let level, let debounce):
                    try refuseTrial(id)
                    judgement = SignalJudgement(level: level, at: BootClock.now, debounce: .nanoseconds(debounce))
                    let filter =
                        debounce > 0 ? ", without what its debounce of \(debounce / 1_000_000) ms takes away" : ""
                    started("\(place) of the running agent\(filter), \(level ? "active" : "not active") now")
                case .edge(let nanoseconds, let isActive):
                    if isOver(nil, count) { break }
                    take(LineEdge(Instant(nanoseconds: nanoseconds), isActive: isActive), tell)
                case .ended(let why): return report(place, true, why)
                case nil:
                    throw AgentError(
                        code: .system, message: "the agent at \(options.socket) shows no edges",
                        hint: "it may be of another version: look at `parthe status`")
                }
            }
        }
        return report(place, true, nil)
    }

    private func refuseTrial(_ input: String) throws(AgentError) {
        guard trial.isAny else { return }
        throw AgentError(
            code: .usage, message: "the running agent watches this line as its input \(input)",
            hint: "--bias and --inverted try what nobody uses: leave them out, or stop the agent first")
    }

    // MARK: - Alone

    private mutating func watchLine(
        _ end: Instant?, _ count: Int?, _ started: (String) -> Void, _ tell: (Edge) -> Void
    ) throws(AgentError) -> Report {
        let place = choice.settings.line.description
        do throws(GPIOError) {
            let watcher = try LineWatcher(choice.settings)
            judgement = SignalJudgement(level: watcher.level, at: BootClock.now)
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
        func milliseconds(_ time: Duration) -> Double { Double(time.wholeNanoseconds / 1000) / 1000 }
        let finding = judgement.finding(at: BootClock.now)
        let words = finding.words
        return Report(
            line: line, isThroughAgent: isThroughAgent, result: words.result, verdict: words.verdict, next: words.next,
            proposal: finding.proposal(bias: choice.settings.bias, isInverted: choice.isInverted),
            edges: judgement.edges, pulses: finding.pulses,
            widthsMilliseconds: finding.widths.map { [$0.lowerBound, $0.upperBound].map(milliseconds) } ?? [],
            restsActive: finding.restsActive,
            debounceMilliseconds: finding.debounce > .zero ? milliseconds(finding.debounce) : nil, ending: ending,
            problem: problem)
    }
}
