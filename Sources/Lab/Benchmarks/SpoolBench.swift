internal import Metering
internal import Posix
internal import Spooling

/// Measures what the spool's three deeds cost: time, CPU and bytes written to the disk.
///
/// The C program scripts/bench.d/spool.c does the first with bare SQLite; the two are compared in turns.
enum SpoolBench {
    /// What a deed cost.
    struct Cost {
        var wallSeconds = 0.0
        var cpuSeconds = 0.0
        var diskBytes: Int64 = 0

        static func += (a: inout Cost, b: Cost) {
            a.wallSeconds += b.wallSeconds
            a.cpuSeconds += b.cpuSeconds
            a.diskBytes += b.diskBytes
        }
    }

    /// What each deed cost for so many readings.
    typealias Result = (append: Cost, lease: Cost, settle: Cost, readings: Int)

    /// Appends `commits` times `readingsPerCommit` readings to a new spool, then leases and settles all of them, in windows
    /// as an uplink takes them. Marks and settlements have a commit of their own here, as when nothing new comes.
    ///
    /// Meters have 40 points (fewer when fewer are committed); all points of a meter share an instant. The values move
    /// with full f32 mantissas, as a building's load does: nothing of them can be left out.
    ///
    /// - Parameter directory: a folder on the disk to measure; made if missing, left behind.
    static func run(directory: String, readingsPerCommit: Int, commits: Int) throws -> Result {
        var load = Load(readings: readingsPerCommit)
        let store = try SpoolStore(
            directory: directory, settings: SpoolSettings(), uplinks: ["city"], bootID: "bench")
        try store.know(KnownTime(BootClock.offset))
        let points = try store.identify(load.keys)
        // The shapes are in the dictionary before the clock starts.
        try store.append(load.next(points))
        var (lease, settle) = (Cost(), Cost())
        let append = try measure {
            for _ in 0..<commits { try store.append(load.next(points)) }
        }
        while true {
            var window: Lease?
            lease += try measure {
                window = try store.lease(uplink: "city", maximumReadings: 4096)
                try store.append([])
            }
            guard let window else { break }
            settle += try measure {
                try store.settle(window.id, rejected: [])
                try store.append([])
            }
        }
        return (append, lease, settle, readingsPerCommit * commits)
    }

    private static func measure(_ body: () throws -> Void) throws -> Cost {
        let before = (BootClock.now, ProcessFigures.ownCPUSeconds, ProcessFigures.ownDiskBytes)
        try body()
        return Cost(
            wallSeconds: Double((BootClock.now - before.0).wholeNanoseconds) / 1e9,
            cpuSeconds: ProcessFigures.ownCPUSeconds - before.1, diskBytes: ProcessFigures.ownDiskBytes - before.2)
    }

    /// The readings of meters whose values never stand still.
    private struct Load {
        let keys: [String]
        private let perMeter: Int
        private var values: [Float]
        private var instant: Int64 = 1_000_000_000
        private var noise: UInt64 = 1

        init(readings: Int) {
            let perMeter = min(40, readings)
            self.perMeter = perMeter
            keys = (0..<readings).map { "meter\($0 / perMeter)/point\($0 % perMeter)" }
            values = (0..<readings).map { Float(1 + $0 % perMeter * 17) }
        }

        mutating func next(_ points: [PointID]) -> [Reading] {
            instant += 1_000_000_000
            return points.indices.map { index in
                // Numerical Recipes' linear congruence: enough to fill a mantissa.
                noise = noise &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                values[index] *= 0.99 + 0.02 * Float(noise >> 40) / Float(1 << 24)
                let meter = Int64(index / perMeter)
                return Reading(
                    point: points[index], instant: Instant(nanoseconds: instant + meter * 8_000_000),
                    value: .float(values[index]))
            }
        }
    }
}
