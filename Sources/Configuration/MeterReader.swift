internal import Metering
internal import Posix

// The section `meters` and the files of the folder `meters/`.

private enum MeterKey: String, SectionKey {
    case id, bus, unit, model, at, interval, keep, thin, points, location, limits, timing, identity, defaults
    case ratedPower = "rated_power"

    var example: String {
        switch self {
        case .id: "id: main"
        case .bus: "bus: hall"
        case .unit: "unit: 1"
        case .model: "model: eastron-sdm630"
        case .at: "at: 40121"
        case .interval: "interval: 10s"
        case .keep: "keep: {every: 15m}"
        case .thin: "thin: forbidden"
        case .points: "points: [active-power, active-energy-import]"
        case .location: "location: {latitude: 51.3397, longitude: 12.3731}"
        case .limits: "limits: {registers: 80, gap: 16}"
        case .timing: "timing: {timeout: 1s}"
        case .identity: "identity: {serial: {function: holding, register: 0, type: u32}}"
        case .ratedPower: "rated_power: 69kW"
        case .defaults: "defaults: {function: input, type: f32}"
        }
    }

    static let synonyms = [
        "timeout": "timing", "pause": "timing", "byte_timeout": "timing",
        "name": "id", "address": "unit", "unit_id": "unit", "definition": "model", "period": "interval",
    ]
}

/// A point of a model that is chosen with a setting of its own.
private enum ChosenPointKey: String, SectionKey {
    case name, interval, keep, thin

    var example: String { PointKey(rawValue: rawValue)?.example ?? rawValue }
}

/// A point of a meter's definition by its place there, and what is its own.
private struct Choice {
    var place: Int
    var own = Own()

    /// What a point may say otherwise than its meter.
    struct Own {
        var interval: Duration?
        var keep: KeepPolicy?
        var thin: ThinningPolicy?

        /// This, and where it says nothing what the definition says.
        func or(_ point: PointDefinition) -> Own {
            Own(interval: interval ?? point.interval, keep: keep ?? point.keep, thin: thin ?? point.thin)
        }
    }
}

extension Assembly {
    /// The meters of the main file.
    mutating func readMeters(_ field: Field, at location: Location?) -> [Meter] {
        guard let items = field.items(example: "[{id: main, bus: hall, unit: 1, model: eastron-sdm630}]") else {
            return []
        }
        if items.count > Self.meterLimit { field.error("\(items.count) meters; at most \(Self.meterLimit)") }
        var meters: [Meter] = []
        for item in items.prefix(Self.meterLimit) {
            if let meter = readMeter(item, at: location) { meters.append(meter) }
        }
        return meters
    }

    /// The meters of the folder `meters/`, one a file.
    mutating func readMeterFiles(at location: Location?) -> [Meter] {
        fields(ofFolder: "meters", one: "meter", limit: Self.meterLimit).compactMap { readMeter($0, at: location) }
    }

    /// The roots of the files in a folder beside the main file, each of which holds one thing.
    func fields(ofFolder name: String, one: String, limit: Int) -> [Field] {
        let folder = self.folder == "." && !file.contains("/") ? name : self.folder + "/" + name
        guard File.exists(folder) else { return [] }
        let names: [String]
        do {
            names = try File.names(in: folder)
        } catch {
            findings.error(
                at: Place(file: folder, line: 1, column: 1), path: "", error.reason,
                hint: "\(name) is a folder with one \(one) a file; the agent must be able to read it")
            return []
        }
        if names.count > limit {
            findings.error(
                at: Place(file: folder, line: 1, column: 1), path: "", "\(names.count) files; at most \(limit)")
        }
        var fields: [Field] = []
        for entry in names.prefix(limit) {
            let path = folder + "/" + entry
            guard entry.hasSuffix(".yaml") || entry.hasSuffix(".yml"), !entry.hasPrefix("."), !File.isFolder(path)
            else {
                findings.warning(
                    at: Place(file: path, line: 1, column: 1), path: "",
                    "not read: only files *.yaml and *.yml are \(name)")
                continue
            }
            guard let root = YAMLDocument.read(file: path, findings: findings) else { continue }
            if case .sequence = root.content {
                findings.error(
                    at: root.place, path: "", "a list; a file in \(name)/ holds one \(one)",
                    hint: "begin with \"id: …\", and give each \(one) a file of its own")
                continue
            }
            fields.append(Field(node: root, path: "", findings: findings))
        }
        return fields
    }

