import Glibc
import Metering
import Testing

@testable import Lab

/// What each misbehaviour looks like on the wire, byte by byte.
@Suite struct MisbehaviourTests {
    private let request: [UInt8] = [0x12, 0x34, 0, 0, 0, 6, 1, 4, 0, 100, 0, 2]

    /// The bytes of the answer to one request, as far as they come within the limit.
    private func answer(_ misbehaviour: Misbehaviour?, limit: Int = 1) throws -> [UInt8] {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 1)
        defer { meters.stop() }
        meters.setMisbehaviour(misbehaviour, of: 0, times: 1)
        let descriptor = try Loopback.connect(to: meters.ports[0])
        defer { close(descriptor) }
        Loopback.limit(descriptor, seconds: limit)
        #expect(Loopback.send(request, to: descriptor))
        return receive(misbehaviour == nil ? 13 : 64, from: descriptor)
    }

    @Test func aHealthyAnswer() throws {
        let bytes = try answer(nil)
        #expect(bytes.count == 13)
        #expect(bytes.prefix(9) == [0x12, 0x34, 0, 0, 0, 7, 1, 4, 4])
    }

    @Test func anException() throws {
        #expect(try answer(.exception(6)) == [0x12, 0x34, 0, 0, 0, 3, 1, 0x84, 6])
    }

    @Test func silence() throws {
        #expect(try answer(.silence).isEmpty)
    }

    @Test func aShortFrame() throws {
        let bytes = try answer(.shortFrame)
        #expect(bytes.count == 10)
        #expect(bytes.prefix(9) == [0x12, 0x34, 0, 0, 0, 7, 1, 4, 4])
    }

    @Test func anotherUnit() throws {
        #expect(try answer(.wrongUnit).prefix(9) == [0x12, 0x34, 0, 0, 0, 7, 2, 4, 4])
    }

    @Test func anotherTransaction() throws {
        #expect(try answer(.wrongTransaction).prefix(9) == [0x12, 0x35, 0, 0, 0, 7, 1, 4, 4])
    }

    @Test func anotherByteCount() throws {
        let bytes = try answer(.wrongByteCount)
        #expect(bytes.count == 13)
        #expect(bytes[8] == 6)
    }

    @Test func aClosedConnection() throws {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 1)
        defer { meters.stop() }
        meters.setMisbehaviour(.closeAfterRequest, of: 0)
        let descriptor = try Loopback.connect(to: meters.ports[0])
        defer { close(descriptor) }
        #expect(Loopback.send(request, to: descriptor))
        // Without a limit in time: it is the end of the connection that ends the read.
        #expect(receive(64, from: descriptor).isEmpty)
        #expect(eventually { meters.connectionCount == 0 })
    }

    @Test func garbage() throws {
        let bytes = try answer(.garbage)
        #expect(bytes.count > 8)
        #expect(bytes[2] != 0 || bytes[3] != 0)
    }

    @Test func aSlowAnswerAndOneByteAtATime() throws {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 2)
        defer { meters.stop() }
        meters.setMisbehaviour(.slow(milliseconds: 200), of: 0)
        meters.setMisbehaviour(.oneByteAtATime, of: 1)
        let slow = try Loopback.connect(to: meters.ports[0])
        let trickling = try Loopback.connect(to: meters.ports[1])
        defer {
            close(slow)
            close(trickling)
        }
        for descriptor in [slow, trickling] {
            Loopback.limit(descriptor, seconds: 5)
            #expect(Loopback.send(request, to: descriptor))
        }
        // The slow meter does not hold up the other one.
        var first: UInt8 = 0
        #expect(recv(trickling, &first, 1, 0) == 1)
        var early = [UInt8](repeating: 0, count: 64)
        let atOnce = recv(trickling, &early, 64, Int32(MSG_DONTWAIT))
        #expect(atOnce < 12)
        #expect(receive(12 - max(0, atOnce), from: trickling).count == 12 - max(0, atOnce))
        #expect(recv(slow, &early, 64, Int32(MSG_DONTWAIT)) < 0)
        #expect(receive(13, from: slow).count == 13)
    }

    @Test func itEndsAfterTheTimesThatWereSaid() throws {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 1)
        defer { meters.stop() }
        meters.setMisbehaviour(.exception(4), of: 0, times: 2)
        let client = try #require(ModbusClient(port: meters.ports[0]))
        #expect(client.read(.input, 100, 2) == .failure(.init(code: 112_345_682)))
        #expect(client.read(.input, 100, 2) == .failure(.init(code: 112_345_682)))
        #expect(try client.read(.input, 100, 2).get().count == 2)
        meters.setMisbehaviour(.exception(4), of: 0)
        #expect(client.read(.input, 100, 2) == .failure(.init(code: 112_345_682)))
        meters.setMisbehaviour(nil, of: 0)
        #expect(try client.read(.input, 100, 2).get().count == 2)
    }
}
