internal import Glibc
public import Metering
internal import Posix

/// A line that cannot be watched: what happened, where, and what to look at next.
public struct GPIOError: Error, Hashable, Sendable {
    /// What happened.
    public enum Code: Hashable, Sendable {
        /// There is no such line, or not yet, on the chips with these labels; it may be on one that this user may not open.
        case noLine(chips: [String], closed: [ClosedChip])
        /// Several lines have this name, or several chips this label.
        case ambiguous([GPIOLineInfo])
        /// Another program uses the line; nil where the kernel does not say who.
        case busy(consumer: String?)
        /// Nobody uses the line, but its interrupt is taken.
        case interruptTaken
        /// The line's chip has no interrupts, so it cannot tell edges.
        case noEdges
        /// This user may open no chip, or not this line's.
        case noPermission([ClosedChip])
        /// The chip went away while in use.
        case gone
        /// The kernel does not understand this version of libgpiod.
        case oldLibrary
        /// The chip cannot do what was asked for: bias or debounce.
        case unsupported
        /// Something else (errno).
        case system(Int32)
    }

    /// What happened.
    public var code: Code
    /// The line.
    public var line: InputSettings.Line

    /// An error with every property given.
    public init(_ code: Code, _ line: InputSettings.Line) {
        self.code = code
        self.line = line
    }

    /// The request for `line` on the chip of `device` failed with `errno`; `after` is what the kernel says of the line
    /// after that, nil when its chip is gone.
    init(request errno: Int32, device: String, after: GPIOLineInfo?, _ line: InputSettings.Line, interface: Int) {
        self.line = line
        code =
            switch errno {
            case EACCES, EPERM: .noPermission([ClosedChip(device: device, errno: errno)])
            case _ where after == nil: .gone
            case EBUSY:
                after?.isUsed == true
                    ? .busy(consumer: after.flatMap { $0.consumer.isEmpty ? nil : $0.consumer }) : .interruptTaken
            // drivers/gpio/gpiolib-cdev.c, edge_detector_setup: the line has no interrupt; ENODEV in older kernels, and in
            // the first interface.
            case ENXIO, ENODEV: .noEdges
            case EINVAL where interface == 1: .oldLibrary
            case ENOTSUP, EOPNOTSUPP: .unsupported
            default: .system(errno)
            }
    }

    /// A line in use failed with `errno`.
    init(use errno: Int32, _ line: InputSettings.Line) {
        self.line = line
        code =
            switch errno {
            case ENODEV, ENOENT, ENXIO: .gone
            default: .system(errno)
            }
    }
}

extension GPIOError: CustomStringConvertible {
    /// `line GPIO17: used by "w1"`.
    public var description: String { "line \(line): \(what)" }

    /// What happened, without the place.
    public var what: String {
        switch code {
        case .noLine(_, let closed):
            closed.isEmpty
                ? "there is no such line"
                : "there is no such line on the chips that this user may open; not looked at: "
                    + closed.map(\.device).joined(separator: ", ")
        case .ambiguous(let lines):
            switch line {
            case .chip(let label, _):
                "\(lines.count) chips are called \(label): " + lines.map(\.device).joined(separator: ", ")
            case .name(let name): "\(lines.count) lines are called \(name): " + Self.places(lines)
            }
        case .busy(let consumer?): "used by \"\(consumer)\""
        case .busy(nil): "in use; the kernel does not say by whom"
        case .interruptTaken: "nobody uses the line, but its interrupt is taken by a driver"
        case .noEdges: "this line cannot tell edges: its chip has no interrupts"
        case .noPermission(let closed): "no permission to open " + closed.map(\.device).joined(separator: ", ")
        case .gone: "its chip went away"
        case .oldLibrary: "the kernel does not know the interface of libgpiod 1"
        case .unsupported: "the chip cannot do what is asked of it"
        case .system(let errno): PosixError.text(errno)
        }
    }

    /// What to look at next.
    public var hint: String {
        switch code {
        case .noLine(let chips, let closed):
            closed.isEmpty
                ? chips.isEmpty
                    ? "this machine has no GPIO chips: dmesg tells whether a driver found them"
                    : "`parthe input list` shows all lines; chips: " + chips.joined(separator: ", ")
                : ClosedChip.advice(closed)
        case .ambiguous(let lines): Self.hint(among: lines)
        case .busy(DigitalInputs.consumer):
            "another parthe watches it: an agent, whose inputs `parthe status` shows, or `parthe input watch` or `test`"
        case .busy: "free the line: end that program, or remove the device-tree overlay or kernel module that uses it"
        case .interruptTaken:
            "/proc/interrupts shows who has it: remove that device-tree overlay or kernel module, or use another line"
        case .noEdges: "use another chip's line: `parthe input list` shows them"
        case .noPermission(let closed): ClosedChip.advice(closed)
        case .gone: "it is taken up again by itself when it is back"
        case .oldLibrary: "use a package or a build with libgpiod 2; libgpiod 1 works with kernels before 7.0 only"
        case .unsupported: "leave out bias, or debounce"
        case .system: "look at dmesg"
        }
    }

    /// How one of `lines` is meant, and no other.
    private static func hint(among lines: [GPIOLineInfo]) -> String {
        // A label tells a chip only where no other has it.
        if Set(lines.map(\.device)).count == Set(lines.map(\.chip)).count {
            return "say which: "
                + lines.map { "line: {chip: \($0.chip), offset: \($0.offset)}" }.joined(separator: ", or ")
        }
        let names = Set(lines.map(\.name))
        if names.count == lines.count, !names.contains("") {
            return "name the line: " + lines.map { "line: \($0.name) is on \($0.device)" }.joined(separator: ", ")
        }
        return
            "nothing but the devices' numbers, which change, tells these chips apart: leave one of them, or give their "
            + "lines names of their own (gpio-line-names in the device tree)"
    }

    private static func places(_ lines: [GPIOLineInfo]) -> String {
        lines.map { "\($0.chip) line \($0.offset) (\($0.device))" }.joined(separator: ", ")
    }
}
