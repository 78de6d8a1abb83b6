public import Metering

/// What a spool holds, at one moment.
public struct SpoolStatistics: Hashable, Sendable {
    /// The spool's random name, 32 hexadecimal digits: with it a sequence number is unique in the world.
    public var spoolID: String
    /// Readings ever committed.
    public var committed: Int64
    /// Readings still in the file, delivered or not.
    public var held: Int64
    /// Readings that each uplink has not settled yet, by its name; those in flight count.
    public var undelivered: [String: Int64]
    /// Readings that wait for a clock: their time is not known yet. Only the agent's own store counts them.
    public var waitingForClock: Int64 = 0
    /// The latest time that was ever given to a reading; nil before the first.
    public var latestGiven: Timestamp?
    /// Readings that the platforms refused for good, ever. The newest `SpoolStore.maximumQuarantined` are kept.
    public var quarantined: Int64
    /// Readings that could not be read back, ever since the spool was made.
    public var damaged: Int64
    /// Readings that were dropped because the spool was full, ever.
    public var dropped: Int64
    /// When the oldest reading held was taken, as well as its clock was known; nil when the spool is empty.
    public var oldest: Timestamp?
    /// When the newest reading held was taken.
    public var newest: Timestamp?
    /// Bytes of the file and its write-ahead log.
    public var fileBytes: Int64
    /// Bytes that the packed readings held take, without the file's own structure.
    public var storedBytes: Int64
    /// Commits with content since this store was opened; 0 for those who only look.
    public var commits: Int64
    /// When the last of them ended; only the actor `Spool` knows.
    public var lastCommit: Instant?

    /// What is known of a spool that could not be opened: nothing.
    public init() {
        self.init(
            spoolID: "", committed: 0, held: 0, undelivered: [:], quarantined: 0, damaged: 0, dropped: 0, oldest: nil,
            newest: nil,
            fileBytes: 0, storedBytes: 0)
    }

    /// Statistics with every property given.
    public init(
        spoolID: String, committed: Int64, held: Int64, undelivered: [String: Int64], quarantined: Int64,
        damaged: Int64, dropped: Int64,
        oldest: Timestamp?, newest: Timestamp?, fileBytes: Int64, storedBytes: Int64, commits: Int64 = 0,
        lastCommit: Instant? = nil
    ) {
        self.spoolID = spoolID
        self.committed = committed
        self.held = held
        self.undelivered = undelivered
        self.quarantined = quarantined
        self.damaged = damaged
        self.dropped = dropped
        self.oldest = oldest
        self.newest = newest
        self.fileBytes = fileBytes
        self.storedBytes = storedBytes
        self.commits = commits
        self.lastCommit = lastCommit
    }
}

/// What a spool ever committed of one point: the judge of an audit.
public struct AuditLine: Hashable, Sendable {
    /// The point's key.
    public var key: String
    /// Count and hash of the readings whose times are frozen, whether they are still held or not.
    public var digest: ReadingDigest
    /// The earliest phenomenon time among them.
    public var first: Timestamp?
    /// The latest.
    public var last: Timestamp?
    /// Readings that are committed and whose times are still open: neither they nor newer ones were leased yet.
    public var unfrozen: UInt64

    /// A line with every property given.
    public init(
        key: String, digest: ReadingDigest = ReadingDigest(), first: Timestamp? = nil, last: Timestamp? = nil,
        unfrozen: UInt64 = 0
    ) {
        self.key = key
        self.digest = digest
        self.first = first
        self.last = last
        self.unfrozen = unfrozen
    }

    /// Adds one reading.
    mutating func add(_ value: Value, at time: Timestamp) {
        digest.add(time, value)
        widen(first: time, last: time)
    }

    /// Makes the time covered include another.
    mutating func widen(first other: Timestamp, last end: Timestamp) {
        first = first.map { min($0, other) } ?? other
        last = last.map { max($0, end) } ?? end
    }
}
