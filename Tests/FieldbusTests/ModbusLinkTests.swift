import Configuration
import Metering
import Posix
import Synchronization
import Testing

@testable import Fieldbus
@testable import Lab

/// libmodbus' client side against libmodbus' server side over real sockets, with meters that misbehave.
@Suite struct ModbusLinkTests {
    private let span = RegisterSpan(function: .input, address: 0, count: 10)

    private func meters(_ count: Int = 1) throws -> SimulatedMeters {
        SignalQueue.ignorePipe()
        let definition = try #require(try Catalogue(share: nil).definition(model: "eastron-sdm230"))
        return try SimulatedMeters(definition, count: count, layout: .units)
    }

    private func link(_ port: UInt16, timeout: Duration = .seconds(30)) -> ModbusLink {
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

    @Test func twoThousandBitsAreOneAnswer() throws {
        let data = (0..<250).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        let peer = try LinePeer.device { _, request in
            [.send(Array(request[0..<4]) + [0, 253] + [request[6], request[7], 250] + data)]
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer, timing: Timing(responseTimeout: .seconds(10))))
        try link.read(RegisterSpan(function: .discrete, address: 0, count: 2000), unit: 1)
        let read = link.words
        #expect(read == data.flatMap { byte in (0..<8).map { UInt16(byte >> $0 & 1) } })
    }

