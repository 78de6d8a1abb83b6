/// Decides how one uplink delivers, so that every reading arrives and none arrives twice.
///
/// No platform offers idempotency keys, so whatever ends unclear is asked for before it is sent again:
///
///     lease ─▶ provision ─▶ post ─▶ judge ─▶ settle ─▶ lease …
///                            ▲        │unclear, or a row failed
///                            └─absent─┴─▶ rest until the platform must be done ─▶ ask ─▶ present: accepted
///
/// One request is in flight at a time. The platform's "no" to a whole request halves it down to the row that is meant,
/// so one bad reading blocks and loses no other. A reading is rejected only when its Datastream is there and the
/// platform takes other readings, or when few were refused: a platform that refuses everything is a matter for a
/// person, not a reason to empty the spool into the quarantine.
///
/// Not promised: a request that the platform commits later than `settle` waits and than the answer to the question
/// makes a copy; a Datastream that is alone in its window and always answered with 5xx holds the uplink.
public struct DeliveryMachine: Hashable, Sendable {
    /// What the uplink is doing.
    public enum State: Hashable, Sendable {
        /// Everything committed is delivered. Can go to: leasing.
        case idle
        /// The spool is asked for a window. Can go to: idle (there is none), provisioning, posting, resting, settling.
        case leasing
        /// Datastreams are looked up or made. Can go to: what comes `then`, resting.
        case provisioning(then: Next)
        /// A post is in flight; its range of the window, and how often it has ended unclear before.
        /// Can go to: posting, trying, asking, resting, settling.
        case posting(Range<Int>, failures: Int)
        /// A single reading is in flight. Can go to: posting, trying, asking, checking, resting, settling.
        case trying(Int)
        /// The platform is asked what it has. Can go to: asking, posting, trying, provisioning, resting, settling.
        case asking(Question)
        /// A refusal may mean that the Datastream is gone, so it is looked for before the refusal is believed.
        /// Can go to: provisioning (it is gone), posting, trying, resting, settling.
        case checking(Check)
        /// Nothing may be done before a moment. Can go to: what comes `then`.
        case resting(Rest)
        /// The spool notes what became of the lease. Can go to: leasing, resting.
        case settling
        /// The end.
        case stopped
    }

    /// Why and how long nothing is done.
    public struct Rest: Hashable, Sendable {
        /// The reason to rest.
        public enum Reason: Hashable, Sendable {
            /// A failure that time heals.
            case backoff
            /// A request may still be at work on the platform.
            case unclear
            /// A failure that a person must heal.
            case paused
            /// The wall clock is not set.
            case clock
        }

        /// Why.
        public var reason: Reason
        /// How long.
        public var until: Instant
        /// What comes then.
        public var then: Next
    }

    /// What follows a rest or a provisioning.
    public indirect enum Next: Hashable, Sendable {
        case lease
        case provision(then: Next)
        /// What follows must not be done before a moment: until then requests of an earlier run may be at work.
        case notBefore(Instant, then: Next)
        case work
        case ask
        case check(Check)
        case settle
    }

    /// A refusal that is only believed if the Datastream is there.
    public enum Check: Hashable, Sendable {
        /// Of a reading that was sent alone.
        case reading(Int, DeliveryFailure)
        /// Of a post: the path for posts is missing.
        case post(Range<Int>, failures: Int, DeliveryFailure)
    }

    /// Most readings of one lease.
    public static let readingsPerLease = 4096
    /// Most readings one question covers: they fit on the smallest page seen with any margin (100).
    public static let readingsPerQuestion = 90
    /// Unclear ends after which a reading sent alone is refused, if the platform took others meanwhile.
    public static let mostTries = 8
    /// Refusals in a row, without any reading accepted between them, that are believed.
    public static let mostRefusalsInARow = 16
    /// Refused requests of one lease, without any reading accepted, after which each further one is followed by a pause.
    public static let mostRefusedRequests = 32
    /// How long a point whose Datastream was refused is not asked for again.
    public static let absence = Duration.seconds(300)

    /// The uplink's waits.
    public let timing: DeliveryTiming
    /// The uplink's response timeout: a request that timed out may be at work for as long again.
    public let responseTimeout: Duration

    /// What the uplink is doing.
    public internal(set) var state = State.idle
    /// What has been done since the start.
    public internal(set) var counts = Counts()
    /// The failure that has not been made good; nil while all is well.
    public internal(set) var trouble: DeliveryFailure?
    /// The newest failure.
    public internal(set) var lastFailure: DeliveryFailure?
    /// When the platform last did what it was asked.
    public internal(set) var lastSuccess: Instant?
    /// The newest post's response time.
    public internal(set) var lastResponseTime: Duration?
    /// Until when readings go one by one, because the platform has no CreateObservations.
    public internal(set) var singlesUntil: Instant?
    /// Most rows of one post: the configured number, halved whenever the platform finds a request too large.
    public internal(set) var rowsPerPost: Int
    /// The readings in work.
    public var window: DeliveryWindow { work.window }

