internal import Metering

// How a point's registers become its value: `scale`, `offset`, `bits`, `scale_by` and `map`.

private enum ScaleKey: String, SectionKey {
    case register, type
    case role = "as"

    var example: String {
        switch self {
        case .register: "register: 12"
        case .type: "type: s16"
        case .role: "as: exponent"
        }
    }
}

private enum LineKey: String, SectionKey {
    case raw, value

    var example: String { self == .raw ? "raw: [4000, 20000]" : "value: [0, 10]" }
}

extension PointReader {
    func conversion(
        _ section: Section<PointKey>, type: RegisterType?, address: UInt16?, count: Int
    ) -> Conversion? {
        let scale = section.value(.scale, or: .one) { $0.scale() }
        let offset = section.value(.offset, or: .zero) { $0.decimal() }
        let bits = section.value(.bits, or: nil) { $0.bits(of: type).map(Optional.some) }
        let line = section.value(.map, or: nil) { $0.line().map(Optional.some) }
        let register = section.value(.scaleBy, or: nil) {
            $0.scaleRegister(near: address, count: count).map(Optional.some)
        }
        if let field = section.optional(.map) {
            for key in [PointKey.scale, .offset, .scaleBy] where section.has(key) {
                field.error("map and \(key.rawValue) exclude each other", hint: "map says the whole conversion")
                return nil
            }
        }
        guard let scale, let offset, let bits, let line, let register else { return nil }
        return Conversion(scale: scale, offset: offset, bits: bits, scaleRegister: register, line: line)
    }
}

extension Field {
    /// One bit, `3`, or several, `4-7`; bit 0 is the least.
    fileprivate func bits(of type: RegisterType?) -> ClosedRange<Int>? {
        let integers: [RegisterType] = [.u16, .s16, .u32, .s32, .u48, .s48, .u64, .s64]
        if let type, !integers.contains(type) {
            error("bits are of a whole number, not of \(type.rawValue)", hint: "type: u16")
            return nil
        }
        let highest = 16 * (type?.wordCount ?? 4) - 1
        let hint = "one bit, \"3\", or several, \"4-7\"; 0 is the least, \(highest) the greatest"
        guard let text = text("bits") else { return nil }
        let numbers = text.split(separator: "-", omittingEmptySubsequences: false).map { Number.integer(String($0)) }
        guard (1...2).contains(numbers.count), let low = numbers[0], let high = numbers[numbers.count - 1],
            (0...Int128(highest)).contains(high), (0...high).contains(low)
        else { return expected("bits", hint: hint) }
        return Int(low)...Int(high)
    }

    fileprivate func scaleRegister(near address: UInt16?, count: Int) -> Conversion.ScaleRegister? {
        guard let section = Section<ScaleKey>(self) else { return nil }
        let register = section.required(.register)?.integer(in: 0...65_535, "a register (zero-based PDU address)")
        let own = section.value(.type, or: .s16) { field -> RegisterType? in
            guard let type = field.registerType() else { return nil }
            guard [.u16, .s16, .u32, .s32].contains(type) else {
                field.error("a scale is a whole number", hint: "u16, s16, u32 or s32")
                return nil
            }
            return type
        }
        let role = section.value(.role, or: .exponent) { $0.choice(Conversion.ScaleRegister.Role.self, "role") }
        guard let register, let own, let role else { return nil }
        if let address {
            let end = max(Int(address) + count, register + own.wordCount)
            guard end <= 65_536, end - min(Int(address), register) <= RegisterSpan.maximumCount else {
                error(
                    "the scale is more than \(RegisterSpan.maximumCount) registers away",
                    hint: "both are read in one request, so that they belong together")
                return nil
            }
        }
        return Conversion.ScaleRegister(address: UInt16(register), type: own, role: role)
    }

    fileprivate func line() -> Conversion.Line? {
        guard let section = Section<LineKey>(self) else { return nil }
        let raw = section.required(.raw)?.pair()
        let value = section.required(.value)?.pair()
        guard let raw, let value else { return nil }
        guard raw[0].normalized != raw[1].normalized else {
            error("both raw numbers are \(raw[0])", hint: "a line needs two points")
            return nil
        }
        return Conversion.Line(raw: raw, value: value)
    }

    private func pair() -> [ExactDecimal]? {
        guard let items = items(example: "[4000, 20000]") else { return nil }
        guard items.count == 2 else {
            error("\(items.count) of the two numbers", hint: "such as [4000, 20000]")
            return nil
        }
        let numbers = items.compactMap { $0.decimal() }
        return numbers.count == 2 ? numbers : nil
    }
}
