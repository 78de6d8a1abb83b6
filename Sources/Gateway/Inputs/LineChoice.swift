internal import Configuration
internal import Metering

/// The line that a command means.
enum LineChoice {
    /// An input of the configuration, a terminal of its board, `CHIP:OFFSET`, or a line's name.
    static func settings(_ name: String, _ configuration: AgentConfiguration?) -> InputSettings {
        if var input = configuration?.inputs.first(where: { $0.id == name }) {
            // Bounces are what is looked for.
            input.debounce = .zero
            return input
        }
        let terminal = configuration?.gateway.board?.lines.first { $0.terminal == name }
        let line = terminal?.line ?? place(name)
        return InputSettings(
            id: "watch", line: line, isInverted: terminal?.isInverted ?? false,
            use: .contact(ContactUse(heartbeat: .seconds(3600), active: "active", inactive: "inactive")),
            meter: Meter(
                id: "watch", bus: "", unit: 0,
                definition: MeterDefinition(
                    model: "watch", manufacturer: "", product: "", status: .own, sources: [], points: []),
                points: [], location: Location(latitude: .zero, longitude: .zero)))
    }

    /// `pinctrl-bcm2711:17`, or a name.
    static func place(_ text: String) -> InputSettings.Line {
        guard let colon = text.lastIndex(of: ":"), let offset = Int(text[text.index(after: colon)...]), offset >= 0
        else {
            return .name(text)
        }
        return .chip(label: String(text[..<colon]), offset: offset)
    }
}
