/// The edges as one debounce shows them: those that follow each other within its period are a run, and what the line
/// has come to at its end counts.
struct SignalLook: Hashable {
    let period: Duration
    private(set) var active = LevelTimes()
    private(set) var inactive = LevelTimes()
    private var level: Bool
    /// When this level began, or watching did.
    private var since: Instant
    private var changes = 0
    /// Edges too many in runs that changed the level.
    private var bounces = 0
    /// Runs that came back to the level that was before.
    private var spikes = 0
    /// The longest time between two edges of one run.
    private var chatter = Duration.zero
    /// The shortest time between two runs.
    private var calm: Duration?
    private var run = 0
    private var last: LineEdge?
    private var first: Instant?

    init(period: Duration, level: Bool, at begin: Instant) {
        self.period = period
        self.level = level
        since = begin
    }

    mutating func take(_ edge: LineEdge) {
        first = first ?? edge.instant
        if let last {
            let length = edge.instant - last.instant
            if length < period {
                chatter = max(chatter, length)
            } else {
                calm = min(calm ?? length, length)
                settle()
            }
        }
        last = edge
        run += 1
    }

    /// What came before has come to rest at the level that it had last.
    private mutating func settle() {
        guard let last, run > 0 else { return }
        if last.isActive == level {
            spikes += 1
        } else {
            bounces += run - 1
            leave(level, at: last.instant, isWhole: changes > 0)
            (level, since) = (last.isActive, last.instant)
            changes += 1
        }
        run = 0
    }

    private mutating func leave(_ level: Bool, at instant: Instant, isWhole: Bool) {
        if level {
            active.add(instant - since, isWhole: isWhole)
        } else {
            inactive.add(instant - since, isWhole: isWhole)
        }
    }

    /// This look when nothing comes any more.
    func ended(at end: Instant) -> SignalLook {
        var whole = self
        whole.settle()
        whole.leave(whole.level, at: max(end, whole.since), isWhole: false)
        return whole
    }

    /// The kernel counts its debounce in ticks, and waits for up to two more than it was asked for (gpiolib-cdev.c,
    /// debounce_irq_handler; 250 a second in Debian's kernels).
    private static let kernelsExcess = Duration.milliseconds(8)

    /// What takes every bounce and leaves every pulse; nil where there are none, or they cannot be told apart.
    var remedy: SignalJudgement.Remedy? {
        guard changes > 1, bounces + spikes > 0, spikes <= changes, chatter > .zero, let calm, calm >= chatter * 4
        else { return nil }
        // Twice what was seen, for what was not; at most half of what has to stay.
        let wanted = max(2, 2 * ((chatter.wholeNanoseconds + 999_999) / 1_000_000))
        let longest = calm.wholeMilliseconds / 2
        guard .milliseconds(longest) > chatter else { return nil }
        if wanted <= longest, .milliseconds(wanted) + Self.kernelsExcess <= calm {
            return .debounce(milliseconds: wanted)
        }
        return .leastWidth(milliseconds: longest)
    }

    /// Whether all edges are one run that ends at another level.
    var isOneChange: Bool {
        guard let first, let last, changes == 1, spikes == 0, calm == nil else { return false }
        return last.instant - first <= period
    }

    /// Whether pulses are times at the inactive level: it is by far the rarer one. What is long may be a door, so it has
    /// to come back.
    var restsActive: Bool {
        guard let shortest = inactive.range?.lowerBound, active.total > inactive.total * 3 else { return false }
        return shortest < SignalJudgement.leastSlow || inactive.count > 2
    }

    func verdict(_ finding: SignalJudgement.Finding, _ pulses: LevelTimes) -> SignalJudgement.Verdict {
        guard finding.widths != nil else { return .oneChange }
        if finding.remedy != nil { return bounces > spikes ? .bouncing(chatter) : .disturbed(chatter) }
        if finding.shortest >= SignalJudgement.leastSlow { return .slow }
        if finding.shortest >= SignalJudgement.leastS0 { return .s0 }
        return finding.shortest >= SignalJudgement.leastIrregular || pulses.isRegular ? .short : .noise
    }
}

/// Times at one level that both began and ended while watching, and all time spent at it.
struct LevelTimes: Hashable {
    var count = 0
    var range: ClosedRange<Duration>?
    /// Of those that `range` holds.
    var sum = Duration.zero
    /// The first and the last are in it, of which one end only was seen.
    var total = Duration.zero

    mutating func add(_ length: Duration, isWhole: Bool) {
        total += length
        guard isWhole else { return }
        count += 1
        sum += length
        range = range.map { min($0.lowerBound, length)...max($0.upperBound, length) } ?? length...length
    }

    /// Whether they are about as long each time: outliers count little.
    var isRegular: Bool { range.map { sum <= $0.lowerBound * (2 * count) } ?? false }
}
