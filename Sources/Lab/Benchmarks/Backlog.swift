internal import Metering
internal import Posix
internal import Spooling

extension MovingLoad {
    /// Makes a spool with so many readings, or a little more, as an outage leaves it; returns how many.
    ///
    /// - Parameters:
    ///   - place: the spool's folder.
    ///   - commit: most readings of a commit.
    mutating func makeBacklog(in place: String, readings: Int, commit most: Int) throws -> Int64 {
        guard readings > 0 else { return 0 }
        let store = try SpoolStore(
            directory: place, settings: SpoolSettings(maximumBytes: 1_000_000_000), uplinks: ["city"], bootID: "bench")
        let points = try store.identify(keys)
        try store.know(KnownTime(ClockOffset(nanoseconds: BootClock.offset.nanoseconds - 86_400_000_000_000)))
        var made = 0
        while made < readings {
            var commit: [Reading] = []
            while commit.count + points.count <= most, made + commit.count < readings { poll(points, into: &commit) }
            try store.append(commit)
            made += commit.count
        }
        return Int64(made)
    }
}
