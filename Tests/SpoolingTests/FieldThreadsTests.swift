import Metering
import Posix
import Synchronization
import Testing

@testable import Spooling

/// What users of other gateways lost between the reader and the buffer (FIELD 2.2), each as a test that holds here.
@Suite(.serialized) struct SpoolFieldThreadsTests {
    /// What was delivered: of each point its values, which are the numbers of the polls.
    private struct Seen: Equatable {
        var values: [PointID: [Float]] = [:]
        /// Phenomenon times, to find doubles.
        var times: Set<String> = []
        var count = 0

        mutating func add(_ lease: Lease) {
            for reading in lease.readings {
                guard case .float(let number) = reading.value else { continue }
                values[reading.point, default: []].append(number)
                times.insert("\(reading.point) \(reading.phenomenonTime)")
                count += 1
            }
        }
    }

    /// Leases and settles until `total` readings came, or the time is over; what came.
    private func deliver(_ spool: Spool, _ total: Int) async throws -> Seen {
        var seen = Seen()
        // Long: beside tests that look at every write, which `--all` does, this one may have to wait for minutes.
        let end = BootClock.now + .seconds(600)
        while seen.count < total, BootClock.now < end {
            guard let lease = try await spool.lease(uplink: "city", maximumReadings: 200) else {
                try await Task.sleep(for: .milliseconds(2))
                continue
            }
            seen.add(lease)
            try await spool.settle(lease.id, rejected: [])
        }
        return seen
    }

    private func start(
        _ folder: String, interval: Duration, capacity: Int, _ commits: SharedCount
    ) async throws -> (spool: Spool, intake: Intake, run: Task<Void, Never>) {
        let intake = Intake(capacity: capacity)
        let spool = try Spool(
            directory: folder, settings: SpoolSettings(commitInterval: interval), uplinks: ["city"], intake: intake
        ) { _ in }
        spool.know(KnownTime(BootClock.offset))
        await spool.onCommit { commits.add() }
        return (spool, intake, Task.detached { await spool.run() })
    }

    private final class SharedCount: Sendable {
        private let number = Atomic(0)
        var value: Int { number.load(ordering: .acquiring) }
        func add() { number.add(1, ordering: .acquiringAndReleasing) }
    }

    @Test(
        "What was read and taken is in the file, with many writers and a reader at once: thingsboard #6880",
        .timeLimit(.minutes(15))
    ) func noPointVanishesOnItsWayToTheFile() async throws {
        let folder = uniqueFolder()
        defer { remove(folder: folder) }
        // Small, so that it is often full: then a poll waits, and none goes missing.
        let (spool, intake, run) = try await start(folder, interval: .milliseconds(5), capacity: 64, SharedCount())
        let (meters, polls) = (8, 250)
        let keys = (0..<meters).map { "meter-\($0)/energy" }
        let ids = try await spool.identify(keys)
        let begin = BootClock.now.nanoseconds / 1_000_000
        let seen = try await withThrowingTaskGroup(of: Seen?.self) { group in
            for key in keys {
                let point = try #require(ids[key])
                group.addTask {
                    for poll in 0..<polls {
                        while !intake.promise(1) { try await Task.sleep(for: .milliseconds(1)) }
                        // Every 0.1 s, as in the thread.
                        intake.put(readings([point], at: begin + Int64(100 * poll), Float(poll)), promised: 1)
                        if poll % 8 == 0 { await Task.yield() }
                    }
                    return nil
                }
            }
            group.addTask { try await deliver(spool, meters * polls) }
            return try await group.reduce(nil) { $0 ?? $1 }
        }
        spool.stop()
        await run.value
        for key in keys {
            let point = try #require(ids[key])
            #expect(seen?.values[point] == (0..<polls).map(Float.init), "\(key)")
        }
        #expect(seen?.count == meters * polls && seen?.times.count == meters * polls, "each once, at its own time")
        let file = try SpoolStore.openForReading(directory: folder).statistics()
        #expect(file.committed == meters * polls && file.undelivered["city"] == 0)
        #expect(intake.fill.waiting == 0)
    }

    @Test(
        "Ten times ten messages a second are all kept, on a disk that stalls: thingsboard #7060, thingsboard-gateway #899",
        .timeLimit(.minutes(15))
    ) func aQuickProducerLosesNothingToASlowFile() async throws {
        let folder = uniqueFolder()
        defer { remove(folder: folder) }
        let commits = SharedCount()
        let (spool, intake, run) = try await start(folder, interval: .milliseconds(100), capacity: 40_000, commits)
        // A message of the thread's size, 3000 characters, is some 60 readings.
        let (messages, size) = (350, 60)
        let ids = try await spool.identify((0..<size).map { "p\($0)" })
        let points = ids.values.sorted { $0.rawValue < $1.rawValue }
        let shell = try Connection(SpoolFolder.file(in: folder), .create, busyTimeout: .seconds(5))
        let begin = BootClock.now
        async let delivered = deliver(spool, messages * size)
        for message in 0..<messages {
            // So long nothing can be written that a commit fails; the producer does not notice.
            if message == 50 { try shell.execute("BEGIN IMMEDIATE") }
            if message == 310 { try shell.execute("ROLLBACK") }
            #expect(intake.promise(size), "message \(message) was not taken")
            let time = begin.nanoseconds / 1_000_000 + Int64(10 * message)
            intake.put(readings(points, at: time, Float(message)), promised: size)
            let next = begin + .milliseconds(10 * (message + 1))
            if next > BootClock.now { try await Task.sleep(for: .nanoseconds((next - BootClock.now).wholeNanoseconds)) }
        }
        let seen = try await delivered
        let duration = BootClock.now - begin
        spool.stop()
        await run.value
        for point in points { #expect(seen.values[point] == (0..<messages).map(Float.init)) }
        #expect(seen.times.count == messages * size)
        #expect(intake.fill.skippedPolls == 0)
        // Why that peer lost them: it wrote each message by itself. Commits follow the clock, not the messages; an uplink
        // that catches up brings some forward.
        let committed = commits.value
        #expect(committed > 0 && committed < messages, "\(committed) commits in \(duration)")
    }
}
