/// What a line's edges look like: whether what pulses there is a clean S0 output, a bouncing contact, or nothing, and what to
/// write into the configuration.
///
/// Pure: edges come in.
public struct SignalJudgement: Hashable, Sendable {
    /// What it looks like.
    public enum Verdict: Hashable, Sendable {
        /// No edge was seen.
        case nothing
        /// One change and no pulse: a contact that was moved, or a pulse under way.
        case oneChange
        /// Pulses and pauses of 30 ms at least, without bounces.
        case s0
        /// Clean pulses that are shorter than S0 allows.
        case short
        /// Edges that follow each other faster than any meter's: a contact that bounces, for this long at most.
        case bouncing(Duration)
    }

    /// Pulses, once bounces are left out.
    public private(set) var pulses = 0
    /// All edges.
    public private(set) var edges = 0
    /// The shortest and the longest pulse.
    public private(set) var widths: ClosedRange<Duration>?
    /// The shortest and the longest pause between two pulses.
    public private(set) var pauses: ClosedRange<Duration>?
    /// The longest time between two edges of one bounce.
    private var bounce: Duration?
    private var level: Bool
    private var settled: LineEdge?
    private var last: LineEdge?

    /// Mechanical contacts come to rest within some milliseconds; electronic outputs have no edges so close.
    public static let bounceLimit = Duration.milliseconds(5)
    /// The least pulse and pause of S0 (IEC 62053-31), less what clocks and edges may be off.
    private static let leastS0 = Duration.milliseconds(27)

    /// A line that is at `level` when watching begins.
    public init(level: Bool) {
        self.level = level
    }

    /// Takes an edge.
    public mutating func take(_ edge: LineEdge) {
        edges += 1
        defer { last = edge }
        if let last, edge.instant - last.instant < Self.bounceLimit {
            bounce = max(bounce ?? .zero, edge.instant - last.instant)
            return
        }
        // What came before has come to rest at the level that it had last.
        settle()
    }

    private mutating func settle() {
        guard let last, last.isActive != level else { return }
        level = last.isActive
        if let settled {
            let length = last.instant - settled.instant
            if last.isActive {
                pauses = Self.widen(pauses, length)
            } else {
                pulses += 1
                widths = Self.widen(widths, length)
            }
        }
        settled = last
    }

    private static func widen(_ range: ClosedRange<Duration>?, _ length: Duration) -> ClosedRange<Duration> {
        guard let range else { return length...length }
        return min(range.lowerBound, length)...max(range.upperBound, length)
    }

    /// What it looks like so far, a while after the last edge.
    public var verdict: Verdict {
        var whole = self
        whole.settle()
        if whole.edges == 0 { return .nothing }
        if let bounce = whole.bounce { return .bouncing(bounce) }
        guard let widths = whole.widths else { return .oneChange }
        let isLong = widths.lowerBound >= Self.leastS0 && whole.pauses.map { $0.lowerBound >= Self.leastS0 } ?? true
        return isLong ? .s0 : .short
    }

    /// The pulses so far, with one that ended just now.
    public var total: Int {
        var whole = self
        whole.settle()
        return whole.pulses
    }

    /// The keys for the configuration: `pulse: s0`.
    public var proposal: [String] {
        switch verdict {
        case .nothing, .oneChange: []
        case .s0: ["pulse: s0"]
        case .short:
            // Half the shortest pulse leaves room for both sides.
            ["pulse: {min_width: \(max(1, (widths?.lowerBound ?? .zero).wholeMilliseconds / 2))ms}"]
        case .bouncing(let time): ["debounce: \(max(2, 2 * time.wholeMilliseconds + 2))ms"]
        }
    }
}
