internal import Configuration
internal import Fieldbus
internal import Metering

/// A frame in words: what `parthe bus trace` shows and prints as JSON, one line each.
public struct TraceEntry: Encodable, Sendable {
    /// ISO 8601, UTC: when a request began, when everything else ended.
    public var time: String
    /// Since the frame before it; absent for the first.
    public var sinceMilliseconds: Double?
    /// `request`, `answer`, `exception`, `echo`, `late`, `garbled` (wrong checksum), `cut`, `noise`, `malformed`;
    /// `foreign request` and `foreign answer` for frames of others.
    public var kind: String
    /// Whether this program or the agent sent it.
    public var isSent: Bool
    /// The unit id.
    public var unit: UInt8?
    /// The function code, without the bit of an exception.
    public var function: UInt8?
    /// The standard's name of it.
    public var functionName: String?
    /// Zero-based.
    public var address: UInt16?
    /// Both notations: `40841 = holding 840, 0x348`.
    public var register: String?
    /// How many registers or bits.
    public var count: Int?
    /// An answer's registers in hexadecimal.
    public var words: [String]?
    /// An exception's code.
    public var exception: UInt8?
    /// The standard's name of it.
    public var exceptionName: String?
    /// `ok` or `wrong`; absent on Modbus TCP and where no frame was found.
    public var checksum: String?
    /// The transaction id, on Modbus TCP.
    public var transaction: UInt16?
    /// From the end of the request to the first byte of this answer, as far as the line's speed tells.
    public var turnaroundMilliseconds: Double?
    /// What is wrong with it.
    public var note: String?
    /// For a request: whether nobody answered the one before.
    public var isAfterSilence: Bool?
    /// All bytes in hexadecimal.
    public var bytes: String
    /// The PDU alone, without unit, head and checksum.
    public var pdu: String?

    /// The entry as one line of JSON.
    public var json: [UInt8] { jsonLine(self) }
}

/// Turns frames into words, one after the other: answers are told with the request before them.
struct FrameDecoder {
    private struct Asked {
        var unit: UInt8
        var function: UInt8
        var address: UInt16?
        var count: Int?
        /// When its last byte was on the wire.
        var end: Instant
        /// Whether something came back for it, if only in pieces.
        var isAnswered = false
    }

    private let bus: BusSettings
    private let isTCP: Bool
    private var last: Instant?
    private var asked: Asked?

    init(_ bus: BusSettings) {
        self.bus = bus
        if case .tcp = bus.endpoint { isTCP = true } else { isTCP = false }
    }

    /// What `frame` says; `offset` turns its instant into a time of day.
    mutating func decode(_ frame: FrameTrace, offset: ClockOffset) -> TraceEntry {
        let pdu = PDU(of: frame, bus)
        let isRequest = isRequest(frame, pdu)
        var entry = TraceEntry(
            time: offset.timestamp(of: frame.instant).description, kind: Self.kind(frame.verdict, isRequest),
            isSent: frame.isSent, bytes: hexadecimal(frame.bytes))
        entry.sinceMilliseconds = last.map { Self.milliseconds(frame.instant - $0) }
        last = frame.instant
        if isTCP, frame.bytes.count >= 2 { entry.transaction = UInt16(frame.bytes[0]) << 8 | UInt16(frame.bytes[1]) }
        if !isRequest { asked?.isAnswered = true }
        switch frame.verdict {
        case .noise: return entry
        case .crcError:
            entry.checksum = "wrong"
            entry.note = "wrong checksum"
        case .cut: entry.note = "the rest never came"
        case .malformed(let how): entry.note = how
        default: if !isTCP { entry.checksum = "ok" }
        }
        guard let code = pdu.bytes.first else { return entry }
        entry.unit = pdu.unit
        entry.pdu = pdu.text
        entry.function = code & 0x7F
        entry.functionName = Self.name(ofFunction: code & 0x7F)
        if isRequest {
            describe(request: pdu, frame, &entry)
        } else {
            describe(answer: pdu, frame, &entry)
        }
        return entry
    }

    // MARK: - Requests and answers

    /// Frames of others do not say what they are; lengths do, but for three bytes of bits.
    private func isRequest(_ frame: FrameTrace, _ pdu: PDU) -> Bool {
        switch frame.verdict {
        case .request, .echo: return true
        case .foreign: break
        default: return false
        }
        guard let function = pdu.bytes.first, function & 0x80 == 0 else { return false }
        if let asked, asked.unit == pdu.unit, asked.function == function, isAnswer(pdu, to: asked) { return false }
        switch function {
        case 1...6: return pdu.bytes.count == 5
        case 15, 16: return pdu.bytes.count > 5
        case 17: return pdu.bytes.count == 1
        case 43: return pdu.bytes.count == 4
        default: return false
        }
    }

