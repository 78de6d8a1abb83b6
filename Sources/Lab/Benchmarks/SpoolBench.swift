internal import Glibc
public import Metering
internal import Posix
public import Spooling

/// Measures what committing readings costs: time, CPU and bytes written to the disk.
///
/// The C program scripts/bench.d/spool.c does the same with bare SQLite; the two are compared in turns.
public enum SpoolBench {
    /// Committed readings and what they cost.
    public typealias Result = (wallSeconds: Double, cpuSeconds: Double, diskBytes: Int64, readings: Int)

    /// Commits `commits` times `readingsPerCommit` readings into a new spool and closes it.
    ///
    /// Meters have 40 points (fewer when fewer are committed); all points of a meter share an instant. The values move
    /// with full f32 mantissas, as a building's load does: nothing of them can be left out.
    ///
    /// - Parameters:
    ///   - directory: a folder on the disk to measure; made if missing, left behind.
    ///   - delivering: whether every commit also marks the newest window and settles the one before.
    ///   - settings: a short history shows what its deletion costs.
    public static func run(
        directory: String, readingsPerCommit: Int, commits: Int, delivering: Bool = false,
        settings: SpoolSettings = SpoolSettings()
    ) throws(SpoolError) -> Result {
        var load = Load(readings: readingsPerCommit)
        let store = try SpoolStore(
            directory: directory, settings: settings, uplinks: delivering ? ["city"] : [], bootID: "bench")
        try store.know(KnownTime(BootClock.offset))
        let points = try store.identify(load.keys)
        // The shapes are in the dictionary before the clock starts.
        try store.append(load.next(points))
        let before = (wall: BootClock.now, cpu: ProcessFigures.ownCPUSeconds, disk: diskBytes())
        try commit(commits, of: &load, points, to: store, delivering: delivering)
        return (
            Double((BootClock.now - before.wall).wholeNanoseconds) / 1e9, ProcessFigures.ownCPUSeconds - before.cpu,
            diskBytes() - before.disk, readingsPerCommit * commits
        )
    }

    private static func commit(
        _ commits: Int, of load: inout Load, _ points: [PointID], to store: consuming SpoolStore, delivering: Bool
    ) throws(SpoolError) {
        var open: LeaseID?
        for _ in 0..<commits {
            try store.append(load.next(points))
            guard delivering else { continue }
            if let open { try store.settle(open, rejected: []) }
            open = try store.lease(uplink: "city", maximumReadings: 65_536)?.id
        }
    }

    /// `write_bytes` of this process: what was sent to the block layer, 0 where the kernel does not count it.
    private static func diskBytes() -> Int64 {
        let text = String(decoding: (try? File.read("/proc/self/io")) ?? [], as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("write_bytes:") }
        return line?.split(separator: " ").last.flatMap { Int64($0) } ?? 0
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
