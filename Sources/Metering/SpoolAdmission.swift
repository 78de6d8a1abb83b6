/// How full a spool is, in bytes.
public struct SpoolFill: Hashable, Sendable {
    /// What readings that wait, and everything that has to stay with them, take of the file and its log. Free pages of the
    /// file do not count, nor do settled chunks: history goes before anything else, and is the caller's to delete.
    public var used: Int64
    /// The file and its log as they stand on the disk, free pages and history included.
    public var file: Int64
    /// The most that the configuration allows them.
    public var limit: Int64
    /// What the disk has free for this process.
    public var free: Int64
    /// What of that is left to others.
    public var floor: Int64

    /// A fill with every property given.
    public init(used: Int64, file: Int64, limit: Int64, free: Int64, floor: Int64) {
        self.used = used
        self.file = file
        self.limit = limit
        self.free = free
        self.floor = floor
    }

    /// So much it may take in any case, where the limit allows it and the disk has it: what is smaller holds nothing, its log
    /// alone takes a quarter of that.
    public static let least: Int64 = 8 << 20

    /// What it may take as things stand: the limit, or else the file as it is and what the disk has free above the floor.
    /// A file never gives room back to the disk, so below the floor nothing is gained by making it emptier than this.
    public var room: Int64 { max(1, min(limit, max(Self.least, file + max(0, free - floor)))) }

    /// What of that it can have: on a disk that is full not even the least.
    public var available: Int64 { max(1, min(room, file + max(0, free))) }

    /// Whether it is the disk that sets the limit.
    public var isBoundByDisk: Bool { room < limit }

    /// Used of what it may take, 0…1; more where it has passed that.
    public var share: Double { Double(used) / Double(room) }
}

/// Decides what a spool that fills up does: full is a plan, not an accident.
///
/// ```
/// normal ─70 %→ slow ─80 %→ thin ─95 %→ drop
///        ←60 %─      ←75 %─      ←90 %─
/// ```
/// Each step has all before it in force: at `drop` producers are slow, and what can be thinned is thinned first. A step
/// begins at its high watermark and ends at its low one, so that none flutters.
///
/// Pure: measurements and time come in; every change of step is an event for the technician.
public struct SpoolAdmission: Hashable, Sendable {
    /// What is done for room.
    public enum Step: Int, Hashable, Sendable, Comparable, CaseIterable {
        /// Nothing.
        case normal
        /// Producers are asked to slow down: gauges are read every fourth time (`Pace`); points that are preferred for
        /// thinning are thinned (`ThinningLevel.early`).
        case slow
        /// The oldest readings that wait are thinned.
        case thin
        /// What cannot be thinned any more goes, the oldest first, and is recorded as a gap.
        case drop

        /// Orders by how much is given up.
        public static func < (a: Step, b: Step) -> Bool { a.rawValue < b.rawValue }

        /// How often producers read.
        public var pace: Pace { self == .normal ? .normal : .slow }
    }

    /// The shares at which a step begins and ends.
    public struct Watermark: Hashable, Sendable {
        /// From here on it is in force.
        public var high: Double
        /// Below this it is not any more.
        public var low: Double
    }

    /// An outage of hours passes below it; slow costs little, and gives a third more time until readings are thinned.
    public static let slow = Watermark(high: 0.7, low: 0.6)
    /// A twentieth of the limit is thinned at a time. What is left above is room for a transaction that rewrites a run.
    public static let thin = Watermark(high: 0.8, low: 0.75)
    /// Close to the limit, but marks and settlements still fit. A twentieth is dropped at a time.
    public static let drop = Watermark(high: 0.95, low: 0.9)

    /// A change of step.
    public struct Change: Hashable, Sendable {
        /// The step before.
        public var before: Step
        /// The step now.
        public var after: Step
        /// Why.
        public var fill: SpoolFill
        /// When it was decided.
        public var instant: Instant
    }

    /// What is in force.
    public private(set) var step = Step.normal
    /// Since when; nil since the start.
    public private(set) var since: Instant?

    /// A spool that has not been measured.
    public init() {}

    /// Takes a measurement; returns the change where it makes one.
    public mutating func measure(_ fill: SpoolFill, at now: Instant) -> Change? {
        let before = step
        while let next = Step(rawValue: step.rawValue + 1), let watermark = next.watermark, fill.share >= watermark.high
        {
            step = next
        }
        while let watermark = step.watermark, fill.share < watermark.low {
            step = Step(rawValue: step.rawValue - 1) ?? .normal
        }
        guard step != before else { return nil }
        since = now
        return Change(before: before, after: step, fill: fill, instant: now)
    }
}

extension SpoolAdmission.Step {
    /// Where it begins and ends; nil of `normal`.
    public var watermark: SpoolAdmission.Watermark? {
        switch self {
        case .normal: nil
        case .slow: SpoolAdmission.slow
        case .thin: SpoolAdmission.thin
        case .drop: SpoolAdmission.drop
        }
    }

    /// The step in words.
    public var text: String {
        switch self {
        case .normal: "readings are taken and kept as they come"
        case .slow: "gauges are read every fourth time, counters and contacts as before"
        case .thin:
            "the oldest readings that no uplink has are thinned to 1 min, then 15 min, then 1 h; counters stay exact"
        case .drop: "what cannot be thinned any more is dropped, the oldest first, and recorded as gaps"
        }
    }
}

extension SpoolAdmission.Change {
    /// The change in a word, for the list of events: `spool-slow`.
    public var word: String { "spool-\(after)" }

    /// What is done now, and why: `the oldest …: what waits takes 81 % of 256 MB, its limit`.
    public var text: String {
        let percent = Int((fill.share * 100).rounded(.down))
        let bound =
            fill.isBoundByDisk
            ? "\(Self.megabytes(fill.room)), all that the disk has room for (\(Self.megabytes(fill.free)) free, "
                + "\(Self.megabytes(fill.floor)) of them left to others)"
            : "\(Self.megabytes(fill.limit)), the spool's limit"
        return "\(after.text): what waits takes \(percent) % of \(bound)"
    }

    /// What to do about it; nil where nothing need be done.
    public var hint: String? {
        guard after > before else { return nil }
        return fill.isBoundByDisk
            ? "make room on the disk, and see with `parthe status` why readings wait"
            : "see with `parthe status` why readings wait; `spool: limit` gives them more room"
    }

    /// `256 MB`, `3.1 MB`.
    private static func megabytes(_ bytes: Int64) -> String {
        let tenths = (bytes + 50_000) / 100_000
        return tenths >= 100 || tenths % 10 == 0 ? "\((tenths + 5) / 10) MB" : "\(tenths / 10).\(tenths % 10) MB"
    }
}
