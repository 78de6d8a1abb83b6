import Configuration
import Fieldbus
import Lab
import Metering
import Posix
import Testing

/// libmodbus' client side against libmodbus' server side over real sockets, with meters that misbehave.
@Suite struct ModbusLinkTests {
    private let span = RegisterSpan(function: .input, address: 0, count: 10)

    private func meters(_ count: Int = 1) throws -> SimulatedMeters {
        SignalQueue.ignorePipe()
        let definition = try #require(try Catalogue(share: nil).definition(model: "eastron-sdm230"))
        return try SimulatedMeters(definition, count: count, layout: .units)
    }

    private func link(_ port: UInt16, timeout: Duration = .milliseconds(200)) -> ModbusLink {
        ModbusLink(
            BusSettings(
                id: "b", endpoint: .tcp(host: "localhost", port: port), timing: Timing(responseTimeout: timeout)))
    }

    @Test func registersAreReadOverOneConnection() throws {
        let meters = try meters(2)
        defer { meters.stop() }
        var link = link(meters.ports[0])
        let wasConnected = link.isConnected
        #expect(!wasConnected)
        for unit: UInt8 in [1, 2, 1] {
            let before = BootClock.now
            let arrived = try link.read(span, unit: unit)
            let count = link.words.count
            #expect(count == 10)
            #expect(before <= arrived && arrived <= BootClock.now)
        }
        #expect(meters.connectionCount == 1)
        #expect(meters.functionCounts == [4: 3])
    }

    @Test func anExceptionKeepsTheConnection() throws {
        let meters = try meters()
        defer { meters.stop() }
        var link = link(meters.ports[0])
        meters.setMisbehaviour(.exception(2), of: 0, times: 1)
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(error.code == .exception(2))
        #expect(error.disposition == .reject)
        #expect(error.description.hasSuffix("unit 1 FC4 0…9: exception 2 (illegal data address)"))
        let isConnected = link.isConnected
        #expect(isConnected)
        #expect(throws: Never.self) { try link.read(span, unit: 1) }
    }

    @Test func aUnitThatNobodyHasIsNamedByTheGateway() throws {
        let meters = try meters()
        defer { meters.stop() }
        var link = link(meters.ports[0])
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 9) }
        #expect(error.code == .exception(11))
        #expect(error.hint.contains("unit id"))
    }

    /// An answer that comes after its time is thrown away, and never taken for the answer to the next request.
    @Test func aLateAnswerIsNotTheNextOne() async throws {
        let meters = try meters()
        defer { meters.stop() }
        var link = link(meters.ports[0], timeout: .milliseconds(300))
        meters.setMisbehaviour(.slow(milliseconds: 450), of: 0, times: 1)
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(error.code == .timeout)
        let isConnected = link.isConnected
        #expect(isConnected, "one silence does not cost the connection")
        // By then it waits in the socket, before the answer to the next request.
        _ = try await AgentHarness.wait(0.5) { false }
        #expect(throws: Never.self) { try link.read(RegisterSpan(function: .input, address: 70, count: 4), unit: 1) }
        let (count, late) = (link.words.count, link.lateAnswers)
        #expect(count == 4)
        #expect(late == 1)
    }

    @Test func silenceIsWaitedForOnceAndThreeTimesMeanANewConnection() throws {
        let meters = try meters()
        defer { meters.stop() }
        var link = link(meters.ports[0], timeout: .milliseconds(100))
        meters.setMisbehaviour(.silence, of: 0, times: 3)
        for attempt in 1...3 {
            let begin = BootClock.now
            let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
            #expect(error.code == .timeout)
            #expect(BootClock.now - begin >= .milliseconds(95))
            let isConnected = link.isConnected
            #expect(isConnected == (attempt < 3))
        }
        #expect(throws: Never.self) { try link.read(span, unit: 1) }
    }

    @Test(arguments: [
        (Misbehaviour.wrongUnit, "unit"), (.garbage, ""), (.closeAfterRequest, "closed"),
    ])
    func whatCannotBeTrustedClosesTheConnection(misbehaviour: Misbehaviour, word: String) throws {
        let meters = try meters()
        defer { meters.stop() }
        var link = link(meters.ports[0])
        meters.setMisbehaviour(misbehaviour, of: 0, times: 1)
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(error.disposition == .reconnect, "\(error)")
        #expect(error.what.contains(word), "\(error)")
        let isConnected = link.isConnected
        #expect(!isConnected)
        #expect(throws: Never.self) { try link.read(span, unit: 1) }
    }

    /// One byte at a time does not stretch the response timeout.
    @Test func aTricklingAnswerIsBounded() async throws {
        let meters = try meters()
        defer { meters.stop() }
        // 29 bytes take 58 ms.
        var link = link(meters.ports[0], timeout: .milliseconds(30))
        try link.connect()
        meters.setMisbehaviour(.oneByteAtATime, of: 0)
        let begin = BootClock.now
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(error.code == .timeout)
        #expect(BootClock.now - begin < .seconds(5))
        meters.setMisbehaviour(nil, of: 0)
        // What still trickles in belongs to the old request: it is late or it ends the connection, never a value.
        let good = try await AgentHarness.wait(5) { (try? link.read(span, unit: 1)) != nil }
        #expect(good)
    }

    @Test func nobodyAtTheAddress() throws {
        let meters = try meters()
        let port = meters.ports[0]
        meters.stop()
        var link = link(port)
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        guard case .noConnection = error.code else {
            Issue.record("\(error)")
            return
        }
        #expect(error.description.contains("Connection refused"))
    }
}
