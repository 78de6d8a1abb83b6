internal import Fieldbus
internal import Metering

/// What the answer to a short question proves about the unit that was asked.
enum Presence: Equatable, Sendable {
    /// A device has this unit id; the words say how it showed itself.
    case answers(String)
    /// Something came back, but no whole answer: a device at other line settings, two at one unit id, a bad line.
    case garbled(String)
    /// Nobody answered, or a gateway says that nobody does.
    case nobody
    /// The bus as a whole cannot be asked.
    case obstacle(ModbusError)

    /// The judgement of `answer`. A refusal, too, is somebody's, unless it is among those by which a gateway says that
    /// nobody is there.
    init(_ answer: BusAnswer, absent: Set<UInt8>) {
        guard let error = answer.error else {
            self = .answers("answers with registers")
            return
        }
        switch error.code {
        case .exception(let code) where absent.contains(code): self = .nobody
        case .exception: self = .answers("answers with \(error.what)")
        case .timeout, .echoOnly: self = .nobody
        // Some devices hang up on a unit id that is not theirs.
        case .connectionLost: self = .nobody
        case .crc, .cut, .lineBusy: self = .garbled(error.what)
        case .malformed: self = .garbled(error.what)
        case .noConnection, .unknownHost, .noPort, .noPermission, .portBusy, .portRefused, .portGone, .outOfTime,
            .speaksRTU, .speaksTCP:
            self = .obstacle(error)
        }
    }
}

extension BusAnswer {
    /// The PDU of the last request, in hexadecimal.
    func sent(on bus: BusSettings) -> String? { frames.last(where: \.isSent).map { PDU(of: $0, bus).text } }

    /// The units, but for `unit`, whose frames came while `unit` was asked: late answers of those asked before, or others'
    /// traffic. What a gateway says in a unit's place does not count.
    func strangers(than unit: UInt8, on bus: BusSettings) -> Set<UInt8> {
        var found: Set<UInt8> = []
        for frame in frames where frame.verdict == .late || frame.verdict == .foreign {
            let pdu = PDU(of: frame, bus)
            let isGateways = pdu.bytes.count == 2 && pdu.bytes[0] & 0x80 != 0 && [10, 11].contains(pdu.bytes[1])
            if pdu.unit != unit, !isGateways { found.insert(pdu.unit) }
        }
        return found
    }
}
