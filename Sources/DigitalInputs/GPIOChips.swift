internal import CGPIO
internal import Glibc
internal import Metering

/// A line of a chip, as the kernel knows it.
public struct GPIOLineInfo: Hashable, Sendable {
    /// The chip's label: `pinctrl-bcm2711`.
    public var chip: String
    /// The chip's device, whose number may be another one after the next start: `/dev/gpiochip0`.
    public var device: String
    /// Its place on the chip.
    public var offset: Int
    /// Its name; empty where the board gives none.
    public var name: String
    /// Who uses it; empty where nobody does, or the kernel does not say.
    public var consumer: String
    /// Whether it is in use.
    public var isUsed: Bool
    /// Whether it is an output.
    public var isOutput: Bool
}

/// The GPIO chips of this machine.
public enum GPIOChips {
    /// The version of libgpiod's interface that this was built with: 1 knows no lost edges and no debounce.
    public static var interface: Int { Int(cgpio_interface()) }

    /// The version of libgpiod in use.
    public static var libraryVersion: String { String(cString: cgpio_version()) }

    /// A chip.
    struct Chip {
        var path: String
        var label: String
        var lines: Int
    }

    /// More chips than any board has.
    private static let mostChips = 64

    /// The chips that this user may open.
    static func all() -> [Chip] {
        var chips = [cgpio_chip](repeating: cgpio_chip(), count: mostChips)
        let count = min(Int(cgpio_list_chips(&chips, chips.count)), chips.count)
        return chips.prefix(max(0, count)).map { chip in
            Chip(path: text(chip.path), label: text(chip.label), lines: Int(chip.lines))
        }
    }

    /// Every line of every chip, in the order of the chips' devices.
    public static func lines() -> [GPIOLineInfo] {
        all().flatMap { chip in (0..<chip.lines).compactMap { look(at: $0, of: chip) } }
    }

    /// The labels of the chips.
    public static func labels() -> [String] { all().map(\.label) }

    /// Where a line is now.
    static func find(_ line: InputSettings.Line) throws(GPIOError) -> GPIOLineInfo {
        let chips = all()
        let found: [GPIOLineInfo]
        switch line {
        case .chip(let label, let offset):
            found = chips.filter { $0.label == label && offset < $0.lines }.compactMap { look(at: offset, of: $0) }
        case .name(let name):
            found = chips.flatMap { chip in
                (0..<chip.lines).compactMap { look(at: $0, of: chip) }.filter { $0.name == name }
            }
        }
        guard let first = found.first else { throw GPIOError(.noLine(chips: chips.map(\.label)), line) }
        guard found.count == 1 else { throw GPIOError(.ambiguous(chips: found.map(\.chip)), line) }
        return first
    }

    private static func look(at offset: Int, of chip: Chip) -> GPIOLineInfo? {
        var line = cgpio_line()
        guard cgpio_look_at(chip.path, UInt32(offset), &line) == 0 else { return nil }
        return GPIOLineInfo(
            chip: chip.label, device: chip.path, offset: offset, name: text(line.name), consumer: text(line.consumer),
            isUsed: line.is_used, isOutput: line.is_output)
    }

    /// The text in a C array of characters, which arrives as a tuple.
    private static func text<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
