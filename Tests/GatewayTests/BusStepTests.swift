import Glibc
import Metering
import Posix
import Synchronization
import Testing

@testable import Fieldbus
@testable import Gateway
@testable import Lab

/// Steps: short, harmless, and honest about what came.
struct BusStepTests {
    private static func settings(_ device: LineDevice) -> BusSettings {
        BusSettings(id: "b", endpoint: .serial(path: device.place), timing: Timing(responseTimeout: .seconds(10)))
    }

    /// Whatever is asked for, the bus is lent for some 2 s at most.
    @Test func aStepIsShort() throws {
        let device = try LineDevice.port { _ in nil }
        defer { device.stop() }
        let settings = Self.settings(device)
        var link = ModbusLink(settings)
        for question in [
            .registers(function: .holding, address: 65_535, count: 1000), .identification, .serverID,
        ] as [BusStep.Question] {
            let step = BusStep(unit: 1, question: question, timeoutMilliseconds: .max, pauseMilliseconds: .max)
            let answer = step.take(on: &link, settings)
            #expect(answer.error?.code == .timeout)
            // The machine may be busy with other tests.
            #expect(answer.duration < .seconds(9), "\(question): \(answer.duration)")
        }
        #expect(device.functionCodes.isSubset(of: [3, 17, 43]))
    }

    // MARK: - A loan ends within 2 s, and a busy machine may take some of a third

