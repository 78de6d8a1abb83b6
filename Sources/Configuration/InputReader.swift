internal import Metering

// The section `inputs`: lines on which meters pulse, and contacts.

private enum InputKey: String, SectionKey {
    case id, line, terminal, bias, inverted, debounce, unit, quantity, obis, pulse, contact, heartbeat, interval, keep,
        thin,
        silence
    case location
    case pulsesPer = "pulses_per"

    var example: String {
        switch self {
        case .id: "id: gas"
        case .line: "line: GPIO17"
        case .terminal: "terminal: \"pin 11\""
        case .bias: "bias: pull-up"
        case .inverted: "inverted: true"
        case .debounce: "debounce: 5ms"
        case .unit: "unit: m3"
        case .quantity: "quantity: volume"
        case .obis: "obis: \"7-0:3.0.0\""
        case .pulse: "pulse: s0"
        case .contact: "contact: {active: open, inactive: closed}"
        case .heartbeat: "heartbeat: 1h"
        case .interval: "interval: 10s"
        case .keep: "keep: {every: 15m}"
        case .thin: "thin: forbidden"
        case .silence: "silence: 5m"
        case .location: "location: {latitude: 51.3397, longitude: 12.3731}"
        case .pulsesPer: "pulses_per: 100"
        }
    }

    static let synonyms = [
        "gpio": "line", "pin": "line", "name": "id", "pulses": "pulses_per", "factor": "pulses_per",
        "impulses": "pulses_per", "active_low": "inverted", "pull": "bias", "states": "contact",
    ]
}

private enum LineKey: String, SectionKey {
    case chip, offset

    var example: String { self == .chip ? "chip: pinctrl-bcm2711" : "offset: 17" }
}

private enum PulseKey: String, SectionKey {
    case minimum = "min_width"
    case maximum = "max_width"

    var example: String { self == .minimum ? "min_width: 30ms" : "max_width: 1s" }
}

private enum ContactKey: String, SectionKey {
    case active, inactive

    var example: String { self == .active ? "active: open" : "inactive: closed" }
}

extension Assembly {
    static let inputLimit = 64

    /// The inputs of the main file, then those of the folder `inputs/`, one a file.
    mutating func readInputs(_ field: Field?, at location: Location?) -> [InputSettings] {
        var items = field.map { $0.items(example: "[{id: gas, line: GPIO17, pulses_per: 100, unit: m3}]") ?? [] } ?? []
        items += fields(ofFolder: "inputs", one: "input", limit: Self.inputLimit)
        if items.count > Self.inputLimit {
            (field ?? items[0]).error("\(items.count) inputs; at most \(Self.inputLimit)")
        }
        var inputs: [InputSettings] = []
        var lines: [InputSettings.Line: String] = [:]
        for item in items.prefix(Self.inputLimit) {
            guard let input = readInput(item, at: location) else { continue }
            if let other = lines[input.line] {
                item.error(
                    "line \(input.line) is input \"\(other)\" already", hint: "a line can be watched once only")
            }
            lines[input.line] = input.id
            inputs.append(input)
        }
        return inputs
    }