    private mutating func readMeter(_ field: Field, at gatewayLocation: Location?) -> Meter? {
        let advice = { (key: String) in key == "meters" ? "a file in meters/ is one meter: begin with \"id: …\"" : nil }
        guard let section = Section<MeterKey>(field, advice: advice) else { return nil }
        let id = section.required(.id).flatMap { meterNames.claim($0) }
        let bus = section.required(.bus).flatMap { busNames.reference($0) }
        if let bus { busesInUse.insert(bus) }
        let unit = section.required(.unit).flatMap { self.unit($0, bus: bus, meter: id, isPart: section.has(.at)) }
        let intervals = section.optional(.interval).map { PollIntervals($0) } ?? PollIntervals()
        let keep = section.value(.keep, or: .all) { KeepPolicy.read($0) }
        let thin = section.value(.thin, or: .allowed) { $0.thinningPolicy() }
        let location = section.optional(.location).map { $0.location() } ?? gatewayLocation
        let chosen = section.has(.model) ? modelPoints(section) : ownPoints(section, id: id ?? "meter")
        let timing = section.value(.timing, or: Timing()) { Timing.read($0) }
        let ratedPower = section.value(.ratedPower, or: nil) { $0.power().map(Optional.some) }
        let identity = section.value(.identity, or: nil) { MeterIdentity.read($0).map(Optional.some) }
        guard let id, let bus, let unit, let location, let timing, let ratedPower, let keep, let thin, let identity,
            let (model, points) = chosen
        else { return nil }
        var definition = model
        definition.ratedPower = ratedPower ?? model.ratedPower
        definition.identity = identity ?? model.identity
        guard checkWidth(of: points.map { definition.points[$0.place] }, definition.limits, section) else { return nil }
        let meter = Meter(
            id: id, bus: bus, unit: unit, definition: definition,
            points: points.map { choice in
                Point(
                    meter: id, model: definition.points, place: choice.place,
                    interval: choice.own.interval ?? intervals[definition.points[choice.place]],
                    keep: choice.own.keep ?? keep, thin: choice.own.thin ?? thin)
            },
            location: location, timing: timing.or(definition.timing))
        KeepDoubts(meter, keep: section.optional(.keep), points: section.optional(.points)).warn()
        return meter
    }

    /// A text, and a point with the register that scales it, are read in one request, which the meter must stand.
    private func checkWidth(
        of points: [PointDefinition], _ limits: RequestLimits, _ section: Section<MeterKey>
    ) -> Bool {
        guard let widest = points.max(by: { $0.neededSpan.count < $1.neededSpan.count }),
            widest.neededSpan.count > limits.registers
        else { return true }
        let takes = widest.conversion.scaleRegister == nil ? "takes" : "and its scale take"
        (section.optional(.limits) ?? section.field).error(
            "\"\(widest.name)\" \(takes) \(widest.neededSpan.count) registers, one request \(limits.registers)",
            hint: "limits: {registers: \(widest.neededSpan.count)} where the meter stands it, or leave the point out")
        return false
    }

    /// 1…247 on a line; on TCP also 0 and 255, which devices without units answer to.
    /// `isPart`: the meter is one SunSpec model of a device, which may have several.
    private mutating func unit(_ field: Field, bus: String?, meter: String?, isPart: Bool) -> UInt8? {
        guard let number = field.integer(in: 0...255, "a unit id") else { return nil }
        let isOnLine = bus.map(lines.contains) ?? false
        guard number <= 247 || number == 255, !isOnLine || 1...247 ~= number else {
            let hint =
                isOnLine
                ? "1…247; 0 is for broadcasts, which nobody answers, and 248…255 are reserved"
                : "1…247; a TCP device without units answers to 255 or 0"
            field.error("\(number) is no unit id" + (isOnLine ? " on a line" : ""), hint: hint)
            return nil
        }
        let unit = UInt8(number)
        if let bus {
            if let other = units[bus]?[unit], !isPart {
                field.warning(
                    "unit \(unit) on bus \"\(bus)\" is meter \"\(other)\" already",
                    hint: "two meters with one unit id read the same device")
            }
            units[bus, default: [:]][unit] = units[bus]?[unit] ?? meter ?? "without a name"
        }
        return unit
    }

    // MARK: Points

    private mutating func modelPoints(_ section: Section<MeterKey>) -> (MeterDefinition, [Choice])? {
        section.optional(.defaults)?.error(
            "defaults are for points written here, not for a model", hint: "remove defaults, or remove model")
        guard let field = section.optional(.model), var definition = definition(field) else { return nil }
        if let limits = section.optional(.limits).flatMap({ RequestLimits.read($0, or: definition.limits) }) {
            definition.limits = limits
        }
        guard let placed = place(definition, section) else { return nil }
        definition = placed
        guard let choice = section.optional(.points) else { return (definition, all(of: definition)) }
        return choose(choice, of: definition).map { (definition, $0) }
    }

