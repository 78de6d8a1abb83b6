/// A change of a line's level, as the kernel saw it.
public struct LineEdge: Hashable, Sendable {
    /// When, on the boot clock: the kernel's own time stamp.
    public var instant: Instant
    /// Whether the line is active now. What that means for the voltage is the line's matter: see `InputSettings.isInverted`.
    public var isActive: Bool
    /// The kernel's number of this edge on its line, from 1, without a gap as long as none is lost; nil where it gives none
    /// (libgpiod 1).
    public var sequence: UInt32?

    /// An edge with every property given.
    public init(_ instant: Instant, isActive: Bool, sequence: UInt32? = nil) {
        self.instant = instant
        self.isActive = isActive
        self.sequence = sequence
    }
}

/// Filters a line whose kernel has no debounce: a level counts once it has lasted `period`.
///
/// The time stamp of what passes is that of the edge after which nothing moved any more.
///
/// Pure: edges, instants and the passing of time come in; edges that last go out.
public struct LineDebounce: Hashable, Sendable {
    /// How long a level must last.
    public let period: Duration
    private var level: Bool
    private var pending: LineEdge?
    /// Edges that did not last, there and back.
    public private(set) var bounces: UInt64 = 0

    /// A filter for a line that is at `level` now. A period of zero lets everything pass.
    public init(period: Duration, level: Bool) {
        self.period = period
        self.level = level
    }

    /// When the edge that waits is to be looked at again; nil when none waits.
    public var deadline: Instant? { pending.map { $0.instant + period } }

    /// Takes an edge; what passes goes to `pass`.
    public mutating func take(_ edge: LineEdge, pass: (LineEdge) -> Void) {
        guard period > .zero else { return pass(edge) }
        settle(at: edge.instant, pass: pass)
        // An edge back to the old level takes the one before with it.
        if pending != nil { bounces += edge.isActive == level ? 2 : 1 }
        pending = edge.isActive == level ? nil : edge
    }

    /// Lets time pass until `now`.
    public mutating func settle(at now: Instant, pass: (LineEdge) -> Void) {
        guard var edge = pending, let deadline, deadline <= now else { return }
        pending = nil
        level = edge.isActive
        // Edges that were left out would seem lost.
        edge.sequence = nil
        pass(edge)
    }
}
