public import Metering

// The typed readings that only points need.

extension RegisterFunction {
    /// The word for it in files and texts.
    public var word: String {
        switch self {
        case .coil: "coil"
        case .discrete: "discrete"
        case .holding: "holding"
        case .input: "input"
        }
    }
}

extension Field {
    func function() -> RegisterFunction? {
        guard let text = text("a function") else { return nil }
        if let function = RegisterFunction.allCases.first(where: { $0.word == text }) { return function }
        // Manuals name the function by its code; say the word for it.
        let code = RegisterFunction.allCases.first { text == String($0.rawValue) || text == "0\($0.rawValue)" }
        error(
            "unknown function \(quoted(text))",
            hint: code.map { "function code \($0.rawValue) is written \"\($0.word)\"" }
                ?? "holding (function code 3), input (4), coil (1) or discrete (2)")
        return nil
    }

    func registerType() -> RegisterType? {
        guard let text = text("a type") else { return nil }
        if let type = RegisterType(rawValue: text) { return type }
        // What other programs and manuals call them.
        let names: [String: RegisterType] = [
            "half": .f16, "float16": .f16, "float": .f32, "float32": .f32, "real": .f32, "double": .f64,
            "float64": .f64, "int16": .s16, "uint16": .u16, "int32": .s32, "uint32": .u32, "int64": .s64,
            "uint64": .u64, "i16": .s16, "i32": .s32, "i64": .s64, "short": .s16, "word": .u16, "dword": .u32,
            "bool": .bit, "string": .text, "bcd": .bcd16,
        ]
        if let type = names[text.lowercased()] {
            error("unknown type \(quoted(text))", hint: "did you mean \"\(type.rawValue)\"?")
            return nil
        }
        return choice(RegisterType.self, "type")
    }

    func wordOrder() -> WordOrder? {
        guard let text = text("an order") else { return nil }
        if let order = WordOrder(rawValue: text) { return order }
        // Eight letters name the same four orders for 64 bits; EMQX Neuron has names of its own.
        let others: [String: WordOrder] = [
            "ABCDEFGH": .abcd, "GHEFCDAB": .cdab, "BADCFEHG": .badc, "HGFEDCBA": .dcba,
            "LL": .abcd, "BL": .cdab, "LB": .badc, "BB": .dcba,
        ]
        let word = text.uppercased()
        let guess = (others[word] ?? WordOrder(rawValue: word))?.rawValue
        let long = WordOrder.allCases.filter(\.isOf64Bits).map(\.rawValue).joined(separator: ", ")
        error(
            "unknown order \(quoted(text))",
            hint: guess.map { "write \($0)" }
                ?? "ABCD (the standard), CDAB (words swapped), BADC or DCBA; of 64 bits also \(long)")
        return nil
    }

    /// Whether `order`, which is said here, is one of values of `type`; says where it is not.
    func allows(_ order: WordOrder, of type: RegisterType) -> Bool {
        guard order.isOf64Bits, type.wordCount < 4 else { return true }
        error(
            "\(order.rawValue) is an order of 64 bits, \(type.rawValue) has "
                + (type == .text ? "characters" : "\(16 * type.wordCount)"),
            hint: "order: \(order.half.rawValue)")
        return false
    }

    func scale() -> ExactDecimal? {
        guard let scale = decimal() else { return nil }
        guard scale.magnitude != 0 else {
            error("a scale of 0 makes every value 0", hint: "leave scale out where there is none")
            return nil
        }
        return scale
    }

    func pollInterval() -> Duration? {
        alignedInterval("the last poll before midnight comes early", "polls are aligned to the day")
    }

    /// An interval of which one reading is kept.
    func keepInterval() -> Duration? {
        alignedInterval("it begins at other times every day", "intervals are counted in UTC")
    }

    private func alignedInterval(_ consequence: String, _ reason: String) -> Duration? {
        guard let interval = duration(in: .milliseconds(100) ... .seconds(86_400)) else { return nil }
        if let (shorter, longer) = Span.neighbours(of: interval) {
            warning(
                "\(Span.text(interval)) does not divide a day: \(consequence)",
                hint: "\(reason); \(Span.text(shorter)) and \(Span.text(longer)) fit")
        }
        return interval
    }

