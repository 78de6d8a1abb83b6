import Metering
import Synchronization
import Testing

@testable import Fieldbus

@Suite struct MeterPollTests {
    /// A unit that answers no more than so many registers at once, and refuses some.
    private struct Refusals: Sendable {
        var most: Int
        var illegal: Set<Int>

        func exception(_ address: Int, _ count: Int) -> UInt8? {
            if count > most { return 3 }
            return illegal.isDisjoint(with: address..<address + count) ? nil : 2
        }
    }

    /// While a poll learns, its requests are made anew; what it has read already is given once all the same, so that it
    /// never brings more than the points it asks for.
    @Test(arguments: 0..<24) func aPollGivesEachPointOnce(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let refusals = Refusals(
            most: Int.random(in: 2...12, using: &random),
            illegal: Set(
                (0..<Int.random(in: 0...3, using: &random)).map { _ in Int.random(in: 0..<60, using: &random) }))
        let peer = try LinePeer.device { _, request in
            let (address, count) = (Int(request[8]) << 8 | Int(request[9]), Int(request[11]))
            let pdu =
                refusals.exception(address, count).map { [request[7] | 0x80, $0] }
                ?? Frames.answerPDU(function: request[7], count: count, value: request[9] == 0 ? 1 : 2)
            return [.send(Array(request[..<4]) + [0, UInt8(pdu.count + 1), request[6]] + pdu)]
        }
        defer { peer.stop() }
        let definitions = Set((0..<30).map { _ in Int.random(in: 0..<60, using: &random) }).sorted().map { address in
            PointDefinition(
                name: "p\(address)", quantity: .ratio, unit: Unit(ucum: "1")!, kind: .gauge, function: .holding,
                address: UInt16(address), type: .u16)
        }
        let definition = MeterDefinition(
            model: "x", manufacturer: "x", product: "x", status: .own, sources: [],
            limits: RequestLimits(registers: 20, gap: 8), points: definitions)
        let points = definitions.map { Point(meter: "m", definition: $0, interval: .seconds(1)) }
        let bus = BusSettings(peer)
        var poll = MeterPoll(
            meter: Meter(
                id: "m", bus: "b", unit: 1, definition: definition, points: points,
                location: Location(latitude: .zero, longitude: .zero)), points: points, on: bus)
        var link = ModbusLink(bus)
        var seen: Set<Int> = []
        for _ in 0..<8 {
            let asked = poll.askedPoints
            var given: [Int] = []
            let outcome = poll.run(on: &link) { point, _, _, _ in given.append(point) }
            #expect(Set(given).count == given.count && given.count <= asked, "seed \(seed)")
            #expect(outcome.values == given.count)
            seen.formUnion(given)
        }
        let readable = definitions.indices.filter { !refusals.illegal.contains(Int(definitions[$0].address)) }
        #expect(seen == Set(readable), "seed \(seed)")
    }

    /// Counters and states are asked in every slot; gauges where all is taken. What is learnt holds for both.
    @Test func aPollMayLeaveOutWhatMayWait() {
        func point(_ address: UInt16, _ kind: PointKind, _ interval: Duration) -> Point {
            Point(
                meter: "m",
                definition: PointDefinition(
                    name: "p\(address)", quantity: .ratio, unit: Unit(ucum: "1")!, kind: kind, function: .holding,
                    address: address, type: .u16), interval: interval)
        }
        func poll(_ points: [Point]) -> MeterPoll {
            let definition = MeterDefinition(
                model: "x", manufacturer: "x", product: "x", status: .own, sources: [],
                points: points.map(\.definition))
            let place = Location(latitude: .zero, longitude: .zero)
            return MeterPoll(
                meter: Meter(id: "m", bus: "b", unit: 1, definition: definition, points: points, location: place),
                points: points, on: BusSettings(id: "b", endpoint: .tcp(host: "h", port: 502)))
        }
        func asked(_ poll: inout MeterPoll, _ due: [(interval: Int, takesAll: Bool)]) -> [Int] {
            poll.choose(due)
            return poll.plan.requests.flatMap(\.slots).map(\.point).sorted()
        }
        var mixed = poll([
            point(0, .counter, .seconds(1)), point(1, .gauge, .seconds(1)), point(2, .state, .seconds(10)),
            point(3, .gauge, .seconds(10)), point(4, .gauge, .seconds(60)),
        ])
        #expect(mixed.askedPoints == 5, "all of them, until it is chosen")
        #expect(asked(&mixed, [(0, true)]) == [0, 1])
        #expect(asked(&mixed, [(0, false)]) == [0])
        #expect(asked(&mixed, [(1, true), (0, false)]) == [0, 2, 3])
        #expect(asked(&mixed, [(0, false), (1, false), (2, true)]) == [0, 2, 4])
        #expect(asked(&mixed, [(2, true), (1, true), (0, true)]) == [0, 1, 2, 3, 4])
        var gauges = poll([point(0, .gauge, .seconds(1)), point(1, .gauge, .seconds(1))])
        #expect(asked(&gauges, [(0, true)]) == [0, 1])
    }
}
