/// The state of a contact, and when it is to be told: at each change with the edge's time, and at an interval.
///
/// Pure: edges and instants come in.
public struct ContactState: Hashable, Sendable {
    /// How often it is told when nothing changes.
    public let heartbeat: Duration
    /// Whether the contact is active now.
    public private(set) var isActive: Bool
    /// Since when; nil where that is not known.
    public private(set) var since: Instant?
    /// Changes seen.
    public private(set) var changes: UInt64 = 0
    /// Edges that the kernel saw and nobody read.
    public private(set) var lostEdges: UInt64 = 0
    /// The last edge's number: 0 before the first, since the kernel counts from 1 for each request.
    private var sequence: UInt32? = 0
    private var told: Instant?

    /// What is to be told.
    public struct Report: Hashable, Sendable {
        /// The state.
        public var isActive: Bool
        /// When it began, or when it was looked at.
        public var instant: Instant

        /// A report with every property given.
        public init(isActive: Bool, instant: Instant) {
            self.isActive = isActive
            self.instant = instant
        }
    }

    /// A contact that is at `level` when it is first looked at.
    public init(heartbeat: Duration, level: Bool) {
        self.heartbeat = heartbeat
        isActive = level
    }

    /// When it is told next if nothing changes; nil at once.
    public var deadline: Instant? { told.map { $0 + heartbeat } }

    /// Takes an edge; returns how many were lost before it, and what is to be told.
    public mutating func take(_ edge: LineEdge) -> (lostEdges: UInt64, report: Report?) {
        var lost: UInt64 = 0
        if let next = edge.sequence, let sequence, next &- sequence &- 1 < UInt32.max / 2 {
            lost = UInt64(next &- sequence &- 1)
        }
        lostEdges += lost
        sequence = edge.sequence ?? sequence
        // Where edges were lost the state may be the same as before: it has changed and changed back.
        guard edge.isActive != isActive || lost > 0 else { return (lost, nil) }
        changes += 1
        (isActive, since, told) = (edge.isActive, edge.instant, edge.instant)
        return (lost, Report(isActive: isActive, instant: edge.instant))
    }

    /// Lets time pass until `now`; returns what is to be told.
    public mutating func heartbeat(at now: Instant) -> Report? {
        guard told.map({ now - $0 >= heartbeat }) ?? true else { return nil }
        told = now
        return Report(isActive: isActive, instant: now)
    }

    /// The line is asked for anew and is at `level`; returns what is to be told when it is another.
    public mutating func resume(level: Bool, at now: Instant) -> Report? {
        sequence = 0
        guard level != isActive else { return nil }
        changes += 1
        (isActive, since, told) = (level, now, now)
        return Report(isActive: level, instant: now)
    }
}
