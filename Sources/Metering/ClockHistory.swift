/// How far a setting of the wall clock can be relied on; the better ones are greater.
public enum ClockStanding: UInt8, Hashable, Comparable, Sendable, CaseIterable {
    /// It cannot be: it lies before what is known to be over, or absurdly late.
    case unknown = 0
    /// It can be, but nothing stands behind it: without a battery clock the system goes on from where it was stopped, or
    /// from the day its image was made. The true time is this or later.
    case restored = 1
    /// From a battery clock, or set while the agent looked on.
    case set = 2
    /// The kernel says that it is kept right, or was in this boot.
    case synchronised = 3

    /// Orders by how far they can be relied on.
    public static func < (a: ClockStanding, b: ClockStanding) -> Bool {
        a.rawValue < b.rawValue
    }
}

/// Who set the wall clock, or keeps it right.
public enum ClockSource: String, Hashable, Sendable, CaseIterable {
    // Raw values are told by `status` and stand in the spool.
    case systemd = "systemd-timesyncd"
    case chrony = "chrony"
    case ntpd = "ntpd"
    /// A program that is none of these.
    case other = "another program"
    /// The kernel, at the start: from a clock with a battery, or the host of a virtual machine.
    case hardware = "hardware clock"
    /// A person, or a program that sets the clock and does not keep it.
    case hand = "hand"
    /// Nobody: it stood so when it was looked at first.
    case nobody = "nobody"
}

/// The settings that the wall clock of one boot had, as far as the agent saw them.
///
/// The boot clock and the wall clock run at one pace: slewing bends both. UTC minus boot clock (the offset) is therefore
/// a constant until somebody *steps* the wall clock, and a step says that the offset was wrong before, not that time has
/// jumped. So one offset holds for all readings of a boot, also for those that were taken before it was known: the
/// newest of the best standing. That a clock was once synchronised outweighs what is set by hand later. The exception
/// is a leap second, where UTC itself makes the step: readings from before it keep a second more (or less).
///
/// Without synchronisation both clocks drift, by some 50 ppm (4 s a day); that much a reading's time may be wrong.
public struct ClockHistory: Hashable, Sendable {
    /// One setting.
    public struct Entry: Hashable, Sendable {
        /// From when on it is known; of a leap second, when it was.
        public var since: Instant
        /// UTC minus boot clock.
        public var offset: ClockOffset
        /// How far it can be relied on.
        public var standing: ClockStanding
        /// Who set it.
        public var source: ClockSource
        /// Whether UTC made the step, not somebody who set the clock right.
        public var isLeapSecond: Bool

        /// A setting with every property given.
        public init(
            since: Instant, offset: ClockOffset, standing: ClockStanding, source: ClockSource,
            isLeapSecond: Bool = false
        ) {
            self.since = since
            self.offset = offset
            self.standing = standing
            self.source = source
            self.isLeapSecond = isLeapSecond
        }
    }

    /// Most settings that are kept; then the oldest goes, unless it is the best.
    public static let limit = 32
    /// Offsets that differ by less are one: two clocks cannot be read at the same moment.
    public static let tolerance = Duration.milliseconds(5)

    /// The settings, oldest first.
    public private(set) var entries: [Entry]

    /// Settings as they were kept, oldest first.
    public init(_ entries: [Entry] = []) {
        self.entries = Array(entries.suffix(Self.limit))
    }

    /// The setting that was made last.
    public var newest: Entry? { entries.last }

    /// The setting that the times of this boot come from.
    public var best: Entry? {
        bestIndex.map { entries[$0] }
    }

    /// The offset for a reading of `instant`; nil where nothing is known.
    public func offset(at instant: Instant) -> ClockOffset? {
        guard let bestIndex else { return nil }
        var offset = entries[bestIndex].offset
        for index in entries.indices.dropFirst() where index <= bestIndex {
            guard entries[index].isLeapSecond, instant < entries[index].since else { continue }
            offset.nanoseconds += entries[index - 1].offset.nanoseconds - entries[index].offset.nanoseconds
        }
        return offset
    }

    /// When leap seconds were, the earliest first.
    public var leapSeconds: [Instant] {
        entries.filter(\.isLeapSecond).map(\.since).sorted()
    }

    /// Adds a setting if it says more than the newest one: another offset, or a better standing. Returns whether it does.
    mutating func note(_ entry: Entry) -> Bool {
        if let newest, newest.offset.isAlike(entry.offset), newest.standing >= entry.standing { return false }
        entries.append(entry)
        if entries.count > Self.limit { entries.remove(at: bestIndex == 0 ? 1 : 0) }
        return true
    }

    private var bestIndex: Int? {
        entries.indices.max {
            entries[$0].standing < entries[$1].standing || (entries[$0].standing == entries[$1].standing && $0 < $1)
        }
    }
}

extension ClockOffset {
    /// Whether the two are the same as far as can be measured.
    func isAlike(_ other: ClockOffset) -> Bool {
        abs(nanoseconds - other.nanoseconds) < ClockHistory.tolerance.wholeNanoseconds
    }
}

/// What the spool is told of the time: which offsets this boot had, and whose readings may get their times now.
public struct KnownTime: Hashable, Sendable {
    /// Whose readings get their times.
    public enum Readiness: UInt8, Hashable, Comparable, Sendable {
        /// Nobody's of this boot: its clock may still come.
        case waiting
        /// Those of this boot. Readings of earlier boots that never knew their time wait: better bounds may come.
        case live
        /// All.
        case all

        /// Orders by how many.
        public static func < (a: Readiness, b: Readiness) -> Bool {
            a.rawValue < b.rawValue
        }
    }

    /// The settings of the clock in this boot.
    public var history: ClockHistory
    /// Whose readings get their times.
    public var readiness: Readiness

    /// Nothing is known, or what is given.
    public init(history: ClockHistory = ClockHistory(), readiness: Readiness = .waiting) {
        self.history = history
        self.readiness = readiness
    }

    /// A clock that somebody set to `offset` and that is to be believed.
    public init(_ offset: ClockOffset) {
        let entry = ClockHistory.Entry(since: Instant(nanoseconds: 0), offset: offset, standing: .set, source: .hand)
        self.init(history: ClockHistory([entry]), readiness: .all)
    }
}
