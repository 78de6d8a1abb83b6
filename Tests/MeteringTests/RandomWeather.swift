import Metering

/// A platform of one set and a spool of numbered leases, driven by a machine through random failures.
struct RandomWeather {
    static let leases = 12

    private var random: RandomSource
    private var machine: DeliveryMachine
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var stored: [SpooledReading] = []
    private var leased: [SpooledReading] = []
    private var rejected: Set<SequenceNumber> = []
    /// Readings that the platform refuses in any company.
    private let poison: Set<Int64>
    private(set) var settlements = 0
    private(set) var wrongRejections = 0

    init(seed: UInt64) {
        var source = RandomSource(seed: seed)
        poison = Set((0..<5).map { _ in Int64.random(in: 1...200, using: &source) })
        random = source
        machine = DeliveryMachine(rowsPerPost: 7, responseTimeout: .seconds(30))
    }

    var copies: Int { stored.count - Set(stored.map(\.sequence)).count }
    var lost: Int { Set(leased.map(\.sequence)).subtracting(stored.map(\.sequence)).subtracting(rejected).count }

    mutating func run() {
        var action = machine.event(.wake, at: now)
        var steps = 0
        while settlements < Self.leases, steps < 200_000 {
            steps += 1
            let event: DeliveryMachine.Event
            switch action {
            case .none, .finish: return
            case .wait(let until):
                now = max(now, until)
                event = .wake
            case .lease: event = .leased(nextLease())
            case .provision: event = chance(0.2) ? .failed(anyFailure()) : .provisioned(missing: [])
            case .check: event = chance(0.2) ? .failed(DeliveryFailure(.notSent, "")) : .present
            case .post(let range): event = post(range)
            case .single(let position): event = single(position)
            case .ask(let question): event = answer(question)
            case .settle(_, let refused):
                settlements += 1
                rejected.formUnion(refused.map(\.sequence))
                wrongRejections += refused.filter { !poison.contains($0.sequence.rawValue) }.count
                event = .settled
            }
            now = now + .milliseconds(Int64.random(in: 0...200, using: &random))
            action = machine.event(event, at: now, jitter: Double.random(in: 0...1, using: &random))
        }
    }

    private mutating func chance(_ probability: Double) -> Bool {
        Double.random(in: 0..<1, using: &random) < probability
    }

    private mutating func anyFailure() -> DeliveryFailure {
        let codes: [DeliveryFailure.Code] = [.notSent, .unclear, .timedOut, .busy, .credentials, .misdirected]
        return DeliveryFailure(codes.randomElement(using: &random) ?? .notSent, "weather")
    }

    private mutating func nextLease() -> Lease {
        let readings = (0..<Int.random(in: 1...30, using: &random)).map { index in
            let number = Int64(leased.count + index + 1)
            return DeliveryWindowTests.reading(number, UInt32.random(in: 1...4, using: &random), number * 10, number)
        }
        leased += readings
        // An earlier run may have held it in flight, and the platform may have some of it.
        let isUnclear = chance(0.2)
        if isUnclear { stored += readings.filter { _ in chance(0.5) } }
        return Lease(
            id: LeaseID(rawValue: Int64(settlements + 1)), uplink: "u", readings: readings, isUnclear: isUnclear)
    }

    private mutating func post(_ range: Range<Int>) -> DeliveryMachine.Event {
        let rows = machine.window.positions(in: range, .open).map { machine.window.readings[$0] }
        if chance(0.1) { return .failed(anyFailure(keeping: [.notSent, .busy, .credentials])) }
        if rows.contains(where: { poison.contains($0.sequence.rawValue) }), chance(0.5) {
            return .failed(DeliveryFailure(.badRequest, "poison"))
        }
        // Otherwise stored row by row, and then the answer may get lost.
        var failed: [DeliveryMachine.FailedRow] = []
        for (index, row) in rows.enumerated() {
            if poison.contains(row.sequence.rawValue) || chance(0.05) {
                failed.append(.init(index: index, reason: "error"))
            } else {
                stored.append(row)
            }
        }
        if chance(0.2) { return .failed(anyFailure(keeping: [.unclear, .timedOut])) }
        return .posted(failed: failed)
    }

    private mutating func single(_ position: Int) -> DeliveryMachine.Event {
        let row = machine.window.readings[position]
        if chance(0.1) { return .failed(anyFailure(keeping: [.notSent, .unclear, .timedOut])) }
        if poison.contains(row.sequence.rawValue) { return .failed(DeliveryFailure(.badRequest, "poison")) }
        stored.append(row)
        return chance(0.2) ? .failed(anyFailure(keeping: [.unclear, .timedOut, .conflict])) : .stored
    }

    private mutating func answer(_ question: DeliveryMachine.Question) -> DeliveryMachine.Event {
        if chance(0.1) { return .failed(anyFailure()) }
        let there = stored.filter {
            $0.point == question.point && $0.phenomenonTime >= question.from && $0.phenomenonTime <= question.to
        }
        let page = there.shuffled(using: &random).prefix(5)
        return .asked(
            page.map { .init(time: $0.phenomenonTime, value: $0.value) },
            isComplete: there.count <= 5)
    }

    private mutating func anyFailure(keeping codes: [DeliveryFailure.Code]) -> DeliveryFailure {
        DeliveryFailure(codes.randomElement(using: &random) ?? .notSent, "weather")
    }
}
