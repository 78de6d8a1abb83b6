/// The requests of a meter's poll, and what the meter's refusals have taught.
///
/// A definition may be wrong, or the meter a variant: a request is then answered with "illegal data address" or
/// "illegal data value" at every poll, and all of its points are lost for a single bad register. The plan learns from
/// such answers until every point that can be read is read. After a refusal it does the first of these that it can:
///
/// - exception 3: ask for fewer registers at once;
/// - it bridges unused registers: take them for holes;
/// - it reads several points: ask each by itself, once. Those that are answered are joined again. Where all are, the
///   meter refuses their union, and its requests are cut in halves from there;
/// - it reads one point: drop that point after three refusals in a row.
///
/// So one bad register costs a request with gaps, one without and three of its own point. Halving instead of trying
/// each would cost the logarithm of the number of points, and at each step the good points of the refused half. A
/// dropped point explains why the requests that held it were refused: what they had taught is forgotten.
///
/// All that is kept is bounded by the points and the registers between them: each learnt hole has registers that none
/// had before, each limit is lower than the last, of refused spans none contains another. A meter that always refuses
/// the same is understood after a bounded number of changes: each teaches what nothing before implied, begins or ends a
/// trial that does, or drops a point.
public struct PollPlan: Hashable, Sendable {
    /// How the requests changed.
    public enum Change: Hashable, Sendable {
        /// What one request read is now read by several.
        case split
        /// Requests read no more than so many registers now.
        case lowered(registers: Int)
        /// Points that were asked by themselves share requests again.
        case joined
        /// These points, by their index, are no longer asked.
        case dropped(points: [Int])
    }

    /// What a refused request taught.
    struct Lesson: Hashable {
        enum Rule: Hashable {
            /// Registers that must not be read along.
            case holes([RequestLimits.Range])
            /// The most registers of a request.
            case registers(Int)
            /// The span is refused as a whole.
            case whole
        }

        /// What the request read.
        var span: RegisterSpan
        var rule: Rule
    }

    /// What is known of a needed span that is asked by itself.
    enum Trial: Hashable {
        /// No answer yet; then answered or refused.
        case open
        /// Joined with others once no trial is open.
        case answered
        /// Answered, or dropped at the last refusal.
        case refused(times: Int)
    }

    /// A point that is refused so many times in a row, by itself, is dropped.
    public static let refusalsToDrop = 3

    /// The requests of a poll. Their indices hold until a change is returned, or `reconsider` is called.
    public private(set) var requests: [PlannedRequest] = []

    let places: [PointPlace]
    private let limits: RequestLimits
    private var cost: RequestCost
    /// By point: the group that it is asked with. Empty where there is but one.
    private let groups: [Int]
    /// The groups that are asked now, in order; nil where there are none.
    private var chosen: [Int]?
    /// The requests of choices made before, as long as nothing new is learnt.
    private var others: [[Int]: [PlannedRequest]] = [:]
    private static let mostOthers = 16
    var lessons: [Lesson] = []
    /// By needed span: points that need the same registers share their fate.
    var trials: [RegisterSpan: Trial] = [:]
    /// Refused spans whose points are under trial.
    var suspected: [RegisterSpan] = []
    var droppedSpans: Set<RegisterSpan> = []

    /// The plan for `points`, with nothing learnt; `groups` says for each the group that it is asked with.
    public init(points: [PointDefinition], limits: RequestLimits, cost: RequestCost, groups: [Int] = []) {
        precondition(groups.isEmpty || groups.count == points.count)
        places = points.map(PointPlace.init)
        self.limits = limits
        self.cost = cost
        self.groups = groups
        chosen = groups.isEmpty ? nil : Set(groups).sorted()
        replan()
    }

    /// Asks for the points of these groups, in order, from now on: what is due together shares requests.
    public mutating func choose(_ groups: [Int]) {
        guard !self.groups.isEmpty, groups != chosen else { return }
        if let chosen, others.count < Self.mostOthers { others[chosen] = requests }
        chosen = groups
        if let known = others[groups] { requests = known } else { plan() }
    }

    /// Requests cost this from now on.
    public mutating func learn(_ cost: RequestCost) {
        self.cost = cost
        replan()
    }

    /// Runs of unused registers that the meter seems to refuse, beside those of its definition.
    public var learntHoles: [RequestLimits.Range] {
        lessons.flatMap { lesson -> [RequestLimits.Range] in
            if case .holes(let ranges) = lesson.rule { ranges } else { [] }
        }
    }

    /// The most registers that the meter seems to answer at once, where that is less than its definition says.
    public var learntRegisters: Int? {
        lessons.compactMap { lesson in
            if case .registers(let count) = lesson.rule { count } else { nil }
        }.min()
    }

    /// The points that are not asked because the meter refuses them, by their index.
    public var dropped: [Int] {
        places.indices.filter { droppedSpans.contains(places[$0].needed) }
    }

    /// Whether the meter refused the point at its last word on it.
    public func isRefused(_ point: Int) -> Bool {
        let span = places[point].needed
        return droppedSpans.contains(span) || trials[span]?.isRefused == true
    }

    /// Makes the requests from everything that is known; whether they are others than before.
    @discardableResult mutating func replan() -> Bool {
        others = [:]
        return plan()
    }

    @discardableResult private mutating func plan() -> Bool {
        var rules = RequestRules(limits: limits, cost: cost, alone: Set(trials.keys))
        if let learntRegisters { rules.limits.registers = min(learntRegisters, limits.registers) }
        let bad = droppedSpans.union(trials.filter { $0.value.isRefused }.keys)
        rules.limits.holes += learntHoles + bad.map { .init(function: $0.function, addresses: $0.addresses) }
        rules.refused = lessons.filter { $0.rule == .whole }.map(\.span) + bad
        let asked = places.indices.filter { index in
            !droppedSpans.contains(places[index].needed) && (chosen?.contains(groups[index]) ?? true)
        }
        let before = requests
        requests = RequestPlanner.requests(for: places, at: asked, rules: rules)
        return requests != before
    }
}

extension PollPlan.Trial {
    var isRefused: Bool {
        if case .refused = self { true } else { false }
    }
}
