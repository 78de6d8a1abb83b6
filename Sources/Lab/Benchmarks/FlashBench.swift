internal import Glibc
internal import Metering
internal import Posix
internal import Spooling

/// What a reading costs the flash from meter to platform: committed, leased, settled, with every file that the spool
/// keeps.
///
/// The commits are those that `CommitPacing` decides; the time between them is simulated, what is written and synced is
/// real. Each reading is delivered and settled as soon as it is committed, as with an uplink that works. Beside it, in the
/// same commits: a row for each reading in SQLite, deleted when it is delivered, and packed readings at the end of a file.
struct FlashBench {
    /// The C program, compiled from scripts/bench.d/flash.c.
    let baseline: String
    /// A folder on the disk that is measured.
    let folder: String

    /// A steady load.
    private struct Case {
        var name: String
        var meters: Int
        var perMeter: Int
        /// Simulated seconds before and while it is measured.
        var warmUp: Int64
        var seconds: Int64
        var settings = SpoolSettings()

        var rate: Int { meters * perMeter }
    }

    private let cases = [
        Case(name: "1 reading/s", meters: 1, perMeter: 1, warmUp: 300, seconds: 6000),
        Case(name: "10 readings/s", meters: 1, perMeter: 10, warmUp: 300, seconds: 6000),
        Case(name: "20 readings/s", meters: 1, perMeter: 20, warmUp: 300, seconds: 6000),
        Case(name: "200 readings/s", meters: 5, perMeter: 40, warmUp: 300, seconds: 3000),
        Case(name: "1280 readings/s", meters: 32, perMeter: 40, warmUp: 300, seconds: 900),
        // As on a day when as much is deleted as comes; in batches as large as with a longer history.
        Case(
            name: "1280 readings/s, those of 10 min ago deleted", meters: 32, perMeter: 40, warmUp: 700, seconds: 900,
            settings: SpoolSettings(history: .seconds(600))),
    ]

    /// Hands each case's line to `tell` when it is there.
    func run(tell: (String) -> Void) throws {
        let counter = SyncCounter(of: getpid(), log: folder + "/strace")
        defer { counter?.stop() }
        for (index, load) in cases.enumerated() {
            let place = "\(folder)/flash-\(index)"
            defer { LabFile.remove(folder: place) }
            let own = try runOwn(load, in: place, counter)
            var line = BenchLine(bench: "flash", case: load.name)
            line.add("disk_bytes_per_reading", own.diskBytes)
            line.add("stored_bytes_per_reading", own.storedBytes)
            line.add("commits_per_second", own.commits)
            line.add("fsync_per_second", own.syncs)
            for mode in ["rows", "append"] {
                let size = max(1, Int((Double(load.rate) / own.commits).rounded()))
                let bare = try runBaseline(
                    mode, load, size, commits: Int(own.commits * Double(load.seconds)), counter)
                line.add("\(mode)_disk_bytes_per_reading", bare.diskBytes)
                line.add("\(mode)_stored_bytes_per_reading", bare.storedBytes)
                line.add("\(mode)_fsync_per_second", bare.syncs.map { $0 * own.commits })
            }
            tell(line.text)
        }
    }

    // MARK: parthe

    /// Bytes per reading; commits and syncs per second.
    private struct Figures {
        var diskBytes: Double
        var storedBytes: Double
        var commits: Double
        var syncs: Double?
    }

    private func runOwn(_ load: Case, in place: String, _ counter: SyncCounter?) throws -> Figures {
        var run = try Run(load.settings, in: place, try MovingLoad(meters: load.meters, perMeter: load.perMeter))
        try run.pass(load.warmUp)
        let before = (disk: ProcessFigures.ownDiskBytes, try run.statistics(), syncs: counter?.count)
        try run.pass(load.seconds)
        let after = try run.statistics()
        let disk = ProcessFigures.ownDiskBytes - before.disk
        let readings = Double(after.committed - before.1.committed)
        let seconds = Double(load.seconds)
        return Figures(
            diskBytes: Double(disk) / readings, storedBytes: Double(after.storedBytes) / Double(after.held),
            commits: Double(after.commits - before.1.commits) / seconds,
            syncs: counter.flatMap { counter in before.syncs.map { Double(counter.count - $0) / seconds } })
    }

    /// A spool with an uplink that delivers at once; `Spool` without its thread.
    private struct Run {
        private let store: SpoolStore
        private let points: [PointID]
        private var load: MovingLoad
        private var pacing: CommitPacing
        private var waiting: [Reading] = []
        private var lastSidecar: Instant
        /// Such that the load's slots are full seconds.
        private static let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)

        init(_ settings: SpoolSettings, in place: String, _ load: MovingLoad) throws {
            self.load = load
            store = try SpoolStore(directory: place, settings: settings, uplinks: ["city"], bootID: "bench")
            try store.know(KnownTime(Self.offset))
            points = try store.identify(load.keys)
            pacing = CommitPacing(fixed: settings.commitInterval, at: load.slot, offset: Self.offset)
            lastSidecar = load.slot
        }

        func statistics() throws -> SpoolStatistics { try store.statistics() }

        mutating func pass(_ seconds: Int64) throws {
            for _ in 0..<seconds {
                load.poll(points, into: &waiting)
                while pacing.next < load.slot + .seconds(1) { try commit(at: pacing.next) }
            }
        }

        private mutating func commit(at now: Instant) throws {
            let leases = try store.append(
                Intake.Content(readings: waiting), leasing: ["city": LeaseRequest(maximumReadings: 4096)])
            for lease in leases { try store.settle(lease.id, rejected: []) }
            pacing.committed(waiting.count, at: now, offset: Self.offset)
            waiting.removeAll(keepingCapacity: true)
            if now - lastSidecar >= .seconds(60) {
                store.noteBeside(waits: false)
                lastSidecar = now
            }
        }
    }

    // MARK: The others

    /// Bytes per reading; syncs per commit.
    private func runBaseline(
        _ mode: String, _ load: Case, _ size: Int, commits: Int, _ counter: SyncCounter?
    ) throws -> (diskBytes: Double, storedBytes: Double, syncs: Double?) {
        let place = folder + "/flash-c"
        try File.makeFolder(place)
        defer { LabFile.remove(folder: place) }
        let before = counter?.count
        // The tracer follows to the child.
        let code = try ChildProcess(
            baseline, [place, mode, "\(size)", "\(commits)", "\(load.rate)"], log: place + "/out"
        ).wait()
        let text = try File.read(place + "/out")
        guard code == 0, let json = try? JSONParser.parse(text), let disk = json["disk_bytes"]?.double,
            let stored = json["stored_bytes_per_reading"]?.double
        else { throw LabError(.format, "the C program failed: \(String(decoding: text, as: UTF8.self))") }
        let syncs = counter.flatMap { counter in before.map { Double(counter.count - $0) / Double(commits) } }
        return (disk / Double(size * commits), stored, syncs)
    }
}
