internal import Synchronization

/// The bounded queue between those who read and the spool.
///
/// A producer asks for room before it polls, so a reading that was read always fits. When there is no room, whole
/// polls are skipped and counted: backpressure reaches the bus, and nothing is queued beyond the limit. Long before that
/// the spool may ask for a slower pace, which producers look at before they poll.
public final class Intake: Sendable {
    /// How many readings the intake holds at most, unless told otherwise: half a minute of 1280 readings/s.
    public static let defaultCapacity = 40_000

    /// Most readings held and promised.
    public let capacity: Int

    /// What is committed together.
    public struct Content: Sendable {
        /// Readings, oldest first.
        public var readings: [Reading] = []
        /// What has to be remembered over a restart, by name: the newest of each.
        public var memory: [String: String] = [:]
        /// What happened to meters.
        public var events: [MeterEvent] = []

        /// Nothing, or what is given.
        public init(readings: [Reading] = [], memory: [String: String] = [:], events: [MeterEvent] = []) {
            self.readings = readings
            self.memory = memory
            self.events = events
        }

        /// Whether there is nothing.
        public var isEmpty: Bool { readings.isEmpty && memory.isEmpty && events.isEmpty }
    }

    /// Events that wait while nothing can be committed; the oldest go.
    public static let maximumEvents = 1000

    private struct State {
        var content = Content()
        /// Readings that were taken out and are not known to be on disk.
        var taken = 0
        var promised = 0
        var skippedPolls: UInt64 = 0
        var pace = Pace.normal
        var onUrgency: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// An empty intake for `capacity` readings.
    public init(capacity: Int = Intake.defaultCapacity) {
        self.capacity = capacity
    }

    /// Promises room for `count` readings, or counts a skipped poll and returns false.
    ///
    /// A promise is redeemed by one `put(_:promised:)`. What asks again for readings that it kept skips no poll.
    public func promise(_ count: Int, again: Bool = false) -> Bool {
        state.withLock { state in
            guard state.content.readings.count + state.promised + count <= capacity else {
                if !again { state.skippedPolls += 1 }
                return false
            }
            state.promised += count
            return true
        }
    }

    /// Hands over the readings of one poll, at most as many as were `promised`, and what has to be remembered and what
    /// happened with them: one commit takes all of it.
    ///
    /// - Parameter isUrgent: whether the commit may not wait longer than a second: pulses and contacts.
    public func put(
        _ readings: [Reading], promised: Int, memory: [String: String] = [:], events: [MeterEvent] = [],
        isUrgent: Bool = false
    ) {
        precondition(readings.count <= promised, "\(readings.count) readings for a promise of \(promised)")
        let hurry = state.withLock { state in
            state.promised -= promised
            state.content.readings.append(contentsOf: readings)
            state.content.memory.merge(memory) { _, new in new }
            state.content.add(events)
            return isUrgent ? state.onUrgency : nil
        }
        hurry?()
    }

    /// Calls `body`, from any thread, when something has to be committed within a second.
    public func onUrgency(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.onUrgency = body }
    }

    /// Takes everything out, and makes room for as many readings. They count as waiting until `didCommit()`, or until
    /// they are put back.
    public func take() -> Content {
        state.withLock { state in
            let taken = state.content
            state.taken += taken.readings.count
            state.content = Content()
            state.content.readings.reserveCapacity(min(taken.readings.count, capacity))
            return taken
        }
    }

    /// What was taken out is on disk, and wherever somebody may look for it.
    public func didCommit() {
        state.withLock { $0.taken = 0 }
    }

    /// Gives back what could not be committed; its readings stay the oldest. The limit may be passed by what was
    /// promised meanwhile, never by more.
    public func putBack(_ content: Content) {
        state.withLock { state in
            state.taken = 0
            state.content.readings.insert(contentsOf: content.readings, at: 0)
            state.content.memory.merge(content.memory) { new, _ in new }
            let events = state.content.events
            state.content.events = content.events
            state.content.add(events)
        }
    }

    /// What has to be remembered and is not committed yet.
    public var memory: [String: String] { state.withLock { $0.content.memory } }

    /// How often producers are to read what may wait: set by the spool, read before each poll.
    public var pace: Pace {
        get { state.withLock(\.pace) }
        set { state.withLock { $0.pace = newValue } }
    }

    /// How many readings wait to be on disk, and how many polls were skipped for want of room.
    public var fill: (waiting: Int, skippedPolls: UInt64) {
        state.withLock { state in (state.content.readings.count + state.taken, state.skippedPolls) }
    }
}

extension Intake.Content {
    fileprivate mutating func add(_ new: [MeterEvent]) {
        events.append(contentsOf: new)
        events.removeFirst(max(0, events.count - Intake.maximumEvents))
    }
}
