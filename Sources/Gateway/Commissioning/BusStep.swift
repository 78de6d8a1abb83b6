internal import Fieldbus
internal import Metering
internal import Posix

/// One look at a bus: a short question to a single unit, with everything that can be told of what came back.
///
/// Steps go through the running agent, which lends its bus for one of them at a time, or to the bus directly where no
/// agent runs. There is no step that writes: the link cannot form such a request.
struct BusStep: Codable, Equatable, Sendable {
    /// What is asked.
    enum Question: Codable, Equatable, Sendable {
        /// Nothing: only the connection, or the port, is tried.
        case connection
        /// Functions 1 to 4: function code, zero-based address, count.
        case registers(function: RegisterFunction, address: UInt16, count: Int)
        /// Function 43/14: Read Device Identification.
        case identification
        /// Function 17: Report Server ID.
        case serverID
    }

    /// Line settings other than the bus's, for this step alone.
    struct Line: Codable, Equatable, Sendable {
        var baud: Int
        var parity: String
        var stopBits: Int

        init(_ line: SerialLine) {
            baud = line.baud
            parity = line.parity.rawValue
            stopBits = line.stopBits
        }
    }

    var unit: UInt8 = 0
    var question = Question.connection
    var line: Line?
    /// Asks with the bus's other framing: RTU frames where the bus is Modbus TCP, and the other way round.
    var isOtherFraming = false
    /// How long to wait for the answer; nil for the bus's own timeout.
    var timeoutMilliseconds: Int64?
    /// The rest that the unit needs after its last answer; nil for the bus's own.
    var pauseMilliseconds: Int64?

    /// No agent's bus is lent for longer than this, whatever the line does.
    static let longestLoan = Duration.seconds(2)

    /// The longest wait of a step for an answer.
    static let longestTimeout: Int64 = 1500

    /// The speeds that a line may have.
    static let bauds = 300...921_600

    /// The longest wait of a step for a connection, in milliseconds.
    static let longestConnect: Int64 = 1500

    /// The question for `span`.
    static func read(_ span: RegisterSpan, of unit: UInt8) -> BusStep {
        BusStep(
            unit: unit, question: .registers(function: span.function, address: span.address, count: span.count))
    }
}

/// What came back.
struct BusAnswer: Codable, Equatable, Sendable {
    /// The registers, or the data of a server id byte by byte.
    var words: [UInt16]?
    /// Read Device Identification: object id and text.
    var identification: [UInt8: String]?
    /// Why there is no answer.
    var error: ModbusError?
    /// The frames of this step.
    var frames: [FrameTrace] = []
    /// When the step began.
    var begin = Instant(nanoseconds: 0)
    /// When it ended.
    var end = Instant(nanoseconds: 0)
    /// The serial port's device, while it is open.
    var device: String?
    /// Who switches the direction of an RS-485 port, where a port is open: `adapter`, `kernel`, `program`, `nobody`.
    var direction: String?
    /// From the end of a request to the unit's answer, typically, in milliseconds.
    var turnaroundMilliseconds: Double?

    /// Whether the unit answered, if only with an exception of its own.
    var isAnswered: Bool { error?.isAnswer ?? true }

    /// How long the step took.
    var duration: Duration { end - begin }
}

extension BusStep {
    /// Takes the step on `link`, which belongs to `settings`. Blocks for 2 s at most where it is lent.
    func take(on link: inout ModbusLink, _ settings: BusSettings, isLent: Bool = true) -> BusAnswer {
        let deadline = isLent ? BootClock.now + Self.longestLoan : nil
        let bus = changed(settings)
        guard bus != settings else { return ask(&link, bus, until: deadline) }
        // The port, or the meter's only connection, has to be free for the other settings.
        link.close()
        var temporary = ModbusLink(bus)
        temporary.trace = link.trace
        // The units are the same: what they still owe may come at either setting.
        temporary.inherit(from: link)
        let answer = ask(&temporary, bus, until: deadline)
        temporary.close()
        link.inherit(from: temporary)
        return answer
    }

