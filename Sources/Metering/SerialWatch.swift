/// Decides when to look at a meter's serial number, and tells when it is another one: the meter was swapped
/// (dsmr-reader #507, #863, #1422, #2089: otherwise its lower counter is negative consumption).
///
/// Looked at when the meter answers for the first time, when it was away, when a counter surprises, and once an hour.
public struct SerialWatch: Hashable, Sendable {
    /// The serial number that is known, maybe from before a restart.
    public private(set) var serial: String?
    /// When it was seen last since the start.
    public private(set) var lastSeen: Instant?
    private var nextLook: Instant?
    private var refusals = 0
    /// Looks in quick succession that found the same number.
    private var vain = 0

    /// How often it is looked at when nothing happens.
    public static let interval = Duration.seconds(3600)
    /// How often where the meter does not tell it: its firmware may have changed.
    public static let longInterval = Duration.seconds(24 * 3600)

    /// After a few looks in vain a counter that surprises at every poll costs no more than one in so long.
    public static let shortInterval = Duration.seconds(60)
    private static let mostVain = 3

    /// Registers full of ones, as numbers of 16, 32, 48 and 64 bits, and signed ones.
    private static let full: Set<String> = ["65535", "4294967295", "281474976710655", "18446744073709551615", "-1"]

    /// Nothing known but `serial`.
    public init(serial: String? = nil) {
        self.serial = serial
    }

    /// Whether a look is worth its time at `now`, because a counter surprises.
    public func isWorthALook(at now: Instant) -> Bool {
        refusals == 0 && (vain < Self.mostVain || lastSeen.map { now - $0 >= Self.shortInterval } ?? true)
    }

    /// Whether to look at `now`, after a poll that the meter answered.
    public func isDue(at now: Instant) -> Bool {
        nextLook.map { $0 <= now } ?? true
    }

    /// Something happened that another meter would explain.
    public mutating func suspect(at now: Instant) {
        // A meter that does not tell its number is not asked more often for that.
        if refusals == 0 { nextLook = now }
    }

    /// The meter says that its number is `new`. Returns the one before when it is another.
    ///
    /// A number that is empty or nothing but zeros is none, as early firmware answers; nor are registers full of ones, which
    /// say "not available".
    public mutating func saw(_ new: String, at now: Instant) -> String? {
        guard new.contains(where: { $0 != "0" && $0 != " " }), !Self.full.contains(new) else {
            refused(at: now)
            return nil
        }
        let isSoon = lastSeen.map { now - $0 < Self.shortInterval } ?? false
        vain = isSoon && serial == new ? vain + 1 : 0
        refusals = 0
        (nextLook, lastSeen) = (now + Self.interval, now)
        defer { serial = new }
        return serial == new ? nil : serial
    }

    /// The meter does not tell its number: it refuses, or says nothing to this question, which costs its bus a timeout.
    public mutating func refused(at now: Instant) {
        refusals += 1
        nextLook = now + (refusals < 3 ? Self.shortInterval : Self.longInterval)
    }
}
