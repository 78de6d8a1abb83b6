import Metering
import Testing

/// Drives a machine like a shell does, with a clock of its own; reads as a script.
struct DeliveryScript {
    var machine: DeliveryMachine
    var now = Instant(nanoseconds: 1_000_000_000)

    static let gone = failure(.missing)

    init(rows: Int = 4) {
        machine = DeliveryMachine(rowsPerPost: rows, responseTimeout: .seconds(30))
    }

    static func failure(_ code: DeliveryFailure.Code, retryAfter: Duration? = nil) -> DeliveryFailure {
        DeliveryFailure(code, "test \(code)", retryAfter: retryAfter)
    }

    /// `points` points with `rounds` readings each, sequence numbers from 1 in the order of positions.
    static func lease(_ points: Int, _ rounds: Int, isUnclear: Bool = false) -> Lease {
        let readings = (0..<points * rounds).map {
            DeliveryWindowTests.reading(Int64($0 + 1), UInt32($0 / rounds + 1), Int64($0 % rounds) * 1000, Int64($0))
        }
        return Lease(id: LeaseID(rawValue: 1), uplink: "u", readings: readings, isUnclear: isUnclear)
    }

    /// What the platform has of some positions.
    func found(_ positions: Int...) -> [DeliveryMachine.FoundObservation] {
        positions.map {
            let reading = machine.window.readings[$0]
            return .init(time: reading.phenomenonTime, value: reading.value)
        }
    }

    func question(_ positions: Range<Int>) -> DeliveryMachine.Action {
        let readings = machine.window.readings
        return .ask(
            .init(
                point: readings[positions.lowerBound].point, positions: positions,
                from: readings[positions.lowerBound].phenomenonTime,
                to: readings[positions.upperBound - 1].phenomenonTime))
    }

    /// Reports an event and expects an action.
    mutating func expect(
        _ event: DeliveryMachine.Event, _ action: DeliveryMachine.Action,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(machine.event(event, at: now, jitter: 1) == action, sourceLocation: sourceLocation)
    }

    /// Reports an event, expects a wait of a length, and lets it pass.
    mutating func expectWait(
        _ event: DeliveryMachine.Event, _ wait: Duration, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        expect(event, .wait(until: now + wait), sourceLocation: sourceLocation)
        // Waking too early, for new readings, changes nothing.
        let before = machine
        #expect(
            machine.event(.wake, at: now + wait / 2) == .wait(until: now + wait), sourceLocation: sourceLocation)
        #expect(machine == before, sourceLocation: sourceLocation)
        now = now + wait
    }

    /// Leases and provisions; the first post comes next.
    mutating func begin(
        _ lease: Lease, first: DeliveryMachine.Action, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        expect(.wake, .lease, sourceLocation: sourceLocation)
        let points = DeliveryWindow(lease.readings).points
        expect(.leased(lease), .provision(points, forgetting: false), sourceLocation: sourceLocation)
        expect(.provisioned(missing: []), first, sourceLocation: sourceLocation)
    }

    static func settle(rejected: [Int64: String] = [:]) -> DeliveryMachine.Action {
        .settle(
            LeaseID(rawValue: 1),
            rejected: rejected.sorted { $0.key < $1.key }.map {
                Rejection(sequence: SequenceNumber(rawValue: $0.key), reason: $0.value)
            })
    }
}