    private func isAnswer(_ pdu: PDU, to asked: Asked) -> Bool {
        guard let count = asked.count, (1...4).contains(asked.function), pdu.bytes.count > 1 else { return false }
        let length = asked.function < 3 ? (count + 7) / 8 : 2 * count
        return pdu.bytes.count == 2 + length && Int(pdu.bytes[1]) == length
    }

    private mutating func describe(request pdu: PDU, _ frame: FrameTrace, _ entry: inout TraceEntry) {
        if let function = pdu.bytes.first, [1, 2, 3, 4, 5, 6, 15, 16].contains(function), pdu.bytes.count >= 5 {
            let address = UInt16(pdu.bytes[1]) << 8 | UInt16(pdu.bytes[2])
            entry.address = address
            entry.register = Self.table(function)?.notation(of: address)
            if function != 5, function != 6 { entry.count = Int(pdu.bytes[3]) << 8 | Int(pdu.bytes[4]) }
        }
        guard frame.verdict != .echo else { return }
        if let asked, !asked.isAnswered { entry.isAfterSilence = true }
        // A request of ours is noted when it begins, everything else when it has ended.
        let end = frame.isSent && !isTCP ? frame.instant + wire(frame.bytes.count) : frame.instant
        asked = Asked(
            unit: pdu.unit, function: pdu.bytes[0], address: entry.address, count: entry.count, end: end)
    }

    private mutating func describe(answer pdu: PDU, _ frame: FrameTrace, _ entry: inout TraceEntry) {
        let isOfLast = asked.map { $0.unit == pdu.unit && $0.function == entry.function } ?? false
        if pdu.bytes[0] & 0x80 != 0, pdu.bytes.count > 1 {
            entry.exception = pdu.bytes[1]
            entry.exceptionName = ModbusError.name(ofException: pdu.bytes[1])
        } else if let function = entry.function, (1...4).contains(function), pdu.bytes.count > 2 {
            let data = Array(pdu.bytes.dropFirst(2).prefix(Int(pdu.bytes[1])))
            entry.words =
                function < 3
                ? data.map { hexadecimal([$0]) }
                : stride(from: 0, to: data.count - 1, by: 2).map {
                    (UInt16(data[$0]) << 8 | UInt16(data[$0 + 1])).hexadecimal
                }
            if function > 2 { entry.count = data.count / 2 }
        }
        // A late answer belongs to a request before the last; nothing says to which.
        guard isOfLast, let asked, frame.verdict != .late else { return }
        entry.address = asked.address
        entry.register = asked.address.flatMap { Self.table(asked.function)?.notation(of: $0) }
        if entry.exception == nil, entry.function.map({ $0 < 3 }) ?? false { entry.count = asked.count }
        let began = isTCP ? frame.instant : frame.instant - wire(frame.bytes.count)
        entry.turnaroundMilliseconds = max(0, Self.milliseconds(began - asked.end))
    }

    private func wire(_ characters: Int) -> Duration {
        bus.line?.duration(ofCharacters: characters) ?? .zero
    }

    // MARK: - Words

    /// The table that a function reads or writes.
    private static func table(_ function: UInt8) -> RegisterFunction? {
        switch function {
        case 5, 15: .coil
        case 6, 16: .holding
        default: RegisterFunction(rawValue: function)
        }
    }

    private static func kind(_ verdict: FrameTrace.Verdict, _ isRequest: Bool) -> String {
        switch verdict {
        case .request: "request"
        case .answer: "answer"
        case .exception: "exception"
        case .echo: "echo"
        case .late: "late"
        case .foreign: isRequest ? "foreign request" : "foreign answer"
        case .crcError: "garbled"
        case .cut: "cut"
        case .noise: "noise"
        case .malformed: "malformed"
        }
    }

    /// The names of the standard (Modbus Application Protocol V1.1b3, section 6).
    private static func name(ofFunction code: UInt8) -> String? {
        [
            1: "Read Coils", 2: "Read Discrete Inputs", 3: "Read Holding Registers", 4: "Read Input Registers",
            5: "Write Single Coil", 6: "Write Single Register", 15: "Write Multiple Coils",
            16: "Write Multiple Registers", 17: "Report Server ID", 43: "Read Device Identification",
        ][code]
    }

    private static func milliseconds(_ duration: Duration) -> Double {
        Double(duration.wholeNanoseconds / 10_000) / 100
    }
}
