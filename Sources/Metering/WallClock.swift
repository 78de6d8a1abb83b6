/// Decides what the gateway's wall clock is worth, from what is seen of it.
///
/// A gateway may start in 1970, in the minute of its last shutdown, or with a good battery clock; time from the network
/// comes after seconds, days, or never. What a reading's time comes from:
///
/// | the kernel's clock | standing | readings of this boot |
/// |---|---|---|
/// | is kept right, or was in this boot | synchronised | get their times at once, all of them |
/// | can be, and was set while the agent looked on | set | at once |
/// | can be, and a battery clock says the same | set | from the boot's first minute on, so that the network comes first |
/// | can be, and nothing stands behind it | restored | after `patience`, and as uncertain |
/// | cannot be | unknown | wait; when the boot is over they lie between its neighbours, and are uncertain |
///
/// *Can be* means: not before the newest time that the spool knew when this boot began, nor before this program was
/// made, and not more than ten years after both. So an isolated gateway with a battery clock, or one that somebody set,
/// delivers good readings; `status` says that nobody keeps its clock right.
///
/// Readings of earlier boots that never knew their time get it when this boot's is `synchronised` or set by hand, else
/// after `patience`, because their bounds are only as good.
///
/// Pure: the shell reads the kernel and the files when it is told to, and when the clock was set.
public struct WallClock: Hashable, Sendable {
    /// What the shell sees in one look.
    public struct Sighting: Hashable, Sendable {
        /// UTC minus boot clock, as the kernel's wall clock has it.
        public var offset: ClockOffset
        /// Whether the kernel says that somebody keeps it right; nil when it may not be asked.
        public var isSynchronised: Bool?
        /// When the clock was last set right, by the file that systemd-timesyncd touches then; nil without one.
        public var mark: Instant?
        /// Who keeps clocks right here, as far as is known.
        public var keeper: ClockSource
        /// Whether the kernel has put a leap second in, or left one out, and was not told to forget it.
        public var isLeapSecond: Bool
        /// Whether a clock with a battery, or the host of a virtual machine, says the same.
        public var hasBattery: Bool

        /// A sighting with every property given.
        public init(
            offset: ClockOffset, isSynchronised: Bool?, mark: Instant? = nil, keeper: ClockSource = .other,
            isLeapSecond: Bool = false, hasBattery: Bool = false
        ) {
            self.offset = offset
            self.isSynchronised = isSynchronised
            self.mark = mark
            self.keeper = keeper
            self.isLeapSecond = isLeapSecond
            self.hasBattery = hasBattery
        }
    }

    /// What the shell does then.
    public struct Action: Hashable, Sendable {
        /// Whether the spool is to be told what is `known`.
        public var tells: Bool
        /// Whether the history has a new entry, for the log.
        public var isNews: Bool
        /// When to look again, unless the clock is set before.
        public var look: Instant

        /// An action with every property given.
        public init(tells: Bool, isNews: Bool, look: Instant) {
            self.tells = tells
            self.isNews = isNews
            self.look = look
        }
    }

    /// How long after the start of the machine time from the network comes first.
    public static let settling = Duration.seconds(60)
    /// How long after the start of the machine it may still come, unless told otherwise; then what there is has to do.
    public static let patience = Duration.seconds(900)
    /// How often to look while nobody keeps the clock right: a clock that is not far off is set right without a step.
    public static let interval = Duration.seconds(5)
    /// How often to look otherwise. Steps are noticed at once.
    public static let longInterval = Duration.seconds(60)
    /// A clock this far behind what is known is absurdly late: 10 years, in ms.
    private static let absurd: Int64 = 10 * 366 * 86_400_000

    private let floor: Timestamp
    private let made: Timestamp
    /// How long after the start of the machine time from the network may still come.
    public var patience: Duration
    /// What is known now.
    public private(set) var known: KnownTime
    /// What was seen last; nil before the first look.
    public private(set) var last: Sighting?

    /// A clock that was not looked at yet.
    ///
    /// - Parameters:
    ///   - history: what an earlier run saw in this boot.
    ///   - floor: the newest time known from before this boot.
    ///   - made: when this program was made.
    public init(
        history: ClockHistory = ClockHistory(), floor: Timestamp? = nil, made: Timestamp,
        patience: Duration = WallClock.patience
    ) {
        known = KnownTime(history: history)
        self.floor = max(made, floor ?? made)
        self.made = made
        self.patience = patience
    }

