internal import Fieldbus
internal import Metering

/// The words for an inquiry: what is tried, what came, what it means and what to do.
struct SilenceWords {
    /// How the bus is reached.
    var kind: SilenceInquiry.Situation.Kind
    /// The bus's place: `192.168.1.20:502`.
    var endpoint: String
    /// The bus's name in the configuration; nil where it has none.
    var bus: String?
    /// The word for the bus on a command line.
    var argument: String
    var unit: UInt8
    /// The meter's name and its model, where the unit is configured.
    var meter: String?
    var model: String?
    /// Whether its points stand in the configuration itself.
    var hasOwnPoints = false
    /// Those points.
    var points: [PointDefinition] = []
    /// What is asked for.
    var span: RegisterSpan
    var timeoutMilliseconds: Int64

    /// What a step does.
    func name(_ step: SilenceInquiry.Step) -> String {
        switch step {
        case .connection: kind == .serial ? "open the port" : "connect"
        case .question: "ask unit \(unit) for \(notation(span)), \(timeoutMilliseconds) ms"
        case .repetition: "ask again"
        case .patience: "wait \(BusStep.longestTimeout) ms"
        case .otherFraming: kind == .tcp ? "speak RTU over TCP" : "speak Modbus TCP"
        case .line(let line): "try \(line)"
        case .neighbour(let unit): "ask the neighbour, unit \(unit)"
        case .points: "ask for all points of \(model ?? "the meter")"
        case .shifted(let by): "ask \(by < 0 ? "one below" : "one above"): \(notation(shifted(by)))"
        case .otherOrder: "read the same registers with their words the other way round"
        case .otherFunction: "ask function \(otherFunction.function.rawValue): \(notation(otherFunction))"
        }
    }

    func notation(_ span: RegisterSpan) -> String { span.function.notation(of: span.address) }

    /// Whether there are registers so many addresses beside.
    static func canShift(_ span: RegisterSpan, _ by: Int) -> Bool {
        (0...65_536 - span.count).contains(Int(span.address) + by)
    }

    /// The registers so many addresses beside.
    func shifted(_ by: Int) -> RegisterSpan {
        let address = Int(span.address) + by
        precondition(Self.canShift(span, by), "no registers \(by) beside \(span)")
        return RegisterSpan(function: span.function, address: UInt16(address), count: span.count)
    }

    /// The same addresses in the other table.
    var otherFunction: RegisterSpan {
        let function: RegisterFunction =
            switch span.function {
            case .holding: .input
            case .input: .holding
            case .coil: .discrete
            case .discrete: .coil
            }
        return RegisterSpan(function: function, address: span.address, count: span.count)
    }

    /// `ok`, `failed` or `unknown`: what a finding means for its step.
    func result(_ entry: SilenceInquiry.Entry) -> String {
        switch entry.finding {
        case .connected: "ok"
        case .answered(_, let isPlausible): isPlausible == false ? "failed" : "ok"
        case .points(let count):
            if count.refused + count.empty > 0 || count.isPlausible == false {
                "failed"
            } else {
                count.unanswered > 0 ? "unknown" : "ok"
            }
        case .place(let weight): weight.fits ? "ok" : weight.doubted + weight.restDoubted > 0 ? "failed" : "unknown"
        case .exception(let code) where isEnough(entry.step, code): "ok"
        case .silence: "unknown"
        case .foreignTraffic: "unknown"
        default: "failed"
        }
    }

    /// Whether a refusal is all that a step needs: whoever refuses is there.
    private func isEnough(_ step: SilenceInquiry.Step, _ exception: UInt8) -> Bool {
        switch step {
        case .neighbour, .line, .otherFraming: exception != 10 && exception != 11
        default: model == nil && (1...3).contains(exception)
        }
    }

    /// What came.
    func evidence(_ finding: SilenceInquiry.Finding) -> String {
        switch finding {
        case .connected: return kind == .serial ? "the port is open" : "there is a connection"
        case .answered(let milliseconds, let isPlausible):
            let doubt =
                switch isPlausible {
                case true: ", with a plausible value"
                case false: ", but the value cannot be right"
                default: ""
                }
            return "answered after \(milliseconds) ms\(doubt)"
        case .exception(let code): return "exception \(code) (\(Self.name(code)))"
        case .silence(let isEcho): return isEcho ? "only the request heard back" : "nothing came"
        case .garbled(let bytes): return "\(bytes) bytes with a wrong checksum, or no frame at all"
        case .otherUnit(let unit): return "unit \(unit) answered"
        case .foreignTraffic(let units):
            return units.isEmpty
                ? "the line does not become quiet"
                : "no answer, but frames of unit " + units.map(String.init).joined(separator: ", ")
        case .late(let milliseconds): return "the answer to an earlier question came after \(milliseconds) ms"
        case .otherFraming: return kind == .tcp ? "an RTU frame came" : "a frame of Modbus TCP came"
        case .malformed(let how): return "malformed answer: \(how)"
        case .closed: return "the far end closed the connection"
        case .obstacle(let obstacle): return evidence(obstacle)
        case .points(let count): return evidence(count)
        case .place(let weight): return evidence(weight)
        }
    }

    private func evidence(_ count: SilenceInquiry.PointCount) -> String {
        var parts = ["\(count.values) with a value"]
        if count.refused > 0 { parts.append("\(count.refused) refused") }
        if count.empty > 0 { parts.append("\(count.empty) empty") }
        if count.unanswered > 0 {
            parts.append("\(count.unanswered) without an answer" + (count.why.map { " (\($0))" } ?? ""))
        }
        let text = parts.joined(separator: ", ")
        if !count.impossible.isEmpty { return "\(text); \(Self.some(count.impossible)) cannot be right" }
        return text + (count.isPlausible == false ? "; some cannot be right" : "")
    }

    private func evidence(_ weight: PlaceWeight) -> String {
        let doubted = weight.doubted + weight.restDoubted
        let of = weight.suspects.count + weight.rest
        var parts = weight.values.isEmpty ? [] : [Self.some(weight.values)]
        if doubted > 0 { parts.append("\(doubted) of \(of) refused, silent or impossible") }
        if weight.fits { parts.append("can be right") }
        return parts.isEmpty ? "nothing but 0" : parts.joined(separator: "; ")
    }

    /// The first of many.
    static func some(_ texts: [String]) -> String {
        texts.prefix(3).joined(separator: ", ") + (texts.count > 3 ? " and \(texts.count - 3) more" : "")
    }

    private func evidence(_ obstacle: SilenceInquiry.Obstacle) -> String {
        switch obstacle {
        case .noPort: "there is no such port"
        case .notPermitted(let group): "not permitted" + (group.map { ": the port belongs to the group \($0)" } ?? "")
        case .portBusy: "another program has the port"
        case .portRefused(let why): why
        case .portGone: "the port went away"
        case .noConnection(let why): why
        case .unknownHost(let why): "no address for this name: \(why)"
        case .outOfTime: "not asked: the agent lends the bus for too short a time"
        }
    }

    private static func name(_ exception: UInt8) -> String { ModbusError.name(ofException: exception) }
}