    var work = Work()
    var known: Set<PointID> = []
    var absent: [PointID: Absence] = [:]
    var link: Backoff
    var pause: Backoff
    var responses = ResponseTimes()
    var sentAt = Instant(nanoseconds: 0)
    var refusedInARow = 0
    /// When this run began: what earlier runs sent, they sent before.
    var begin: Instant?

    /// An idle machine; the first event is `wake`.
    public init(rowsPerPost: Int, responseTimeout: Duration, timing: DeliveryTiming = DeliveryTiming()) {
        self.rowsPerPost = max(1, rowsPerPost)
        self.responseTimeout = responseTimeout
        self.timing = timing
        link = Backoff(timing.backoff)
        pause = Backoff(timing.pause)
    }

    /// What is left to do for the lease in work.
    struct Work: Hashable, Sendable {
        var lease: LeaseID?
        var window = DeliveryWindow([])
        /// Taken from the end.
        var tasks: [Task] = []
        var inquiry: Inquiry?
        /// Refusals that are not yet believed.
        var refusals: [Refusal] = []
        var tries: [Int: Tries] = [:]
        /// Points whose Datastream was found gone once in this lease.
        var gone: Set<PointID> = []
        /// The points whose Datastreams were asked for last.
        var provisioned: [PointID] = []
        /// Readings that the platform took in this lease, with a clear answer.
        var accepted = 0
        var refusedRequests = 0
    }

    enum Task: Hashable, Sendable {
        case post(Range<Int>, failures: Int)
        case single(Int)
        case refuse(Int, reason: String)
    }

    /// The questions about the doubtful readings of a range.
    struct Inquiry: Hashable, Sendable {
        var range: Range<Int>
        /// Where the next question starts.
        var cursor: Int
        var readingsPerQuestion = DeliveryMachine.readingsPerQuestion
        /// Whether absence must be seen twice, because the request may still be at work.
        var needsTwo: Bool
        var round = 1
        var foundInRound = 0
        /// The tasks that absent readings lead to.
        var then: [Task]
    }

    struct Refusal: Hashable, Sendable {
        var position: Int
        var reason: String
        /// Whether it is our own finding, so that no misbehaviour of the platform can be behind it.
        var isCertain = false
    }

    struct Tries: Hashable, Sendable {
        var count = 0
        /// How many readings had been accepted when the first try ended unclear.
        var acceptedBefore: Int
    }

    struct Absence: Hashable, Sendable {
        var until: Instant
        var reason: String
        var isCertain: Bool
    }

    /// Takes what happened and says what to do next. `jitter` is a random number in 0…1.
    ///
    /// An event that does not belong to the state changes nothing and asks for nothing.
    public mutating func event(_ event: Event, at now: Instant, jitter: Double = 0.5) -> Action {
        switch (state, event) {
        case (.stopped, _): return .none
        case (_, .stop):
            state = .stopped
            return .finish
        case (.idle, .wake):
            begin = begin ?? now
            return lease()
        case (.resting(let rest), .wake):
            return now < rest.until ? .wait(until: rest.until) : resume(rest.then, at: now)
        case (.leasing, .leased(let lease)): return leased(lease, at: now)
        case (.leasing, .clockUnset): return clockUnset(at: now)
        case (.leasing, .failed(let failure)): return backOff(failure, then: .lease, at: now, jitter)
        case (.provisioning(let next), .provisioned(let missing)): return provisioned(missing, then: next, at: now)
        case (.provisioning(let next), .failed(let failure)):
            return provisioningFailed(failure, then: next, at: now, jitter)
        case (.posting(let range, _), .posted(let failed)): return posted(range, failed: failed, at: now)
        case (.posting(let range, let failures), .failed(let failure)):
            return postFailed(range, failures: failures, failure, at: now, jitter)
        case (.trying(let position), .stored): return stored(position, at: now)
        case (.trying(let position), .failed(let failure)): return singleFailed(position, failure, at: now, jitter)
        case (.asking(let question), .asked(let found, let isComplete)):
            return asked(question, found, isComplete: isComplete, at: now, jitter)
        case (.asking(let question), .failed(let failure)): return askFailed(question, failure, at: now, jitter)
        case (.checking(let check), .present): return present(check, at: now, jitter)
        case (.checking(let check), .failed(let failure)): return checkFailed(check, failure, at: now, jitter)
        case (.settling, .settled): return settled()
        case (.settling, .failed(let failure)): return backOff(failure, then: .settle, at: now, jitter)
        default: return .none
        }
    }
}
