internal import FoundationEssentials
internal import Metering
internal import Spooling

/// What `parthe spool` tells: what the spool holds, how long it will last, and what is missing.
///
/// Keys are stable from version 1.0 on; times are ISO 8601 in UTC. What does not apply is absent.
public struct SpoolReport: Codable, Sendable {
    /// What waits for an uplink.
    public struct Uplink: Codable, Hashable, Sendable {
        /// Its name.
        public var id: String
        /// Readings that it has not delivered.
        public var undelivered: Int64
    }

    /// What comes in.
    public struct Rate: Codable, Hashable, Sendable {
        /// Readings per second.
        public var readingsPerSecond: Double
        /// Bytes of the file that they take in a day.
        public var bytesPerDay: Int64
        /// The running time that was looked at.
        public var overSeconds: Int64
    }

    /// A level of thinning in the forecast.
    public struct Stage: Codable, Hashable, Sendable {
        /// `1 min`, `15 min` or `1 h`.
        public var interval: String
        /// For so many seconds from now everything fits when it is thinned so far.
        public var lastsSeconds: Int64
        /// That moment.
        public var until: String?
    }

    /// What happens when, if nothing is delivered any more and readings come as they do. What is over 100 years away is
    /// said to be so far away, and has no moment.
    public struct Forecast: Codable, Hashable, Sendable {
        /// Seconds until it would be full, if nothing were done.
        public var fullInSeconds: Int64
        /// Seconds until gauges are read less often; 0 where they are.
        public var slowInSeconds: Int64
        /// That moment.
        public var slow: String?
        /// Seconds until the oldest readings are thinned.
        public var thinInSeconds: Int64
        /// That moment.
        public var thin: String?
        /// To what, and how far that takes it.
        public var stages: [Stage]
        /// Seconds until the oldest are dropped.
        public var dropInSeconds: Int64
        /// That moment.
        public var drop: String?
        /// Of how many seconds readings stay from then on.
        public var keepsSeconds: Int64
    }

    /// Readings that are missing, and why.
    public struct Missing: Codable, Hashable, Sendable {
        /// The first number; absent where that is not known.
        public var first: Int64?
        /// The last.
        public var last: Int64?
        /// How many, at least.
        public var least: Int64
        /// How many, at most.
        public var most: Int64
        /// None is older.
        public var earliest: String?
        /// None is younger.
        public var latest: String?
        /// When that was noticed.
        public var noted: String?
        /// Why they are missing.
        public var reason: String
        /// All of it in words.
        public var text: String

        init(_ gap: Gap) {
            (first, last) = gap.first >= 1 ? (gap.first, gap.last) : (nil, nil)
            (least, most, reason, text) = (gap.count, gap.most, gap.reason, gap.text)
            earliest = gap.earliest.map { Timestamp(milliseconds: $0).description }
            latest = gap.latest.map { Timestamp(milliseconds: $0).description }
            noted = gap.noted > 0 ? Timestamp(milliseconds: gap.noted).description : nil
        }
    }

    /// A damaged file that was set aside.
    public struct Aside: Codable, Hashable, Sendable {
        /// Where it is.
        public var path: String
        /// Its bytes, those of its log included.
        public var bytes: Int64
        /// When it was written last.
        public var modified: String
    }

    /// The small file beside the spool.
    public struct Beside: Codable, Hashable, Sendable {
        /// The next number when it was written.
        public var next: Int64
        /// Totals of pulses that it has.
        public var totals: Int
        /// Whether it is that of this spool.
        public var fits: Bool
    }

    /// The folder.
    public var folder: String
    /// The spool's random name.
    public var spool: String
    /// When this was said.
    public var time: String
    /// The process that has it open; absent where none has.
    public var process: Int32?
    /// Why the agent that runs could not be asked; absent where none runs, or it was asked.
    public var silence: String?
    /// What is done for room: `normal`, `slow`, `thin` or `drop`.
    public var step: String
    /// Readings in the file, delivered or not.
    public var held: Int64
    /// Readings ever committed.
    public var committed: Int64
    /// When the oldest reading held was taken.
    public var oldest: String?
    /// When the newest reading held was taken.
    public var newest: String?
    /// The uplinks of the last start, by name.
    public var uplinks: [Uplink]
    /// Bytes that are used: history and free pages are not.
    public var usedBytes: Int64
    /// Bytes of the file and its log.
    public var fileBytes: Int64
    /// How large they may grow.
    public var limitBytes: Int64
    /// Who says so: `agent`, `configuration`, or `default` where neither can be asked.
    public var limitFrom: String
    /// What of the limit the disk has room for.
    public var roomBytes: Int64
    /// What comes in; absent where less than a minute was recorded.
    public var rate: Rate?
    /// Bytes that the running agent writes to the disk in a day; absent where none runs.
    public var writtenBytesPerDay: Int64?
    /// What comes when; absent without a rate.
    public var forecast: Forecast?
    /// Readings that were dropped because the spool was full, ever.
    public var dropped: Int64
    /// Readings that could not be read back, ever.
    public var damaged: Int64
    /// The number that the next reading gets, by the spool's file.
    public var next: Int64
    /// The newest gaps, the newest first.
    public var gaps: [Missing]
    /// How many gaps are listed in the spool.
    public var gapCount: Int
    /// Readings that thinning took away, and of which means and edges that are held tell.
    public var thinnedAway: Int64
    /// Readings that platforms refused, ever.
    public var quarantined: Int64
    /// Those of them that are kept: `parthe spool quarantine`.
    public var quarantineKept: Int64
    /// Damaged files that were set aside.
    public var aside: [Aside]
    /// The small file beside the spool; absent where none is whole.
    public var beside: Beside?

    /// The report as JSON.
    public var json: [UInt8] { jsonBytes(self) }

    /// Reads a report from its JSON; nil when it is none.
    public init?(json: [UInt8]) {
        guard let report = try? JSONDecoder().decode(SpoolReport.self, from: Data(json)) else { return nil }
        self = report
    }
}
