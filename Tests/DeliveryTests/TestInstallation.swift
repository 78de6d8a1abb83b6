import Delivery
import Metering
import Synchronization

/// Meters, points and readings for tests.
enum TestInstallation {
    static let gateway = GatewaySettings(
        id: "gw-test",
        location: Location(latitude: ExactDecimal("51.34")!, longitude: ExactDecimal("12.37")!, name: "Cellar"))

    static let noon = Timestamp(iso8601: "2026-11-01T12:00:00.000Z")!

    /// Meters `m1`… with points `p1`… each.
    static func meters(_ count: Int, points: Int) -> [Meter] {
        let definitions = (1...points).map { number in
            PointDefinition(
                name: "p\(number)", quantity: Quantity.allCases[number % 5], unit: Unit(ucum: "kW")!, kind: .gauge,
                function: .input, address: UInt16(number * 2), type: .f32, obis: number == 1 ? "1-0:1.7.0" : nil)
        }
        let definition = MeterDefinition(
            model: "test-meter", manufacturer: "Nobody", product: "T1", status: .own,
            sources: ["https://example.org/t1.pdf"], points: definitions)
        return (1...count).map { number in
            Meter(
                id: "m\(number)", bus: "b", unit: 1, definition: definition,
                points: definitions.map { Point(meter: "m\(number)", definition: $0, interval: .seconds(1)) },
                location: gateway.location)
        }
    }

    /// A plan with numbers 1… for all points of the meters.
    static func plan(_ meters: [Meter], retired: [String] = []) -> DeliveryPlan {
        let keys = meters.flatMap { $0.points.map(\.key) } + retired
        let ids = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1, PointID(rawValue: UInt32($0 + 1))) })
        return DeliveryPlan(gateway: gateway, meters: meters, ids: ids)
    }

    /// `rounds` polls, a second apart, of the points numbered 1…`points`; values like f32 registers.
    static func readings(points: Int, rounds: Int, from first: Int = 0) -> [SpooledReading] {
        (first..<first + rounds).flatMap { round in
            (1...points).map { point in
                SpooledReading(
                    sequence: SequenceNumber(rawValue: Int64(round * points + point)),
                    point: PointID(rawValue: UInt32(point)),
                    phenomenonTime: Timestamp(milliseconds: noon.milliseconds + Int64(round * 1000 + point % 7)),
                    value: .float(Float(point) * 1.1 + Float(round) * 0.37))
            }
        }
    }

    /// Waits that let a test end in seconds.
    static var quick: DeliveryTiming {
        var timing = DeliveryTiming()
        timing.backoff = Backoff.Limits(first: .milliseconds(20), largest: .milliseconds(200), sustained: .seconds(1))
        timing.pause = Backoff.Limits(first: .milliseconds(50), largest: .milliseconds(200), sustained: .seconds(1))
        timing.settle = .milliseconds(400)
        timing.idle = .seconds(5)
        timing.clockCheck = .milliseconds(20)
        return timing
    }
}

/// A source of readings with the contract of the spool, in memory.
final class TestSource: ReadingSource {
    struct State {
        var waiting: [SpooledReading]
        var lease: Lease?
        var isHeld = false
        var nextLease: Int64 = 1
        var settled: [SpooledReading] = []
        var rejected: [Rejection] = []
        var settlements = 0
    }

    struct SettledTwice: Error {}

    let state: Mutex<State>

    init(_ readings: [SpooledReading]) {
        state = Mutex(State(waiting: readings))
    }

    func lease(uplink: String, maximumReadings: Int) async throws -> Lease? {
        state.withLock { state in
            // What an earlier runner held comes first, as unclear.
            if let lease = state.lease { return lease }
            guard !state.waiting.isEmpty else { return nil }
            let lease = Lease(
                id: LeaseID(rawValue: state.nextLease), uplink: uplink,
                readings: Array(state.waiting.prefix(maximumReadings)), isUnclear: false)
            state.nextLease += 1
            state.waiting.removeFirst(lease.readings.count)
            state.lease = lease
            state.lease?.isUnclear = true
            return lease
        }
    }

    func settle(_ id: LeaseID, rejected: [Rejection]) async throws {
        try state.withLock { state in
            guard let lease = state.lease, lease.id == id else { throw SettledTwice() }
            let refused = Set(rejected.map(\.sequence))
            state.settled += lease.readings.filter { !refused.contains($0.sequence) }
            state.rejected += rejected
            state.settlements += 1
            state.lease = nil
        }
    }

    func add(_ readings: [SpooledReading]) {
        state.withLock { $0.waiting += readings }
    }

    var isEmpty: Bool { state.withLock { $0.waiting.isEmpty && $0.lease == nil } }
    var settledCount: Int { state.withLock { $0.settled.count } }
    var rejected: [Rejection] { state.withLock { $0.rejected } }
}
