internal import Configuration
internal import Fieldbus
internal import Metering
internal import Posix

/// One register range, read once and shown in every way in which registers can be read: for whoever has a display in
/// sight and a doubtful manual in hand.
public struct RawReadout: Encodable, Sendable {
    /// One register or bit.
    public struct Word: Encodable, Sendable {
        /// Both notations of its address: `40841 = holding 840, 0x348`.
        public var register: String
        /// As an unsigned number.
        public var u16: UInt16
        /// As a signed one.
        public var s16: Int16
        /// In hexadecimal: `00E6`.
        public var hex: String
        /// Bit 15 first, in groups of four.
        public var bits: String
        /// As two characters; what cannot be printed is a dot.
        public var text: String
        /// As four decimal digits; absent where a digit is above 9.
        public var bcd: String?
    }

    /// One or several registers as one type in every order.
    public struct Reading: Encodable, Sendable {
        /// The zero-based address of its first register.
        public var address: UInt16
        /// How many registers.
        public var registers: Int
        /// `u32`, `f64` … as a configuration names it.
        public var type: String
        /// By order (`ABCD` …), of those that make a difference; absent where the registers hold no such value.
        public var values: [String: String]
    }

    /// The bus, or its place.
    public var bus: String
    /// The unit id.
    public var unit: UInt8
    /// Both notations of the first address.
    public var register: String
    /// How the address was understood, where it could have meant something else.
    public var understood: String?
    /// Function code.
    public var function: UInt8
    /// Zero-based.
    public var address: UInt16
    /// How many registers or bits.
    public var count: Int
    /// The PDU that was sent, in hexadecimal; absent when nothing was.
    public var request: String?
    /// The PDU that came back.
    public var answer: String?
    /// Whether the running agent lent its bus.
    public var isLent: Bool
    /// How long it took.
    public var milliseconds: Double
    /// `ok`; `failed`: the unit refused, or its answer is unusable; `unknown`: nobody answered.
    public var result: String
    /// The registers.
    public var words: [Word] = []
    /// Every type at every register where a value of it can begin, the narrowest first; all registers as text.
    public var readings: [Reading] = []
    /// All registers as text, the high byte of each first.
    public var text: String?
    /// What went wrong.
    public var error: String?
    /// What to do next.
    public var hint: String?

    /// Reads `count` registers of `unit` at `address`, as `RawAddress` understands it. Blocks.
    public init(
        _ choice: BusChoice, unit: UInt8, address text: String, count: Int, function: Int?, timeoutMilliseconds: Int64?
    ) throws(AgentError) {
        var asked: RegisterFunction?
        if let function {
            asked = UInt8(exactly: function).flatMap(RegisterFunction.init)
            guard asked != nil else {
                throw AgentError(
                    code: .usage, message: "\(function) is no function that reads registers",
                    hint: "3 holding registers, 4 input registers, 1 coils, 2 discrete inputs")
            }
        }
        guard let place = RawAddress(text, function: asked) else {
            throw AgentError(code: .usage, message: "\(text) is no address", hint: RawAddress.forms)
        }
        guard (1...RegisterSpan.maximumCount).contains(count), Int(place.address) + count <= 65_536 else {
            throw AgentError(
                code: .usage, message: "\(count) registers from \(place.address) cannot be asked for",
                hint: "1…\(RegisterSpan.maximumCount) registers, none beyond address 65535")
        }
        try choice.checkAnswers(unit)
        let span = RegisterSpan(function: place.function, address: place.address, count: count)
        var access = BusAccess(choice, line: choice.lines.first)
        var step = BusStep.read(span, of: unit)
        step.timeoutMilliseconds = timeoutMilliseconds ?? choice.timeoutMilliseconds(of: unit)
        let answer = try access.take(step)
        bus = choice.title
        self.unit = unit
        register = place.function.notation(of: place.address)
        understood = place.note
        self.function = place.function.rawValue
        self.address = place.address
        self.count = count
        request = answer.frames.last { $0.isSent }.map { PDU(of: $0, choice.settings).text }
        self.answer = answer.frames.last { $0.isAnswer }.map { PDU(of: $0, choice.settings).text }
        isLent = access.isLent
        milliseconds = Double(answer.duration.wholeNanoseconds / 10_000) / 100
        result = answer.error == nil ? "ok" : answer.isAnswered ? "failed" : "unknown"
        error = answer.error?.what
        hint = answer.error?.hint
        if let words = answer.words, answer.error == nil { show(words, place.function) }
    }

