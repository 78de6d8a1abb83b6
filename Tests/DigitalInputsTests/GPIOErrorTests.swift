import Glibc
import Metering
import Testing

@testable import DigitalInputs

private func line(
    _ chip: String = "pulses", _ device: String = "/dev/gpiochip1", offset: Int = 3, name: String = "",
    consumer: String = "", isUsed: Bool = false
) -> GPIOLineInfo {
    GPIOLineInfo(
        chip: chip, device: device, offset: offset, name: name, consumer: consumer, isUsed: isUsed, isOutput: false)
}

@Suite struct GPIOErrorTests {
    private static let asked = InputSettings.Line.chip(label: "pulses", offset: 3)

    /// What the kernel answers to a request, and what that means: drivers/gpio/gpiolib-cdev.c (Linux 6.12).
    @Test(
        arguments: [
            // No interrupt for the line, by new and by old kernels: the chip is there, and stays without.
            (ENXIO, line(), 2, .noEdges), (ENODEV, line(), 2, .noEdges), (ENODEV, line(), 1, .noEdges),
            // Unplugged between the look and the request.
            (ENODEV, nil, 2, .gone), (ENXIO, nil, 2, .gone), (ENOENT, nil, 2, .gone), (EBUSY, nil, 2, .gone),
            (EBUSY, line(consumer: "w1", isUsed: true), 2, .busy(consumer: "w1")),
            (EBUSY, line(isUsed: true), 2, .busy(consumer: nil)),
            // The line is free, so it is the interrupt that is taken.
            (EBUSY, line(), 2, .interruptTaken), (EBUSY, line(), 1, .interruptTaken),
            (EINVAL, line(), 1, .oldLibrary), (EINVAL, line(), 2, .system(EINVAL)),
            (ENOTSUP, line(), 1, .unsupported), (EOPNOTSUPP, line(), 2, .unsupported),
            (ENOMEM, line(), 2, .system(ENOMEM)),
        ] as [(Int32, GPIOLineInfo?, Int, GPIOError.Code)])
    func whatARequestFailsFor(errno: Int32, after: GPIOLineInfo?, interface: Int, code: GPIOError.Code) {
        let error = GPIOError(
            request: errno, device: "/dev/gpiochip1", after: after, Self.asked, interface: interface)
        #expect(error.code == code)
        #expect(error.line == Self.asked && !error.hint.isEmpty)
    }

    @Test(
        arguments: [
            (ENODEV, .gone), (ENXIO, .gone), (ENOENT, .gone), (EIO, .system(EIO)), (EINVAL, .system(EINVAL)),
        ] as [(Int32, GPIOError.Code)])
    func whatALineInUseFailsFor(errno: Int32, code: GPIOError.Code) {
        #expect(GPIOError(use: errno, Self.asked).code == code)
    }

    /// A chip without interrupts does not come back by itself, whatever is waited for.
    @Test func aChipWithoutInterruptsIsNamedAsSuch() {
        let error = GPIOError(.noEdges, Self.asked)
        #expect(error.description == "line pulses line 3: this line cannot tell edges: its chip has no interrupts")
        #expect(error.hint.hasPrefix("use another chip's line"))
        #expect(!error.hint.contains("by itself"))
        let taken = GPIOError(.interruptTaken, Self.asked)
        #expect(!taken.what.contains("program") && taken.hint.contains("/proc/interrupts"))
    }

    @Test func anotherPartheIsNamed() {
        #expect(GPIOError(.busy(consumer: "parthe"), Self.asked).hint.contains("parthe status"))
        #expect(GPIOError(.busy(consumer: "w1"), Self.asked).hint.contains("device-tree overlay"))
        #expect(GPIOError(.busy(consumer: nil), Self.asked).what == "in use; the kernel does not say by whom")
    }
}

@Suite struct LineSearchTests {
    private func failure(
        _ asked: InputSettings.Line, _ found: [GPIOLineInfo], chips: [String] = ["pulses"], closed: [ClosedChip] = []
    ) -> GPIOError? {
        do throws(GPIOError) {
            _ = try GPIOChips.choose(asked, of: found, chips: chips, closed: closed)
            return nil
        } catch {
            return error
        }
    }

    @Test func oneLineIsTheLine() throws {
        let found = try GPIOChips.choose(.name("A"), of: [line(name: "A")], chips: ["pulses"], closed: [])
        #expect(found == line(name: "A"))
    }

    @Test func aNameOnSeveralChipsIsToldByTheChip() throws {
        let found = [line(name: "A"), line("other", "/dev/gpiochip2", offset: 0, name: "A")]
        let error = try #require(failure(.name("A"), found))
        #expect(error.what == "2 lines are called A: pulses line 3 (/dev/gpiochip1), other line 0 (/dev/gpiochip2)")
        #expect(error.hint == "say which: line: {chip: pulses, offset: 3}, or line: {chip: other, offset: 0}")
        // Unused lines are often all called the same.
        let one = try #require(failure(.name("NC"), [line(name: "NC"), line(offset: 5, name: "NC")]))
        #expect(one.hint == "say which: line: {chip: pulses, offset: 3}, or line: {chip: pulses, offset: 5}")
    }

