import Glibc
import Metering
import Posix
import Testing

@testable import Spooling

/// A spool with a bit of everything: several boots, deliveries, refused readings, remarks, texts, thinned and dropped
/// chunks, history that is gone.
struct Sample {
    static let keys = ["meter/energy", "meter/power", "door/state", "meter/mode", "meter/fixed"]

    let folder: String
    var random: SeededGenerator
    var points: [PointID] = []
    var boot = 1
    var second: Int64 = 10

    init(_ folder: String, seed: UInt64) {
        self.folder = folder
        random = SeededGenerator(seed: seed)
    }

    var rules: ThinningRules {
        var rules = ThinningRules()
        rules[points[0]] = .init(kind: .counter)
        rules[points[1]] = .init(kind: .gauge)
        rules[points[2]] = .init(kind: .state)
        return rules
    }

    func open(history: Duration = .seconds(48 * 3600)) throws -> SpoolStore {
        try SpoolStore(
            directory: folder, settings: SpoolSettings(history: history), uplinks: ["city", "works"],
            bootID: "boot \(boot)")
    }

    /// The readings of the next second.
    mutating func next() -> [Reading] {
        second += 1
        let instant = Instant(nanoseconds: second * 1_000_000_000)
        let quality: Quality = Int.random(in: 0..<20, using: &random) == 0 ? .uncertain : .good
        return [
            Reading(point: points[0], instant: instant, value: .decimal(ExactDecimal(second * 3, exponent: -2))),
            Reading(
                point: points[1], instant: instant, value: .float(Float.random(in: 0...500, using: &random)),
                quality: quality,
                remark: Int.random(in: 0..<30, using: &random) == 0 ? .reset(before: .float(2)) : nil),
            Reading(point: points[2], instant: instant, value: .decimal(ExactDecimal(second / 40 % 2))),
            Reading(point: points[3], instant: instant, value: .text(ExactText("Stör,\"ung\"")!)),
            Reading(point: points[4], instant: instant, value: .double(Double.random(in: 0...1, using: &random))),
        ]
    }

    /// Makes the spool; it ends closed, as after a clean end, or with its log as after a kill (`isKilled`). `isThinned`:
    /// whether room is made as in a full one.
    mutating func make(
        commits: Int = 120, history: Duration = .seconds(48 * 3600), isKilled: Bool = false, isThinned: Bool = true
    ) throws {
        while boot <= 3 {
            let store = try open(history: history)
            points = try store.identify(Self.keys, notes: ["meter/energy": "{}"])
            second = 10
            for commit in 1...commits {
                let seconds = Int.random(in: 1...6, using: &random)
                var content = Intake.Content(readings: (0..<seconds).flatMap { _ in next() })
                if commit % 7 == 0 { content.memory = ["input gas": "\(commit) 0 0 100 m3"] }
                try store.append(content, offset: ClockOffset(nanoseconds: offset.nanoseconds + Int64(boot) << 50))
                try deliver(store)
                if isThinned, commit % 40 == 0 { _ = try store.relieve(at: .thin, by: rules, offset: offset) }
            }
            while isThinned, boot == 3, let relief = try store.relieve(at: .drop, by: ThinningRules(), offset: offset) {
                guard case .drop = relief else { continue }
                for _ in 0..<commits / 2 { try store.append(next(), offset: offset) }
                break
            }
            try store.append([], offset: ClockOffset(nanoseconds: offset.nanoseconds + Int64(boot) << 50))
            store.noteBeside(waits: false)
            if isKilled, boot == 3 { try keepLog(of: store) }
            boot += 1
        }
    }

    private mutating func deliver(_ store: SpoolStore) throws {
        let clock = ClockOffset(nanoseconds: offset.nanoseconds + Int64(boot) << 50)
        for uplink in ["city", "works"] where Int.random(in: 0..<6, using: &random) == 0 {
            let end = Bool.random(using: &random) ? LeaseEnd.oldest : .newest
            guard let lease = try store.lease(uplink: uplink, maximumReadings: 60, from: end, offset: clock) else {
                continue
            }
            switch Int.random(in: 0..<4, using: &random) {
            case 0: try store.release(lease.id)
            case 1:
                try store.settle(
                    lease.id, rejected: [Rejection(sequence: lease.readings[0].sequence, reason: "no, \"never\"")])
            default: try store.settle(lease.id, rejected: [])
            }
        }
    }

    /// Puts the files back as they are now, when the store has been closed.
    private func keepLog(of store: SpoolStore) throws {
        let path = SpoolFolder.file(in: folder)
        write(try content(of: path), to: folder + "/kept")
        write(try content(of: path + "-wal"), to: folder + "/kept-wal")
    }

    /// As a kill leaves it: call after `make(isKilled: true)`.
    func restoreLog() {
        let path = SpoolFolder.file(in: folder)
        for suffix in ["", "-wal"] { rename(folder + "/kept" + suffix, path + suffix) }
    }
}

/// Everything that a spool hands out.
func exported(_ reader: SpoolReader, _ selection: ReadingSelection = ReadingSelection()) throws -> [ExportedReading] {
    let export = try reader.export(selection)
    var readings: [ExportedReading] = []
    while let page = try export.page() { readings += page }
    return readings
}

/// The names in a folder and what is in them.
func contents(of folder: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in try File.names(in: folder) { files[name] = try content(of: folder + "/" + name) }
    return files
}
