internal import Synchronization

/// The bounded queue between those who read and the spool.
///
/// A producer asks for room before it polls, so a reading that was read always fits. When there is no room, whole
/// polls are skipped and counted: backpressure reaches the bus, and nothing is queued beyond the limit.
public final class Intake: Sendable {
    /// How many readings the intake holds at most, unless told otherwise: half a minute of 1280 readings/s.
    public static let defaultCapacity = 40_000

    /// Most readings held and promised.
    public let capacity: Int

    private struct State {
        var readings: [Reading] = []
        var promised = 0
        var skippedPolls: UInt64 = 0
    }

    private let state = Mutex(State())

    /// An empty intake for `capacity` readings.
    public init(capacity: Int = Intake.defaultCapacity) {
        self.capacity = capacity
    }

    /// Promises room for `count` readings, or counts a skipped poll and returns false.
    ///
    /// A promise is redeemed by one `put(_:promised:)`.
    public func promise(_ count: Int) -> Bool {
        state.withLock { state in
            guard state.readings.count + state.promised + count <= capacity else {
                state.skippedPolls += 1
                return false
            }
            state.promised += count
            return true
        }
    }

    /// Hands over the readings of one poll, at most as many as were `promised`.
    public func put(_ readings: [Reading], promised: Int) {
        precondition(readings.count <= promised, "\(readings.count) readings for a promise of \(promised)")
        state.withLock { state in
            state.promised -= promised
            state.readings.append(contentsOf: readings)
        }
    }

    /// Takes all readings out, oldest first, and makes room for as many.
    public func take() -> [Reading] {
        state.withLock { state in
            let taken = state.readings
            state.readings = []
            state.readings.reserveCapacity(min(taken.count, capacity))
            return taken
        }
    }

    /// Gives readings back that could not be committed; they stay the oldest. The limit may be passed by what was
    /// promised meanwhile, never by more.
    public func putBack(_ readings: [Reading]) {
        state.withLock { state in state.readings.insert(contentsOf: readings, at: 0) }
    }

    /// How many readings wait, and how many polls were skipped for want of room.
    public var fill: (waiting: Int, skippedPolls: UInt64) {
        state.withLock { state in (state.readings.count, state.skippedPolls) }
    }
}
