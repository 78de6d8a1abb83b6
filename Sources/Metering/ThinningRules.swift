/// Whether old readings of a point may be thinned when the spool has no room for all of them.
public enum ThinningPolicy: String, Hashable, Sendable, CaseIterable {
    /// As the others.
    case allowed
    /// Never: each reading stays until it is delivered, or dropped because the spool is full.
    case forbidden
    /// Before the others, and coarser than they are.
    case preferred
}

/// How far readings that wait are thinned. The raw values are those in a spool's file.
public enum ThinningLevel: Int, Hashable, Sendable, Comparable, CaseIterable {
    /// Not at all.
    case raw = 0
    /// The preferred points to 1 min; the others not.
    case early = 1
    /// To 1 min; the preferred points to 15 min.
    case minute = 2
    /// To 15 min; the preferred points to 1 h.
    case quarter = 3
    /// To 1 h.
    case hour = 4

    /// Orders from fine to coarse.
    public static func < (a: ThinningLevel, b: ThinningLevel) -> Bool {
        a.rawValue < b.rawValue
    }

    private static let intervals: [Duration] = [.seconds(60), .seconds(900), .seconds(3600)]

    /// The interval that a point is thinned to, on the grid of UTC; nil where it is left alone.
    ///
    /// Each interval is a whole number of those before, so that thinning in steps gives what thinning at once gives.
    public func interval(for policy: ThinningPolicy) -> Duration? {
        let step =
            switch policy {
            case .forbidden: 0
            case .allowed: rawValue - 1
            case .preferred: rawValue
            }
        return step > 0 ? Self.intervals[min(step, Self.intervals.count) - 1] : nil
    }
}

/// What thinning has to know of each point: also of those that the configuration no longer has, whose readings wait.
public struct ThinningRules: Hashable, Sendable {
    /// What is known of a point.
    public struct Rule: Hashable, Sendable {
        /// Counter, gauge or state.
        public var kind: PointKind
        /// Whether its readings may be thinned.
        public var policy: ThinningPolicy

        /// A rule with every property given.
        public init(kind: PointKind, policy: ThinningPolicy = .allowed) {
            self.kind = kind
            self.policy = policy
        }
    }

    private var rules: [PointID: Rule] = [:]

    /// Whether there are points that are thinned before the others.
    public private(set) var hasPreferred = false

    /// No rules: nothing is thinned.
    public init() {}

    /// The rules of `points`, whose numbers in the spool are `ids`, by key.
    public init(_ points: some Sequence<Point>, ids: [String: PointID]) {
        for point in points {
            guard let id = ids[point.key] else { continue }
            self[id] = Rule(kind: point.definition.kind, policy: point.thin)
        }
    }

    /// The rule of a point; nil where nothing is known of it: its readings are left alone.
    public subscript(point: PointID) -> Rule? {
        get { rules[point] }
        set {
            rules[point] = newValue
            hasPreferred = hasPreferred || newValue?.policy == .preferred
        }
    }
}