    /// The chip is what was named already: two USB expanders of one kind.
    @Test func aLabelOfSeveralChipsIsToldByTheLine() throws {
        let asked = InputSettings.Line.chip(label: "mcp", offset: 3)
        let named = try #require(
            failure(asked, [line("mcp", name: "LEFT-3"), line("mcp", "/dev/gpiochip2", name: "RIGHT-3")]))
        #expect(named.what == "2 chips are called mcp: /dev/gpiochip1, /dev/gpiochip2")
        #expect(named.hint == "name the line: line: LEFT-3 is on /dev/gpiochip1, line: RIGHT-3 is on /dev/gpiochip2")
        for names in [("", ""), ("GP3", "GP3"), ("", "GP3")] {
            let found = [line("mcp", name: names.0), line("mcp", "/dev/gpiochip2", name: names.1)]
            let error = try #require(failure(asked, found))
            #expect(error.hint.contains("leave one of them"), "\(error.hint)")
            #expect(!error.hint.contains("{chip: mcp"), "that is what was written")
        }
        // Nor does a name help that both have.
        let both = [line("mcp", name: "GP3"), line("mcp", "/dev/gpiochip2", name: "GP3")]
        #expect(failure(.name("GP3"), both)?.hint.contains("leave one of them") == true)
    }

    @Test func noLineTellsWhereItWasLookedFor() throws {
        let none = try #require(failure(.name("A"), [], chips: []))
        #expect(none.what == "there is no such line" && none.hint.contains("dmesg"))
        let other = try #require(failure(.name("A"), []))
        #expect(other.hint == "`parthe input list` shows all lines; chips: pulses")
    }

    @Test func chipsThatThisUserMayNotOpenAreNamed() throws {
        let closed = [
            ClosedChip(device: "/dev/gpiochip0", obstacle: .group("gpio")),
            ClosedChip(device: "/dev/gpiochip1", obstacle: .group("gpio")),
        ]
        let all = try #require(failure(.name("A"), [], chips: [], closed: closed))
        #expect(all.code == .noPermission(closed))
        #expect(all.what == "no permission to open /dev/gpiochip0, /dev/gpiochip1")
        #expect(all.hint.contains("`sudo usermod -aG gpio \(ClosedChip.thisUser)`"))
        let some = try #require(failure(.name("A"), [], closed: closed))
        #expect(some.what.contains("there is no such line") && some.what.hasSuffix("/dev/gpiochip0, /dev/gpiochip1"))
        #expect(some.hint == ClosedChip.advice(closed))
    }
}

@Suite struct ClosedChipTests {
    /// What a device's mode and group say. Root may open every file, so the mapping is what is looked at.
    @Test(
        .enabled(if: geteuid() == 0),
        arguments: [
            (0o660, 6, EACCES, .group("disk")), (0o600, 6, EACCES, .rootOnly), (0o640, 6, EACCES, .rootOnly),
            (0o660, 0, EACCES, .rootOnly), (0o660, 6, EPERM, .forbidden),
        ] as [(mode_t, gid_t, Int32, ClosedChip.Obstacle)])
    func whatKeepsAUserOut(mode: mode_t, group: gid_t, errno: Int32, obstacle: ClosedChip.Obstacle) throws {
        var path = Array("/tmp/parthe-chip-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        let file = String(decoding: path.dropLast().map(UInt8.init), as: UTF8.self)
        try #require(descriptor >= 0 && fchown(descriptor, 0, group) == 0 && fchmod(descriptor, mode) == 0)
        defer {
            close(descriptor)
            unlink(file)
        }
        #expect(ClosedChip(device: file, errno: errno) == ClosedChip(device: file, obstacle: obstacle))
    }

    @Test func adviceIsWhatToType() {
        let closed = [
            ClosedChip(device: "/dev/gpiochip0", obstacle: .group("gpio")),
            ClosedChip(device: "/dev/gpiochip1", obstacle: .rootOnly),
            ClosedChip(device: "/dev/gpiochip2", obstacle: .group("gpio")),
        ]
        let advice = ClosedChip.advice(closed, user: "parthe")
        #expect(
            advice.hasPrefix(
                "/dev/gpiochip0, /dev/gpiochip2: the group gpio may: `sudo usermod -aG gpio parthe`, then log in or start"
            ),
            "\(advice)")
        // Where only root may, a group alone helps nobody.
        #expect(advice.contains("; /dev/gpiochip1: only root may") && advice.contains("/etc/udev/rules.d/"))
        #expect(!advice.contains("-aG root"))
        #expect(
            ClosedChip.advice([ClosedChip(device: "/dev/gpiochip0", obstacle: .forbidden)]).contains("DeviceAllow="))
    }
}

@Suite struct LibraryLimitTests {
    @Test func whatLibgpiod1CannotDoIsSaidWhole() throws {
        let limits = try #require(GPIOChips.limits(interface: 1, version: "1.6.3"))
        for part in ["libgpiod 1.6.3", "lost edges", "debounce", "16 edges a line"] {
            #expect(limits.what.contains(part), "\(limits.what)")
        }
        #expect(limits.hint.contains("libgpiod 2"))
        #expect(GPIOChips.limits(interface: 2, version: "2.2") == nil)
    }
}
