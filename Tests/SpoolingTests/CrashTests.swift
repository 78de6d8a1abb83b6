import Glibc
import Metering
import Posix
import Testing

@testable import Spooling

/// A power cut, or a disk that fails, at each single call that SQLite makes. (What a process that is killed leaves is
/// the business of KillTests.)
@Suite struct CrashTests {
    /// `scripts/test --all` looks at everything, the ordinary run at a part.
    static let looksAtAll = getenv("PARTHE_TEST_ALL") != nil

    /// The workload, done once on a sound disk. Up to a power cut nothing differs, so that one recording has them all.
    struct Life {
        /// The end of a step.
        struct End {
            /// The number of the next call.
            var call = 0
            /// What a restart finds.
            var durable = Sight(Account())
            /// Files that SQLite knows nothing of.
            var beside: [String: [UInt8]] = [:]
        }

        /// A moment at which the power goes: while a call is under way, or after the last one.
        struct Cut {
            var number: Int
            var disk: Disk
            var call: DiskCall?
            /// What was acknowledged, and that with the step under way.
            var sights: [Sight]
            var beside: [String: [UInt8]]

            /// The files that are left. Those beside the database are as they were at the end of a step, or gone.
            func files(_ manner: Disk.Manner, seed: UInt64) -> [String: [UInt8]] {
                var random = SeededGenerator(seed: seed << 32 | UInt64(number))
                let files = disk.files(manner, during: call, using: &random)
                return manner == .lost ? files : files.merging(beside) { file, _ in file }
            }
        }

        var calls: [DiskCall] = []
        var ends: [End] = []

        init() throws {
            try withFolder { folder in
                try File.makeFolder(folder)
                let recording = Recording(folder)
                var run = CrashWorkload(folder)
                var disk = Disk()
                for step in CrashWorkload.steps {
                    try run.perform(step)
                    for call in recording.calls(from: calls.count) {
                        calls.append(call)
                        disk.perform(call)
                    }
                    let beside = try files(in: folder).filter { !disk.known.contains($0.key) }
                    ends.append(End(call: calls.count, durable: Sight(run.durable), beside: beside))
                }
                let statistics = try run.store!.statistics()
                #expect(statistics.held < statistics.committed && statistics.quarantined > 0)
                #expect(run.store!.state.vacancies.emptied != NumberSet())
                #expect(statistics.undelivered["city"]! > 0 && statistics.undelivered["works"]! > 0)
            }
        }

        /// Goes through all moments between which a power cut makes a difference.
        func cuts(lies: Disk.Lies = .none, _ visit: (Cut) throws -> Void) throws {
            var disk = Disk()
            disk.lies = lies
            var step = 0
            for number in 0...calls.count {
                let call = number < calls.count ? calls[number] : nil
                while step < ends.count, ends[step].call <= number { step += 1 }
                let before = step > 0 ? ends[step - 1] : End()
                if call.map({ DiskCall.Kind.changes.contains($0.kind) }) ?? true {
                    try visit(
                        Cut(
                            number: number, disk: disk, call: call,
                            sights: [before.durable] + (step < ends.count ? [ends[step].durable] : []),
                            beside: before.beside))
                }
                if let call { disk.perform(call) }
            }
        }
    }

    /// What is wrong with a spool that is left so.
    private func problems(_ files: [String: [UInt8]], _ sights: [Sight]) throws -> [String] {
        try withFolder { folder in
            try makeFolder(folder, files)
            let recording = Recording(folder)
            return withExtendedLifetime(recording) { inspect(folder, sights).problems }
        }
    }

    // MARK: Power cuts

    @Test(
        """
        After a power cut at any call it starts and has what it acknowledged: \
        telegraf #18528, otel-contrib #35899, fluent-bit #6995
        """, arguments: Array(Disk.Manner.allCases.enumerated())
    ) func powerCuts(place: Int, manner: Disk.Manner) throws {
        let life = try Life()
        let stride = Self.looksAtAll || manner == .lost ? 1 : 4
        var last: [String: [UInt8]]?
        var states = 0
        for seed in UInt64(1)...(Self.looksAtAll && manner != .lost ? 5 : 1) {
            try life.cuts { cut in
                let files = cut.files(manner, seed: seed)
                // A write changes nothing where all that is not synced is lost.
                guard cut.number % stride == place % stride, files != last else { return }
                last = files
                states += 1
                let problems = try problems(files, cut.sights)
                #expect(problems.isEmpty, "cut at call \(cut.number), seed \(seed)")
            }
        }
        #expect(states > (manner == .lost ? 30 : 300 / stride), "\(states) states")
    }

