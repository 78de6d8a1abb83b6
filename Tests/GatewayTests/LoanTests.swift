import Fieldbus
import Glibc
import Metering
import Posix
import Synchronization
import Testing

@testable import Gateway
@testable import Lab

/// What the agent counts as lent: 2 s a step, whatever the line does. The slack is the machine's, busy with other tests;
/// what does not look at the time would take 9 s and more.
@Suite(.serialized) struct LoanTests {
    private static let bound = Duration.seconds(7)
    private let step: BusStep = {
        var step = BusStep.read(RegisterSpan(function: .input, address: 0, count: 10), of: 1)
        step.timeoutMilliseconds = BusStep.longestTimeout
        return step
    }()

    /// An agent's bus without meters of its own.
    private final class Agent: Sendable {
        let bus: ModbusBus
        private let answers = Mutex<[BusAnswer]>([])
        private let task: Task<Void, Never>

        init(_ settings: BusSettings) {
            let bus = ModbusBus(settings: settings, meters: [], ids: [:], intake: Intake()) { _ in }
            self.bus = bus
            task = Task.detached(executorPreference: bus.thread) { await bus.run() }
        }

        /// The answer to `step`, and for how long the bus was lent.
        func take(_ step: BusStep) async throws -> (BusAnswer, lent: Duration) {
            let (before, count) = (bus.status.lentTime, bus.status.loans)
            bus.lend { [self] link, settings in
                let answer = step.take(on: &link, settings, isLent: true)
                answers.withLock { $0.append(answer) }
            }
            #expect(try await AgentHarness.wait(60) { bus.status.loans > count })
            return (try #require(answers.withLock { $0.last }), bus.status.lentTime - before)
        }

        func stop() async {
            bus.stop()
            await task.value
        }
    }

    private func settings(_ device: LineDevice, baud: Int = 9600, timing: Timing = Timing()) -> BusSettings {
        BusSettings(
            id: "b", endpoint: .serial(path: device.place), line: SerialLine(baud: baud), timing: timing)
    }

    /// A unit that is slow and then silent: its late answer is waited for, and another length asked for, before it is
    /// asked once more.
    @Test func aSuspectedUnit() async throws {
        let asked = Atomic(0)
        let device = try LineDevice.port { request in
            let number = asked.wrappingAdd(1, ordering: .relaxed).oldValue
            return number == 0 || request.count != 10 ? (Frame.meter(request), number == 0 ? 500 : 1100) : nil
        }
        defer { device.stop() }
        let agent = Agent(settings(device))
        #expect(try await agent.take(step).0.error == nil)
        for _ in 0..<2 {
            let (answer, lent) = try await agent.take(step)
            #expect([.timeout, .outOfTime].contains(answer.error?.code) && lent < Self.bound, "\(lent): \(answer)")
        }
        await agent.stop()
    }

    /// At 300 baud the longest frame takes 9 s, and for so long a line may seem busy with one.
    @Test(arguments: [true, false]) func aBabbler(isBefore: Bool) async throws {
        var last: (answer: BusAnswer, lent: Duration)?
        // A babbler that is held up by other tests is silent for a while, which is another case.
        for _ in 0..<5 {
            let outcome = try await babbled(isBefore: isBefore)
            last = outcome
            if [.lineBusy, .outOfTime].contains(outcome.answer.error?.code) { break }
        }
        let (answer, lent) = try #require(last)
        #expect([.lineBusy, .outOfTime].contains(answer.error?.code) && lent < Self.bound, "\(lent): \(answer)")
    }

    private func babbled(isBefore: Bool) async throws -> (answer: BusAnswer, lent: Duration) {
        let isBabbling = Atomic(false)
        let device = try LineDevice.port { request in
            isBabbling.store(true, ordering: .relaxed)
            return isBefore ? (Frame.meter(request), 0) : nil
        }
        defer { device.stop() }
        let agent = Agent(settings(device, baud: 300))
        // A thread of its own: the other tests share theirs, and a babbler that has to wait for them is silent.
        let thread = ThreadExecutor(name: "babbler")
        let babble = Task.detached(executorPreference: thread) {
            while !Task.isCancelled {
                if isBabbling.load(ordering: .relaxed) { device.say([0x55, 0xAA, 0x55]) }
                usleep(5000)
            }
            thread.stop()
        }
        defer { babble.cancel() }
        var short = step
        short.question = .registers(function: .input, address: 0, count: 2)
        if isBefore { _ = try await agent.take(short) }
        let (answer, lent) = try await agent.take(short)
        await agent.stop()
        return (answer, lent)
    }

