/// The number of a lease in one spool, from 1; never used twice.
public struct LeaseID: RawRepresentable, Hashable, Comparable, Sendable {
    /// The number.
    public var rawValue: Int64

    /// The lease with this number.
    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// Orders by number.
    public static func < (a: LeaseID, b: LeaseID) -> Bool {
        a.rawValue < b.rawValue
    }
}

/// The right of one uplink to deliver a window of readings and to settle them once.
///
/// A copy of a lease is the same right: the spool refuses the second settlement.
public struct Lease: Hashable, Sendable {
    /// Its number.
    public var id: LeaseID
    /// The uplink that holds it.
    public var uplink: String
    /// The readings, in the order of their sequence numbers.
    public var readings: [SpooledReading]
    /// Whether an earlier run of the agent held it in flight: the platform may have some of its readings, so it must be
    /// asked before anything is sent.
    public var isUnclear: Bool

    /// A lease with every property given.
    public init(id: LeaseID, uplink: String, readings: [SpooledReading], isUnclear: Bool) {
        self.id = id
        self.uplink = uplink
        self.readings = readings
        self.isUnclear = isUnclear
    }
}

/// From which end of what waits a lease is taken.
public enum LeaseEnd: Hashable, Sendable {
    /// The oldest first: what an outage left.
    case oldest
    /// The newest first: what is measured now, however much waits before it.
    case newest
}

/// What an uplink wants that waits for readings.
public struct LeaseRequest: Hashable, Sendable {
    /// So many readings at most.
    public var maximumReadings: Int
    /// Those at this end of what waits.
    public var end: LeaseEnd

    /// A wish for readings.
    public init(maximumReadings: Int, from end: LeaseEnd = .oldest) {
        self.maximumReadings = maximumReadings
        self.end = end
    }
}

/// A reading that the platform refused for good.
public struct Rejection: Hashable, Sendable {
    /// The reading.
    public var sequence: SequenceNumber
    /// The platform's words.
    public var reason: String

    /// The refusal of `sequence` with the platform's `reason`.
    public init(sequence: SequenceNumber, reason: String) {
        self.sequence = sequence
        self.reason = reason
    }
}
