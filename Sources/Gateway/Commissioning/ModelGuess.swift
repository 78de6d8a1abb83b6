internal import Configuration
internal import Metering

/// Which model of the catalogue a unit most likely is, and why.
struct ModelGuess: Sendable {
    /// The model's name in the catalogue.
    var model: String
    /// Maker and product.
    var product: String
    /// How sure, in percent.
    var confidence: Int
    /// What speaks for it.
    var evidence: String

    /// Looks through `definitions` with what `ask` reads of the unit; nil from `ask` means that it refused.
    ///
    /// A register that names the model, or a device identification, nearly settles it. Where a model has neither, its
    /// voltages and its frequency must be plausible at its addresses: that is how people find out with a list of
    /// registers in hand.
    static func all(
        of definitions: [MeterDefinition], identification: [UInt8: String], ask: (RegisterSpan) -> [UInt16]?
    ) -> [ModelGuess] {
        var guesses: [ModelGuess] = []
        for definition in definitions where definition.sunSpec == nil {
            guard let (confidence, evidence) = judge(definition, identification, ask) else { continue }
            guesses.append(
                ModelGuess(
                    model: definition.model, product: "\(definition.manufacturer) \(definition.product)",
                    confidence: confidence, evidence: evidence))
        }
        return guesses.sorted { ($0.confidence, $1.model) > ($1.confidence, $0.model) }
    }

    private static func judge(
        _ definition: MeterDefinition, _ identification: [UInt8: String], _ ask: (RegisterSpan) -> [UInt16]?
    ) -> (Int, String)? {
        if let identity = definition.identity, let vendor = identity.vendorName,
            let product = identity.productCodes.first(where: { code in
                identification[0]?.lowercased().hasPrefix(vendor.lowercased()) == true
                    && identification[1]?.lowercased().hasPrefix(code.lowercased()) == true
            })
        {
            return (97, "it says that it is a \(product) of \(vendor)")
        }
        if let name = named(definition, identification) { return (90, "it says that it is \(name)") }
        guard let register = definition.identity?.model, !register.values.isEmpty else {
            return plausibility(definition, ask)
        }
        let place = register.function.notation(of: register.address)
        guard let words = ask(register.span) else {
            // Other firmware may lack it; what else it says has to convince all the more.
            guard let (confidence, evidence) = plausibility(definition, ask) else { return nil }
            return (confidence * 2 / 3, evidence + ", but \(place), which should name the model, is refused")
        }
        guard let text = register.text(words),
            register.values.contains(where: { register.type == .text ? text.hasPrefix($0) : text == $0 })
        else { return nil }
        if register.type == .text { return (95, "\(place) holds \(text)") }
        // A small number stands in many registers of many meters, and 0 in most.
        guard definition.points.contains(where: { check(of: $0) != nil }) else {
            return text == "0" ? nil : (70, "\(place) holds \(text)")
        }
        guard let (confidence, evidence) = plausibility(definition, ask) else { return nil }
        return text == "0" ? (confidence, evidence) : (95, "\(place) holds \(text), \(evidence)")
    }

    /// Maker and product as the unit itself names them, where they sound like the definition's.
    private static func named(_ definition: MeterDefinition, _ identification: [UInt8: String]) -> String? {
        guard let vendor = identification[0], let maker = definition.manufacturer.split(separator: " ").first,
            maker.count > 2, plain(vendor).contains(plain(String(maker)))
        else { return nil }
        // The part of the product's name that has digits: `SDM630` of `SDM630-Modbus V2`.
        let types = definition.product.split { !$0.isLetter && !$0.isNumber }.map { plain(String($0)) }
            .filter { $0.count > 3 && $0.contains(where: \.isNumber) }
        for object in [1, 4, 5] as [UInt8] {
            guard let text = identification[object], types.contains(where: plain(text).contains) else { continue }
            return "\(printable(text)) of \(printable(vendor))"
        }
        return nil
    }

    private static func plain(_ text: String) -> String {
        text.lowercased().filter { $0.isLetter || $0.isNumber }
    }

    // MARK: - Plausible values

    /// What a point must show to be believed.
    private struct Check {
        var range: ClosedRange<Double>
        var worth: Int
    }

    private static let checks: [String: Check] = [
        "frequency": Check(range: 45...65, worth: 35), "voltage-l1": Check(range: 85...290, worth: 25),
        "voltage": Check(range: 85...290, worth: 25), "temperature": Check(range: -30...120, worth: 15),
        "temperature-flow": Check(range: -30...120, worth: 15), "carbon-dioxide": Check(range: 300...5000, worth: 25),
        "humidity": Check(range: 5...100, worth: 20),
    ]