    @Test("The power goes again while it starts after a power cut: vector PR #25570, vector #17644")
    func powerCutsWhileItStarts() throws {
        let life = try Life()
        let manners: [Disk.Manner] = [.beginning, .some, .torn]
        let stride = Self.looksAtAll ? 4 : 40
        let inner = Self.looksAtAll ? 1 : 7
        try life.cuts { cut in
            guard cut.number % stride == 0 else { return }
            let files = cut.files(manners[cut.number / stride % 3], seed: 7)
            var disk = Disk(files)
            for (number, call) in try start(files).enumerated() {
                if DiskCall.Kind.changes.contains(call.kind), number % inner == 0 {
                    var random = SeededGenerator(seed: UInt64(cut.number * 1000 + number))
                    let manner = Disk.Manner.allCases.randomElement(using: &random)!
                    let problems = try problems(disk.files(manner, during: call, using: &random), cut.sights)
                    #expect(problems.isEmpty, "cut at call \(cut.number), and then at call \(number)")
                }
                disk.perform(call)
            }
        }
    }

    /// What is done to these files when the agent starts, and ends at once.
    private func start(_ files: [String: [UInt8]]) throws -> [DiskCall] {
        try withFolder { folder in
            try makeFolder(folder, files)
            let recording = Recording(folder)
            do {
                let store = try CrashWorkload.open(folder, boot: 9)
                _ = try store.identify(CrashWorkload.keys)
            }
            return recording.calls(from: 0)
        }
    }

    /// The control of these tests: where syncs do nothing, readings must be lost, and it must be found.
    @Test(arguments: [Disk.Lies.ofAll, .ofTheLog, .ofTheDatabase])
    func aDiskThatLiesLosesReadings(lies: Disk.Lies) throws {
        var states = 0
        var found = 0
        try Life().cuts(lies: lies) { cut in
            guard cut.number % 20 == 0 || cut.call == nil else { return }
            for manner in [Disk.Manner.lost, .some, .torn] {
                states += 1
                if try !problems(cut.files(manner, seed: 3), cut.sights).isEmpty { found += 1 }
            }
        }
        #expect(found > states / 2, "\(found) of \(states)")
    }

    // MARK: Failing disks

    /// What goes wrong, at one call and, if it stays so, at all of its kind until somebody mends it.
    enum Fault: CaseIterable {
        case failure, failures, full, staysFull

        var errno: Int32 { self == .failure || self == .failures ? EIO : ENOSPC }
        var stays: Bool { self == .failures || self == .staysFull }
        var kinds: [DiskCall.Kind] {
            errno == EIO ? [.create, .write, .truncate, .sync, .delete, .read] : [.create, .write, .sync, .index]
        }
    }

    /// How the agent goes on.
    enum Recovery: CaseIterable {
        /// It calls again.
        case again
        /// It closes the spool, opens it and calls again.
        case reopen
        /// It is killed, and starts again with what the kernel has.
        case restart
    }

    @Test(
        "Whatever call fails, what it belongs to fails as a whole, and the spool goes on",
        arguments: Fault.allCases, Recovery.allCases
    ) func failingCalls(fault: Fault, recovery: Recovery) throws {
        let calls = try Life().calls
        let stride = Self.looksAtAll ? 3 : 90
        let place = 3 * Fault.allCases.firstIndex(of: fault)! + Recovery.allCases.firstIndex(of: recovery)!
        for number in calls.indices where fault.kinds.contains(calls[number].kind) && number % stride == place % stride
        {
            try expectGoingOn(fault, at: number, calls, recovery)
        }
    }

    /// What the kernel shows of a log whose sync failed, the disk may never get: what is committed behind it would be
    /// lost with it.
    @Test(
        "After a failed sync and a restart, what is committed survives a power cut (ATC 2020)",
        arguments: [Fault.failure, .failures]
    ) func failedSyncs(fault: Fault) throws {
        let calls = try Life().calls
        let syncs = calls.indices.filter { calls[$0].kind == .sync && calls[$0].name.hasSuffix("-wal") }
        let stride = Self.looksAtAll ? 1 : 8
        for (place, number) in syncs.enumerated() where place % stride == 0 {
            try expectGoingOn(fault, at: number, calls, .restart)
        }
    }

    private func expectGoingOn(
        _ fault: Fault, at number: Int, _ calls: [DiskCall], _ recovery: Recovery
    ) throws {
        var run = try FaultRun(fault, at: number)
        defer { run.end() }
        try run.perform(recovery)
        #expect(run.problems.isEmpty, "call \(number), \(calls[number].kind) of \(calls[number].name)")
    }

