import Glibc
import Metering
import Posix
import Synchronization
import Testing

@testable import Fieldbus
@testable import Lab

/// RTU on a pseudo-terminal and through a converter, against a peer that does what lines and meters do.
@Suite struct ModbusLineTests {
    private static let span = RegisterSpan(function: .input, address: 0, count: 10)
    private var span: RegisterSpan { Self.span }

    enum Kind: CaseIterable, Sendable {
        case port, converter

        func peer(_ script: @escaping LinePeer.Script) throws -> LinePeer {
            switch self {
            case .port: try .port(script)
            case .converter: try .converter(script)
            }
        }
    }

    private static func answer(_ request: [UInt8], _ value: UInt16 = 0x1000) -> PeerStep {
        .send(Frames.answer(to: request, value: value))
    }

    private func words(_ value: UInt16, _ count: Int = 10) -> [UInt16] {
        (0..<count).map { value &+ UInt16($0) }
    }

    // MARK: - Answers

    @Test(arguments: Kind.allCases)
    func registersAreRead(kind: Kind) throws {
        let peer = try kind.peer { number, request in [Self.answer(request, UInt16(number))] }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        for number: UInt16 in 0..<3 {
            let before = BootClock.now
            let arrived = try link.read(span, unit: 17)
            let read = link.words
            #expect(read == words(number))
            #expect(before < arrived && arrived <= BootClock.now)
        }
        #expect(peer.requests.count == 3)
        #expect(peer.requests.allSatisfy { $0 == Frames.rtu(17, [4, 0, 0, 0, 10]) })
        let counters = link.counters
        #expect(counters == LinkCounters(requests: 3, connects: 1))
        let (busy, turnaround) = (link.wireTime, link.turnaround(of: 17))
        #expect(busy > .zero)
        #expect(turnaround != nil)
    }

    @Test(arguments: Kind.allCases)
    func anAnswerByteByByte(kind: Kind) throws {
        let peer = try kind.peer { _, request in
            Frames.answer(to: request, value: 7).flatMap { [.send([$0]), .pause(milliseconds: 1)] }
        }
        defer { peer.stop() }
        var link = ModbusLink(
            BusSettings(peer, timing: Timing(responseTimeout: .seconds(10), byteTimeout: .seconds(5))))
        try link.read(span, unit: 1)
        let read = link.words
        #expect(read == words(7))
    }

    @Test(arguments: Kind.allCases)
    func bitsAreWords(kind: Kind) throws {
        let peer = try kind.peer { _, request in [.send(Frames.rtu(request[0], [request[1], 2, 0b1000_0101, 0b10]))] }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        for function in [RegisterFunction.coil, .discrete] {
            try link.read(RegisterSpan(function: function, address: 3, count: 10), unit: 1)
            let read = link.words
            #expect(read == [1, 0, 1, 0, 0, 0, 0, 1, 0, 1])
        }
        #expect(peer.requests.map { $0[1] } == [1, 2])
    }

