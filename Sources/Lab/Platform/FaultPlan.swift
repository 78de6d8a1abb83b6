/// What the platform does wrong with one request.
///
/// These are the failures that delivery meets in the field; each says whether the request's rows are stored.
public enum Fault: Hashable, Sendable {
    /// Closes the connection when the head has arrived: nothing is stored.
    case refuse
    /// Closes the connection while the body arrives: nothing is stored.
    case cutRequest
    /// Stores everything, then closes without an answer.
    case commitThenCut
    /// Stores everything, then closes in the middle of the answer.
    case halfAnswer
    /// Closes without an answer and stores everything `after` that: whoever asks at once finds nothing yet.
    case lateCommit(after: Duration)
    /// Never answers and stores nothing; ends when the client gives up.
    case blackHole
    /// Does nothing for a while, then serves as usual, even when the client has gone by then.
    case slow(Duration)
    /// 401 with `WWW-Authenticate`; nothing is stored.
    case unauthorized
    /// 413 for bodies of more than `over` bytes; others are served as usual.
    case tooLarge(over: Int)
    /// 429 with `Retry-After` in seconds; nothing is stored.
    case tooManyRequests(retryAfter: Int)
    /// 503 with `Retry-After` in seconds; nothing is stored.
    case unavailable(retryAfter: Int)
    /// 500; nothing is stored.
    case serverError
    /// 500, although everything is stored.
    case serverErrorAfterCommit
    /// Stores everything; an array in the answer is one element short.
    case wrongLengthArray
    /// Stores everything and answers with the right status and a body that is no JSON.
    case garbage201
    /// Every `every`-th row of CreateObservations (of the whole request, from 1) is an error and is not stored.
    case rowErrors(every: Int)

    /// The fault's name without its parameters: `lateCommit`.
    public var name: String {
        switch self {
        case .refuse: "refuse"
        case .cutRequest: "cutRequest"
        case .commitThenCut: "commitThenCut"
        case .halfAnswer: "halfAnswer"
        case .lateCommit: "lateCommit"
        case .blackHole: "blackHole"
        case .slow: "slow"
        case .unauthorized: "unauthorized"
        case .tooLarge: "tooLarge"
        case .tooManyRequests: "tooManyRequests"
        case .unavailable: "unavailable"
        case .serverError: "serverError"
        case .serverErrorAfterCommit: "serverErrorAfterCommit"
        case .wrongLengthArray: "wrongLengthArray"
        case .garbage201: "garbage201"
        case .rowErrors: "rowErrors"
        }
    }
}

/// Which requests go wrong, and how: first a script, one entry a request in its order; after its end by chance.
///
/// The same plan and the same order of requests give the same faults. `/_audit` and `/_faults` never fail.
public struct FaultPlan: Hashable, Sendable {
    /// Which requests the plan counts and spoils.
    public enum Scope: String, Hashable, Sendable, CaseIterable {
        /// Every request.
        case all
        /// Requests that store Observations: `POST CreateObservations`, `POST Observations`.
        case observations
        /// Requests that read: `GET`.
        case queries
    }

    /// A fault with its probability.
    public struct Chance: Hashable, Sendable {
        /// The fault.
        public var fault: Fault
        /// How likely it is for one request, 0…1.
        public var probability: Double

        /// A fault with its probability.
        public init(_ fault: Fault, _ probability: Double) {
            self.fault = fault
            self.probability = probability
        }
    }

    /// The requests it is about.
    public var scope: Scope
    /// What happens to the first requests; nil serves one as usual.
    public var script: [Fault?]
    /// What happens to the others; what is missing to 1 is served as usual.
    public var chances: [Chance]
    /// Chooses among the chances.
    public var seed: UInt64
    /// Added to the true time in the `Date` header of every answer.
    public var clockOffset: Duration

    /// A plan with every property given; by default nothing goes wrong.
    public init(
        scope: Scope = .all, script: [Fault?] = [], chances: [Chance] = [], seed: UInt64 = 1,
        clockOffset: Duration = .zero
    ) {
        self.scope = scope
        self.script = script
        self.chances = chances
        self.seed = seed
        self.clockOffset = clockOffset
    }

    /// Bad weather to judge delivery by: more than half of the requests go wrong, most of them without saying whether
    /// they stored.
    public static func chaos(seed: UInt64) -> FaultPlan {
        FaultPlan(
            chances: [
                Chance(.refuse, 0.10), Chance(.cutRequest, 0.07), Chance(.commitThenCut, 0.10),
                Chance(.halfAnswer, 0.05), Chance(.lateCommit(after: .milliseconds(300)), 0.05),
                Chance(.slow(.milliseconds(150)), 0.05), Chance(.serverError, 0.05),
                Chance(.serverErrorAfterCommit, 0.05), Chance(.wrongLengthArray, 0.02), Chance(.garbage201, 0.02),
            ], seed: seed)
    }
}

/// A plan at work: hands out one fault a request.
struct FaultSource {
    private(set) var plan: FaultPlan
    /// How often each fault was handed out.
    private(set) var counts: [String: Int] = [:]
    private var position = 0
    private var random: SplitMix

    init(_ plan: FaultPlan) {
        self.plan = plan
        random = SplitMix(seed: plan.seed)
    }

    /// What happens to the next request, of this method and path.
    mutating func next(method: String, path: String) -> Fault? {
        guard applies(method, path) else { return nil }
        let fault = draw()
        if let fault { counts[fault.name, default: 0] += 1 }
        return fault
    }

    private mutating func draw() -> Fault? {
        if position < plan.script.count {
            position += 1
            return plan.script[position - 1]
        }
        guard !plan.chances.isEmpty else { return nil }
        var rest = random.unit()
        for chance in plan.chances {
            if rest < chance.probability { return chance.fault }
            rest -= chance.probability
        }
        return nil
    }

    private func applies(_ method: String, _ path: String) -> Bool {
        switch plan.scope {
        case .all: true
        case .queries: method == "GET"
        case .observations: method == "POST" && path.hasSuffix("Observations")
        }
    }
}
