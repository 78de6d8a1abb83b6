/// Counts the pulses of one line: exactly, with the widths that the meter's maker allows, and with every lost edge told.
///
/// A pulse is counted at its end, when its width is known. The kernel numbers edges, so that a gap tells how many were
/// lost when its buffer ran over; levels alternate, so their number says how many pulses ended among them. These are
/// counted, but their widths are not known: they are counted as recovered, and told as an event.
///
/// The kernel looks at the level some time after the edge (a thread of its own does, as a board's load permits). Where a
/// line changed back before that, two edges are one, and its level is the one that the line had already. What was so short
/// is a pulse only where the rule knows no least width.
///
/// Pure: edges come in, counts go out.
public struct PulseCounter: Hashable, Sendable {
    /// What is a pulse.
    public struct Rule: Hashable, Sendable {
        /// The least width.
        public var minimumWidth: Duration
        /// The greatest width; nil for none.
        public var maximumWidth: Duration?

        /// A rule with every property given.
        public init(minimumWidth: Duration = .zero, maximumWidth: Duration? = nil) {
            self.minimumWidth = minimumWidth
            self.maximumWidth = maximumWidth
        }

        /// S0 (IEC 62053-31, table 1: a pulse and a pause last 30 ms at least).
        public static let s0 = Rule(minimumWidth: .milliseconds(30))

        /// Whether `width` is that of a pulse.
        func admits(_ width: Duration) -> Bool {
            width >= minimumWidth && maximumWidth.map { width <= $0 } ?? true
        }
    }

    /// What came of an edge.
    public struct Outcome: Hashable, Sendable {
        /// Pulses that ended, those recovered included.
        public var pulses: UInt64 = 0
        /// Edges that the kernel saw and nobody read.
        public var lostEdges: UInt64 = 0

        /// An outcome with every property given.
        public init(pulses: UInt64 = 0, lostEdges: UInt64 = 0) {
            self.pulses = pulses
            self.lostEdges = lostEdges
        }
    }

    /// What the pulses must be like.
    public let rule: Rule
    /// Pulses counted, those recovered included.
    public private(set) var count: UInt64 = 0
    /// Pulses among them whose edges were lost.
    public private(set) var recovered: UInt64 = 0
    /// Lost edges.
    public private(set) var lostEdges: UInt64 = 0
    /// Pulses that were too short.
    public private(set) var tooShort: UInt64 = 0
    /// Pulses that were too long.
    public private(set) var tooLong: UInt64 = 0
    /// Edges whose level the line had already: it changed back before the kernel looked.
    public private(set) var tooFast: UInt64 = 0
    /// Whether the line is active now.
    public private(set) var isActive: Bool
    /// When the pulse under way began; nil when that is not known.
    private var begin: Instant?
    /// Whether that is so because the edge was lost.
    private var beginIsLost = false
    /// The last edge's number: 0 before the first, since the kernel counts from 1 for each request.
    private var sequence: UInt32? = 0
    /// Whether an edge has told the level: the level asked for may be older or younger than the first edge.
    private var isSettled = false
    /// When the last pulse that was counted ended; the edge that told of it, where its own was lost.
    public private(set) var last: Instant?
    /// Whether that is its own edge.
    private var lastIsExact = false
    /// From the last pulse but one to the last.
    public private(set) var spacing: Duration?
    /// The width of the last pulse that was counted.
    public private(set) var width: Duration?

    /// A counter for a line that is at `level` now. A pulse that is under way already does not count.
    public init(_ rule: Rule, level: Bool) {
        self.rule = rule
        isActive = level
    }

    /// Takes an edge.
    public mutating func take(_ edge: LineEdge) -> Outcome {
        var outcome = Outcome()
        recover(&outcome, before: edge)
        defer { isSettled = true }
        if isSettled, edge.isActive == isActive {
            takeTooFast(edge, &outcome)
            return outcome
        }
        if edge.isActive {
            begin = edge.instant
        } else if isActive {
            if let begin {
                judge(edge.instant - begin, at: edge.instant, &outcome)
            } else if beginIsLost {
                recover(1, at: edge.instant, &outcome)
            }
            begin = nil
        }
        beginIsLost = false
        isActive = edge.isActive
        return outcome
    }

    /// The line is asked for anew and is at `level`: what happened in between is not known.
    public mutating func resume(level: Bool) {
        isActive = level
        begin = nil
        beginIsLost = false
        sequence = 0
        isSettled = false
        spacing = nil
        lastIsExact = false
    }

    /// Between the last edge and this one the line changed and changed back.
    private mutating func takeTooFast(_ edge: LineEdge, _ outcome: inout Outcome) {
        tooFast += 1
        guard rule.minimumWidth == .zero else {
            // A pulse goes on over a pause as short as that.
            if !edge.isActive { tooShort += 1 }
            return
        }
        guard edge.isActive else { return count(1, at: edge.instant, &outcome) }
        if begin != nil || beginIsLost { count(1, at: edge.instant, &outcome) }
        begin = edge.instant
        beginIsLost = false
    }

    private mutating func judge(_ width: Duration, at instant: Instant, _ outcome: inout Outcome) {
        guard rule.admits(width) else {
            if width < rule.minimumWidth { tooShort += 1 } else { tooLong += 1 }
            return
        }
        count += 1
        outcome.pulses += 1
        spacing = lastIsExact ? last.map { instant - $0 } : nil
        (last, lastIsExact) = (instant, true)
        self.width = width
    }

    /// Counts the pulses that ended among edges which the kernel numbered and nobody read.
    private mutating func recover(_ outcome: inout Outcome, before edge: LineEdge) {
        defer { sequence = edge.sequence ?? sequence }
        guard let next = edge.sequence, let sequence else { return }
        // The kernel's number has 32 bits and wraps.
        let lost = next &- sequence &- 1
        guard lost > 0, lost < UInt32.max / 2 else { return }
        outcome.lostEdges += UInt64(lost)
        lostEdges += UInt64(lost)
        // Levels alternate. Where the line was active, the first lost edge ended a pulse; one that the rule does not
        // know to have begun before this line was watched does not count.
        var ended = UInt64(isActive ? (lost + 1) / 2 : lost / 2)
        if isActive, begin == nil, !beginIsLost { ended -= 1 }
        recover(ended, at: edge.instant, &outcome)
        if lost % 2 == 1 { isActive.toggle() }
        begin = nil
        beginIsLost = isActive
    }

    private mutating func recover(_ ended: UInt64, at instant: Instant, _ outcome: inout Outcome) {
        recovered += ended
        count(ended, at: instant, &outcome)
    }

    /// Counts pulses of which not every edge was seen: when they were is not known, so their spacing is not, either.
    private mutating func count(_ ended: UInt64, at instant: Instant, _ outcome: inout Outcome) {
        guard ended > 0 else { return }
        outcome.pulses += ended
        count += ended
        (last, lastIsExact) = (instant, false)
        spacing = nil
        width = nil
    }
}