    private mutating func readInput(_ field: Field, at gatewayLocation: Location?) -> InputSettings? {
        guard let section = Section<InputKey>(field) else { return nil }
        // Meters and inputs share their names: both are Things.
        let id = section.required(.id).flatMap { meterNames.claim($0) }
        let place = place(section)
        let bias = section.value(.bias, or: .asIs) { $0.choice(InputSettings.Bias.self, "bias") }
        let inverted = section.value(.inverted, or: false) { $0.flag() }
        let location = section.optional(.location).map { $0.location() } ?? gatewayLocation
        let isContact = section.has(.contact)
        guard isContact != section.has(.pulsesPer) else {
            field.error(
                isContact ? "both pulses_per and contact" : "neither pulses_per nor contact",
                hint: "pulses_per and unit for a meter that pulses, contact for a door or an alarm")
            return nil
        }
        let debounce = section.value(.debounce, or: isContact ? .milliseconds(20) : .zero) {
            $0.duration(in: .zero ... .seconds(1))
        }
        let thin = section.value(.thin, or: .allowed) { $0.thinningPolicy() }
        let meaning = isContact ? contact(section) : pulses(section)
        guard let id, let place, let bias, let inverted, let location, let debounce, let thin, let meaning else {
            return nil
        }
        if case .pulses(let pulses) = meaning.use, debounce > .zero, pulses.rule.minimumWidth > .zero,
            debounce + Self.kernelTicks > pulses.rule.minimumWidth
        {
            section.optional(.debounce)?.warning(
                "can take pulses of \(pulses.rule.minimumWidth.wholeMilliseconds) ms, the least that count, for bounces",
                hint: "a kernel waits up to 8 ms longer than it is told: less than half the shortest pulse, or none")
        }
        let definition = MeterDefinition(
            model: isContact ? "contact" : "pulse-output", manufacturer: "unknown", product: id, status: .own,
            sources: [], points: meaning.points)
        let meter = Meter(
            id: id, bus: "", unit: 0, definition: definition,
            points: meaning.points.indices.map {
                Point(
                    meter: id, model: meaning.points, place: $0, interval: meaning.interval, keep: meaning.keep,
                    thin: thin)
            },
            location: location)
        KeepDoubts(meter, keep: section.optional(.keep)).warn()
        return InputSettings(
            id: id, line: place.line, terminal: section.has(.terminal) ? place.terminal : nil, bias: bias,
            isInverted: inverted != place.isInverted, debounce: debounce, use: meaning.use, meter: meter)
    }

    /// The line, by what is printed on the enclosure or by what the kernel calls it.
    private func place(_ section: Section<InputKey>) -> BoardProfile.Line? {
        guard let field = section.optional(.terminal) else {
            return section.required(.line).flatMap { InputSettings.Line.read($0) }.map {
                BoardProfile.Line(terminal: "", line: $0)
            }
        }
        if section.has(.line) {
            field.error("both line and terminal", hint: "remove one")
            return nil
        }
        return terminal(field, among: \.lines, \.terminal)
    }

    /// A kernel counts a debounce in its ticks (gpiolib-cdev.c: jiffies), of 4 ms in Debian's: two more at worst.
    private static let kernelTicks = Duration.milliseconds(8)

    private struct Meaning {
        var use: InputSettings.Use
        var points: [PointDefinition]
        var interval: Duration
        var keep: KeepPolicy
    }

    private func pulses(_ section: Section<InputKey>) -> Meaning? {
        for key in [InputKey.heartbeat] {
            section.optional(key)?.error("\(key.rawValue) is for contacts", hint: "remove \(key.rawValue)")
            if section.has(key) { return nil }
        }
        let perUnit = section.required(.pulsesPer)?.scale()
        let unit = section.required(.unit)?.unit()
        let quantity = section.value(.quantity, or: unit.flatMap { Quantity.counted(in: $0) }) {
            $0.choice(Quantity.self, "quantity").map(Optional.some)
        }
        let obis = section.value(.obis, or: nil) { $0.obis().map(Optional.some) }
        let rule = section.value(.pulse, or: PulseCounter.Rule()) { PulseCounter.Rule.read($0) }
        let interval = section.value(.interval, or: .seconds(10)) { $0.pollInterval() }
        let silence = section.value(.silence, or: .seconds(300)) { $0.duration(in: .seconds(1) ... .seconds(86_400)) }
        let keep = section.value(.keep, or: .all) { KeepPolicy.read($0) }
        guard let perUnit, let unit, let quantity, let obis, let rule, let interval, let silence, let keep else {
            return nil
        }
        guard !perUnit.isNegative else {
            section.optional(.pulsesPer)?.error("\(perUnit) pulses", hint: "a positive number: \"pulses_per: 100\"")
            return nil
        }
        guard let quantity, quantity.accumulates else {
            (section.optional(.quantity) ?? section.optional(.unit))?.error(
                "pulses count energy, volume, mass or pieces", hint: "such as unit: m3, kW.h or 1")
            return nil
        }
        if let units = quantity.units, !units.contains(unit.ucum) {
            section.optional(.unit)?.error(
                "\(unit.ucum) (\(unit.name)) is no unit of \(quantity.rawValue)",
                hint: "units of \(quantity.rawValue): " + units.joined(separator: ", "))
            return nil
        }
        let total = PointDefinition(name: quantity.rawValue, quantity: quantity, unit: unit, kind: .counter, obis: obis)
        let rate = quantity.rate(of: unit).map {
            PointDefinition(name: $0.quantity.rawValue, quantity: $0.quantity, unit: $0.unit, kind: .gauge)
        }
        return Meaning(
            use: .pulses(PulseUse(rule: rule, perUnit: perUnit, interval: interval, silence: silence)),
            points: [total] + (rate.map { [$0] } ?? []), interval: interval, keep: keep)
    }