    /// A unit that was slow before and is silent now may send its late answer; then the wait for the line and the wait
    /// for the answer share the time of the loan.
    @Test func aSuspectedUnitDoesNotProlongTheLoan() throws {
        let count = Atomic(0)
        let device = try LineDevice.port { request in
            count.wrappingAdd(1, ordering: .relaxed).newValue == 1 ? (Frame.meter(request), 950) : nil
        }
        defer { device.stop() }
        let settings = Self.settings(device)
        var link = ModbusLink(settings)
        let span = RegisterSpan(function: .input, address: 0, count: 2)
        try link.read(span, unit: 1)
        #expect(throws: ModbusError.self) {
            try link.read(span, unit: 1, timing: Timing(responseTimeout: .milliseconds(100)))
        }
        let isSuspected = link.suspicion != nil
        #expect(isSuspected)
        // Of the same length: before it comes a probe, which would take 1.5 s alone.
        let answer = BusStep.read(span, of: 1).take(on: &link, settings)
        #expect(answer.duration < .seconds(3), "\(answer.duration)")
        #expect([.timeout, .outOfTime].contains(answer.error?.code), "\(String(describing: answer.error))")
        let deadline = link.deadline
        #expect(deadline == nil, "the deadline is the loan's alone")
    }

    @Test(arguments: [false, true])
    func aBabblerDoesNotProlongTheLoan(isAfterRequest: Bool) throws {
        let expected: ModbusError.Code = isAfterRequest ? .outOfTime : .lineBusy
        var last: BusAnswer?
        // A babbler that is held up by other tests is silent for a while, which is another case.
        for _ in 0..<5 where last?.error?.code != expected { last = try babbled(isAfterRequest: isAfterRequest) }
        let answer = try #require(last)
        #expect(answer.duration < .seconds(9), "\(answer.duration)")
        #expect(answer.error?.code == expected, "\(String(describing: answer.error))")
    }

    private func babbled(isAfterRequest: Bool) throws -> BusAnswer {
        // One byte every 20 ms for ever, at a speed at which that is no silence.
        let isBabbling = Atomic(!isAfterRequest)
        let (master, path) = try PseudoTerminal.open()
        let isOver = Atomic(false)
        let babbler = try WorkerThread {
            var buffer = [UInt8](repeating: 0, count: 64)
            while !isOver.load(ordering: .acquiring) {
                if Glibc.read(master, &buffer, buffer.count) > 0 { isBabbling.store(true, ordering: .releasing) }
                if isBabbling.load(ordering: .acquiring) { _ = write(master, [0x55], 1) }
                usleep(20_000)
            }
            close(master)
        }
        defer {
            isOver.store(true, ordering: .releasing)
            babbler.join()
        }
        let settings = BusSettings(
            id: "b", endpoint: .serial(path: path), line: SerialLine(baud: 300),
            timing: Timing(responseTimeout: .seconds(10), byteTimeout: .seconds(2)))
        var link = ModbusLink(settings)
        let step = BusStep.read(RegisterSpan(function: .input, address: 0, count: 2), of: 1)
        return step.take(on: &link, settings)
    }

    /// What takes longer to send than a loan lasts is not asked for: its answer would collide with the next request.
    @Test func whatIsLongerThanALoanIsNotAsked() throws {
        let device = try LineDevice.port { _ in nil }
        defer { device.stop() }
        var settings = Self.settings(device)
        settings = BusSettings(id: "b", endpoint: settings.endpoint, line: SerialLine(baud: 300))
        var link = ModbusLink(settings)
        let step = BusStep.read(RegisterSpan(function: .input, address: 0, count: 125), of: 1)
        let answer = step.take(on: &link, settings)
        #expect(answer.error?.code == .outOfTime && answer.frames.isEmpty && answer.duration < .seconds(5))
        // Alone, there is time.
        #expect(step.take(on: &link, settings, isLent: false).error?.code == .timeout)
    }

    /// A host that drops what comes, as one behind a firewall or without power does.
    @Test func aDeadHostDoesNotProlongTheLoan() throws {
        let host = try DeadHost()
        let settings = BusSettings(
            id: "b", endpoint: .tcp(host: "localhost", port: host.port), timing: Timing(responseTimeout: .seconds(10)))
        var link = ModbusLink(settings)
        for isOther in [false, true] {
            var step = BusStep(unit: 1, question: .serverID)
            step.isOtherFraming = isOther
            let answer = step.take(on: &link, settings)
            guard case .noConnection = answer.error?.code else {
                Issue.record("\(String(describing: answer.error))")
                continue
            }
            #expect(answer.duration > .seconds(1) && answer.duration < .seconds(9), "\(answer.duration)")
        }
    }

    /// Listens, and has as many connections waiting as it takes: the next ones get no answer.
    private final class DeadHost {
        let port: UInt16
        private var descriptors: [Int32]

        init() throws {
            let listener = try Loopback.listen(on: 0)
            listen(listener, 0)
            port = Loopback.port(of: listener)
            descriptors = [listener]
            for _ in 0..<4 {
                let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
                descriptors.append(descriptor)
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = port.bigEndian
                address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
                withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        _ = connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
        }

        deinit { for descriptor in descriptors { close(descriptor) } }
    }

    /// The control socket takes questions from outside: none can write, none can break the agent.
    @Test func strangeQuestionsDoNoHarm() throws {
        let good = BusQuestion(bus: "hall", step: .read(.init(function: .input, address: 3, count: 2), of: 1))
        #expect(BusQuestion(text: good.text) == good)
        #expect(good.text.contains(#""function":4"#), "\(good.text)")
        for code in [0, 5, 6, 8, 15, 16, 22, 23, 255] {
            #expect(BusQuestion(text: good.text.replacing(#""function":4"#, with: "\"function\":\(code)")) == nil)
        }
        for text in ["", "bus ", "bus {}", "bus []", "bus " + String(repeating: "[", count: 100_000)] {
            #expect(BusQuestion(text: text) == nil)
        }
        let device = try LineDevice.port { (Frame.meter($0), 0) }
        defer { device.stop() }
        let settings = Self.settings(device)
        var link = ModbusLink(settings)
        for (baud, stopBits, parity) in [(0, 1, "none"), (-5, 1, "none"), (9600, 0, "x"), (.max, .max, "")] {
            var step = BusStep.read(.init(function: .input, address: 0, count: 2), of: 1)
            step.line = BusStep.Line(SerialLine(baud: 9600))
            step.line?.baud = baud
            step.line?.stopBits = stopBits
            step.line?.parity = parity
            #expect(step.take(on: &link, settings).words == [0x4366, 0])
        }
    }

    /// Other settings hold for their step alone, and the tracer of the link sees that step, too.
    @Test func otherSettingsAreForOneStep() throws {
        let heard = Atomic(0)
        let device = try LineDevice.port { request in
            heard.wrappingAdd(1, ordering: .relaxed)
            return request.baud == 19_200 ? (Frame.meter(request), 0) : nil
        }
        defer { device.stop() }
        /// The device looks at the speed when it reads a request: it has to before that changes.
        func waitFor(_ count: Int) -> Bool { AgentHarness.wait(30) { heard.load(ordering: .relaxed) == count } }
        let settings = Self.settings(device)
        var link = ModbusLink(settings)
        let seen = Seen()
        link.trace = { seen.frames.append($0) }
        var step = BusStep.read(.init(function: .input, address: 70, count: 2), of: 1)
        step.timeoutMilliseconds = 100
        #expect(step.take(on: &link, settings).error?.code == .timeout)
        #expect(waitFor(1))
        step.line = BusStep.Line(SerialLine(baud: 19_200))
        step.timeoutMilliseconds = 1500
        let answer = step.take(on: &link, settings)
        // The first try may still be answered, so a question of another length goes before.
        #expect(answer.words == [0x4248, 0] && answer.frames.count == 4)
        #expect(seen.frames.count == 5 && waitFor(3), "\(seen.frames)")
        step.line = nil
        step.timeoutMilliseconds = 100
        #expect(step.take(on: &link, settings).error?.code == .timeout, "the other speed stayed")
    }

    /// A late answer to a try at other settings is not taken for the answer to what is asked next at the bus's own, nor
    /// the other way round: the unit is asked for another length before.
    /// Units listen at the speed of their bus: a question at a higher one comes after the silence that they want.
    @Test func aFasterQuestionKeepsTheSilenceOfTheBus() {
        let own = SerialLine(baud: 9600)
        let bus = BusSettings(id: "b", endpoint: .serial(path: "/dev/x"), line: own)
        var step = BusStep(unit: 1, question: .serverID)
        #expect(step.changed(bus) == bus)
        step.line = BusStep.Line(SerialLine(baud: 115_200))
        #expect(step.changed(bus).timing.afterConnect == own.silence)
        var resting = bus
        resting.timing.afterConnect = .seconds(1)
        #expect(step.changed(resting).timing.afterConnect == .seconds(1))
    }

    @Test(arguments: [true, false]) func aLateAnswerAcrossSettings(isOtherFirst: Bool) throws {
        let asked = Mutex<[Int]>([])
        let device = try LineDevice.port { request in
            let number = asked.withLock { asked in
                asked.append(request.count)
                return asked.count
            }
            let words = [UInt8](repeating: UInt8(number), count: 2 * request.count)
            return (Frame.rtu(1, [request.function, UInt8(words.count)] + words), number == 1 ? 400 : 0)
        }
        defer { device.stop() }
        let settings = Self.settings(device)
        var link = ModbusLink(settings)
        var step = BusStep.read(.init(function: .input, address: 0, count: 10), of: 1)
        let other = BusStep.Line(SerialLine(stopBits: 2))
        step.timeoutMilliseconds = 100
        step.line = isOtherFirst ? other : nil
        #expect(step.take(on: &link, settings).error?.code == .timeout)
        step.timeoutMilliseconds = 1500
        step.line = isOtherFirst ? nil : other
        let answer = step.take(on: &link, settings)
        #expect(answer.words == [UInt16](repeating: 0x0303, count: 10), "\(answer)")
        #expect(asked.withLock { $0 } == [10, 2, 10])
    }

    /// The unit's rest does not depend on the settings: it has its pause before a try at others, and after it.
    @Test func aPauseAcrossSettings() throws {
        let device = try LineDevice.port { (Frame.meter($0), 0) }
        defer { device.stop() }
        let settings = Self.settings(device)
        var link = ModbusLink(settings)
        var step = BusStep.read(.init(function: .input, address: 0, count: 2), of: 1)
        step.pauseMilliseconds = 300
        var last: Instant?
        for stopBits in [1, 2, 1] {
            step.line = BusStep.Line(SerialLine(baud: 9600, stopBits: stopBits))
            let answer = step.take(on: &link, settings)
            #expect(answer.words == [0x4366, 0] && answer.frames.count == 2)
            if let last, let sent = answer.frames.first { #expect(sent.instant - last >= .milliseconds(300)) }
            last = answer.frames.last?.instant
        }
    }

    private final class Seen {
        var frames: [FrameTrace] = []
    }
}
