import Glibc
import Metering
import Posix
import Testing

@testable import Lab

/// What each misbehaviour looks like on the wire, byte by byte.
@Suite struct MisbehaviourTests {
    private let request: [UInt8] = [0x12, 0x34, 0, 0, 0, 6, 1, 4, 0, 100, 0, 2]

    /// The bytes of the answer to one request: the first `count`, and what comes within a second after them.
    private func answer(_ misbehaviour: Misbehaviour?, count: Int) throws -> [UInt8] {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 1)
        defer { meters.stop() }
        meters.setMisbehaviour(misbehaviour, of: 0, times: 1)
        let descriptor = try Loopback.connect(to: meters.ports[0])
        defer { close(descriptor) }
        Loopback.limit(descriptor, seconds: 30)
        #expect(Loopback.send(request, to: descriptor))
        let bytes = receive(count, from: descriptor)
        Loopback.limit(descriptor, seconds: 1)
        return bytes + receive(64, from: descriptor)
    }

    @Test func aHealthyAnswer() throws {
        let bytes = try answer(nil, count: 13)
        #expect(bytes.count == 13)
        #expect(bytes.prefix(9) == [0x12, 0x34, 0, 0, 0, 7, 1, 4, 4])
    }

    @Test func anException() throws {
        #expect(try answer(.exception(6), count: 9) == [0x12, 0x34, 0, 0, 0, 3, 1, 0x84, 6])
    }

    @Test func silence() throws {
        #expect(try answer(.silence, count: 0).isEmpty)
    }

    @Test func aShortFrame() throws {
        let bytes = try answer(.shortFrame, count: 10)
        #expect(bytes.count == 10)
        #expect(bytes.prefix(9) == [0x12, 0x34, 0, 0, 0, 7, 1, 4, 4])
    }

    @Test func anotherUnit() throws {
        #expect(try answer(.wrongUnit, count: 13).prefix(9) == [0x12, 0x34, 0, 0, 0, 7, 2, 4, 4])
    }

    @Test func anotherTransaction() throws {
        #expect(try answer(.wrongTransaction, count: 13).prefix(9) == [0x12, 0x35, 0, 0, 0, 7, 1, 4, 4])
    }

    @Test func anotherByteCount() throws {
        let bytes = try answer(.wrongByteCount, count: 13)
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
        let bytes = try answer(.garbage, count: 9)
        #expect(bytes.count > 8)
        #expect(bytes[2] != 0 || bytes[3] != 0)
    }

    @Test func aSlowAnswerAndOneByteAtATime() throws {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 2)
        defer { meters.stop() }
        // An hour: until the test is over.
        meters.setMisbehaviour(.slow(milliseconds: 3_600_000), of: 0)
        meters.setMisbehaviour(.oneByteAtATime, of: 1)
        let slow = try Loopback.connect(to: meters.ports[0])
        let trickling = try Loopback.connect(to: meters.ports[1])
        defer {
            close(slow)
            close(trickling)
        }
        for descriptor in [slow, trickling] {
            Loopback.limit(descriptor, seconds: 30)
            #expect(Loopback.send(request, to: descriptor))
        }
        // The slow meter does not hold up the other one.
        #expect(receive(13, from: trickling).count == 13)
        var early = [UInt8](repeating: 0, count: 64)
        #expect(recv(slow, &early, 64, Int32(MSG_DONTWAIT)) < 0)

        meters.setMisbehaviour(.slow(milliseconds: 200), of: 0)
        let second = try Loopback.connect(to: meters.ports[0])
        defer { close(second) }
        Loopback.limit(second, seconds: 30)
        let begin = BootClock.now
        #expect(Loopback.send(request, to: second))
        #expect(receive(13, from: second).count == 13)
        #expect(BootClock.now - begin >= .milliseconds(200))
    }

    /// What the wire shows depends on who is awake.
    @Test func oneByteAtATimeIsTwoMillisecondsApart() throws {
        let answer: [UInt8] = [0x12, 0x34, 0, 0, 0, 7, 1, 4, 4, 1, 2, 3, 4]
        let pieces = try #require(Misbehaviour.oneByteAtATime.pieces(of: answer))
        #expect(pieces.map(\.bytes) == answer.map { [$0] })
        #expect(pieces.map(\.after) == (0..<13).map { .milliseconds(2 * $0) })
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
