internal import Configuration
internal import Metering

/// Which model of the catalogue a unit most likely is, and why.
struct ModelGuess: Codable, Hashable, Sendable {
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
        if let identity = definition.identity {
            if let vendor = identity.vendorName,
                let product = identity.productCodes.first(where: { code in
                    identification[0]?.lowercased().hasPrefix(vendor.lowercased()) == true
                        && identification[1]?.lowercased().hasPrefix(code.lowercased()) == true
                })
            {
                return (97, "it says that it is a \(product) of \(vendor)")
            }
            if let register = identity.model, !register.values.isEmpty {
                guard let words = ask(register.span), let text = register.text(words),
                    register.values.contains(where: { register.type == .text ? text.hasPrefix($0) : text == $0 })
                else { return nil }
                return (95, "\(register.function.notation(of: register.address)) holds \(text)")
            }
        }
        return plausibility(definition, ask)
    }

    private static func plausibility(
        _ definition: MeterDefinition, _ ask: (RegisterSpan) -> [UInt16]?
    ) -> (Int, String)? {
        var evidence: [String] = []
        var confidence = 0
        for (names, range, worth) in [
            (["frequency"], 45.0...65.0, 40), (["voltage-l1", "voltage"], 85.0...290.0, 30),
            (["temperature", "temperature-flow"], -30.0...120.0, 15), (["carbon-dioxide"], 300.0...5000.0, 25),
            (["humidity"], 5.0...100.0, 20),
        ] {
            guard let point = definition.points.first(where: { names.contains($0.name) }) else { continue }
            let needed = point.neededSpan
            guard let words = ask(needed),
                case .value(let value) = RegisterDecoder(point).decode(
                    words, at: Int(point.address) - Int(needed.address))
            else { return nil }
            // Definitions may say kV or mV.
            let scales: [String: Double] = ["kV": 1000, "mV": 0.001]
            let scale = scales[point.unit.ucum] ?? 1
            guard range.contains(value.approximate * scale) else { return nil }
            confidence += worth
            evidence.append("\(point.name) \(value) \(point.unit.symbol)")
        }
        return evidence.isEmpty ? nil : (confidence, evidence.joined(separator: ", "))
    }
}
