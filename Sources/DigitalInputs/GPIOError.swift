internal import Glibc
public import Metering
internal import Posix

/// A line that cannot be watched: what happened, where, and what to look at next.
public struct GPIOError: Error, Hashable, Sendable {
    /// What happened.
    public enum Code: Hashable, Sendable {
        /// There is no such line, or not yet; the labels of the chips that there are.
        case noLine(chips: [String])
        /// Several lines have this name; their chips' labels.
        case ambiguous(chips: [String])
        /// Another program uses the line; nil where the kernel does not say who.
        case busy(consumer: String?)
        /// This user may not open the chip's device.
        case noPermission(device: String)
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

    init(errno code: Int32, device: String, consumer: String?, _ line: InputSettings.Line) {
        self.line = line
        switch code {
        case EBUSY: self.code = .busy(consumer: consumer)
        case EACCES, EPERM: self.code = .noPermission(device: device)
        case ENODEV, ENOENT, ENXIO: self.code = .gone
        case EINVAL where GPIOChips.interface == 1: self.code = .oldLibrary
        case ENOTSUP, EOPNOTSUPP: self.code = .unsupported
        default: self.code = .system(code)
        }
    }
}

extension GPIOError: CustomStringConvertible {
    /// `line GPIO17: used by "w1"`.
    public var description: String { "line \(line): \(what)" }

    /// What happened, without the place.
    public var what: String {
        switch code {
        case .noLine: "there is no such line"
        case .ambiguous(let chips): "several chips have a line of this name: " + chips.joined(separator: ", ")
        case .busy(let consumer?): "used by \"\(consumer)\""
        case .busy(nil): "used by another program"
        case .noPermission(let device): "no permission to open \(device)"
        case .gone: "its chip went away"
        case .oldLibrary: "the kernel does not know the interface of libgpiod 1"
        case .unsupported: "the chip cannot do what is asked of it"
        case .system(let errno): PosixError.text(errno)
        }
    }

    /// What to look at next.
    public var hint: String {
        switch code {
        case .noLine(let chips):
            chips.isEmpty
                ? "this machine has no GPIO chips that this user may open: ls -l /dev/gpiochip*"
                : "`parthe input list` shows all lines; chips: " + chips.joined(separator: ", ")
        case .ambiguous: "name the chip: line: {chip: LABEL, offset: N}"
        case .busy: "free the line: end that program, or remove the device-tree overlay or kernel module that uses it"
        case .noPermission(let device):
            "the device belongs to a group, often gpio: `ls -l \(device)`, then `usermod -aG GROUP USER`"
        case .gone: "it is taken up again by itself when it is back"
        case .oldLibrary: "use a package or a build with libgpiod 2; libgpiod 1 works with kernels before 7.0 only"
        case .unsupported: "leave out bias, or debounce"
        case .system: "look at dmesg"
        }
    }
}
