/// What the running agent says of itself: the answer on the control socket, and the JSON of `parthe status --json`.
///
/// Keys are stable from version 1.0 on; times are ISO 8601 in UTC, ages and durations in milliseconds.
public struct StatusReport: Codable, Sendable {
    /// A bus.
    public struct Bus: Codable, Sendable {
        public var id: String
        public var endpoint: String
        /// Whether there is a connection; absent before the first poll.
        public var connected: Bool?
        /// Share of the time that requests take, 0…1.
        public var load: Double
        public var lateAnswers: UInt64
    }

    /// A meter.
    public struct Meter: Codable, Sendable {
        public var id: String
        public var bus: String
        public var unit: UInt8
        public var points: Int
        public var intervalMilliseconds: Int64
        /// Age of the last value; absent while none has arrived.
        public var lastReadingAgeMilliseconds: Int64?
        public var lastPollMilliseconds: Int64?
        public var polls: UInt64
        public var failedPolls: UInt64
        public var overruns: UInt64
        public var skippedPolls: UInt64
        public var readings: UInt64
        /// Points the meter had no value for, in its last poll.
        public var notAvailable: Int
        /// What goes wrong now; absent when nothing does.
        public var error: String?
        public var hint: String?
        public var failingForMilliseconds: Int64?
    }

    /// The spool.
    public struct Spool: Codable, Sendable {
        /// `working`, `full` or `failing`.
        public var state: String
        public var error: String?
        public var hint: String?
        /// Readings that wait in the intake for their commit.
        public var waiting: Int
        public var committed: Int64
        public var held: Int64
        public var undelivered: Int64
        public var oldest: String?
        public var newest: String?
        public var bytes: Int64
        public var limitBytes: Int64
        public var commitIntervalMilliseconds: Int64
        public var lastCommitAgeMilliseconds: Int64?
        /// Readings the platform refused, kept for a person to look at.
        public var quarantined: Int64
    }

    /// An uplink.
    public struct Uplink: Codable, Sendable {
        public var id: String
        public var url: String
        /// What it is doing, in words.
        public var state: String
        /// Whether it works: readings are accepted, or there is nothing to deliver.
        public var healthy: Bool
        public var undelivered: Int64
        public var delivered: UInt64
        public var rejected: UInt64
        /// Readings found on the platform when an unclear end was asked for: copies that were avoided.
        public var copiesAvoided: UInt64
        public var lastSuccessAgeMilliseconds: Int64?
        public var error: String?
        public var hint: String?
    }

    public var version: String
    public var gateway: String
    public var process: Int32
    public var time: String
    public var uptimeMilliseconds: Int64
    /// What is wrong now, in sentences; empty when all is well.
    public var problems: [String]
    public var buses: [Bus]
    public var meters: [Meter]
    public var spool: Spool
    public var uplinks: [Uplink]
}