    private func contact(_ section: Section<InputKey>) -> Meaning? {
        for key in [InputKey.unit, .quantity, .obis, .pulse, .interval, .silence, .keep] where section.has(key) {
            section.optional(key)?.error("\(key.rawValue) is for pulses", hint: "remove \(key.rawValue)")
            return nil
        }
        let heartbeat = section.value(.heartbeat, or: .seconds(3600)) {
            $0.duration(in: .seconds(1) ... .seconds(7 * 86_400))
        }
        guard let heartbeat, let field = section.optional(.contact), let names = Section<ContactKey>(field),
            let active = names.required(.active)?.text("a state's name", limit: 40),
            let inactive = names.required(.inactive)?.text("a state's name", limit: 40),
            let unit = Unit(ucum: "1")
        else { return nil }
        return Meaning(
            use: .contact(ContactUse(heartbeat: heartbeat, active: active, inactive: inactive)),
            points: [
                PointDefinition(
                    name: "state", quantity: .state, unit: unit, kind: .state, states: [inactive, active])
            ], interval: heartbeat, keep: .all)
    }
}

extension InputSettings.Line {
    /// `NAME`, or `{chip: LABEL, offset: N}`.
    static func read(_ field: Field) -> InputSettings.Line? {
        if case .scalar = field.node.content {
            guard let name = field.text("a line's name", limit: 31) else { return nil }
            guard Number.integer(name) == nil else {
                field.error(
                    "\(clipped(name)) is no line: numbers change between kernels",
                    hint: "its name, such as GPIO17, or {chip: LABEL, offset: 17}; `parthe input list` shows them")
                return nil
            }
            return .name(name)
        }
        guard let section = Section<LineKey>(field) else { return nil }
        let chip = section.required(.chip)?.text("a chip's label", limit: 31)
        let offset = section.required(.offset)?.integer(in: 0...1023)
        guard let chip, let offset else { return nil }
        guard !chip.hasPrefix("gpiochip"), !chip.hasPrefix("/dev/") else {
            section.optional(.chip)?.error(
                "\(clipped(chip)) is no label: numbers of chips change between kernels",
                hint: "`parthe input list` shows the labels, such as pinctrl-bcm2711")
            return nil
        }
        return .chip(label: chip, offset: offset)
    }
}

extension PulseCounter.Rule {
    fileprivate static func read(_ field: Field) -> PulseCounter.Rule? {
        if case .scalar("s0", _) = field.node.content { return .s0 }
        if case .scalar = field.node.content {
            return field.expected("what is a pulse", hint: "s0, or {min_width: 30ms, max_width: 1s}")
        }
        guard let section = Section<PulseKey>(field) else { return nil }
        let range = Duration.microseconds(1) ... .seconds(60)
        let minimum = section.value(.minimum, or: .zero) { $0.duration(in: range) }
        let maximum = section.value(.maximum, or: nil) { $0.duration(in: range).map(Optional.some) }
        guard let minimum, let maximum else { return nil }
        if let maximum, maximum < minimum {
            section.optional(.maximum)?.error("max_width is less than min_width", hint: "swap them")
            return nil
        }
        return PulseCounter.Rule(minimumWidth: minimum, maximumWidth: maximum)
    }
}

extension Field {
    /// `true` or `false`.
    func flag() -> Bool? {
        switch node.content {
        case .scalar("true", isPlain: true): return true
        case .scalar("false", isPlain: true): return false
        default: return expected("true or false")
        }
    }
}