    /// The readout as JSON.
    public var json: [UInt8] { jsonBytes(self) }

    private mutating func show(_ contents: [UInt16], _ function: RegisterFunction) {
        words = contents.enumerated().map { index, word in
            Word(register: function.notation(of: address &+ UInt16(index)), content: word)
        }
        guard !function.readsBits else { return }
        text = contents.map(\.characters).joined()
        readings = Self.readings(of: contents, from: address)
    }

    /// `contents` in every type there is; only `bit` is none of a register, whose bits stand beside it.
    static func readings(of contents: [UInt16], from address: UInt16) -> [Reading] {
        var readings: [Reading] = []
        for width in 1...contents.count {
            let types = RegisterType.allCases.filter { $0 != .bit && $0 != .text && $0.wordCount == width }
            for start in 0...contents.count - width where !types.isEmpty {
                let words = Array(contents[start..<start + width])
                readings += types.map { type in
                    Reading(
                        address: address &+ UInt16(start), registers: width, type: type.rawValue,
                        values: values(words, type))
                }
            }
        }
        let text = Reading(
            address: address, registers: contents.count, type: RegisterType.text.rawValue,
            values: values(contents, .text))
        return readings + [text]
    }

    /// What `words` are in each order that makes a difference to `type`.
    static func values(_ words: [UInt16], _ type: RegisterType) -> [String: String] {
        var values: [String: String] = [:]
        for order in orders(of: type) {
            if type == .text {
                values[order.rawValue] = words.map { (order.swapsBytes ? $0.byteSwapped : $0).characters }.joined()
                continue
            }
            let point = PointDefinition(
                name: "raw", quantity: .count, unit: Unit.known[0], kind: .gauge, function: .holding, address: 0,
                type: type, order: order)
            guard case .value(let value) = RegisterDecoder(point).decode(words) else { continue }
            // No power factor is above 1.
            if type == .t7, value.approximate.magnitude > 1 { continue }
            values[order.rawValue] = value.description
        }
        return values
    }

    private static func orders(of type: RegisterType) -> [WordOrder] {
        switch type.wordCount {
        case 1: [.abcd, .badc]
        case 4: WordOrder.allCases
        default: WordOrder.allCases.filter { !$0.isOf64Bits }
        }
    }
}

extension RawReadout.Word {
    init(register: String, content: UInt16) {
        self.register = register
        u16 = content
        s16 = Int16(bitPattern: content)
        hex = content.hexadecimal
        let digits = String(content, radix: 2)
        let all = Array(String(repeating: "0", count: 16 - digits.count) + digits)
        bits = stride(from: 0, to: 16, by: 4).map { String(all[$0..<$0 + 4]) }.joined(separator: " ")
        text = content.characters
        bcd = hex.allSatisfy(\.isNumber) ? hex : nil
    }
}

extension UInt16 {
    /// Two characters; a dot for each that cannot be printed, so that no meter writes to a terminal.
    var characters: String {
        String(
            String.UnicodeScalarView(
                [UInt8(self >> 8), UInt8(truncatingIfNeeded: self)].map {
                    Unicode.Scalar((0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "."))
                }))
    }
}

extension FrameTrace {
    /// Whether it is what came back for the request: the answer, or a refusal.
    var isAnswer: Bool {
        switch verdict {
        case .answer, .exception: true
        default: false
        }
    }
}
