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
}
