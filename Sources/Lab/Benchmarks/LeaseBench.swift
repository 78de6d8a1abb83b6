internal import Metering
internal import Posix
internal import Spooling

/// Windows leased in turn from either end of a spool, the newest and the oldest, with a million and with fifty million
/// readings waiting.
struct LeaseBench {
    /// A folder on the disk to measure; some 200 MB are needed there.
    let folder: String
    private let rounds = 200

    /// Hands each case's line to `tell` when it is there.
    func run(tell: (String) -> Void) throws {
        for millions in [1, 50] {
            let place = "\(folder)/lease-\(millions)"
            defer { LabFile.remove(folder: place) }
            var load = try MovingLoad(meters: 32, perMeter: 40)
            let waiting = try load.makeBacklog(in: place, readings: millions * 1_000_000, commit: 2560)
            LabFile.forget(folder: place)
            let begin = BootClock.now
            let store = try SpoolStore(
                directory: place, settings: SpoolSettings(maximumBytes: 1_000_000_000), uplinks: ["city"],
                bootID: "after the outage")
            try store.know(KnownTime(BootClock.offset))
            let opened = milliseconds(since: begin)
            let points = try store.identify(load.keys)
            var first: Double?
            var ends: [LeaseEnd: [Double]] = [:]
            for _ in 0..<rounds {
                var commit: [Reading] = []
                for _ in 0..<2 { load.poll(points, into: &commit) }
                try store.append(commit)
                for end in [LeaseEnd.newest, .oldest] {
                    let start = BootClock.now
                    let lease = try store.lease(uplink: "city", maximumReadings: 2560, from: end)
                    let time = milliseconds(since: start)
                    guard let lease, lease.readings.count == 2560 else {
                        throw LabError(.stopped, "a window of \(lease?.readings.count ?? 0) readings, not 2560")
                    }
                    if first == nil { first = time } else { ends[end, default: []].append(time) }
                    try store.settle(lease.id, rejected: [])
                }
            }
            var line = BenchLine(bench: "lease", case: "\(millions) million readings wait, windows of 2560")
            line.add("open_ms", opened)
            line.add("first_newest_ms", first)
            for (end, name) in [(LeaseEnd.newest, "newest"), (.oldest, "oldest")] {
                line.add(name + "_ms", ends[end]?.median)
                line.add(name + "_ms_p99", ends[end]?.percentile(0.99))
            }
            line.add("waiting", Double(waiting))
            tell(line.text)
        }
    }

    private func milliseconds(since instant: Instant) -> Double {
        Double((BootClock.now - instant).wholeNanoseconds) / 1e6
    }
}
