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

    /// What the version of libgpiod in use cannot do, and what to do about it; nil where nothing is missing.
    public static var limits: (what: String, hint: String)? { limits(interface: interface, version: libraryVersion) }

    static func limits(interface: Int, version: String) -> (what: String, hint: String)? {
        guard interface < 2 else { return nil }
        return (
            "with libgpiod \(version) lost edges cannot be noticed, parthe has to debounce by itself, and the kernel's "
                + "buffer cannot be chosen: it holds 16 edges a line",
            "install a package of parthe, or build it with libgpiod 2"
        )
    }

    /// A chip.
    struct Chip {
        var path: String
        var label: String
        var lines: Int
    }

    /// More chips than any board has.
    private static let mostChips = 64

    /// The chips that this user may open, and those it may not.
    static func all() -> (open: [Chip], closed: [ClosedChip]) {
        var chips = [cgpio_chip](repeating: cgpio_chip(), count: mostChips)
        let count = Int(cgpio_list_chips(&chips, chips.count))
        let found = chips.prefix(min(count, chips.count))
        return (
            found.filter { $0.refusal == 0 }.map {
                Chip(path: text($0.path), label: text($0.label), lines: Int($0.lines))
            },
            found.filter { $0.refusal != 0 }.map { ClosedChip(device: text($0.path), errno: $0.refusal) }
        )
    }

    /// What can be seen of this machine's lines.
    public struct Survey: Sendable {
        /// Every line of every chip that may be opened, in the order of the chips' devices.
        public var lines: [GPIOLineInfo]
        /// The chips that this user may not open.
        public var closed: [ClosedChip]
        /// Whether the kernel shows chips and no line, since it does not know this libgpiod.
        public var isRefused: Bool

        /// A survey with every property given.
        public init(lines: [GPIOLineInfo], closed: [ClosedChip] = [], isRefused: Bool = false) {
            self.lines = lines
            self.closed = closed
            self.isRefused = isRefused
        }
    }

    /// Looks at every line.
    public static func survey() -> Survey {
        let (open, closed) = all()
        let lines = open.flatMap { chip in (0..<chip.lines).compactMap { look(at: $0, of: chip) } }
        return Survey(lines: lines, closed: closed, isRefused: lines.isEmpty && open.contains { $0.lines > 0 })
    }

    /// Where a line is now.
    static func find(_ line: InputSettings.Line) throws(GPIOError) -> GPIOLineInfo {
        let (open, closed) = all()
        let asked = open.flatMap { chip -> [(Chip, Int)] in
            switch line {
            case .chip(chip.label, let offset): offset < chip.lines ? [(chip, offset)] : []
            case .chip: []
            case .name: (0..<chip.lines).map { (chip, $0) }
            }
        }
        let seen = asked.compactMap { look(at: $1, of: $0) }
        if seen.isEmpty, !asked.isEmpty, interface == 1 { throw GPIOError(.oldLibrary, line) }
        let found = if case .name(let name) = line { seen.filter { $0.name == name } } else { seen }
        return try choose(line, of: found, chips: open.map(\.label), closed: closed)
    }

    /// The one line that `found` is to hold; what the `chips` are called, and which are `closed`, tells why it does not.
    static func choose(
        _ line: InputSettings.Line, of found: [GPIOLineInfo], chips: [String], closed: [ClosedChip]
    ) throws(GPIOError) -> GPIOLineInfo {
        guard let first = found.first else {
            throw GPIOError(
                chips.isEmpty && !closed.isEmpty ? .noPermission(closed) : .noLine(chips: chips, closed: closed), line)
        }
        guard found.count == 1 else { throw GPIOError(.ambiguous(found), line) }
        return first
    }

    /// What the kernel says of the line that was at `info` a moment ago; nil when its chip is gone.
    static func look(again info: GPIOLineInfo) -> GPIOLineInfo? {
        look(at: info.offset, of: Chip(path: info.device, label: info.chip, lines: 0))
    }

    /// Nil when the kernel does not say.
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
