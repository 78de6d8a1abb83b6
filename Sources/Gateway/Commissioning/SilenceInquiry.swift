internal import Metering

/// Why is a unit silent? What to try next, and what it all means: a decision over what was tried so far, without I/O.
///
/// The cheapest questions come first, and each rules something out: the port or connection; the unit as it is
/// configured, twice, since one disturbance proves nothing; the other table, where no model says which; more patience; the other framing, where the far end is a
/// box on the network; other line settings, where there is a serial port; the neighbours, which tell a dead line from
/// a dead unit. Where the unit answers, its registers are looked at instead: all points of its model, the addresses
/// one beside, the other table; of points that somebody wrote also the other order of words, which looks much the same
/// as a shift.
struct SilenceInquiry: Equatable, Sendable {
    /// What is known beforehand.
    struct Situation: Equatable, Sendable {
        /// How the bus is reached.
        enum Kind: Hashable, Sendable {
            case tcp, rtuOverTCP, serial
        }

        var kind: Kind
        /// Whether a model says what to ask for: without one a refusal is as good as an answer.
        var hasModel = false
        /// Whether the points are not a model's, but written by somebody: each may stand at a wrong place.
        var hasOwnPoints = false
        /// Other line settings to try, the commonest first.
        var lines: [SerialLine] = []
        /// Where registers may stand in place of the configured ones: none where there is no such address.
        var shifts = [-1, 1]
        /// Other units of the configuration on this bus.
        var neighbours: [UInt8] = []
        /// How long the unit is waited for as it is configured.
        var timeoutMilliseconds: Int64 = 1000
    }

    /// Something to try.
    enum Step: Hashable, Sendable {
        /// Opens the port or the connection.
        case connection
        /// Asks the unit as it is configured.
        case question
        /// The same once more.
        case repetition
        /// The same with the longest wait.
        case patience
        /// The same in the bus's other framing.
        case otherFraming
        /// The same at other line settings.
        case line(SerialLine)
        /// Asks another unit.
        case neighbour(UInt8)
        /// Asks for all points of the model.
        case points
        /// Asks for the registers at so many addresses beside.
        case shifted(Int)
        /// Looks at the registers of all points with their words in the other order.
        case otherOrder
        /// Asks the other table: input registers in place of holding registers, or the other way round.
        case otherFunction
    }

    /// What came of it.
    enum Finding: Equatable, Sendable {
        /// The port is open, or there is a connection.
        case connected
        /// The registers, after so long; whether they can be right, where that can be said.
        case answered(milliseconds: Int64, isPlausible: Bool? = nil)
        /// The unit refused.
        case exception(UInt8)
        /// Nothing came; `isEcho` when the request was heard back.
        case silence(isEcho: Bool = false)
        /// Bytes came from which nothing could be made.
        case garbled(bytes: Int)
        /// Another unit answered.
        case otherUnit(UInt8)
        /// Frames of others passed, and no answer among them.
        case foreignTraffic(units: [UInt8])
        /// The answer to an earlier question came, after so long.
        case late(milliseconds: Int64)
        /// The answer came in the other framing.
        case otherFraming
        /// The answer does not fit the question; the words say how.
        case malformed(String)
        /// The far end closed the connection.
        case closed
        /// There is no way to the bus.
        case obstacle(Obstacle)
        /// All points.
        case points(PointCount)
        /// Points written by somebody, at another place or in another order.
        case place(PlaceWeight)
    }

    /// What became of all points.
    struct PointCount: Equatable, Sendable {
        var values: Int
        /// The unit itself refused.
        var refused = 0
        /// The unit has no value for them.
        var empty = 0
        /// No answer, or none that could be read: `why`.
        var unanswered = 0
        var why: String?
        /// Whether the values can be right, where that can be said.
        var isPlausible: Bool?
        /// Points that cannot be right, with their values.
        var impossible: [String] = []
        /// Whether other places are worth a look, and the other order of words.
        var isDoubted = false
        var hasOtherOrder = false

        var total: Int { values + refused + empty + unanswered }
    }

    /// Why there is no way to the bus.
    enum Obstacle: Equatable, Sendable {
        case noPort(others: [String])
        case notPermitted(group: String?)
        case portBusy
        case portRefused(String)
        case portGone
        case noConnection(String)
        case unknownHost(String)
        /// The agent lends the bus for too short a time.
        case outOfTime
    }

    /// One thing that was tried.
    struct Entry: Equatable, Sendable {
        var step: Step
        var finding: Finding
    }

    let situation: Situation
    /// What was tried so far.
    private(set) var trail: [Entry] = []

    /// A step that waits longer than this needs no step with more patience.
    static let longestWait: Int64 = 1500
    /// So many neighbours are asked.
    private static let mostNeighbours = 2

    init(_ situation: Situation, trail: [Entry] = []) {
        self.situation = situation
        self.trail = trail
    }

