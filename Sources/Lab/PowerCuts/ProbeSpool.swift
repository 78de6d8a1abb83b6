internal import Metering
internal import Spooling

/// A spool whose readings follow from their sequence numbers: whoever finds one knows whether it is right.
enum ProbeSpool {
    /// The points, in the order of their numbers.
    static let keys = (0..<24).map { "meter-\($0 / 8)/point-\($0 % 8)" }
    /// UTC minus boot clock: 2026-11-01T00:00:00Z at instant 0, in every boot.
    static let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)
    /// The name under which the newest sequence number is remembered, in the transaction of its reading.
    static let total = "newest"
    /// The uplink that the writer delivers for, and the one that has everything still before it.
    static let uplinks = ["city", "reader"]

    /// The reading with a number, from 1.
    static func reading(_ sequence: Int64, of points: [PointID]) -> Reading {
        let value: Value =
            switch sequence % 4 {
            case 0: .decimal(ExactDecimal(sequence, exponent: -1))
            case 1: .float(Float(sequence) / 3)
            case 2: .double(Double(sequence) / 7)
            default: ExactText("\(sequence)").map(Value.text) ?? .decimal(ExactDecimal(sequence))
            }
        return Reading(
            point: points[Int(sequence) % points.count], instant: Instant(nanoseconds: sequence * 20_000_000),
            value: value, quality: sequence % 11 == 0 ? .uncertain : .good)
    }

    static func open(_ folder: String, boot: String) throws(SpoolError) -> SpoolStore {
        let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: uplinks, bootID: boot)
        try store.know(KnownTime(offset))
        return store
    }

    // MARK: Writing

    /// Commits readings, leases and settles them for one uplink, from both ends, and now and then closes and opens the
    /// spool.
    ///
    /// - Parameters:
    ///   - commits: how many.
    ///   - seed: decides how many readings each commit has.
    ///   - mark: is told after each commit what is promised from there on.
    static func write(
        to folder: String, commits: Int, seed: UInt64, mark: (Promise) throws -> Void
    ) throws {
        var random = SplitMix(seed: seed)
        var promise = Promise()
        var store = try open(folder, boot: "writer")
        let points = try store.identify(keys)
        var lease: Lease?
        for commit in 1...commits {
            let last = promise.committed + Int64.random(in: 1...60, using: &random)
            let readings = (promise.committed + 1...last).map { reading($0, of: points) }
            try store.append(Intake.Content(readings: readings, memory: [total: "\(last)"]))
            promise.committed = last
            // What was settled before this commit, it has taken along.
            promise.settled = promise.settling
            if let held = lease, store.isDurable(held.id) {
                if Int.random(in: 0..<8, using: &random) == 0 {
                    try store.release(held.id, unclear: true)
                } else {
                    try store.settle(held.id, rejected: [])
                    promise.settling += Int64(held.readings.count)
                }
                lease = nil
            }
            if lease == nil {
                let end = Bool.random(using: &random) ? LeaseEnd.oldest : .newest
                lease = try store.lease(uplink: uplinks[0], maximumReadings: 50, from: end)
            }
            try mark(promise)
            if commit % 50 == 0 {
                // Leases and settlements that no commit took along end with the store. Closed before it is opened, as the
                // lock demands.
                lease = nil
                promise.settling = promise.settled
                _ = consume store
                store = try open(folder, boot: "writer")
            }
        }
    }

    /// What a spool has to hold, whatever happens from now on.
    struct Promise: Hashable {
        /// The sequence number of the newest reading that was committed.
        var committed: Int64 = 0
        /// How many readings' settlement was committed.
        var settled: Int64 = 0
        /// How many readings' settlement may be.
        var settling: Int64 = 0
    }

    // MARK: Checking

    /// What was found in a spool.
    struct Finding: Hashable {
        /// Readings in the spool.
        var committed: Int64 = 0
        /// Readings that were promised and are not there, or not as they were.
        var lost: Int64 = 0
        /// What is wrong, in words; empty where nothing is.
        var problems: [String] = []
    }

    /// Opens the spool in a folder as the agent does and holds it to a promise; then goes on with it.
    static func check(_ folder: String, _ promise: Promise) -> Finding {
        var finding = Finding(lost: promise.committed)
        do throws(SpoolError) {
            let store = try open(folder, boot: "check")
            let points = try store.identify(keys)
            let statistics = try store.statistics()
            finding.committed = statistics.committed
            finding.lost = promise.committed
            func expect(_ isTrue: Bool, _ problem: @autoclosure () -> String) {
                if !isTrue { finding.problems.append(problem()) }
            }
            let newest = try store.memory()[total] ?? "0"
            expect(newest == "\(statistics.committed)", "the total says \(newest)")
            expect(statistics.damaged == 0, "\(statistics.damaged) readings are damaged")
            let settled = statistics.committed - (statistics.undelivered[uplinks[0]] ?? 0)
            expect(
                (promise.settled...max(promise.settled, promise.settling)).contains(settled),
                "\(settled) readings are settled, not \(promise.settled) to \(promise.settling)")
            let audited = try store.audit().reduce(0) { $0 + $1.digest.count + $1.unfrozen }
            expect(audited == UInt64(statistics.committed), "the audit counts \(audited)")
            var next: Int64 = 1
            while let lease = try store.lease(uplink: uplinks[1], maximumReadings: 65_536) {
                for found in lease.readings {
                    let expected = reading(next, of: points)
                    let isRight =
                        found.sequence.rawValue == next && found.point == expected.point
                        && found.value == expected.value && found.quality == expected.quality
                        && found.phenomenonTime == offset.timestamp(of: expected.instant)
                    expect(isRight, "\(found) is not reading \(next)")
                    if isRight, next <= promise.committed { finding.lost -= 1 }
                    next += 1
                }
            }
            expect(next == statistics.committed + 1, "\(next - 1) readings of \(statistics.committed)")
            var rest: Set<SequenceNumber> = []
            var end = LeaseEnd.newest
            while let lease = try store.lease(uplink: uplinks[0], maximumReadings: 1000, from: end) {
                for found in lease.readings where found.value == reading(found.sequence.rawValue, of: points).value {
                    rest.insert(found.sequence)
                }
                try store.settle(lease.id, rejected: [])
                end = end == .newest ? .oldest : .newest
            }
            expect(
                Int64(rest.count) == statistics.committed - settled,
                "\(uplinks[0]) gets \(rest.count) readings of \(statistics.committed), with \(settled) settled")
            try store.append([reading(next, of: points)])
            let after = try store.statistics().committed
            expect(after == next, "\(after) readings after one more than \(next - 1)")
        } catch {
            finding.problems.append("\(error)")
        }
        if finding.lost > 0 { finding.problems.append("\(finding.lost) of \(promise.committed) readings are lost") }
        return finding
    }
}
