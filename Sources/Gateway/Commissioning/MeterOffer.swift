internal import Configuration
internal import Metering

/// The configuration of meters that were found, ready to be written: only what the configuration does not have yet.
struct MeterOffer {
    /// The meter's name.
    var id: String
    /// The keys of a meter, one a line.
    var lines: [String]
    /// What is to be known of it.
    var comment: String
    /// What is to be done before it can be read: at other line settings, or with blanks, it would only be silent.
    var obstacle: String?

    /// A guess below this is named, but no configuration is made of it.
    static let leastConfidence = 50

    /// The file in `meters/`.
    var file: String { (["# " + comment] + lines).joined(separator: "\n") + "\n" }

    /// The list item of `meters`.
    var item: String {
        (["# " + comment] + (obstacle.map { ["# first: " + $0] } ?? [])).map { "  \($0)\n" }.joined() + "  - "
            + lines.joined(separator: "\n    ")
    }

    /// A free name, which is taken then.
    private static func name(_ proposal: String, _ names: inout Set<String>) -> String {
        var id = String(proposal.suffix(60))
        while names.contains(id) { id += "x" }
        names.insert(id)
        return id
    }

    /// What is offered for `found` on `bus`, of which `configured` stand in the configuration already; `names` are taken,
    /// and take the new ones. `obstacle`: what is to be done before.
    static func offers(
        for found: ScanReport.FoundUnit, bus: String, configured: [Meter], names: inout Set<String>,
        obstacle: String? = nil
    ) -> [MeterOffer] {
        guard found.result == "ok" else { return [] }
        func offer(_ suffix: String, _ model: String, _ more: [String], _ comment: String) -> MeterOffer {
            let id = name("\(bus)-\(found.unit)\(suffix)", &names)
            return MeterOffer(
                id: id, lines: ["id: \(id)", "bus: \(bus)", "unit: \(found.unit)", "model: \(model)"] + more,
                comment: comment, obstacle: obstacle)
        }
        if let device = found.sunSpec {
            let known = Set(configured.compactMap(\.definition.sunSpec?.address))
            return device.models.filter { !known.contains($0.address) }.compactMap { model in
                model.model.map { offer("-\(model.id)", $0, keys(of: model, in: device), plate(of: model, in: device)) }
            }
        }
        guard configured.isEmpty, let best = found.guesses.first, best.confidence >= leastConfidence else { return [] }
        let others = found.guesses.dropFirst().filter { $0.confidence >= best.confidence - 10 }.map(\.model)
        let rest = others.isEmpty ? "" : "; as likely: " + others.joined(separator: ", ")
        return [offer("", best.model, [], "\(best.confidence) %: \(best.evidence)\(rest)")]
    }

    /// What stands for a blank.
    static let blank = "___"

    /// A meter with points of its own, to be filled in, for `found` of which no model is sure enough; every line is a
    /// comment, so that it does no harm where it is copied to as it is. Nil where there is something better.
    static func skeleton(
        for found: ScanReport.FoundUnit, bus: String, place: String, configured: [Meter], names: inout Set<String>,
        obstacle: String? = nil
    ) -> String? {
        let isUnsure = found.guesses.first.map { $0.confidence < leastConfidence } ?? true
        guard found.result == "ok", found.isSurveyed, configured.isEmpty, isUnsure,
            found.sunSpec?.models.allSatisfy({ $0.model == nil }) ?? true
        else { return nil }
        let id = name("\(bus)-\(found.unit)", &names)
        let guess = found.guesses.first.map { "perhaps \($0.model) (\($0.confidence) %)" } ?? "no model fits"
        let places = "function: \(blank), register: \(blank), type: \(blank)"
        return
            ([
                "unit \(found.unit): \(guess). Fill in each \(blank) by its manual:",
                "function: input or holding; register: zero-based; type: u16, s32, f32 …",
                "`parthe read --raw \(place) \(found.unit) h:0` shows registers. Then take the # away.",
            ] + (obstacle.map { ["first: " + $0] } ?? []) + [
                "- id: \(id)",
                "  bus: \(bus)",
                "  unit: \(found.unit)",
                "  points:",
                "    - {name: active-power, quantity: active-power, unit: W, kind: gauge,",
                "       \(places)}",
                "    - {name: active-energy-import, quantity: active-energy, unit: kW.h,",
                "       kind: counter, \(places)}",
            ]).map { "  # \($0)" }.joined(separator: "\n")
    }

    /// What bounds the counters of an inverter, as the plate in model 120 says it: what a meter that is connected to it
    /// counts, and what the panels give, may be more.
    private static let inverters: ClosedRange<UInt16> = 101...113

    private static func keys(of model: ScanReport.Model, in device: ScanReport.SunSpec) -> [String] {
        var keys = ["at: \(model.address)"]
        if inverters.contains(model.id), let power = device.ratedPower { keys.append("rated_power: \(power)") }
        if let register = model.serialRegister {
            keys.append("identity: {serial: {function: holding, register: \(register), type: text, count: 16}}")
        }
        return keys
    }

    private static func plate(of model: ScanReport.Model, in device: ScanReport.SunSpec) -> String {
        let texts = [device.manufacturer, device.product, model.serial ?? device.serial]
        return texts.filter { !$0.isEmpty }.joined(separator: " ") + (model.note.map { ": \($0)" } ?? "")
    }

    /// Writes a file for each of `offers` into the folder `meters/` beside the configuration. What stands there is left
    /// alone. Returns the paths.
    static func write(_ offers: [MeterOffer], beside configuration: String) throws(AgentError) -> [String] {
        let folder = NewEntry.folder("meters", beside: configuration)
        var written: [String] = []
        for offer in offers { written.append(try NewEntry.write(offer.file, as: offer.id, in: folder)) }
        return written
    }
}
