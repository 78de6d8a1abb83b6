/// How long to wait for a unit's answer where nobody states it, learnt from the answers it gave.
///
/// A long wait for a dead unit is taken from all others on its bus; a short one loses answers of a meter that is slow
/// now and then. So a unit that is not known yet gets 1 s (more than any meter of the catalogue needs), a known one
/// four times its slowest of the last 64 answers and at least 150 ms more than that, within 200 ms … 2 s. A timeout of
/// a unit that answered before doubles the wait, up to 2 s, until it answers again: a meter that became slower is found
/// after three timeouts at most.
public struct TimeoutEstimator: Hashable, Sendable {
    /// The wait for a unit that is not known yet.
    public static let initial = Duration.seconds(1)
    /// The wait for the fastest unit: a USB adapter (16 ms), a converter or a busy machine may delay any answer.
    public static let shortest = Duration.milliseconds(200)
    /// The wait for the slowest unit; slower meters exist, and their definition or configuration says so.
    public static let longest = Duration.seconds(2)
    /// What is added to the slowest answer at least.
    public static let margin = Duration.milliseconds(150)
    /// How many times the slowest answer is waited for.
    public static let factor = 4
    /// From so many answers on the wait may be shorter than `initial`.
    public static let answersToTrust = 8
    /// How many answers are remembered.
    public static let capacity = 64

    /// Microseconds each: durations would take four times the memory, and there is one estimator for each unit.
    private var recent: [UInt32] = []
    private var next = 0
    /// Timeouts since the last answer of a unit that answered before.
    private var doublings = 0

    /// Nothing known.
    public init() {}

    /// The unit answered `time` after the end of the request.
    public mutating func answered(after time: Duration) {
        let microseconds = UInt32(clamping: max(0, time.wholeNanoseconds / 1000))
        if recent.count < Self.capacity {
            recent.append(microseconds)
        } else {
            recent[next] = microseconds
        }
        next = (next + 1) % Self.capacity
        doublings = 0
    }

    /// No answer came in time.
    public mutating func timedOut() {
        // Ten doublings pass any limit; more would overflow.
        if hasAnswered, doublings < 10 { doublings += 1 }
    }

    /// Whether the unit ever answered.
    public var hasAnswered: Bool { !recent.isEmpty }

    /// The slowest of the remembered answers; nil before the first.
    public var slowest: Duration? {
        recent.max().map { .microseconds(Int64($0)) }
    }

    /// The median of the remembered answers; nil before the first.
    public var typical: Duration? {
        recent.isEmpty ? nil : .microseconds(Int64(recent.sorted()[recent.count / 2]))
    }

    /// How long to wait for the next answer.
    public var timeout: Duration {
        guard let slowest else { return Self.initial }
        let known = max(slowest * Self.factor, slowest + Self.margin)
        let least = recent.count < Self.answersToTrust ? Self.initial : Self.shortest
        return min(Self.longest, max(known, least) * (1 << doublings))
    }
}