    /// Takes what was seen at `now`.
    public mutating func event(_ sighting: Sighting, at now: Instant) -> Action {
        let before = known
        let isNews = known.history.note(judge(sighting, at: now))
        known.readiness = readiness(at: now)
        last = sighting
        return Action(tells: known != before, isNews: isNews, look: nextLook(at: now))
    }

    /// When readings of this boot get their times though nobody sets the clock right; nil when they do already, or when
    /// that is no question of waiting.
    public var due: Instant? {
        guard known.readiness == .waiting, let best = known.history.best else { return nil }
        switch best.standing {
        case .unknown: return nil
        case .restored: return Instant(nanoseconds: 0) + patience
        case .set, .synchronised: return Instant(nanoseconds: 0) + min(patience, Self.settling)
        }
    }

    // MARK: - Standing

    private func judge(_ sighting: Sighting, at now: Instant) -> ClockHistory.Entry {
        let newest = known.history.newest
        let step = newest.flatMap { $0.offset.isAlike(sighting.offset) ? nil : sighting.offset - $0.offset }
        var entry = ClockHistory.Entry(since: now, offset: sighting.offset, standing: .unknown, source: .nobody)
        if isKept(sighting, stepped: step != nil, at: now) {
            (entry.standing, entry.source) = (.synchronised, sighting.keeper)
            if let step, let newest, sighting.isLeapSecond, newest.standing == .synchronised,
                let moment = Self.leap(step, from: newest.offset, at: now)
            {
                entry.isLeapSecond = true
                entry.since = moment
            }
            return entry
        }
        let time = sighting.offset.timestamp(of: now)
        // In the first minute of a boot the clock is set by its scripts: to a moment that was kept, for one.
        let isByHand = newest?.source == .hand && step == nil || step != nil && now >= Self.start + Self.settling
        let least = isByHand ? made : floor
        guard least <= time, time.milliseconds < floor.milliseconds + Self.absurd else { return entry }
        if isByHand {
            (entry.standing, entry.source) = (.set, .hand)
        } else if sighting.hasBattery {
            (entry.standing, entry.source) = (.set, .hardware)
        } else {
            entry.standing = .restored
        }
        return entry
    }

    /// Whether somebody keeps the clock right, or has in this boot and nobody has set it since.
    private func isKept(_ sighting: Sighting, stepped: Bool, at now: Instant) -> Bool {
        let time = sighting.offset.timestamp(of: now)
        guard DeliveryWindow.earliestTime <= time, time < DeliveryWindow.latestTime else { return false }
        if sighting.isSynchronised == true { return true }
        // The kernel takes its word back when nobody has asked the network for some hours; the mark stays.
        guard let mark = sighting.mark, Self.start <= mark, mark <= now + .seconds(1) else { return false }
        let set = stepped ? now : known.history.newest?.since
        return set.map { $0 <= mark } ?? true
    }

    /// When the leap second was that is seen as `step` at `now`; nil when it was none.
    private static func leap(_ step: Duration, from old: ClockOffset, at now: Instant) -> Instant? {
        guard abs(abs(step.wholeNanoseconds) - 1_000_000_000) < ClockHistory.tolerance.wholeNanoseconds else {
            return nil
        }
        // It is put in before midnight of UTC, where the old offset has midnight; left out, where the new one has it.
        let offset = step < .zero ? old : ClockOffset(nanoseconds: old.nanoseconds + step.wholeNanoseconds)
        let time = offset.timestamp(of: now).milliseconds
        return offset.instant(of: Timestamp(milliseconds: time - time % 86_400_000))
    }

    // MARK: - Waiting

    private static let start = Instant(nanoseconds: 0)

    private func readiness(at now: Instant) -> KnownTime.Readiness {
        guard let best = known.history.best else { return .waiting }
        let isOver = now >= Self.start + patience
        switch best.standing {
        case .unknown: return .waiting
        case .restored: return isOver ? .all : .waiting
        case .set:
            if isOver || best.source == .hand { return .all }
            return now >= Self.start + Self.settling ? .live : .waiting
        case .synchronised: return .all
        }
    }

    private func nextLook(at now: Instant) -> Instant {
        let isKept = known.history.newest?.standing == .synchronised
        return now + (isKept ? Self.longInterval : Self.interval)
    }
}

extension ClockOffset {
    /// By how much the clock was set forward from `b` to `a`.
    public static func - (a: ClockOffset, b: ClockOffset) -> Duration {
        .nanoseconds(a.nanoseconds - b.nanoseconds)
    }
}