    enum Excess: CaseIterable { case rest, restOverTCP, answer }

    /// A rest, or an answer, that is longer than the loan: that is told at once, the bus goes back, and nobody takes the
    /// unit for silent, or for somebody who was found.
    @Test(arguments: Excess.allCases) func moreThanALoanHolds(excess: Excess) async throws {
        let device = try LineDevice.port { (Frame.meter($0), 0) }
        defer { device.stop() }
        let listener = try Loopback.listen(on: 0)
        defer { close(listener) }
        var settings = settings(
            device, baud: excess == .answer ? 300 : 9600,
            timing: Timing(afterConnect: excess == .answer ? nil : .seconds(20)))
        if excess == .restOverTCP { settings.endpoint = .tcp(host: "127.0.0.1", port: Loopback.port(of: listener)) }
        let agent = Agent(settings)
        var long = step
        long.question = .registers(function: .input, address: 0, count: 60)
        let (answer, lent) = try await agent.take(long)
        #expect(answer.error?.code == .outOfTime && lent < Self.bound, "\(lent): \(answer)")
        #expect(answer.frames.isEmpty)
        #expect(SilenceInquiry.Finding(answer, unit: 1, on: settings) == .obstacle(.outOfTime))
        #expect(try Presence(answer, absent: []) == .obstacle(#require(answer.error)))
        await agent.stop()
    }

    /// What a unit rests for goes by: it is asked again, and not for ever.
    @Test(arguments: [2, 9]) func aCommandAsksAgain(failures: Int) throws {
        let folder = try LabFile.temporaryFolder("parthe-test")
        defer { LabFile.remove(folder: folder) }
        let settings = BusSettings(id: "b", endpoint: .tcp(host: "127.0.0.1", port: 1))
        let listener = try UnixListener(path: folder + "/socket")
        let asked = Atomic(0)
        let isOver = Atomic(false)
        let descriptor = listener.descriptor
        let held = Mutex(Optional(listener))
        let agent = try WorkerThread {
            while !isOver.load(ordering: .acquiring) {
                guard Poller.isReadable(descriptor, within: .milliseconds(20)) else { continue }
                held.withLock {
                    $0?.serve { _, asker in
                        var answer = BusAnswer()
                        if asked.wrappingAdd(1, ordering: .relaxed).oldValue < failures {
                            answer.error = ModbusError(code: .outOfTime, endpoint: "b", unit: 1)
                        }
                        _ = asker.send(BusReply.answer(answer).json)
                    }
                }
            }
        }
        defer {
            isOver.store(true, ordering: .releasing)
            agent.join()
        }
        var access = BusAccess(settings, socket: folder + "/socket")
        let answer = try access.take(step)
        #expect(answer.error?.code == (failures == 2 ? nil : .outOfTime))
        #expect(asked.load(ordering: .relaxed) == 3)
    }

    /// A host that takes no connection.
    @Test func aDeadHost() async throws {
        let host = try DeadHost()
        defer { host.stop() }
        let agent = Agent(BusSettings(id: "b", endpoint: .tcp(host: "127.0.0.1", port: host.port)))
        let (answer, lent) = try await agent.take(step)
        guard case .noConnection = answer.error?.code else {
            Issue.record("\(answer)")
            return
        }
        #expect(lent < Self.bound, "\(lent)")
        await agent.stop()
    }
}

/// A port that takes no connection and refuses none, as a host behind a firewall does.
private struct DeadHost {
    let port: UInt16
    private let descriptors: [Int32]

    init() throws {
        let listener = try Loopback.listen(on: 0)
        port = Loopback.port(of: listener)
        // One connection waits to be accepted, and there is room for no other.
        listen(listener, 0)
        descriptors = [listener, try Loopback.connect(to: port)]
    }

    func stop() {
        for descriptor in descriptors { close(descriptor) }
    }
}