    /// Notes what came of `step`.
    mutating func note(_ step: Step, _ finding: Finding) {
        trail.append(Entry(step: step, finding: finding))
    }

    func finding(_ step: Step) -> Finding? { trail.last { $0.step == step }?.finding }

    /// What to try next; nil when the verdict stands.
    var next: Step? {
        guard let connection = finding(.connection) else { return .connection }
        guard connection == .connected else { return nil }
        guard let first = finding(.question) else { return .question }
        if isKnownLate || isUnreachable { return nil }
        switch first {
        case .answered(_, let isPlausible): return nextOfAnswering(isRefused: false, isPlausible)
        case .exception(let code): return next(after: code)
        case .otherFraming: return untried(.otherFraming)
        default: return nextOfSilent(first)
        }
    }

    /// Whether an answer came after its time.
    var isKnownLate: Bool {
        trail.contains { if case .late = $0.finding { true } else { false } }
    }

    /// Whether the way to the bus was lost meanwhile.
    private var isUnreachable: Bool {
        guard let last = trail.last, case .obstacle = last.finding else { return false }
        // Trying something else may fail for its own reasons.
        return [.question, .repetition, .patience].contains(last.step)
    }

    private func untried(_ step: Step) -> Step? { finding(step) == nil ? step : nil }

    private func next(after exception: UInt8) -> Step? {
        switch exception {
        case 10, 11: nextNeighbour
        case 1: situation.hasModel ? untried(.otherFunction) : nil
        case 2, 3: situation.hasModel ? nextOfAnswering(isRefused: true, nil) : nil
        default: nil
        }
    }

    private func nextOfAnswering(isRefused: Bool, _ isPlausible: Bool?) -> Step? {
        guard situation.hasModel else { return nil }
        if situation.hasOwnPoints { return nextOfOwnPoints }
        if !isRefused, finding(.points) == nil { return .points }
        guard isRefused || isPlausible == false || arePointsRefused else { return nil }
        return (situation.shifts.map(Step.shifted) + [.otherFunction]).first { finding($0) == nil }
    }

    private var arePointsRefused: Bool {
        guard case .points(let count) = finding(.points) else { return false }
        return count.refused > 0 && count.values == 0
    }

    private var nextOfOwnPoints: Step? {
        guard let points = finding(.points) else { return .points }
        guard case .points(let count) = points, count.isDoubted else { return nil }
        let order: [Step] = count.hasOtherOrder ? [.otherOrder] : []
        return (situation.shifts.map(Step.shifted) + order + [.otherFunction]).first { finding($0) == nil }
    }

    private func nextOfSilent(_ first: Finding) -> Step? {
        guard let second = finding(.repetition) else { return .repetition }
        if second.isAnswer { return nil }
        if case .otherUnit = first, first == second { return nil }
        // Some devices ignore what they do not have.
        if !situation.hasModel {
            guard let other = finding(.otherFunction) else { return .otherFunction }
            if other.isAnswer { return nil }
        }
        if finding(.patience) == nil, situation.timeoutMilliseconds < Self.longestWait { return .patience }
        if finding(.patience)?.isAnswer ?? false { return nil }
        if situation.kind != .serial {
            guard let other = finding(.otherFraming) else { return .otherFraming }
            if other.isAnswer { return nil }
        }
        if case .foreignTraffic = second { return nextNeighbour }
        if situation.kind == .serial {
            if fittingLine != nil { return nil }
            if let line = situation.lines.first(where: { finding(.line($0)) == nil }) { return .line(line) }
        }
        return nextNeighbour
    }

    private var nextNeighbour: Step? {
        let neighbours = situation.neighbours.prefix(Self.mostNeighbours)
        if neighbours.contains(where: { finding(.neighbour($0))?.isAnswer ?? false }) { return nil }
        return neighbours.first { finding(.neighbour($0)) == nil }.map(Step.neighbour)
    }

    /// The line settings at which the unit answered.
    var fittingLine: SerialLine? {
        for entry in trail {
            if case .line(let line) = entry.step, entry.finding.isAnswer { return line }
        }
        return nil
    }

    /// A neighbour that answers.
    var livingNeighbour: UInt8? {
        for entry in trail {
            if case .neighbour(let unit) = entry.step, entry.finding.isAnswer { return unit }
        }
        return nil
    }

    /// Whether the unit answered at its place and settings, in time or not, if only to refuse.
    var isAnsweringAsConfigured: Bool {
        isKnownLate || [Step.question, .repetition, .patience].contains { finding($0)?.isAnswer ?? false }
    }

    /// How many neighbours were asked in vain.
    var silentNeighbours: Int {
        trail.count { if case .neighbour = $0.step { !$0.finding.isAnswer } else { false } }
    }
}

extension SilenceInquiry.Finding {
    /// Whether the unit itself spoke, if only to refuse. What a gateway says in its place does not count.
    var isAnswer: Bool {
        switch self {
        case .answered, .points, .place: true
        case .exception(let code): code != 10 && code != 11
        default: false
        }
    }
}