    private static func check(of point: PointDefinition) -> Check? { checks[point.name] }

    /// The most that plausible values alone can say: meters of one maker share their registers.
    private static let mostByValues = 88

    private static func plausibility(
        _ definition: MeterDefinition, _ ask: (RegisterSpan) -> [UInt16]?
    ) -> (Int, String)? {
        var evidence: [String] = []
        var confidence = 0
        for point in definition.points {
            guard let check = check(of: point) else { continue }
            guard let value = value(of: point, ask), check.range.contains(value) else { return nil }
            confidence += check.worth
            evidence.append("\(point.name) \(short(value)) \(baseSymbol(point))")
        }
        guard !evidence.isEmpty else { return nil }
        confidence += phases(definition, ask, &evidence)
        confidence += product(definition, ask, &evidence)
        return (min(max(confidence, 1), mostByValues), evidence.joined(separator: ", "))
    }

    /// Three phases speak for a meter of three, and refused ones against it; a phase without voltage says nothing.
    private static func phases(
        _ definition: MeterDefinition, _ ask: (RegisterSpan) -> [UInt16]?, _ evidence: inout [String]
    ) -> Int {
        var worth = 0
        for name in ["voltage-l2", "voltage-l3"] {
            guard let point = definition.points.first(where: { $0.name == name }) else { continue }
            guard let value = value(of: point, ask) else {
                worth -= 15
                continue
            }
            guard (85...290).contains(value) else { continue }
            worth += 5
            evidence.append("\(name) \(short(value)) \(baseSymbol(point))")
        }
        return worth
    }

    /// Power must be voltage times current: that hardly happens at wrong addresses.
    private static func product(
        _ definition: MeterDefinition, _ ask: (RegisterSpan) -> [UInt16]?, _ evidence: inout [String]
    ) -> Int {
        func value(_ names: [String]) -> Double? {
            definition.points.first { names.contains($0.name) }.flatMap { Self.value(of: $0, ask) }
        }
        guard let voltage = value(["voltage-l1", "voltage"]), let current = value(["current-l1", "current"]),
            let power = value(["apparent-power-l1", "apparent-power"]), voltage * current > 10
        else { return 0 }
        guard (0.85...1.15).contains(abs(power) / (voltage * current)) else { return -20 }
        evidence.append("power is voltage × current")
        return 20
    }

    /// How many of V, A, VA one of these is.
    private static let scales: [String: Double] = [
        "kV": 1000, "mV": 0.001, "kA": 1000, "mA": 0.001, "kV.A": 1000, "MV.A": 1e6,
    ]

    /// Whether something is known of the point's values.
    static func canJudge(_ point: PointDefinition) -> Bool { range(of: point) != nil }

    /// What a point's value can be, by its name or else its quantity.
    private static func range(of point: PointDefinition) -> ClosedRange<Double>? {
        if let check = check(of: point) { return check.range }
        switch point.quantity {
        // From 0.001 V on: registers read beside a float are mostly numbers next to nothing, or beyond everything.
        case .voltage: return 0.001...1e6
        case .frequency: return 10...500
        default: return nil
        }
    }

    /// Whether `words`, the registers of the point's `neededSpan`, can be its value; nil where nothing is known of its
    /// values, and for 0, which a meter without mains shows.
    static func isPlausible(_ point: PointDefinition, _ words: [UInt16]) -> Bool? {
        guard let range = range(of: point), words.count == point.neededSpan.count else { return nil }
        guard let value = value(of: point, { _ in words }) else { return false }
        return value == 0 ? nil : range.contains(value)
    }

    /// The value in V, A, VA and so on; nil where there is none.
    private static func value(of point: PointDefinition, _ ask: (RegisterSpan) -> [UInt16]?) -> Double? {
        let needed = point.neededSpan
        guard let words = ask(needed),
            case .value(let value) = RegisterDecoder(point).decode(
                words, at: Int(point.address) - Int(needed.address))
        else { return nil }
        return value.approximate * (scales[point.unit.ucum] ?? 1)
    }

    private static func baseSymbol(_ point: PointDefinition) -> String {
        let symbol = point.unit.symbol
        return symbol == "kV" || symbol == "mV" ? "V" : symbol
    }

    /// One decimal place is enough to compare with a display.
    private static func short(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
