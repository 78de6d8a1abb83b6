/// What a line's edges look like: whether what pulses there is a clean S0 output, a bouncing contact, or nothing, and what to
/// write into the configuration.
///
/// The edges are looked at through several debounces at once. One fits when it tells bounces from pulses clearly: what it
/// takes away is much shorter than what it leaves. Where none is needed, the edges are what they are.
///
/// Pure: edges and instants come in.
public struct SignalJudgement: Hashable, Sendable {
    /// What it looks like.
    public enum Verdict: Hashable, Sendable {
        /// No edge was seen.
        case nothing
        /// One change and no pulse: a contact that was moved, or a pulse under way.
        case oneChange
        /// Pulses and pauses of 30 ms at least, without bounces.
        case s0
        /// Clean pulses that are shorter than S0 allows, or have shorter pauses.
        case short
        /// Clean pulses and pauses of a second at least: a slow meter's contact, or a door.
        case slow
        /// A contact that bounces: at most this long between two of its edges.
        case bouncing(Duration)
        /// Pulses, and spikes between them that last so long at most.
        case disturbed(Duration)
        /// Edges as they come, of no meter.
        case noise
    }

    /// What takes every bounce that was seen, and leaves every pulse and pause. In whole milliseconds, as the configuration.
    public enum Remedy: Hashable, Sendable {
        /// A debounce, which is at most half of the shortest pulse or pause.
        case debounce(milliseconds: Int64)
        /// A least width, where pulses or pauses are too short for the kernel's debounce.
        case leastWidth(milliseconds: Int64)
    }

    /// What was found so far.
    public struct Finding: Hashable, Sendable {
        /// What it looks like.
        public var verdict: Verdict
        /// Pulses of which both ends were seen, bounces and spikes left out.
        public var pulses = 0
        /// The shortest and the longest pulse.
        public var widths: ClosedRange<Duration>?
        /// The shortest and the longest pause between two pulses.
        public var pauses: ClosedRange<Duration>?
        /// Whether the line is active between pulses: a contact to ground with a pull-up, read as it is.
        public var restsActive = false
        /// What was filtered away before this saw it: bounces shorter than this cannot be seen.
        public var debounce = Duration.zero
        /// What tells pulses from bounces or spikes.
        public internal(set) var remedy: Remedy?
    }

    /// All edges.
    public private(set) var edges = 0
    private let debounce: Duration
    private var looks: [SignalLook]

    /// Without a debounce, and with several; mechanical contacts come to rest within 20 ms.
    private static let periods: [Duration] =
        [.zero, .microseconds(500)] + [1, 2, 3, 5, 8, 12, 20].map { .milliseconds($0) }

    /// A line that is at `level` when watching begins, whose edges are filtered by `debounce` before they come here.
    public init(level: Bool, at begin: Instant, debounce: Duration = .zero) {
        self.debounce = debounce
        looks = Self.periods.map { SignalLook(period: $0, level: level, at: begin) }
    }

    /// Takes an edge.
    public mutating func take(_ edge: LineEdge) {
        edges += 1
        for index in looks.indices { looks[index].take(edge) }
    }

    /// What it looks like at `end`, the end of watching.
    public func finding(at end: Instant) -> Finding {
        let whole = looks.map { $0.ended(at: end) }
        var finding = Finding(verdict: .nothing, debounce: debounce)
        guard edges > 0, let raw = whole.first else { return finding }
        let fitting = whole.first { $0.remedy != nil }
        let look = fitting ?? raw
        finding.restsActive = look.restsActive
        let (pulses, pauses) = look.restsActive ? (look.inactive, look.active) : (look.active, look.inactive)
        (finding.pulses, finding.widths, finding.pauses) = (pulses.count, pulses.range, pauses.range)
        finding.remedy = fitting?.remedy
        // Edges that came to rest together at another level are one change.
        if fitting == nil, whole.contains(where: \.isOneChange) { (finding.pulses, finding.widths) = (0, nil) }
        finding.verdict = look.verdict(finding, pulses)
        return finding
    }
}

extension SignalJudgement.Finding {
    /// The shortest pulse or pause.
    var shortest: Duration { [widths, pauses].compactMap { $0?.lowerBound }.min() ?? .zero }

    /// The keys for the configuration, such as `pulse: s0`, on a line that was watched with this `bias`, and `inverted` as
    /// the configuration would say it.
    public func proposal(bias: InputSettings.Bias = .asIs, isInverted: Bool = false) -> [String] {
        var keys: [String] = []
        switch verdict {
        case .nothing, .oneChange, .noise: return []
        case .s0: keys = ["pulse: s0"]
        case .short:
            // Half the shortest pulse leaves room for both sides. The configuration knows no less than a millisecond.
            let least = (widths?.lowerBound ?? .zero).wholeMilliseconds / 2
            if least > 0 { keys = ["pulse: {min_width: \(least)ms}"] }
        // Long enough for every contact, and short beside every pulse.
        case .slow: keys = ["debounce: 20ms"]
        case .bouncing: break
        case .disturbed: if shortest >= SignalJudgement.leastS0 { keys = ["pulse: s0"] }
        }
        // What was filtered before says nothing of what is needed.
        if remedy == nil, debounce > .zero { keys = [] }
        switch remedy {
        case .debounce(let time): keys.append("debounce: \(time)ms")
        case .leastWidth(let time): keys = ["pulse: {min_width: \(time)ms}"]
        case nil: break
        }
        if bias != .asIs { keys.append("bias: \(bias.rawValue)") }
        if restsActive || isInverted { keys.append("inverted: \(restsActive != isInverted)") }
        return keys
    }
}

extension SignalJudgement {
    /// The least pulse and pause of S0. What is a little shorter would not be counted as S0, either.
    static let leastS0 = PulseCounter.Rule.s0.minimumWidth
    /// Pulses and pauses from here on may be those of a door as well.
    static let leastSlow = Duration.seconds(1)
    /// What is shorter comes from a meter only where all its pulses are about as short.
    static let leastIrregular = Duration.milliseconds(5)
}
