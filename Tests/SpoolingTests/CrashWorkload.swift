import Metering
import Posix
import Testing

@testable import Spooling

/// What a spool has to hold, by the model and beside it.
struct Account {
    var model = Model(uplinks: ["city", "works"])
    var memory: [String: String] = [:]
    var events: [MeterEvent] = []
    var quarantined: Int64 = 0

    mutating func append(_ content: Intake.Content, boot: Int, offset: ClockOffset) {
        model.append(content.readings, boot: boot, offset: offset)
        memory.merge(content.memory) { _, new in new }
        events += content.events
    }
}

/// A scripted life of a spool, the same each time: what it has to hold is known after each step.
struct CrashWorkload {
    enum Step {
        /// The spool is closed, if it is open, and opened, in this boot.
        case open(boot: Int)
        /// The first so many points are named.
        case identify(Int)
        /// The commit with this number, of so many polls; with 0, of marks and settlements only.
        case append(Int, polls: Int)
        case lease(String, from: LeaseEnd = .oldest)
        /// The oldest open lease ends, if there is one: after a restart there is none.
        case settle(String, rejects: Bool = false)
        case release(String)
    }

    static let steps: [Step] =
        [
            .open(boot: 1), .identify(6), .append(1, polls: 2), .append(2, polls: 2), .lease("city"),
            .append(3, polls: 1), .settle("city"), .lease("works"), .append(4, polls: 3),
            .lease("city", from: .newest), .lease("city"),
            .settle("works", rejects: true), .append(5, polls: 0), .release("city"), .open(boot: 1), .lease("city"),
            .append(6, polls: 40), .settle("city"), .lease("city"), .identify(9), .append(7, polls: 2),
            .open(boot: 2), .lease("city"), .settle("city"), .append(8, polls: 2), .lease("works"), .lease("city"),
        ]
        + (0..<4).flatMap { _ -> [Step] in [.settle("works"), .lease("works")] }
        + (9...15).flatMap { number -> [Step] in
            [
                .append(number, polls: 2), .settle("city"), .lease("city", from: number % 2 == 0 ? .newest : .oldest),
                .settle("works"), .lease("works"),
            ]
        } + [.append(16, polls: 0), .append(17, polls: 1), .open(boot: 2), .append(18, polls: 1)]
        // What both have of the newest is emptied behind the last that waits.
        + (19...21).flatMap { number -> [Step] in
            [
                .append(number, polls: 2), .lease("city", from: .newest), .lease("works", from: .newest),
                .append(number, polls: 0), .settle("city"), .settle("works"),
            ]
        } + [.append(22, polls: 1), .open(boot: 2), .append(23, polls: 1)]

    static let keys = [
        "main/energy", "main/power", "main/mode", "water/volume", "door/state", "main/voltage", "heat/energy",
        "heat/power", "heat/flow",
    ]
    static let maximumLease = 20
    /// A small log, which is copied into the file now and then, and a history that ends within the script.
    static let settings = SpoolSettings(maximumBytes: 1 << 20, history: .seconds(4))

    var folder: String
    var store: SpoolStore?
    var points: [PointID] = []
    var boot = 1
    var offset = ClockOffset(nanoseconds: 0)
    /// What is true now; what a restart finds; what it finds if the step under way has happened.
    var account = Account()
    var durable = Account()
    var next = Account()
    /// Whether the last step was a commit.
    private(set) var isCommitted = false

    init(_ folder: String) {
        self.folder = folder
    }

    /// Does a step, on the spool first. A spool that does not do what the model does is an error of its own.
    mutating func perform(_ step: Step) throws {
        next = durable
        isCommitted = false
        switch step {
        case .open(let boot):
            store = nil
            store = try Self.open(folder, boot: boot)
            points = try store!.identify(Array(Self.keys.prefix(points.count)))
            self.boot = boot
            durable.model.restart()
            account = durable
        case .identify(let count):
            let keys = Array(Self.keys.prefix(count))
            points = try store!.identify(keys, notes: Dictionary(uniqueKeysWithValues: keys.map { ($0, "of \($0)") }))
        case .append(let number, let polls):
            offset = Self.offset(number, boot: boot)
            let content = polls > 0 ? Self.content(number, polls: polls, of: points) : Intake.Content()
            next = account
            next.append(content, boot: boot, offset: offset)
            try store!.append(content, offset: offset)
            account = next
            durable = next
            isCommitted = true
        case .lease(let uplink, let end): try lease(uplink, from: end)
        case .settle(let uplink, let rejects):
            guard let id = account.model.open(uplink).first else { return }
            var rejected: [Rejection] = []
            if rejects, let row = account.model.uplinks[uplink]!.firstIndex(where: { $0.lease == id }) {
                let sequence = SequenceNumber(rawValue: Int64(account.model.chunks[row].lowerBound + 1))
                rejected = [Rejection(sequence: sequence, reason: "400: no such Datastream")]
            }
            try store!.settle(id, rejected: rejected)
            account.model.end(id, uplink, settled: true)
            account.quarantined += Int64(rejected.count)
        case .release(let uplink):
            guard let id = account.model.open(uplink).first else { return }
            try store!.release(id, unclear: true)
            account.model.end(id, uplink, settled: false, unclear: true)
        }
    }