    /// The bus as this step wants it.
    func changed(_ settings: BusSettings) -> BusSettings {
        var settings = settings
        // A question comes from outside: settings that no line has are left aside.
        if let line, var own = settings.line, Self.bauds.contains(line.baud), (1...2).contains(line.stopBits) {
            own.baud = line.baud
            own.parity = SerialLine.Parity(rawValue: line.parity) ?? own.parity
            own.stopBits = line.stopBits
            // The units go on listening at the bus's speed: a faster question must not come before they are ready.
            if let usual = settings.line, own != usual {
                settings.timing.afterConnect = max(settings.timing.afterConnect ?? .zero, usual.silence)
            }
            settings.line = own
        }
        if isOtherFraming {
            switch settings.endpoint {
            case .tcp(let host, let port):
                settings = BusSettings(id: settings.id, endpoint: .rtuOverTCP(host: host, port: port))
            case .rtuOverTCP(let host, let port):
                settings = BusSettings(id: settings.id, endpoint: .tcp(host: host, port: port))
            case .serial: break
            }
        }
        return settings
    }

    private func ask(_ link: inout ModbusLink, _ bus: BusSettings, until deadline: Instant?) -> BusAnswer {
        link.deadline = deadline
        defer { link.deadline = nil }
        let recorder = FrameRecorder()
        let before = link.trace
        link.trace = { frame in
            recorder.frames.append(frame)
            before?(frame)
        }
        var answer = BusAnswer()
        answer.begin = BootClock.now
        do throws(ModbusError) {
            try put(to: &link, bus, &answer)
        } catch {
            answer.error = error
        }
        answer.end = BootClock.now
        link.trace = before
        answer.frames = recorder.frames
        answer.device = link.portReport?.device
        answer.direction = link.portReport?.directionText
        answer.turnaroundMilliseconds = link.turnaround(of: unit).map { Double($0.wholeNanoseconds / 1000) / 1000 }
        return answer
    }

    private func put(to link: inout ModbusLink, _ bus: BusSettings, _ answer: inout BusAnswer) throws(ModbusError) {
        try link.connect(within: .milliseconds(Self.longestConnect))
        let timing = timing(bus, link.timeout(of: unit), elapsed: BootClock.now - answer.begin)
        switch question {
        case .connection: break
        case .registers(let function, let address, let count):
            // A question comes from outside: a span beyond the last register is cut rather than trusted.
            let count = min(max(count, 1), RegisterSpan.maximumCount, 65_536 - Int(address))
            try link.read(RegisterSpan(function: function, address: address, count: count), unit: unit, timing: timing)
            answer.words = link.words
        case .identification:
            answer.identification = try link.deviceIdentification(
                unit: unit, timing: timing, until: BootClock.now + .milliseconds(Self.longestTimeout / 3))
        case .serverID:
            answer.words = try link.serverID(unit: unit, timing: timing).map(UInt16.init)
        }
    }

    /// The wait of this step: what it asks for, or the usual one, within the limit.
    private func timing(_ bus: BusSettings, _ usual: Duration, elapsed: Duration) -> Timing {
        let asked = timeoutMilliseconds.map { Duration.milliseconds(max($0, 10)) } ?? usual
        return Timing(
            responseTimeout: min(asked, max(.milliseconds(Self.longestTimeout) - elapsed, .milliseconds(200))),
            pause: pauseMilliseconds.map { .milliseconds(min(max($0, 0), Self.longestTimeout / 3)) })
    }
}

/// What a frame carries, without what the line or TCP adds.
struct PDU: Equatable, Sendable {
    var unit: UInt8
    var bytes: [UInt8]

    /// The PDU in `frame`, which passed on `bus`.
    init(of frame: FrameTrace, _ bus: BusSettings) {
        // MBAP: transaction, protocol, length, unit; RTU: unit, and two bytes of checksum at the end.
        if case .tcp = bus.endpoint {
            unit = frame.bytes.count > 6 ? frame.bytes[6] : 0
            bytes = Array(frame.bytes.dropFirst(7))
        } else {
            unit = frame.bytes.first ?? 0
            bytes = Array(frame.bytes.dropFirst().dropLast(2))
        }
    }

    /// In hexadecimal: `03 03 48 00 02`.
    var text: String { hexadecimal(bytes) }
}

/// `03 04 00 00`.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { byte in
        let digits = String(byte, radix: 16, uppercase: true)
        return digits.count == 1 ? "0" + digits : digits
    }.joined(separator: " ")
}

/// Gathers frames while a step runs.
private final class FrameRecorder {
    var frames: [FrameTrace] = []
}