    /// A unit by its UCUM code.
    func unit() -> Unit? {
        guard let text = text("a unit") else { return nil }
        if let unit = Unit(ucum: text) { return unit }
        let word = text.lowercased()
        let meant =
            Unit.known.first { unit in unit.symbol == text }
            ?? Unit.known.first { $0.symbol.lowercased() == word || $0.ucum.lowercased() == word || $0.name == word }
        let guess = meant?.ucum ?? Suggestion.best(for: text, among: Unit.known.map(\.ucum))
        let hint = guess.map { "did you mean \"\($0)\"? units are UCUM codes" }
        error(
            "unknown unit \(quoted(text))",
            hint: hint ?? "units are UCUM codes, such as V, A, W, kW.h, V.A{reactive}, m3, Cel, %")
        return nil
    }

    /// An OBIS code as IEC 62056-61 writes it: `A-B:C.D.E`, each 0…255, with `*F` where there is one.
    func obis() -> String? {
        guard let text = text("an OBIS code") else { return nil }
        let separators = text.filter { "-:.*".contains($0) }
        let groups = text.split(omittingEmptySubsequences: false) { "-:.*".contains($0) }
        let areNumbers = groups.allSatisfy { group in
            Number.integer(String(group)).map { (0...255).contains($0) } ?? false
        }
        guard separators == "-:.." || separators == "-:..*", areNumbers else {
            error("\(quoted(text)) is no OBIS code", hint: "such as \"1-0:1.8.0\" (active energy import)")
            return nil
        }
        return text
    }

    /// One raw register content that means "no value", or a list of them; each must fit the type's registers.
    func codes(of type: RegisterType) -> [UInt64]? {
        guard type != .text else {
            error("a text has no code for \"no value\"", hint: "a text without characters is no value; remove it")
            return nil
        }
        var fields = [self]
        if case .sequence = node.content {
            guard let items = items(example: ""), (1...16).contains(items.count) else {
                error("1…16 codes are possible")
                return nil
            }
            fields = items
        }
        let bits = 16 * type.wordCount
        let top = UInt64.max >> UInt64(64 - bits)
        var codes: [UInt64] = []
        for field in fields {
            guard case .scalar(let text, isPlain: true) = field.node.content, let number = Number.integer(text),
                (0...Int128(top)).contains(number)
            else {
                let hint = "the registers' raw content, such as 0x\(String(top, radix: 16, uppercase: true))"
                return field.expected(
                    "0…0x\(String(top, radix: 16, uppercase: true)) (\(bits) bits of \(type.rawValue))", hint: hint)
            }
            codes.append(UInt64(number))
        }
        return codes
    }
}

extension Quantity {
    /// The units that measure it; nil where any may.
    var units: [String]? {
        switch self {
        case .voltage: ["V", "mV", "kV"]
        case .current: ["A", "mA"]
        case .frequency: ["Hz"]
        case .activePower, .thermalPower: ["W", "kW", "MW"]
        case .reactivePower: ["V.A{reactive}", "kV.A{reactive}"]
        case .apparentPower: ["V.A", "kV.A"]
        case .powerFactor, .ratio: ["1", "%"]
        case .phaseAngle: ["deg"]
        case .activeEnergy, .thermalEnergy: ["W.h", "kW.h", "MW.h", "J", "GJ"]
        case .reactiveEnergy: ["V.A.h{reactive}", "kV.A.h{reactive}"]
        case .apparentEnergy: ["V.A.h", "kV.A.h"]
        case .voltageDistortion, .currentDistortion, .humidity: ["%", "1"]
        case .volume: ["m3", "l", "ml"]
        case .flow: ["m3/h", "l/h", "l/min"]
        case .temperature: ["Cel", "K"]
        case .pressure: ["bar", "Pa", "kPa", "hPa", "mbar"]
        case .carbonDioxide: ["[ppm]"]
        case .organicCompounds: ["[ppb]", "[ppm]", "ug/m3"]
        case .duration: ["s", "min", "h", "d"]
        case .count, .state: ["1"]
        case .mass: ["kg", "t"]
        case .massFlow: ["kg/h", "t/h"]
        case .speed: ["m/s"]
        case .soundLevel: ["dB"]
        case .illuminance: ["lx"]
        case .acidity: ["[pH]"]
        case .conductivity: ["uS/cm", "mS/cm"]
        case .massConcentration: ["ug/m3", "mg/m3", "g/m3", "mg/L", "mg/kg"]
        case .moisture: ["%", "1"]
        }
    }

    /// Whether a counter can count it.
    var accumulates: Bool {
        switch self {
        case .activeEnergy, .reactiveEnergy, .apparentEnergy, .thermalEnergy, .volume, .duration, .count, .mass: true
        default: false
        }
    }
}
