internal import Metering

/// Reads a board's profile, one file a board.
///
/// ```yaml
/// product: Raspberry Pi 4 Model B
/// sources: [where it is said what each terminal is]
/// ports:
///   - {terminal: "RS485-1", path: /dev/serial0, rs485: {rts_on_send: high}}
/// lines:
///   - {terminal: "pin 11", line: {chip: pinctrl-bcm2711, offset: 17}, inverted: false}    # or line: NAME
/// ```
/// The board's name is the file's.
struct BoardReader {
    private enum Key: String, SectionKey {
        case product, sources, ports, lines

        var example: String {
            switch self {
            case .product: "product: Raspberry Pi 4 Model B"
            case .sources: "sources: [where it is said]"
            case .ports: "ports: [{terminal: RS485-1, path: /dev/serial0}]"
            case .lines: "lines: [{terminal: DI 1, line: GPIO17}]"
            }
        }
    }

    private enum PortKey: String, SectionKey {
        case terminal, path, rs485

        var example: String {
            switch self {
            case .terminal: "terminal: RS485-1"
            case .path: "path: /dev/serial0"
            case .rs485: "rs485: {rts_on_send: high}"
            }
        }
    }

    private enum LineKey: String, SectionKey {
        case terminal, line, inverted

        var example: String {
            switch self {
            case .terminal: "terminal: DI 1"
            case .line: "line: GPIO17"
            case .inverted: "inverted: true"
            }
        }
    }

    static func read(_ field: Field, name: String) -> BoardProfile? {
        guard let section = Section<Key>(field) else { return nil }
        let product = section.required(.product)?.text()
        let sources = section.required(.sources)?.texts("a source")
        let ports = section.value(.ports, or: []) { list($0, Key.ports.example, port) }
        let lines = section.value(.lines, or: []) { list($0, Key.lines.example, line) }
        guard let product, let sources, let ports, let lines else { return nil }
        var seen: Set<String> = []
        for terminal in ports.map(\.terminal) + lines.map(\.terminal) where !seen.insert(terminal).inserted {
            field.error("a second terminal \"\(terminal)\"", hint: "terminals are named once on an enclosure")
            return nil
        }
        return BoardProfile(name: name, product: product, sources: sources, ports: ports, lines: lines)
    }

    private static func list<Item>(_ field: Field, _ example: String, _ read: (Field) -> Item?) -> [Item]? {
        guard let items = field.items(example: example) else { return nil }
        let found = items.compactMap(read)
        return found.count == items.count ? found : nil
    }

    private static func port(_ field: Field) -> BoardProfile.Port? {
        guard let section = Section<PortKey>(field) else { return nil }
        let terminal = section.required(.terminal)?.text("a terminal's name", limit: 40)
        let path = section.required(.path)?.text("a path")
        let direction = section.value(.rs485, or: nil) { $0.direction().map(Optional.some) }
        guard let terminal, let path, let direction else { return nil }
        guard path.hasPrefix("/dev/") else {
            section.optional(.path)?.error("\(quoted(path)) is no device", hint: "such as /dev/serial0")
            return nil
        }
        return BoardProfile.Port(terminal: terminal, path: path, direction: direction)
    }

    private static func line(_ field: Field) -> BoardProfile.Line? {
        guard let section = Section<LineKey>(field) else { return nil }
        let terminal = section.required(.terminal)?.text("a terminal's name", limit: 40)
        let line = section.required(.line).flatMap { InputSettings.Line.read($0) }
        let isInverted = section.value(.inverted, or: false) { $0.flag() }
        guard let terminal, let line, let isInverted else { return nil }
        return BoardProfile.Line(terminal: terminal, line: line, isInverted: isInverted)
    }
}
