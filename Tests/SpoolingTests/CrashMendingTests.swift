import Metering
import Posix
import Testing

@testable import Spooling

/// A power cut at each single call by which SQLite makes room, or makes a new file of a damaged one. What the outcome has
/// to be is what the same does on a sound disk: ModelTests and RecoveryTests know whether that is right.
@Suite struct CrashMendingTests {
    /// All that a spool shows.
    private struct View: Equatable, CustomStringConvertible {
        var kept: [String: [SpooledReading]] = [:]
        var gaps: [String] = []
        var counts = ""

        /// What is left in a folder, opened as the agent does.
        init(_ folder: String) throws {
            let store = try CrashMendingTests.open(folder)
            let check = try store.connection.statement("PRAGMA integrity_check")
            guard try check.step(), check.text(0) == "ok" else { throw Broken(text: check.text(0)) }
            check.reset()
            for uplink in ["city", "works"] {
                while let lease = try store.lease(uplink: uplink, maximumReadings: 1000, offset: offset) {
                    kept[uplink, default: []] += lease.readings
                }
            }
            gaps = try store.gaps(atMost: 1000).map { "\($0.first)-\($0.last) \($0.count) \($0.reason)" }
            let statistics = try store.statistics()
            counts = "\(statistics.held) \(statistics.committed) \(statistics.dropped) \(statistics.damaged)"
        }

        var description: String { "\(kept.mapValues(\.count)), gaps \(gaps), counts \(counts)" }
    }

    private struct Broken: Error {
        var text: String
    }

    private static func open(_ folder: String) throws(SpoolError) -> SpoolStore {
        try SpoolStore(
            directory: folder, settings: SpoolSettings(maximumBytes: 1 << 20), uplinks: ["city", "works"],
            bootID: "boot")
    }

    /// What is wrong with a spool that is left so.
    private func problem(_ files: [String: [UInt8]], _ allowed: [View]) throws -> String? {
        try withFolder { folder in
            try makeFolder(folder, files)
            let recording = Recording(folder)
            defer { withExtendedLifetime(recording) {} }
            do {
                let view = try View(folder)
                return allowed.contains(view) ? nil : "\(view) is none of \(allowed)"
            } catch {
                return "it does not start: \(error)"
            }
        }
    }

    private static let manners = Disk.Manner.allCases

    /// The files that a cut leaves, during `call`; `number` tells which of them.
    private func left(_ disk: Disk, _ call: DiskCall, _ number: Int) -> [String: [UInt8]] {
        var random = SeededGenerator(seed: UInt64(number))
        return disk.files(Self.manners[number % Self.manners.count], during: call, using: &random)
    }

    // MARK: Room

    /// One step of a spool that fills up.
    private enum Step {
        case relieve(SpoolAdmission.Step)
        case lease, settle
        /// Commits of ten seconds each.
        case append(ClosedRange<Int>)
    }

    private static let steps: [Step] = [
        .append(10...1200), .relieve(.thin), .relieve(.thin), .append(1210...1500), .relieve(.thin), .lease,
        .append(1510...1800), .relieve(.thin), .settle, .relieve(.thin), .append(1810...2100), .relieve(.thin), .lease,
        .relieve(.drop), .append(2110...2400), .relieve(.drop), .relieve(.drop), .relieve(.drop), .append(2410...2410),
    ]