    /// As many as one request may ask for: the answer is as long as that of 125 registers.
    @Test(arguments: Kind.allCases)
    func twoThousandBitsAreOneAnswer(kind: Kind) throws {
        let data = (0..<250).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        let peer = try kind.peer { _, request in [.send(Frames.rtu(request[0], [request[1], 250] + data))] }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer, timing: Timing(responseTimeout: .seconds(10))))
        for function in [RegisterFunction.coil, .discrete] {
            let span = RegisterSpan(function: function, address: 63_536, count: function.maximumCount)
            try link.read(span, unit: 1)
            let read = link.words
            #expect(read == data.flatMap { byte in (0..<8).map { UInt16(byte >> $0 & 1) } })
        }
        #expect(peer.requests.allSatisfy { $0.prefix(6).suffix(4) == [0xF8, 0x30, 0x07, 0xD0] })
    }

    @Test(arguments: Kind.allCases)
    func anExceptionIsTheUnitsWord(kind: Kind) throws {
        let peer = try kind.peer { number, request in
            number == 0 ? [.send(Frames.rtu(1, [0x84, 2]))] : [Self.answer(request)]
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(error.code == .exception(2))
        #expect(
            error.description.hasSuffix(
                "unit 1, 30001 = input 0, 0x0 ×10, sent 04 00 00 00 0A: exception 2 (illegal data address)"))
        try link.read(span, unit: 1)
        let connects = link.counters.connects
        #expect(connects == 1)
    }

    // MARK: - Identity

    @Test(arguments: Kind.allCases)
    func aMeterTellsWhatItIs(kind: Kind) throws {
        func text(_ id: UInt8, _ text: String) -> [UInt8] { [id, UInt8(text.utf8.count)] + Array(text.utf8) }
        let objects: [UInt8: [UInt8]] = [
            0: text(0, "ABB"), 1: text(1, "B23 112-100\0\0"), 2: text(2, "1.2"), 3: text(3, "https://abb.com"),
            5: [5, 3, 0x5A, 0xE4, 0x68],
        ]
        let peer = try kind.peer { _, request in
            guard request[1] == 43 else { return [.send(Frames.rtu(1, [17, 4, 0xFF, 0xFF, 1, 2]))] }
            // One object a page; the basic ones end at 2.
            let last: UInt8 = request[3] == 1 ? 2 : 5
            let ids = objects.keys.filter { $0 >= request[4] && $0 <= last }.sorted()
            let more: [UInt8] = ids.count > 1 ? [0xFF, ids[1]] : [0, 0]
            return [.send(Frames.rtu(1, [43, 14, request[3], 0x82] + more + [1] + objects[ids[0]]!))]
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        let found = try link.deviceIdentification(unit: 1)
        #expect(found == [0: "ABB", 1: "B23 112-100", 2: "1.2", 3: "https://abb.com", 5: "Zäh"])
        #expect(peer.requests.map { $0[4] } == [0, 1, 2, 3, 5])
        let id = try link.serverID(unit: 1)
        #expect(id == [0xFF, 0xFF, 1, 2])
    }

    @Test func aMeterWithoutIdentificationSaysSo() throws {
        let peer = try LinePeer.port { _, request in [.send(Frames.rtu(1, [request[1] | 0x80, 1]))] }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        let error = try #require(throws: ModbusError.self) { try link.deviceIdentification(unit: 1) }
        #expect(error.description.hasSuffix("unit 1, FC43: exception 1 (illegal function)"))
        #expect(throws: ModbusError.self) { try link.serverID(unit: 1) }
    }

    // MARK: - Echo, noise, others

    /// libmodbus #34, #380, PR #432, #818, #819: the local echo of 2-wire adapters.
    @Test func anEchoIsSwallowed() throws {
        let peer = try LinePeer.port { number, request in
            // At once with the answer, before it, in the middle of it.
            let answer = Frames.answer(to: request, value: UInt16(number))
            switch number {
            case 0: return [.send(request + answer)]
            case 1: return [.send(request), .pause(milliseconds: 30), .send(answer)]
            case 2: return [.send(Array(request.prefix(5))), .send(Array(request.dropFirst(5)) + answer)]
            default: return [.send(request)]
            }
        }
        defer { peer.stop() }
        // A busy machine may stretch what is between two writes.
        let patient = Timing(responseTimeout: .seconds(30), byteTimeout: .seconds(10))
        var link = ModbusLink(BusSettings(peer, timing: patient))
        for number: UInt16 in 0..<3 {
            try link.read(span, unit: 1)
            let read = link.words
            #expect(read == words(number))
        }
        let error = try #require(throws: ModbusError.self) {
            try link.read(span, unit: 1, timing: Timing(responseTimeout: .seconds(4), byteTimeout: .seconds(2)))
        }
        #expect(error.code == .echoOnly && error.isSilence && error.disposition == .retry)
        let (evidence, counters) = (link.lastEvidence, link.counters)
        #expect(evidence?.isEcho == true && evidence?.bytes == [] && evidence?.firstByte != nil)
        #expect(counters.echoes == 4 && counters.timeouts == 1 && counters.connects == 1)
    }

    /// neuron #2148: a foreign broadcast tears down the port there. Here it is passed over and counted.
    @Test(arguments: Kind.allCases)
    func foreignFramesArePassedOver(kind: Kind) throws {
        let peer = try kind.peer { _, request in
            [
                .send(Frames.rtu(0, [6, 0, 1, 0, 2])),
                .send(Frames.rtu(9, [4, 20] + [UInt8](repeating: 3, count: 20))),
                Self.answer(request),
            ]
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        for _ in 0..<2 { try link.read(span, unit: 1) }
        let (read, counters) = (link.words, link.counters)
        #expect(read == words(0x1000))
        #expect(counters.foreignFrames == 4 && counters.connects == 1 && counters.timeouts == 0)
    }

    @Test(arguments: Kind.allCases)
    func noiseBeforeAndBehindAnAnswer(kind: Kind) throws {
        let peer = try kind.peer { _, request in
            [.send([0, 0xFF] + Frames.answer(to: request, value: 5) + [0xAA, 0xBB, 0xCC])]
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        for _ in 0..<3 {
            try link.read(span, unit: 1)
            let read = link.words
            #expect(read == words(5))
        }
        let drained = link.counters.drainedBytes
        #expect(drained == 6)
    }

    @Test(arguments: Kind.allCases)
    func aWrongChecksumFailsOneRequest(kind: Kind) throws {
        let peer = try kind.peer { number, request in
            var answer = Frames.answer(to: request, value: 5)
            if number == 0 { answer[6] ^= 0x10 }
            if number == 1 { answer.removeLast(7) }
            if number == 2 { answer[0] ^= 0x10 }
            return [.send(answer)]
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        for code in [ModbusError.Code.crc, .cut(received: 18, expected: 25), .crc] {
            let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
            #expect(error.code == code && error.disposition == .retry)
            let evidence = link.lastEvidence
            #expect(evidence?.bytes.count == (code == .crc ? 25 : 18))
            #expect(evidence?.crcErrors == (code == .crc ? 1 : 0))
        }
        try link.read(span, unit: 1)
        let (read, counters, evidence) = (link.words, link.counters, link.lastEvidence)
        #expect(read == words(5))
        #expect(counters.crcErrors == 2 && counters.connects == 1 && evidence == nil)
        // The last one did not begin like an answer of this unit, so that may still have come.
        #expect(peer.requests.map { $0[5] } == [10, 10, 10, 2, 10])
    }

    /// A meter that answers otherwise than it was asked is not silent.
    @Test(arguments: [
        (Frames.rtu(1, [4, 2, 0, 0]), "2 bytes of data for 10 registers"),
        (Frames.rtu(1, [3, 20] + [UInt8](repeating: 0, count: 20)), "function 3 in place of 4"),
    ])
    func anAnswerThatDoesNotFit(answer: [UInt8], how: String) throws {
        let peer = try LinePeer.port { _, _ in [.send(answer)] }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer, timing: Timing(responseTimeout: .seconds(10))))
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(error.code == .malformed(how) && error.disposition == .retry)
        let (counters, evidence, isConnected) = (link.counters, link.lastEvidence, link.isConnected)
        #expect(counters.lateAnswers == 1 && counters.timeouts == 0 && isConnected)
        #expect(evidence?.bytes == answer)
    }

    /// A line on which somebody never stops: nothing is asked, and the words say why.
    @Test func aBabblingUnitMakesTheLineBusy() async throws {
        let peer = try LinePeer.port { number, request in
            guard number == 0 else { return [Self.answer(request)] }
            let babble: [PeerStep] = [.send([0x55, 0xAA, 0x55]), .pause(milliseconds: 2)]
            return [Self.answer(request)] + (0..<1500).flatMap { _ in babble }
        }
        defer { peer.stop() }
        // At 300 baud a frame is separated by 128 ms, which no busy machine stretches a pause of 2 ms to.
        var link = ModbusLink(BusSettings(peer, baud: 300))
        try link.read(span, unit: 1)
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(error.code == .lineBusy && error.disposition == .retry)
        let (counters, evidence) = (link.counters, link.lastEvidence)
        #expect(counters.requests == 1 && counters.drainedBytes > 100 && counters.timeouts == 0)
        #expect(evidence?.bytes.isEmpty == false)
        let isQuiet = try await AgentHarness.wait(60) { (try? link.read(span, unit: 1)) != nil }
        #expect(isQuiet)
    }

    // MARK: - Silence and late answers

    @Test(arguments: Kind.allCases)
    func aTimeoutThenRecovery(kind: Kind) throws {
        let peer = try kind.peer { number, request in number < 2 ? [] : [Self.answer(request, UInt16(number))] }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        for _ in 0..<2 {
            let begin = BootClock.now
            let error = try #require(throws: ModbusError.self) {
                try link.read(span, unit: 1, timing: Timing(responseTimeout: .milliseconds(60)))
            }
            #expect(error.code == .timeout && error.span == span && error.disposition == .retry)
            #expect(BootClock.now - begin >= .milliseconds(60))
            let stated = link.timeout(of: 1)
            #expect(stated == .milliseconds(60))
        }
        try link.read(span, unit: 1)
        // The second request had another length already, and so has the third; the fourth is the real one.
        #expect(peer.requests.map { $0[5] } == [10, 2, 2, 10])
        let (read, counters, evidence) = (link.words, link.counters, link.lastEvidence)
        #expect(read == words(3))
        #expect(counters.timeouts == 2 && counters.lateAnswers == 0 && evidence == nil)
    }

    /// grid-x/modbus #78, telegraf #14317: a late answer shifts the pairing for ever. It comes when the same registers
    /// are asked for again, it has the same length, and it must not be taken for theirs.
    @Test(arguments: Kind.allCases)
    func aLateAnswerOfTheSameLengthIsNeverPaired(kind: Kind) throws {
        let held = Mutex<[UInt8]?>(nil)
        let peer = try kind.peer { number, request in
            if number == 1 {
                held.withLock { $0 = Frames.answer(to: request, value: 0xDEAD) }
                return []
            }
            let late = held.withLock { held in
                defer { held = nil }
                return held
            }
            return (late.map { [.send($0)] } ?? []) + [Self.answer(request, UInt16(number))]
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        try link.read(span, unit: 1)
        let error = try #require(throws: ModbusError.self) {
            try link.read(span, unit: 1, timing: Timing(responseTimeout: .milliseconds(60)))
        }
        #expect(error.code == .timeout)
        for number: UInt16 in 3..<6 {
            try link.read(span, unit: 1)
            let read = link.words
            #expect(read == words(number))
        }
        #expect(peer.requests.map { $0[5] } == [10, 10, 2, 10, 10, 10])
        let counters = link.counters
        #expect(counters.lateAnswers == 1 && counters.connects == 1)
    }

    /// The same, but the late answer comes while nothing is asked: then nothing needs to be tried before.
    @Test(arguments: Kind.allCases)
    func aLateAnswerBetweenRequestsIsDrained(kind: Kind) throws {
        let gate = Gate()
        let peer = try kind.peer { number, request in
            number == 0 ? [.hold(gate), Self.answer(request, 0xDEAD)] : [Self.answer(request, UInt16(number))]
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        #expect(throws: ModbusError.self) {
            try link.read(span, unit: 1, timing: Timing(responseTimeout: .milliseconds(20)))
        }
        gate.open()
        #expect(AgentHarness.wait(60) { peer.sent == 1 })
        // From there through the kernel.
        usleep(1_000_000)
        try link.read(span, unit: 1)
        let (read, counters) = (link.words, link.counters)
        #expect(read == words(1))
        #expect(peer.requests.count == 2)
        #expect(counters.lateAnswers == 1 && counters.drainedBytes == 25)
    }

    /// After a timeout the line is listened to, for as long as this unit's answers took and no longer.
    @Test func theLineIsListenedToAfterATimeout() throws {
        let peer = try LinePeer.port { number, request in
            switch number {
            case 0: [.pause(milliseconds: 700), Self.answer(request)]
            // Late by less than the 700 ms: it collides with the request to unit 2 unless that waits.
            case 1: [.pause(milliseconds: 600), Self.answer(request)]
            default: request[0] == 2 ? [Self.answer(request, 2)] : []
            }
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        try link.read(span, unit: 1)
        #expect(throws: ModbusError.self) {
            try link.read(span, unit: 1, timing: Timing(responseTimeout: .milliseconds(50)))
        }
        try link.read(span, unit: 2)
        let (read, counters) = (link.words, link.counters)
        #expect(read == words(2))
        #expect(counters.lateAnswers == 1 && counters.drainedBytes == 25)
        // A unit that never answered is not waited for.
        #expect(throws: ModbusError.self) {
            try link.read(span, unit: 3, timing: Timing(responseTimeout: .milliseconds(10)))
        }
        let isSuspected = link.suspicion != nil
        #expect(!isSuspected)
    }

    /// libmodbus PR #494, mqmgateway #40: 3.5 characters of silence before each request; home-assistant #9451,
    /// thingsboard-gateway #1664: a pause of the meter's own; telegraf #11919: one after the connection.
    @Test(arguments: Kind.allCases)
    func silenceIsKept(kind: Kind) throws {
        let peer = try kind.peer { _, request in [Self.answer(request)] }
        defer { peer.stop() }
        let timing = Timing(responseTimeout: .seconds(10), afterConnect: .milliseconds(120))
        var link = ModbusLink(BusSettings(peer, baud: 1200, timing: timing))
        let traced = Mutex<[FrameTrace]>([])
        link.trace = { frame in traced.withLock { $0.append(frame) } }
        let begin = BootClock.now
        try link.connect()
        let silence = SerialLine(baud: 1200).silence
        let request = SerialLine(baud: 1200).duration(ofCharacters: 8)
        for unit: UInt8 in [1, 2, 1, 2] { try link.read(span, unit: unit) }
        try link.read(span, unit: 1, timing: Timing(pause: .milliseconds(300)))
        try link.read(span, unit: 1, timing: Timing(pause: .milliseconds(300)))
        let (arrivals, sendings) = (peer.arrivals, peer.sendings)
        #expect(arrivals[0] - begin >= .milliseconds(120))
        for next in 1..<6 {
            #expect(arrivals[next] - sendings[next - 1] >= silence)
        }
        // A pseudo-terminal takes the request at once; on a line it would have ended later.
        let sent = traced.withLock { $0 }.filter(\.isSent).map(\.instant)
        #expect(zip(sent, sent.dropFirst()).allSatisfy { $1 - $0 >= request + silence })
        #expect(arrivals[5] - sendings[4] >= .milliseconds(300))
    }

    /// The wait for an answer is learnt where nobody states it.
    @Test func theTimeoutIsLearnt() throws {
        let peer = try LinePeer.port { _, request in [Self.answer(request)] }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer, timing: Timing()))
        let before = link.timeout(of: 1)
        #expect(before == .seconds(1))
        for _ in 0..<64 {
            // A busy machine may take more than a second for an answer; then there is one more of these.
            _ = try? link.read(span, unit: 1)
        }
        let (after, turnaround) = (link.timeout(of: 1), link.turnaround(of: 1))
        #expect(after >= TimeoutEstimator.shortest && after <= TimeoutEstimator.longest)
        #expect(turnaround != nil)
        let stranger = link.timeout(of: 2)
        #expect(stranger == .seconds(1))
    }

    /// A unit that pauses within its answers gets the time that it needs; what is stated stays.
    @Test(arguments: Kind.allCases)
    func pausesWithinAnswersAreLearnt(kind: Kind) throws {
        let gates = (0..<3).map { _ in Gate() }
        let isPatient = Gate()
        let peer = try kind.peer { number, request in
            let answer = Frames.answer(to: request, value: 7)
            let rest = PeerStep.send(Array(answer.dropFirst(9)))
            // The first two rests come when they have been waited for in vain, and the last one, too.
            let wait: PeerStep =
                number < 2 ? .hold(gates[number]) : isPatient.isOpen ? .hold(gates[2]) : .pause(milliseconds: 120)
            return [.send(Array(answer.prefix(9))), wait, rest]
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        var failures = 0
        // 50 and 100 ms are too short; a busy machine may stretch the pause that is left then.
        while failures < 20 {
            do throws(ModbusError) {
                try link.read(span, unit: 1)
                break
            } catch {
                if failures < 2 { gates[failures].open() }
                failures += 1
                #expect(error.code == .cut(received: 9, expected: 25))
            }
        }
        #expect((2..<20).contains(failures), "\(failures)")
        let read = link.words
        #expect(read == words(7))
        isPatient.open()
        let stated = Timing(byteTimeout: .milliseconds(20))
        let error = #expect(throws: ModbusError.self) { try link.read(span, unit: 1, timing: stated) }
        gates[2].open()
        #expect(error?.code == .cut(received: 9, expected: 25))
    }

    @Test func theByteTimeoutHasBoundsAndComesBack() {
        let usual = Duration.milliseconds(50)
        var gaps = GapLimit()
        #expect(gaps.limit(usual) == usual)
        let steps = (0..<6).map { _ in
            gaps.cut(usual)
            return gaps.limit(usual)
        }
        #expect(steps == [100, 200, 400, 500, 500, 500].map { .milliseconds($0) })
        #expect(gaps.limit(.milliseconds(733)) == .milliseconds(733), "a slow line needs more")
        /// The limit after as many whole answers as bring it back by a step.
        func whole(gap: Int64) -> Duration {
            for _ in 0..<GapLimit.answersToShorten - 1 { gaps.whole(usual, gap: .zero) }
            gaps.whole(usual, gap: .milliseconds(gap))
            return gaps.limit(usual)
        }
        #expect(whole(gap: 120) == .milliseconds(400))
        // Its pauses of 120 ms need the rest, twice over.
        #expect(whole(gap: 120) == .milliseconds(400) && whole(gap: 120) == .milliseconds(400))
        #expect(
            [whole(gap: 0), whole(gap: 0), whole(gap: 0), whole(gap: 0)]
                == [200, 100, 50, 50].map { .milliseconds($0) })
    }

    // MARK: - The other protocol

    /// evcc #14984: the wrong one of the two chosen, and the only symptom is a timeout.
    @Test func modbusTCPBehindAConverter() throws {
        let peer = try LinePeer.converter { number, request in
            let pdu = Frames.answerPDU(function: 4, count: 10, value: 1)
            return [.send([0, 1, 0, 0, 0, UInt8(pdu.count + 1), 1] + pdu)]
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(error.code == .speaksTCP && error.disposition == .reject)
        #expect(error.hint.contains("write tcp in place of rtu_over_tcp"))
    }

    @Test func silenceBehindAConverterNamesTheOtherProtocol() throws {
        let peer = try LinePeer.converter { _, _ in [] }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer, timing: Timing(responseTimeout: .milliseconds(20))))
        for _ in 0..<3 {
            let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1) }
            #expect(error.hint.contains("try tcp"))
        }
        let isConnected = link.isConnected
        #expect(!isConnected, "a connection may be half dead: after three timeouts it is made anew")
    }

    // MARK: - Watching

    @Test func everyFrameIsTraced() throws {
        let peer = try LinePeer.port { number, request in
            switch number {
            case 0:
                [
                    .send(request + Frames.rtu(9, [4, 2, 0, 0]) + Frames.rtu(1, [3, 2, 0, 0]) + [0xFF]),
                    Self.answer(request),
                ]
            case 1: [.send(Frames.rtu(1, [0x84, 4]))]
            default: [.send([1, 4, 20, 0, 0])]
            }
        }
        defer { peer.stop() }
        var link = ModbusLink(BusSettings(peer))
        let traced = Mutex<[FrameTrace]>([])
        link.trace = { frame in traced.withLock { $0.append(frame) } }
        try link.read(span, unit: 1)
        #expect(throws: ModbusError.self) { try link.read(span, unit: 1) }
        #expect(throws: ModbusError.self) { try link.read(span, unit: 1) }
        link.trace = nil
        #expect(throws: ModbusError.self) { try link.read(span, unit: 1) }
        let frames = traced.withLock { $0 }
        #expect(
            frames.map(\.verdict) == [
                .request, .echo, .foreign, .late, .noise, .answer, .request, .exception(4), .request, .cut,
            ])
        #expect(frames[0].bytes == Frames.rtu(1, [4, 0, 0, 0, 10]) && frames[0].isSent)
        #expect(frames[2].bytes == Frames.rtu(9, [4, 2, 0, 0]) && !frames[2].isSent)
        #expect(zip(frames, frames.dropFirst()).allSatisfy { $0.instant <= $1.instant })
    }
}
