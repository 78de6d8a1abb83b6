internal import Glibc
public import Metering
internal import Posix

/// Drives a simulated line of the kernel's gpio-sim: pulses at a rate, with a width, with bounces.
///
/// Every pulse has a deadline of its own, counted from the start, so that lateness does not add up. A pulse that begins
/// late still has its whole width once it has settled, and the pause after it at least the width or the rest of the
/// period, whichever is less: what is made late is made well, and the rate is caught up with.
public struct PulseGenerator: Sendable {
    /// What is made.
    public struct Plan: Hashable, Sendable {
        /// How many pulses.
        public var count: Int
        /// From the beginning of one pulse to that of the next.
        public var period: Duration
        /// How long each is active, from the edge with which it settles to the beginning of its end.
        public var width: Duration
        /// How often a contact opens again before it stays closed, and closes again before it stays open.
        public var bounces: Int
        /// How long the line keeps each level while it bounces.
        public var bounce: Duration

        /// A plan with every property given.
        public init(count: Int, period: Duration, width: Duration, bounces: Int = 0, bounce: Duration = .zero) {
            self.count = count
            self.period = period
            self.width = width
            self.bounces = bounces
            self.bounce = bounce
        }
    }

    /// What was made.
    public struct Outcome: Hashable, Sendable {
        /// Pulses that were begun and ended.
        public var pulses = 0
        /// Changes of the line's level.
        public var edges = 0
        /// From the first edge to the end.
        public var duration = Duration.zero
        /// The most that a pulse began late.
        public var latest = Duration.zero
        /// The shortest pulse, from the edge with which it settled to the beginning of its end.
        public var shortest: Duration?
        /// The longest one, from its first edge to its last.
        public var longest: Duration?
        /// The longest time for which the line kept a level while it bounced.
        public var longestBounce: Duration?
    }

    /// A change of level, as it was made.
    public struct Edge: Hashable, Sendable {
        /// When the level had been set.
        public var time: Instant
        /// The level.
        public var isActive: Bool
    }

    private let path: String

    /// Drives the line whose pull is set by the file `path` (`…/sim_gpioN/pull`).
    public init(path: String) {
        self.path = path
    }

    /// Makes the pulses of `plan`; `onEdge` hears of every change. Ends early when `isOver` says so, between two pulses.
    public func run(
        _ plan: Plan, onEdge: (Edge) -> Void = { _ in }, isOver: () -> Bool = { false }
    ) throws(LabError) -> Outcome {
        let line = Descriptor(open(path, O_WRONLY | O_CLOEXEC))
        guard line.raw >= 0 else {
            throw LabError(
                .file, "cannot open \(path): \(String(cString: strerror(errno)))",
                hint: "the file pull of a line of gpio-sim, below /sys/devices/platform")
        }
        var outcome = Outcome()
        let pause = min(plan.width, plan.period - plan.width)
        let start = BootClock.now
        var deadline = start
        for index in 0..<plan.count {
            if isOver() { break }
            deadline = max(start + plan.period * index, deadline)
            BootClock.sleep(until: deadline)
            let begin = try settle(line.raw, isActive: true, plan, &outcome, onEdge)
            outcome.latest = max(outcome.latest, begin.first - (start + plan.period * index))
            BootClock.sleep(until: begin.last + plan.width)
            let before = BootClock.now
            outcome.shortest = min(outcome.shortest ?? (before - begin.last), before - begin.last)
            let end = try settle(line.raw, isActive: false, plan, &outcome, onEdge)
            outcome.longest = max(outcome.longest ?? .zero, end.last - begin.first)
            outcome.pulses += 1
            deadline = end.last + pause
        }
        outcome.duration = BootClock.now - start
        return outcome
    }

    /// Brings the line to a level, bouncing as the plan has it; returns when the first and the last edge were made.
    private func settle(
        _ line: Int32, isActive: Bool, _ plan: Plan, _ outcome: inout Outcome, _ onEdge: (Edge) -> Void
    ) throws(LabError) -> (first: Instant, last: Instant) {
        let first = try set(line, isActive, &outcome, onEdge)
        var last = first
        for _ in 0..<plan.bounces {
            for level in [!isActive, isActive] {
                BootClock.sleep(until: last + plan.bounce)
                let next = try set(line, level, &outcome, onEdge)
                outcome.longestBounce = max(outcome.longestBounce ?? .zero, next - last)
                last = next
            }
        }
        return (first, last)
    }

    private func set(
        _ line: Int32, _ isActive: Bool, _ outcome: inout Outcome, _ onEdge: (Edge) -> Void
    ) throws(LabError) -> Instant {
        let word = isActive ? "pull-up" : "pull-down"
        guard pwrite(line, word, word.utf8.count, 0) == word.utf8.count else {
            throw LabError(
                .file, "cannot write \(path): \(String(cString: strerror(errno)))", hint: "is its chip gone?")
        }
        let now = BootClock.now
        outcome.edges += 1
        onEdge(Edge(time: now, isActive: isActive))
        return now
    }
}
