import Glibc
import Metering
import Posix
import Spooling
import Testing

/// `kill -9` at any moment: a child process appends, leases and settles, and writes down what it was told; then the
/// test opens what is left and holds the spool to it.
@Suite struct KillTests {
    /// Where the child of one test process works. Exit tests of Swift 6.2 can hand nothing over but their parent's number.
    static func folder(_ parent: pid_t) -> String { "/tmp/parthe-spool-kill-\(parent)" }
    static func journal(_ parent: pid_t) -> String { "/tmp/parthe-spool-kill-\(parent).journal" }

    @Test func nothingAcknowledgedIsLost() async throws {
        let me = getpid()
        // What one with this number left that was killed itself goes first.
        func clear() {
            remove(folder: Self.folder(me))
            unlink(Self.journal(me))
        }
        clear()
        defer { clear() }
        var checker = Checker()
        for _ in 0..<30 {
            await #expect(processExitsWith: .signal(SIGKILL)) { try Child.run() }
            try checker.check(Self.folder(me), Self.journal(me))
        }
        #expect(checker.commits > 30 && checker.unclear > 0 && checker.settled > 0, "\(checker)")
    }

    /// What runs until it is killed.
    enum Child {
        static func run() throws {
            let parent = getppid()
            let journal = open(KillTests.journal(parent), O_WRONLY | O_CREAT | O_APPEND, 0o600)
            func note(_ words: String) {
                let line = Array((words + "\n").utf8)
                precondition(write(journal, line, line.count) == line.count)
            }
            let store = try SpoolStore(
                directory: KillTests.folder(parent), settings: SpoolSettings(), uplinks: ["city", "reader"],
                bootID: "boot")
            let points = try store.identify((0..<8).map { "meter/p\($0)" })
            // By what it has done, not by the clock: a slow machine gets as far as a fast one.
            let last = Int.random(in: 0...40)
            var round = 0
            if last == 0 { scheduleDeath(microseconds: UInt32.random(in: 1...5000)) }
            var sequence = try store.statistics().committed
            var open: [Lease] = []
            var settled: [Lease] = []
            while true {
                round += 1
                if round == last { scheduleDeath(microseconds: UInt32.random(in: 1...5000)) }
                let count = Int64.random(in: 1...20)
                let readings = (1...count).map { index in
                    // The value is the sequence number: whatever comes back says which reading it is.
                    Reading(
                        point: points[Int(index) % 8], instant: Instant(nanoseconds: (sequence + index) * 10_000_000),
                        value: .decimal(ExactDecimal(sequence + index)))
                }
                try store.append(readings, offset: offset)
                sequence += count
                note("committed \(sequence)")
                for lease in open where store.isDurable(lease.id) { note("marked \(fingerprint(lease))") }
                for lease in settled { note("settled \(lease.id.rawValue)") }
                settled.removeAll()
                if open.count > 2 {
                    let lease = open.remove(at: Int.random(in: 0..<open.count))
                    note("settling \(lease.id.rawValue)")
                    try store.settle(lease.id, rejected: [])
                    settled.append(lease)
                }
                let end = Bool.random() ? LeaseEnd.oldest : .newest
                let lease = try store.lease(uplink: "city", maximumReadings: 30, from: end, offset: offset)
                if let lease { open.append(lease) }
            }
        }

        /// The kernel ends the process from another thread, whatever the first one is in the middle of.
        private static func scheduleDeath(microseconds: UInt32) {
            let delay = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
            delay.initialize(to: microseconds)
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { context in
                    usleep(context!.load(as: UInt32.self))
                    kill(getpid(), SIGKILL)
                    return nil
                }, delay)
        }
    }

    /// A lease in one word: its number, its readings and their times.
    static func fingerprint(_ lease: Lease) -> String {
        let readings = lease.readings.map { "\($0.sequence.rawValue)@\($0.phenomenonTime.milliseconds)" }
        return "\(lease.id.rawValue) " + readings.joined(separator: ",")
    }

    /// Reads the journal and the spool and compares.
    struct Checker {
        var commits = 0
        var unclear = 0
        var settled = 0

        mutating func check(_ folder: String, _ journal: String) throws {
            var acknowledged: Int64 = 0
            var marked: [String: String] = [:]
            var mayBeSettled: Set<String> = []
            var isSettled: Set<String> = []
            for line in String(decoding: (try? content(of: journal)) ?? [], as: UTF8.self).split(separator: "\n") {
                let words = line.split(separator: " ").map(String.init)
                switch words[0] {
                case "committed": acknowledged = Int64(words[1])!
                case "marked": marked[words[1]] = words[1] + " " + words[2]
                case "settling": mayBeSettled.insert(words[1])
                case "settled": isSettled.insert(words[1])
                default: Issue.record("unknown line \(line)")
                }
            }
            commits += marked.isEmpty ? 0 : marked.count
            // Looking only, at what the dead process left, shows the same as opening it.
            let seen = try SpoolStore.openForReading(directory: folder).statistics().committed
            let store = try SpoolStore(
                directory: folder, settings: SpoolSettings(), uplinks: ["city", "reader"], bootID: "boot")
            let committed = try store.statistics().committed
            #expect(committed >= acknowledged && committed == seen)
            try checkReadings(of: store, committed: committed)
            try checkWindows(of: store, marked, mayBeSettled: mayBeSettled, isSettled: isSettled)
        }

        /// Every reading is there once, and is the one that was appended.
        private func checkReadings(of store: SpoolStore, committed: Int64) throws {
            var next: Int64 = 1
            while let lease = try store.lease(uplink: "reader", maximumReadings: 65_536, offset: offset) {
                for reading in lease.readings {
                    #expect(reading.sequence.rawValue == next)
                    #expect(reading.value == .decimal(ExactDecimal(next)))
                    #expect(reading.phenomenonTime.milliseconds == epoch + next * 10)
                    next += 1
                }
            }
            #expect(next == committed + 1)
            let audited = try store.audit().reduce(0) { $0 + $1.digest.count + $1.unfrozen }
            #expect(audited == UInt64(committed))
        }

        /// Windows that were marked and not settled come back as they were, before anything else; no settled one does.
        private mutating func checkWindows(
            of store: SpoolStore, _ marked: [String: String], mayBeSettled: Set<String>, isSettled: Set<String>
        ) throws {
            var found: [String: String] = [:]
            while let lease = try store.lease(uplink: "city", maximumReadings: 1, offset: offset), lease.isUnclear {
                #expect(store.isDurable(lease.id))
                found["\(lease.id.rawValue)"] = KillTests.fingerprint(lease)
            }
            for (id, window) in marked where !mayBeSettled.contains(id) { #expect(found[id] == window, "lease \(id)") }
            for (id, window) in found {
                #expect(!isSettled.contains(id), "lease \(id)")
                if let known = marked[id] { #expect(window == known) }
            }
            unclear += found.count
            settled += isSettled.count
        }
    }
}
