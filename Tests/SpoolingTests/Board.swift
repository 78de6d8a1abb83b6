import Metering
import Spooling

/// A gateway with its kernel clock and its spool, and the true time beside: seconds pass as a test says. What is asked of it is what the agent does: look at the clock, tell the spool, commit, lease.
final class Board {
    static let day: Int64 = 86_400_000

    let folder: String
    private let uplinks: [String]
    private var opened: SpoolStore?
    private(set) var clock: WallClock
    private(set) var points: [PointID] = []
    private var boots = 1

    /// The true time, in ms since 1970.
    private(set) var truth = epoch
    /// The boot clock, in ms.
    private(set) var uptime: Int64 = 0
    /// The true time of each reading, by sequence number − 1.
    private(set) var taken: [Int64] = []
    /// What each uplink got.
    private(set) var delivered: [String: [SpooledReading]] = [:]

    /// The kernel's wall clock less the boot clock, in ms.
    private var wall: Int64
    var isSynchronised: Bool? = false
    var mark: Int64?
    var hasBattery: Bool
    var isLeapSecond = false
    private var look = Instant(nanoseconds: 0)

    /// A board that is switched on with the wall clock at `wall`, ms since 1970.
    init(_ folder: String, wall: Int64, battery: Bool = false, uplinks: [String] = ["city", "works"]) throws {
        self.folder = folder
        self.uplinks = uplinks
        self.wall = wall
        hasBattery = battery
        let store = try Self.open(folder, uplinks, boot: 1)
        opened = store
        clock = Self.clock(of: store)
        points = try store.identify(["meter/a", "meter/b"])
        try see()
    }

    var store: SpoolStore { opened! }
    var now: Instant { Instant(nanoseconds: uptime * 1_000_000) }

    private static func open(_ folder: String, _ uplinks: [String], boot: Int) throws -> SpoolStore {
        try SpoolStore(
            directory: folder, settings: SpoolSettings(history: .seconds(3600)), uplinks: uplinks,
            bootID: "boot \(boot)")
    }

    private static func clock(of store: SpoolStore) -> WallClock {
        WallClock(
            history: store.knownTime.history, floor: store.timeBeforeBoot,
            made: Timestamp(milliseconds: epoch - 30 * Board.day))
    }

    /// Looks at the clock, as the agent does when it is time or when the clock was set.
    func see() throws {
        let action = clock.event(
            WallClock.Sighting(
                offset: ClockOffset(nanoseconds: wall * 1_000_000), isSynchronised: isSynchronised,
                mark: mark.map { Instant(nanoseconds: ($0 - wall) * 1_000_000) }, keeper: .chrony,
                isLeapSecond: isLeapSecond, hasBattery: hasBattery), at: now)
        look = action.look
        if action.tells { try store.know(clock.known) }
    }

    /// Somebody sets the wall clock to `time`; the kernel no longer believes that it is kept right.
    func set(to time: Int64) throws {
        wall = time - uptime
        isSynchronised = false
        try see()
    }

    /// The network's time has come.
    func synchronise() throws {
        wall = truth - uptime
        isSynchronised = true
        try see()
    }

    /// A leap second: UTC has 23:59:60, and the wall clock has 23:59:59 for two seconds.
    func insertLeapSecond() throws {
        truth -= 1000
        wall -= 1000
        isLeapSecond = true
        try see()
    }

    /// Seconds pass, with a reading of each point in each, or each `interval` of them.
    func pass(_ seconds: Int, every interval: Int = 1) throws {
        for second in 1...seconds {
            truth += 1000
            uptime += 1000
            if now >= look { try see() }
            if second % interval == 0 { try read() }
        }
    }

    /// Reads each point now.
    func read() throws {
        let instant = now
        try store.append(points.map { Reading(point: $0, instant: instant, value: .float(1)) })
        taken += points.map { _ in truth }
    }

    /// True time passes, without a look or a reading.
    func travel(by milliseconds: Int64) {
        truth += milliseconds
        uptime += milliseconds
    }

    /// The same up to a moment, before anything was read.
    func travel(to time: Int64) { truth = time }

    /// The board sleeps; its boot clock goes on.
    func suspend(_ seconds: Int64) throws {
        truth += seconds * 1000
        uptime += seconds * 1000
        try see()
    }

    /// The agent is started anew, in the same boot.
    func restartAgent() throws {
        try commit()
        try reopen()
    }

    /// The board is off for some time, and comes back with the wall clock at `wall`.
    func reboot(after seconds: Int64, wall: Int64, synchronised: Bool = false) throws {
        try commit()
        truth += seconds * 1000
        (uptime, self.wall, boots) = (0, wall, boots + 1)
        (isSynchronised, isLeapSecond, mark) = (synchronised, false, nil)
        try reopen()
    }

    /// What waits for a commit gets it.
    func commit() throws { try store.append([]) }

    private func reopen() throws {
        opened = nil
        let store = try Self.open(folder, uplinks, boot: boots)
        opened = store
        clock = Self.clock(of: store)
        points = try store.identify(["meter/a", "meter/b"])
        try see()
    }

    /// Delivers what has a time to an uplink, all of it or at most so many windows, each from the `end` that is given for
    /// it, and returns it in order.
    @discardableResult
    func deliver(
        to uplink: String = "city", atMost: Int = 64, windows: Int = .max, from end: () -> LeaseEnd = { .oldest }
    ) throws -> [SpooledReading] {
        var found: [SpooledReading] = []
        var count = 0
        while count < windows, let lease = try store.lease(uplink: uplink, maximumReadings: atMost, from: end()) {
            try store.settle(lease.id, rejected: [])
            found += lease.readings
            count += 1
        }
        found.sort { $0.sequence < $1.sequence }
        delivered[uplink, default: []] += found
        return found
    }

    /// By how much the time of a reading is ahead of the true one, in ms.
    func error(of reading: SpooledReading) -> Int64 {
        reading.phenomenonTime.milliseconds - taken[Int(reading.sequence.rawValue) - 1]
    }
}
