import Glibc
import Metering
import Posix
import Spooling

/// UTC of instant 0 in these tests, in ms since 1970.
let epoch: Int64 = 1_793_491_200_000
/// The clock offset that goes with it.
let offset = ClockOffset(nanoseconds: epoch * 1_000_000)

/// SplitMix64 (Steele, Lea, Flood 2014): a failing seed gives the same run again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Runs `body` with the path of a folder that does not exist yet and is removed afterwards.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = uniqueFolder()
    defer { remove(folder: folder) }
    return try body(folder)
}

func uniqueFolder() -> String {
    "/tmp/parthe-spool-test-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
}

/// Removes a folder and what is in it.
func remove(folder: String) {
    for name in (try? File.names(in: folder)) ?? [] where unlink(folder + "/" + name) != 0 {
        remove(folder: folder + "/" + name)
    }
    rmdir(folder)
}

/// One reading of each point at an instant, in ms.
func readings(_ points: [PointID], at milliseconds: Int64, _ value: Float = 230.1) -> [Reading] {
    points.map {
        Reading(point: $0, instant: Instant(nanoseconds: milliseconds * 1_000_000), value: .float(value))
    }
}

/// The same with values from 1 to 2 that no packing foresees.
func noise(_ points: [PointID], at milliseconds: Int64, using random: inout SeededGenerator) -> [Reading] {
    points.map {
        Reading(
            point: $0, instant: Instant(nanoseconds: milliseconds * 1_000_000),
            value: .float(Float.random(in: 1...2, using: &random)))
    }
}

/// The bytes of a file.
func content(of path: String) throws -> [UInt8] {
    try File.read(path, limit: 1 << 30)
}

/// Replaces a file.
func write(_ bytes: [UInt8], to path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    precondition(descriptor >= 0 && Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    close(descriptor)
}