    /// The workload on a disk that fails.
    struct FaultRun {
        var problems: [String] = []
        private let fault: Fault
        private var run: CrashWorkload
        private var disk = Disk()
        private var recording: Recording
        private var taken = 0
        /// A call failed that nobody may pass over: what is to be committed did not get to the disk.
        private var mustThrow = false
        private var hasThrown = false
        private var failed: Set<DiskCall.Kind> = []
        /// The processes that were killed, with their files: they end last.
        private var dead: [(store: SpoolStore?, recording: Recording)] = []

        init(_ fault: Fault, at number: Int) throws {
            self.fault = fault
            let folder = uniqueFolder()
            try File.makeFolder(folder)
            recording = Recording(folder)
            recording.fail(from: number, count: fault.stays ? .max : 1, fault.kinds, errno: fault.errno)
            run = CrashWorkload(folder)
        }

        mutating func end() {
            run.store = nil
            dead.indices.forEach { dead[$0].store = nil }
            for folder in dead.map(\.recording.folder) + [recording.folder] { remove(folder: folder) }
        }

        mutating func perform(_ recovery: Recovery) throws {
            var steps = 0
            for step in CrashWorkload.steps {
                do {
                    try run.perform(step)
                } catch let error as SpoolError {
                    follow()
                    judge(error, at: step)
                    try recover(recovery, step)
                    steps = 3
                }
                follow()
                // What is committed after a failure has to be as durable as what was before.
                if steps > 0, run.isCommitted {
                    check("after \(step), after a failure", lost, [run.durable])
                    steps -= 1
                }
            }
            if mustThrow, !hasThrown { problems.append("nobody was told of the failure") }
            check("at the end", lost, [run.durable])
            run.store = nil
            follow()
            check("closed", lost, [run.durable])
            check("closed, as it is", try files(in: recording.folder), [run.durable])
        }

        private mutating func judge(_ error: SpoolError, at step: CrashWorkload.Step) {
            hasThrown = true
            // SQLite tells no errno of a commit that cannot be synced.
            let isTold = !failed.contains(.sync)
            let expected: Set<SpoolError.Code> =
                fault.errno == EIO ? [.inputOutput] : isTold ? [.noSpace] : [.noSpace, .inputOutput]
            if !expected.union([.inaccessible]).contains(error.code) {
                problems.append("\(step): \(error.code): \(error)")
            }
            check("after the failure of \(step)", lost, [run.durable, run.next])
        }

        private mutating func recover(_ recovery: Recovery, _ step: CrashWorkload.Step) throws {
            if fault.stays {
                do {
                    try run.perform(step)
                    problems.append("\(step) goes through on a disk that fails")
                } catch is SpoolError {}
            }
            recording.mend()
            follow()
            var isDone = false
            switch recovery {
            case .again: break
            case .reopen:
                run.store = nil
                try run.perform(.open(boot: run.boot))
            case .restart: isDone = try restart()
            }
            if !isDone { try run.perform(step) }
        }

        /// Goes on in a copy of the folder: what the dead process has open stays behind. Whether the step under way
        /// happened, only the files tell.
        private mutating func restart() throws -> Bool {
            follow()
            let left = try files(in: recording.folder)
            let fits = check("killed", left, [run.durable, run.next])
            dead.append((run.store, recording))
            let folder = uniqueFolder()
            try makeFolder(folder, left)
            recording = Recording(folder)
            taken = 0
            run.store = nil
            run.folder = folder
            if fits == 1 { run.durable = run.next }
            try run.perform(.open(boot: run.boot))
            return fits == 1
        }

        private mutating func follow() {
            for call in recording.calls(from: taken) {
                let isCommit = call.kind == .write || call.kind == .sync && disk.hasPending(call.name)
                if call.hasFailed { failed.insert(call.kind) }
                if call.hasFailed, call.name.hasSuffix("-wal"), isCommit { mustThrow = true }
                disk.perform(call)
                taken += 1
            }
        }

        /// What a power cut leaves for sure.
        private var lost: [String: [UInt8]] {
            var random = SeededGenerator(seed: 1)
            return disk.files(.lost, using: &random)
        }

        @discardableResult
        private mutating func check(_ when: String, _ files: [String: [UInt8]], _ accounts: [Account]) -> Int? {
            do {
                return try withFolder { folder in
                    try makeFolder(folder, files)
                    let recording = Recording(folder)
                    let result = withExtendedLifetime(recording) { inspect(folder, accounts.map(Sight.init)) }
                    problems += result.problems.map { "\(when): \($0)" }
                    return result.fits
                }
            } catch {
                problems.append("\(when): \(error)")
                return nil
            }
        }
    }
}