    @Test func anExceptionKeepsTheConnection() throws {
        let meters = try meters()
        defer { meters.stop() }
        var link = link(meters.ports[0])
        meters.setMisbehaviour(.exception(2), of: 0, times: 1)
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(error.code == .exception(2))
        #expect(error.disposition == .reject)
        #expect(
            error.description.hasSuffix(
                "unit 1, 30001 = input 0, 0x0 ×10, sent 04 00 00 00 0A: exception 2 (illegal data address)"))
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
    @Test func aLateAnswerIsNotTheNextOne() throws {
        let gate = Gate()
        let peer = try LinePeer.device { number, request in
            let pdu = Frames.answerPDU(function: 4, count: Int(request[11]), value: 0)
            let answer = PeerStep.send(Array(request[..<5]) + [UInt8(pdu.count + 1), 1] + pdu)
            return number == 0 ? [.hold(gate), answer] : [answer]
        }
        defer { peer.stop() }
        var link = deviceLink(peer, timeout: .seconds(30))
        let error = try #require(throws: ModbusError.self) {
            try link.read(span, unit: 1, timing: Timing(responseTimeout: .milliseconds(300)))
        }
        #expect(error.code == .timeout)
        let isConnected = link.isConnected
        #expect(isConnected, "one silence does not cost the connection")
        // It comes before the answer to the next request.
        gate.open()
        #expect(throws: Never.self) { try link.read(RegisterSpan(function: .input, address: 70, count: 4), unit: 1) }
        let (count, late) = (link.words.count, link.counters.lateAnswers)
        #expect(count == 4)
        #expect(late == 1)
    }

    @Test func silenceIsWaitedForOnceAndThreeTimesMeanANewConnection() throws {
        let meters = try meters()
        defer { meters.stop() }
        var link = link(meters.ports[0])
        meters.setMisbehaviour(.silence, of: 0)
        let short = Timing(responseTimeout: .milliseconds(100))
        for attempt in 1...3 {
            let begin = BootClock.now
            let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1, timing: short) }
            #expect(error.code == .timeout)
            #expect(BootClock.now - begin >= .milliseconds(95))
            let isConnected = link.isConnected
            #expect(isConnected == (attempt < 3))
        }
        #expect(AgentHarness.wait(30) { meters.requestCount(of: 0) == 3 })
        meters.setMisbehaviour(nil, of: 0)
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
    @Test func aTricklingAnswerIsBounded() throws {
        let peer = try LinePeer.device { number, request in
            let pdu = Frames.answerPDU(function: 4, count: 10, value: 0)
            let answer = Array(request[..<5]) + [UInt8(pdu.count + 1), 1] + pdu
            // 29 bytes take 8 s.
            return number == 0
                ? answer.flatMap { [.send([$0]), .pause(milliseconds: 300)] } as [PeerStep] : [.send(answer)]
        }
        defer { peer.stop() }
        var link = deviceLink(peer, timeout: .seconds(30))
        let begin = BootClock.now
        let error = try #require(throws: ModbusError.self) {
            try link.read(span, unit: 1, timing: Timing(responseTimeout: .seconds(2)))
        }
        guard case .cut(let received, expected: 29) = error.code else {
            Issue.record("\(error)")
            return
        }
        #expect(received > 0 && received < 29)
        #expect(BootClock.now - begin >= .seconds(2))
        // What still trickles in comes over the old connection.
        #expect(throws: Never.self) { try link.read(span, unit: 1) }
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

    // MARK: - What is not Modbus TCP

    private static let requested = RegisterSpan(function: .input, address: 0, count: 10)

    private func deviceLink(_ peer: LinePeer, timeout: Duration = .seconds(10)) -> ModbusLink {
        ModbusLink(BusSettings(peer, timing: Timing(responseTimeout: timeout)))
    }

    /// evcc #14984: a converter that passes RTU on, read as Modbus TCP. Its answer is known even in pieces.
    @Test(arguments: [0, 1, 5, 24])
    func anRTUAnswerNamesTheRightSetting(cut: Int) throws {
        let peer = try LinePeer.device { _, _ in
            let answer = Frames.rtu(1, Frames.answerPDU(function: 4, count: 10, value: 1))
            return [
                .send(Array(answer.prefix(cut))), .pause(milliseconds: 10), .send(Array(answer.dropFirst(cut))),
            ]
        }
        defer { peer.stop() }
        var link = deviceLink(peer)
        let error = try #require(throws: ModbusError.self) { try link.read(Self.requested, unit: 1) }
        #expect(error.code == .speaksRTU && error.disposition == .reject)
        #expect(error.hint.contains("write rtu_over_tcp in place of tcp"))
        let (evidence, isConnected) = (link.lastEvidence, link.isConnected)
        #expect(evidence?.bytes.count == 25 && !isConnected)
    }

    /// An exception is shorter than a header.
    @Test func anRTUExceptionAndAClosedConnection() throws {
        let peer = try LinePeer.device { number, _ in
            [.send(Frames.rtu(1, [0x84, 2]))] + (number == 0 ? [] : [.close])
        }
        defer { peer.stop() }
        var link = deviceLink(peer, timeout: .seconds(5))
        for _ in 0..<2 {
            let error = try #require(throws: ModbusError.self) { try link.read(Self.requested, unit: 1) }
            #expect(error.code == .speaksRTU)
        }
    }

    @Test func silenceNamesTheOtherProtocol() throws {
        let meters = try meters()
        defer { meters.stop() }
        var link = link(meters.ports[0], timeout: .milliseconds(50))
        meters.setMisbehaviour(.silence, of: 0, times: 1)
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(error.code == .timeout && error.hint.contains("rtu_over_tcp"))
        let evidence = link.lastEvidence
        #expect(evidence == LinkEvidence())
    }

    // MARK: - The rest

    @Test func bitsAndIdentityOverTCP() throws {
        let peer = try LinePeer.device { _, request in
            let pdu: [UInt8] =
                switch request[7] {
                case 1: [1, 1, 0b110]
                case 17: [17, 2, 5, 0xFF]
                default: [43, 14, request[9], 1, 0, 0, 1, 0, 3, 0x41, 0x42, 0x43]
                }
            return [.send(Array(request[..<4]) + [0, UInt8(pdu.count + 1), request[6]] + pdu)]
        }
        defer { peer.stop() }
        var link = deviceLink(peer)
        try link.read(RegisterSpan(function: .coil, address: 0, count: 4), unit: 1)
        let words = link.words
        #expect(words == [0, 1, 1, 0])
        let id = try link.serverID(unit: 1)
        let objects = try link.deviceIdentification(unit: 1)
        #expect(id == [5, 0xFF] && objects == [0: "ABC"])
        #expect(Set(peer.requests.map { Array($0[..<2]) }).count == 3, "each request has a transaction id of its own")
    }

    /// A device that closes a connection which nobody used costs no poll.
    @Test func anIdleConnectionThatWasClosed() async throws {
        let peer = try LinePeer.device { number, request in
            let pdu = Frames.answerPDU(function: 4, count: 10, value: UInt16(number))
            return [.send(Array(request[..<5]) + [UInt8(pdu.count + 1), 1] + pdu)] + (number == 0 ? [.close] : [])
        }
        defer { peer.stop() }
        var link = deviceLink(peer)
        try link.read(Self.requested, unit: 1)
        // A connection that was used within the second is not looked at.
        try await Task.sleep(for: .milliseconds(1100))
        try link.read(Self.requested, unit: 1)
        let (first, connects) = (link.words.first, link.counters.connects)
        #expect(first == 1 && connects == 2)
    }

    /// The same without a request; bytes that nobody asked for are no reason, nor do they hide that it was closed.
    @Test(arguments: [[], [0xFF]] as [[UInt8]])
    func aClosedConnectionIsNoticedWithoutARequest(stray: [UInt8]) throws {
        let peer = try LinePeer.device { number, request in
            let pdu = Frames.answerPDU(function: 4, count: 10, value: 0)
            let answer = PeerStep.send(Array(request[..<5]) + [UInt8(pdu.count + 1), 1] + pdu + stray)
            return number == 0 ? [answer] : [answer, .close]
        }
        defer { peer.stop() }
        var link = deviceLink(peer)
        try link.read(Self.requested, unit: 1)
        let healthy = link.noticeHangUp()
        let isOpen = link.isConnected
        #expect(!healthy && isOpen)
        // What was not asked for may end the next request, but not before the device had it.
        _ = try? link.read(Self.requested, unit: 1)
        let isNoticed = AgentHarness.wait(10) {
            link.noticeHangUp()
            return !link.isConnected
        }
        #expect(isNoticed)
    }

    /// home-assistant #9451: some devices need a pause between two requests; telegraf #11919: some need one after the
    /// connection.
    @Test func pausesAreKept() throws {
        let peer = try LinePeer.device { _, request in
            let pdu = Frames.answerPDU(function: 4, count: 10, value: 0)
            return [.send(Array(request[..<5]) + [UInt8(pdu.count + 1), request[6]] + pdu)]
        }
        defer { peer.stop() }
        let timing = Timing(responseTimeout: .seconds(10), afterConnect: .milliseconds(150))
        var link = ModbusLink(BusSettings(peer, timing: timing))
        let pause = Duration.milliseconds(300)
        let begin = BootClock.now
        for unit: UInt8 in [1, 2, 1, 1] {
            try link.read(Self.requested, unit: unit, timing: Timing(pause: unit == 1 ? pause : nil))
        }
        let (arrivals, sendings) = (peer.arrivals, peer.sendings)
        #expect(arrivals[0] - begin >= .milliseconds(150))
        #expect(arrivals[2] - sendings[0] >= pause && arrivals[3] - sendings[2] >= pause)
        // It is a pause of that unit alone: one that has not answered yet needs none, or there would not be the time.
        link.deadline = BootClock.now + .seconds(60)
        try link.read(Self.requested, unit: 3, timing: Timing(pause: .seconds(600)))
        let connects = link.counters.connects
        #expect(connects == 1)
    }

    @Test func aNameThatLeadsNowhere() throws {
        var link = ModbusLink(BusSettings(id: "b", endpoint: .tcp(host: "no-such-meter.invalid", port: 502)))
        let error = try #require(throws: ModbusError.self) { try link.connect() }
        guard case .unknownHost = error.code else {
            Issue.record("\(error)")
            return
        }
        #expect(error.hint.contains("IP address"))
    }

    @Test func everyFrameIsTraced() throws {
        let meters = try meters()
        defer { meters.stop() }
        var link = link(meters.ports[0], timeout: .seconds(10))
        let verdicts = Mutex<[FrameTrace.Verdict]>([])
        link.trace = { frame in verdicts.withLock { $0.append(frame.verdict) } }
        try link.read(span, unit: 1)
        meters.setMisbehaviour(.wrongUnit, of: 0, times: 1)
        #expect(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(verdicts.withLock { $0 } == [.request, .answer, .request, .malformed("unit 2 answers for unit 1")])
        let evidence = link.lastEvidence
        #expect(evidence?.bytes.count == 29)
    }
}