    /// Thinning and dropping happen as a whole or not at all, beside leases and settlements.
    @Test func makingRoomIsCutShort() throws {
        try withFolder { folder in
            try File.makeFolder(folder)
            let recording = Recording(folder)
            let store = try Self.open(folder)
            let points = try store.identify(["meter/energy", "meter/power", "door/state"])
            var rules = ThinningRules()
            rules[points[0]] = .init(kind: .counter)
            rules[points[1]] = .init(kind: .gauge)
            rules[points[2]] = .init(kind: .state)

            var disk = Disk()
            for call in recording.calls(from: 0) { disk.perform(call) }
            var (taken, states, reliefs) = (recording.count, 0, 0)
            var leases: [LeaseID] = []
            var views = [try copied(folder)]
            for step in Self.steps {
                switch step {
                case .relieve(let step):
                    if try store.relieve(at: step, by: rules, offset: offset) != nil { reliefs += 1 }
                case .lease:
                    let lease = try store.lease(uplink: "city", maximumReadings: 60, offset: offset)
                    leases += lease.map { [$0.id] } ?? []
                case .settle: try store.settle(leases.removeFirst(), rejected: [])
                case .append(let seconds):
                    for second in stride(from: seconds.lowerBound, through: seconds.upperBound, by: 10) {
                        try store.append(Self.readings(points, second), offset: offset)
                    }
                }
                views = [views[views.count - 1], try copied(folder)]
                for call in recording.calls(from: taken) {
                    taken += 1
                    if case .append(let seconds) = step, seconds.count > 1 {
                        // Many commits, which are the business of CrashTests.
                    } else if DiskCall.Kind.changes.contains(call.kind) {
                        states += 1
                        let problem = try problem(left(disk, call, taken), views)
                        #expect(problem == nil, "\(step), cut at call \(taken)")
                    }
                    disk.perform(call)
                }
            }
            #expect(reliefs >= 7 && states > 60, "\(reliefs) reliefs, \(states) states")
        }
    }

    /// What a folder holds now, to a process that is killed now.
    private func copied(_ folder: String) throws -> View {
        let files = try files(in: folder)
        return try withFolder { copy in
            try makeFolder(copy, files)
            return try View(copy)
        }
    }

    private static func readings(_ points: [PointID], _ second: Int) -> [Reading] {
        (0..<10).flatMap { poll -> [Reading] in
            let instant = Instant(nanoseconds: Int64(second + poll) * 1_000_000_000)
            return [
                Reading(point: points[0], instant: instant, value: .decimal(ExactDecimal(Int64(second + poll)))),
                Reading(point: points[1], instant: instant, value: .float(Float((second + poll) % 97))),
                Reading(point: points[2], instant: instant, value: .decimal(ExactDecimal(Int64(second / 600 % 2)))),
            ]
        }
    }

    // MARK: A new file

    /// A rescue that the power cut short is none, whatever part of it the disk has: the damaged file is still there.
    @Test(arguments: [Disk.Lies.none, .ofAll]) func aRescueIsCutShort(lies: Disk.Lies) throws {
        let damaged = try damagedSpool()
        let (calls, mended) = try withFolder { folder in
            try makeFolder(folder, damaged)
            let recording = Recording(folder)
            let view = try View(folder)
            return (recording.calls(from: 0).filter { $0.name == "parthe.rescue" }, view)
        }
        #expect(mended.kept["city"]?.isEmpty == false)
        var disk = Disk(damaged)
        disk.lies = lies
        var states = 0
        var problems: [String] = []
        let changes = calls.filter { DiskCall.Kind.changes.contains($0.kind) }
        for (number, call) in changes.enumerated() {
            // The end is when it is nearly whole.
            for seed in 0..<(number >= changes.count - 4 ? 60 : 3) {
                states += 1
                if let problem = try problem(left(disk, call, number * 101 + seed), [mended]) {
                    problems.append("cut at call \(number): \(problem)")
                }
            }
            disk.perform(call)
        }
        #expect(states > 100, "\(states) states")
        switch lies {
        case .none: #expect(problems.isEmpty, "\(problems.count) of \(states)")
        // The control: where syncs do nothing, a rescue that lacks something must be found.
        default: #expect(!problems.isEmpty, "of \(states) states")
        }
    }

    /// The files of a spool of which SQLite reads nothing any more.
    private func damagedSpool() throws -> [String: [UInt8]] {
        try withFolder { folder in
            do {
                let store = try Self.open(folder)
                let points = try store.identify(["meter/energy", "meter/power", "door/state"])
                for second in stride(from: 10, through: 600, by: 10) {
                    try store.append(Self.readings(points, second), offset: offset)
                }
            }
            var files = try files(in: folder)
            // The head of the table of tables.
            files["parthe.spool"]?.replaceSubrange(100..<108, with: repeatElement(0xFF, count: 8))
            return files
        }
    }
}
