extension DeliveryMachine {
    /// What the shell reports.
    public enum Event: Hashable, Sendable {
        /// A wait is over, or new readings were committed, or the shell has just started.
        case wake
        /// The spool's answer to `lease`; nil when nothing waits.
        case leased(Lease?)
        /// Nothing can be leased: what waits has no time yet, because the wall clock is not set.
        case clockUnset
        /// Every point asked for has its Datastream now, but these.
        case provisioned(missing: [MissingDatastream])
        /// The answer to a post has one element for each row; these say that theirs failed.
        case posted(failed: [FailedRow])
        /// A single reading was stored.
        case stored
        /// What the platform has in the time span of a question. Not complete when it has more than one page of it.
        case asked([FoundObservation], isComplete: Bool)
        /// The Datastream that was checked is there.
        case present
        /// The spool has noted the settlement.
        case settled
        /// The last action failed.
        case failed(DeliveryFailure)
        /// The agent is shutting down.
        case stop
    }

    /// What the shell does next. It does one thing at a time and reports its end with one event.
    public enum Action: Hashable, Sendable {
        /// Nothing: the event did not belong to the state.
        case none
        /// Wait until then, or until new readings are committed; then `wake`.
        case wait(until: Instant)
        /// Lease the next window; then `leased`, `clockUnset` or `failed`.
        case lease
        /// Find or make the Datastreams of these points, all cached ids forgotten first if so said; then `provisioned`
        /// or `failed`.
        case provision([PointID], forgetting: Bool)
        /// Send the open readings of this range of the window as one request; then `posted` or `failed`.
        case post(Range<Int>)
        /// Send the reading at this position alone; then `stored` or `failed`.
        case single(Int)
        /// Ask what the platform has; then `asked` or `failed`.
        case ask(Question)
        /// Look whether this point's Datastream is there; then `present` or `failed`.
        case check(PointID)
        /// Settle the lease; then `settled` or `failed`.
        case settle(LeaseID, rejected: [Rejection])
        /// End: the lease stays unsettled, and the next run asks for it.
        case finish
    }

    /// A row of a post that the platform did not store, or has already.
    public struct FailedRow: Hashable, Sendable {
        /// Its index among the rows that were sent.
        public var index: Int
        /// The platform's words.
        public var reason: String

        /// The failure of row `index`.
        public init(index: Int, reason: String) {
            self.index = index
            self.reason = reason
        }
    }

    /// A point that has no Datastream and gets none.
    public struct MissingDatastream: Hashable, Sendable {
        /// The point.
        public var point: PointID
        /// Why.
        public var reason: String
        /// Whether that is the gateway's own finding and not the platform's refusal.
        public var isCertain: Bool

        /// `point` has no Datastream because of `reason`.
        public init(point: PointID, reason: String, isCertain: Bool = false) {
            self.point = point
            self.reason = reason
            self.isCertain = isCertain
        }
    }

    /// The question which Observations one Datastream has from one time to another, both included.
    public struct Question: Hashable, Sendable {
        /// The Datastream's point.
        public var point: PointID
        /// The positions in the window that are meant.
        public var positions: Range<Int>
        /// The time of the first.
        public var from: Timestamp
        /// The time of the last.
        public var to: Timestamp

        /// A question with every property given.
        public init(point: PointID, positions: Range<Int>, from: Timestamp, to: Timestamp) {
            self.point = point
            self.positions = positions
            self.from = from
            self.to = to
        }
    }

    /// An Observation that the platform has.
    public struct FoundObservation: Hashable, Sendable {
        /// Its phenomenon time.
        public var time: Timestamp
        /// Its result; nil when it is neither a number that we can read nor a text that a meter can have.
        public var value: Value?

        /// An Observation of `value` at `time`.
        public init(time: Timestamp, value: Value?) {
            self.time = time
            self.value = value
        }
    }

    /// What has been done since the start of the agent.
    public struct Counts: Hashable, Sendable {
        /// Readings that the platform has, settled.
        public var delivered = 0
        /// Readings refused for good, settled.
        public var rejected = 0
        /// Readings whose fate was unclear, so that the platform was asked.
        public var askedFor = 0
        /// Of these, readings that the platform had: copies that a blind retry would have made.
        public var copiesAvoided = 0
        /// Readings that the platform has with another value; it keeps its own.
        public var conflicts = 0

        /// Nothing done yet.
        public init() {}
    }
}