    /// A SunSpec model is where the device's chain of models has it.
    private func place(_ definition: MeterDefinition, _ section: Section<MeterKey>) -> MeterDefinition? {
        guard definition.sunSpec != nil else {
            guard let field = section.optional(.at) else { return definition }
            field.error("\(definition.model) has its own addresses", hint: "remove at; it is for SunSpec models")
            return nil
        }
        guard section.has(.at) else {
            section.field.error(
                "missing key \"at\": where the device has \(definition.model)",
                hint: "the address of the model's ID register; `parthe bus scan` shows it")
            return nil
        }
        guard let field = section.optional(.at), let address = field.integer(in: 0...65_535, "a register") else {
            return nil
        }
        guard let placed = definition.placed(at: address) else {
            field.error("registers of \(definition.model) would lie beyond 65535", hint: "check the address")
            return nil
        }
        return placed
    }

    private func all(of definition: MeterDefinition) -> [Choice] {
        definition.points.enumerated().map { Choice(place: $0.offset, own: Choice.Own().or($0.element)) }
    }

    /// The definition of a model; each file is read once in a run, and what is wrong in it is told once.
    private mutating func definition(_ field: Field) -> MeterDefinition? {
        guard let model = field.text("a model") else { return nil }
        if let known = definitions[model] { return known }
        guard catalogue.file(of: model) != nil else {
            let models = catalogue.models().map(\.name)
            let hint =
                models.isEmpty
                ? "no definitions in \(catalogue.folders.joined(separator: " or ")); is --share right?"
                : Suggestion.hint(for: model, among: models, called: "known")
            field.error("unknown model \(quoted(model))", hint: hint)
            return nil
        }
        let (definition, problems) = catalogue.read(model: model)
        findings.add(problems)
        if definition == nil {
            field.error("the definition of \"\(model)\" cannot be used", hint: "see the errors in its file")
        }
        definitions[model] = .some(definition)
        return definition
    }

    /// Some of a definition's points, in its order: names, or `{name: …, interval: …, keep: …, thin: …}`.
    private func choose(_ field: Field, of definition: MeterDefinition) -> [Choice]? {
        guard let items = field.items(example: "[active-power, {name: active-energy-import, interval: 1m}]") else {
            return nil
        }
        guard (1...PointReader.limit).contains(items.count) else {
            field.error("\(items.count) points are chosen", hint: "leave points out to read all of them")
            return nil
        }
        var chosen: [String: Choice.Own] = [:]
        var places: [String: Place] = [:]
        for item in items {
            guard let (name, nameField, own) = choice(item) else { continue }
            if let first = places[name] {
                nameField.error("\"\(name)\" is chosen already", hint: "first in line \(first.line); remove one")
            } else if !definition.points.contains(where: { $0.name == name }) {
                nameField.error(
                    "\(definition.model) has no point \(quoted(name))",
                    hint: Suggestion.hint(for: name, among: definition.points.map(\.name), called: "points"))
            }
            places[name] = places[name] ?? nameField.node.place
            chosen[name] = own
        }
        return definition.points.enumerated().compactMap { place, point in
            chosen[point.name].map { Choice(place: place, own: $0.or(point)) }
        }
    }

    private func choice(_ field: Field) -> (name: String, field: Field, own: Choice.Own)? {
        if case .scalar = field.node.content {
            return field.text("a point's name").map { ($0, field, Choice.Own()) }
        }
        let advice = { (key: String) in
            PointKey(rawValue: key).map { _ in "a model's points are chosen by name; leave model out to write your own"
            }
        }
        guard let section = Section<ChosenPointKey>(field, advice: advice) else { return nil }
        let own = Choice.Own(
            interval: section.optional(.interval)?.pollInterval(),
            keep: section.optional(.keep).flatMap { KeepPolicy.read($0) },
            thin: section.optional(.thin).flatMap { $0.thinningPolicy() })
        guard let nameField = section.required(.name), let name = nameField.text("a point's name") else { return nil }
        return (name, nameField, own)
    }

    private func ownPoints(_ section: Section<MeterKey>, id: String) -> (MeterDefinition, [Choice])? {
        guard let field = section.optional(.points) else {
            if section.has(.points) { return nil }
            section.field.error(
                "neither model nor points", hint: "add \"\(MeterKey.model.example)\", or write the points here")
            return nil
        }
        if case .sequence(let nodes) = field.node.content, case .scalar = nodes.first?.content {
            field.error(
                "points by name need a model", hint: "add \"\(MeterKey.model.example)\", or write the points here")
            return nil
        }
        let defaults = section.optional(.defaults).map { PointDefaults($0) } ?? PointDefaults()
        let limits = section.optional(.limits).map { RequestLimits.read($0, or: .cautious) ?? .cautious } ?? .cautious
        guard let points = PointReader(defaults: defaults, doubtsManualNumbers: true).points(field) else { return nil }
        let definition = MeterDefinition(
            model: "own/" + id, manufacturer: "unknown", product: id, status: .own, sources: [],
            limits: limits, points: points)
        return (definition, all(of: definition))
    }
}
