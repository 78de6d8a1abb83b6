internal import CPosix
internal import Glibc
public import Metering

/// What this machine says of its wall clock. Nothing here sets it.
public enum KernelClock {
    /// Looks at the kernel's clock, and at what the programs that keep it leave behind; nil when this thread was made to
    /// wait at each try, so that the offset is not known exactly.
    public static func look() -> WallClock.Sighting? {
        guard let offset = BootClock.preciseOffset() else { return nil }
        var (synchronised, leap): (Int32, Int32) = (0, 0)
        let error = cposix_clock_state(&synchronised, &leap)
        let mark = cposix_modified_nanoseconds(systemdMark)
        return WallClock.Sighting(
            offset: offset, isSynchronised: error == 0 ? synchronised != 0 : nil,
            mark: mark < 0 ? nil : Instant(nanoseconds: mark - offset.nanoseconds), keeper: keeper(mark >= 0),
            isLeapSecond: error == 0 && leap != 0, hasBattery: hasBattery(offset))
    }

    /// Touched by systemd-timesyncd whenever it has set the clock right in this boot (systemd-timesyncd.service(8)).
    private static let systemdMark = "/run/systemd/timesync/synchronized"

    private static func keeper(_ hasMark: Bool) -> ClockSource {
        if hasMark { return .systemd }
        if File.exists("/run/chrony/chronyd.pid") { return .chrony }
        return File.exists("/run/ntpd.pid") || File.exists("/run/ntpsec/ntpd.pid") ? .ntpd : .other
    }

    /// Whether a clock that runs without this machine says the same: one with a battery, to a minute, or the host of a
    /// virtual machine, which gives its guest the time.
    private static func hasBattery(_ offset: ClockOffset) -> Bool {
        let wall = offset.timestamp(of: BootClock.now).milliseconds / 1000
        for name in (try? File.names(in: "/sys/class/rtc")) ?? [] {
            guard let bytes = try? File.read("/sys/class/rtc/\(name)/since_epoch", limit: 64) else { continue }
            let text = String(decoding: bytes.prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self)
            if let seconds = Int64(text), abs(seconds - wall) < 60 { return true }
        }
        return isGuest
    }

    private static let isGuest: Bool = {
        let path = "/sys/devices/system/clocksource/clocksource0/available_clocksource"
        guard let bytes = try? File.read(path, limit: 4096) else { return false }
        let text = String(decoding: bytes, as: UTF8.self)
        return ["kvm-clock", "hyperv_clocksource", "xen"].contains { text.contains($0) }
    }()
}

/// Tells at once when somebody sets the wall clock.
public final class ClockAlarm: Sendable {
    /// Becomes readable when the clock was set.
    public let descriptor: Int32

    /// Throws where the kernel has no such timers, or the process no descriptors left.
    public init() throws(PosixError) {
        descriptor = cposix_open_clock_alarm()
        guard descriptor >= 0 else { throw PosixError("open", "a timer", code: errno) }
    }

    deinit {
        close(descriptor)
    }

    /// Takes the alarm, and waits for the next one.
    public func rearm() throws(PosixError) {
        guard cposix_arm_clock_alarm(descriptor) == 0 else { throw PosixError("set", "a timer", code: errno) }
    }
}