    private mutating func lease(_ uplink: String, from end: LeaseEnd) throws {
        let lease = try store!.lease(uplink: uplink, maximumReadings: Self.maximumLease, from: end, offset: offset)
        let next = account.model.next(uplink, maximum: Self.maximumLease, from: end)
        guard let expected = next, let lease else {
            if lease == nil, next == nil { return }
            throw Mismatch(text: "\(uplink) got \(lease?.readings.count ?? 0) readings")
        }
        if end == .newest, expected.unclear == nil {
            account.model.freezeOlder(than: expected.chunks.lowerBound, boot: boot, offset: offset)
        }
        let readings = account.model.lease(
            expected.chunks, uplink, as: lease.id, unclear: lease.isUnclear, boot: boot, offset: offset)
        guard lease.readings == readings, lease.isUnclear == (expected.unclear != nil),
            expected.unclear.map({ $0 == lease.id }) ?? true
        else { throw Mismatch(text: "\(uplink) got \(lease), not \(readings)") }
    }

    struct Mismatch: Error {
        var text: String
    }

    static func open(_ folder: String, boot: Int) throws(SpoolError) -> SpoolStore {
        try SpoolStore(directory: folder, settings: settings, uplinks: ["city", "works"], bootID: "boot \(boot)")
    }

    /// Each boot is a day after the one before; within the first the clock is put forward once.
    static func offset(_ number: Int, boot: Int) -> ClockOffset {
        let step = boot == 1 && number > 5 ? 5_000 : 0
        return ClockOffset(nanoseconds: (epoch + Int64(boot * 86_400_000 + step)) * 1_000_000)
    }

    private static func content(_ number: Int, polls: Int, of points: [PointID]) -> Intake.Content {
        let begin = Int64(number < 8 ? number : number - 7) * 10_000
        var readings: [Reading] = []
        for poll in 0..<polls {
            let instant = Instant(nanoseconds: (begin + Int64(poll) * 50) * 1_000_000)
            let count = Int64(number * 100 + poll)
            for (index, point) in points.enumerated() {
                let value: Value =
                    switch index {
                    case 0: .decimal(ExactDecimal(500_000 + count, exponent: -1))
                    case 2: .text(ExactText(["auto", "manual", "Störung"][(number + poll) % 3])!)
                    case 3: .decimal(ExactDecimal(count))
                    case 4: .decimal(ExactDecimal(Int64(poll % 2)))
                    case 5, 7: .double(Double(count) / 7)
                    default: .float(Float(count) / 3)
                    }
                readings.append(
                    Reading(
                        point: point, instant: instant, value: value,
                        quality: (number + index) % 5 == 0 ? .uncertain : .good))
            }
        }
        let first = readings[0]
        readings[0].remark = number % 3 == 1 ? .reset(before: .decimal(ExactDecimal(Int64(number)))) : nil
        readings[1].remark = .aggregate(
            .mean, from: first.instant - .seconds(5), to: first.instant, minimum: .float(1), maximum: .float(3),
            count: 9)
        let event = MeterEvent(
            subject: "main/energy", instant: first.instant, kind: .reset(before: .float(5000), value: first.value))
        return Intake.Content(
            readings: readings,
            memory: ["serial main": "123", "total water/volume": "\(number * 100 + polls - 1) 0 0"],
            events: number % 3 == 1 ? [event] : [])
    }
}

extension Model.State {
    var lease: LeaseID? {
        if case .taken(let id, _, _) = self { id } else { nil }
    }
}

// MARK: - What can be seen of a spool

/// What a spool shows after a restart, all of it.
struct Sight: Equatable {
    /// Readings that are leased together; a window that was in flight before has its number.
    struct Window: Equatable {
        var unclear: LeaseID?
        var readings: [SpooledReading]
    }

