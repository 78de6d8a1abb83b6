internal import Fieldbus
internal import Metering
internal import Posix

extension SilenceInquiry.Finding {
    /// What `answer` to a question to `unit` shows. `isPlausible` judges the registers; `pending` is when an earlier
    /// question was sent that nobody answered.
    init(
        _ answer: BusAnswer, unit: UInt8, on bus: BusSettings, pending: Instant? = nil,
        isPlausible: ([UInt16]) -> Bool? = { _ in nil }
    ) {
        if let error = answer.error, let obstacle = SilenceInquiry.Obstacle(error.code) {
            self = .obstacle(obstacle)
            return
        }
        // Only a frame that fits an earlier question of this unit is its late answer.
        if let pending, let late = answer.frames.first(where: { $0.verdict == .late && PDU(of: $0, bus).unit == unit })
        {
            self = .late(milliseconds: (late.instant - pending).wholeMilliseconds)
            return
        }
        switch answer.error?.code {
        case nil:
            self = .answered(
                milliseconds: answer.waited.wholeMilliseconds, isPlausible: answer.words.flatMap(isPlausible))
        case .exception(let code): self = .exception(code)
        case .speaksRTU, .speaksTCP: self = .otherFraming
        case .connectionLost: self = .closed
        case .malformed(let how):
            self = Self.stranger(in: answer, unit: unit, on: bus).map { .otherUnit($0) } ?? .malformed(how)
        default: self = Self.silence(answer, unit: unit, on: bus)
        }
    }

    /// The unit that answers in place of `unit` on Modbus TCP, where everything else fits.
    private static func stranger(in answer: BusAnswer, unit: UInt8, on bus: BusSettings) -> UInt8? {
        guard case .tcp = bus.endpoint, let asked = answer.frames.last(where: \.isSent), let came = answer.frames.last
        else { return nil }
        let pdu = PDU(of: came, bus)
        return pdu.unit != unit && pdu.answers(PDU(of: asked, bus)) ? pdu.unit : nil
    }

    /// No answer: what was heard instead.
    private static func silence(_ answer: BusAnswer, unit: UInt8, on bus: BusSettings) -> Self {
        let asked = answer.frames.last { $0.isSent }.map { PDU(of: $0, bus) }
        var strangers: [UInt8] = []
        var answering: Set<UInt8> = []
        var noise = 0
        for frame in answer.frames {
            switch frame.verdict {
            case .foreign:
                let pdu = PDU(of: frame, bus)
                if !strangers.contains(pdu.unit) { strangers.append(pdu.unit) }
                if let asked, pdu.answers(asked) { answering.insert(pdu.unit) }
            case .noise, .crcError, .cut, .malformed: noise += frame.bytes.count
            default: break
            }
        }
        if answering.count == 1, strangers.count == 1 { return .otherUnit(strangers[0]) }
        if answer.error?.code == .lineBusy || !strangers.isEmpty { return .foreignTraffic(units: strangers) }
        if noise > 0 { return .garbled(bytes: noise) }
        return .silence(isEcho: answer.error?.code == .echoOnly)
    }
}

extension PDU {
    /// Whether this can be the answer to `request`, but for the unit.
    func answers(_ request: PDU) -> Bool {
        guard let function = bytes.first, let asked = request.bytes.first, function & 0x7F == asked else {
            return false
        }
        if function & 0x80 != 0 { return bytes.count == 2 }
        guard (1...4).contains(function), bytes.count > 1, request.bytes.count == 5 else {
            return bytes != request.bytes
        }
        let count = Int(request.bytes[3]) << 8 | Int(request.bytes[4])
        return Int(bytes[1]) == (function < 3 ? (count + 7) / 8 : 2 * count) && bytes.count == 2 + Int(bytes[1])
    }
}

extension BusAnswer {
    /// From the sending of the last request to the end of its answer.
    var waited: Duration {
        guard let sent = frames.last(where: \.isSent), let came = frames.last, !came.isSent else { return duration }
        return came.instant - sent.instant
    }
}

extension SilenceInquiry.Obstacle {
    /// The obstacle that `code` is; nil where the bus was asked.
    init?(_ code: ModbusError.Code) {
        switch code {
        case .noPort(let others): self = .noPort(others: others)
        case .noPermission(let group): self = .notPermitted(group: group)
        case .portBusy: self = .portBusy
        case .portRefused(let why): self = .portRefused(why)
        case .portGone: self = .portGone
        case .noConnection(let code): self = .noConnection(PosixError.text(code))
        case .unknownHost(let why): self = .unknownHost(why)
        case .outOfTime: self = .outOfTime
        default: return nil
        }
    }
}
