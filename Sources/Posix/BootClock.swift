internal import CPosix
internal import Glibc
public import Metering

/// The two clocks of this machine. Only shells read them; decisions get the time as an argument.
public enum BootClock {
    /// This moment on CLOCK_BOOTTIME.
    public static var now: Instant {
        Instant(nanoseconds: cposix_boot_nanoseconds())
    }

    /// UTC minus boot clock, as the kernel's wall clock has it now. The wall clock may be wrong.
    public static var offset: ClockOffset {
        // The boot clock is read on both sides, so that a pause between the two readings shows and is halved.
        let before = cposix_boot_nanoseconds()
        let wall = cposix_wall_nanoseconds()
        let after = cposix_boot_nanoseconds()
        return ClockOffset(nanoseconds: wall - (before + after) / 2)
    }

    /// The moment that CLOCK_MONOTONIC showed as `nanoseconds`. It stands still while the machine is suspended, so what
    /// was before a suspend comes out too early by its length.
    public static func instant(ofMonotonic nanoseconds: UInt64) -> Instant {
        let now = now
        var monotonic = timespec()
        clock_gettime(CLOCK_MONOTONIC, &monotonic)
        let passed = Int64(monotonic.tv_sec) * 1_000_000_000 + Int64(monotonic.tv_nsec) - Int64(clamping: nanoseconds)
        // Nothing happens in the future.
        return now - .nanoseconds(max(0, passed))
    }

    /// Blocks the thread until `deadline`, to some ten microseconds; a signal ends the wait early.
    public static func sleep(until deadline: Instant) {
        cposix_sleep_until(deadline.nanoseconds)
    }

    /// The kernel's name for this boot (random, from /proc/sys/kernel/random/boot_id), or "unknown" where /proc is
    /// not to be had.
    public static let bootID: String = {
        guard let bytes = try? File.read("/proc/sys/kernel/random/boot_id", limit: 64) else { return "unknown" }
        return String(decoding: bytes.prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self)
    }()
}