    var committed: Int64
    var undelivered: [String: Int64]
    var quarantined: Int64
    var damaged: Int64
    var memory: [String: String]
    var events: [String]
    var audit: [AuditLine]
    /// What each uplink is given from here on.
    var windows: [String: [Window]] = [:]

    private static let uplinks = ["city", "works"]
    private static let offset = CrashWorkload.offset(0, boot: 9)

    /// What an account says.
    init(_ account: Account) {
        var model = account.model
        model.restart()
        committed = Int64(model.rows.count)
        undelivered = Dictionary(uniqueKeysWithValues: Self.uplinks.map { ($0, model.undelivered($0)) })
        quarantined = account.quarantined
        damaged = 0
        memory = account.memory
        events = account.events.reversed().map { "\($0.subject) \($0.kind.text) \($0.instant.nanoseconds)" }
        audit = CrashWorkload.keys.map { AuditLine(key: $0) }
        for row in model.rows {
            let index = Int(row.reading.point.rawValue) - 1
            if let time = row.time {
                audit[index].add(row.reading.value, at: time)
            } else {
                audit[index].unfrozen += 1
            }
        }
        audit.sort { $0.key < $1.key }
        for uplink in Self.uplinks {
            var number: Int64 = 0
            while let next = model.next(uplink, maximum: CrashWorkload.maximumLease) {
                number -= 1
                let readings = model.lease(
                    next.chunks, uplink, as: next.unclear ?? LeaseID(rawValue: number), unclear: next.unclear != nil,
                    boot: 9, offset: Self.offset)
                windows[uplink, default: []].append(Window(unclear: next.unclear, readings: readings))
            }
        }
    }

    /// What a spool does show. Its uplinks have leased everything then.
    init(_ store: SpoolStore) throws {
        let statistics = try store.statistics()
        committed = statistics.committed
        undelivered = statistics.undelivered
        quarantined = statistics.quarantined
        damaged = statistics.damaged
        memory = try store.memory()
        events = try store.events(atMost: 1000).map { "\($0.subject) \($0.text) \($0.instant.nanoseconds)" }
        audit = try store.audit()
        for uplink in Self.uplinks {
            while let lease = try store.lease(
                uplink: uplink, maximumReadings: CrashWorkload.maximumLease, offset: Self.offset)
            {
                let window = Window(unclear: lease.isUnclear ? lease.id : nil, readings: lease.readings)
                windows[uplink, default: []].append(window)
            }
        }
    }
}

extension Sight: CustomStringConvertible {
    /// What it comes to, in a line.
    var description: String {
        let leased = windows.sorted { $0.key < $1.key }.map { uplink, windows in
            let ranges = windows.map { window in
                let sequences = window.readings.map(\.sequence.rawValue)
                return "\(window.unclear == nil ? "" : "unclear ")\(sequences.first ?? 0)...\(sequences.last ?? 0)"
            }
            return "\(uplink) \(ranges)"
        }
        return """
            \(committed) committed, undelivered \(undelivered.sorted { $0.key < $1.key }), \(quarantined) quarantined, \
            \(damaged) damaged, \(memory.sorted { $0.key < $1.key }), \(events.count) events, \(leased)
            """
    }
}

/// Opens what is left in a folder as the agent does, and compares it with the sights that it may give; then goes on with it.
///
/// - Returns: which of them it gives, and what is wrong.
func inspect(_ folder: String, _ sights: [Sight]) -> (fits: Int?, problems: [String]) {
    do {
        var fits: Int?
        var committed: Int64 = 0
        do {
            let store = try CrashWorkload.open(folder, boot: 9)
            let points = try store.identify(CrashWorkload.keys)
            let check = try store.connection.statement("PRAGMA integrity_check")
            guard try check.step(), check.text(0) == "ok" else { return (nil, ["integrity: \(check.text(0))"]) }
            check.reset()
            let sight = try Sight(store)
            fits = sights.firstIndex(of: sight)
            guard fits != nil else { return (nil, ["found: \(sight); promised: \(sights[0])"]) }
            committed = sight.committed
            try store.append(readings(points, at: 1000), offset: CrashWorkload.offset(0, boot: 9))
        }
        let again = try CrashWorkload.open(folder, boot: 9).statistics()
        guard again.committed == committed + 9, again.damaged == 0 else { return (nil, ["does not go on: \(again)"]) }
        return (fits, [])
    } catch {
        return (nil, ["does not start or go on: \(error)"])
    }
}
