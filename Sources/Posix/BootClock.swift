internal import CPosix
internal import Glibc
public import Metering
internal import Synchronization

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

    /// The same to some ten microseconds; nil when this thread was made to wait at every try.
    public static func preciseOffset() -> ClockOffset? {
        for _ in 0..<16 {
            let before = cposix_boot_nanoseconds()
            let wall = cposix_wall_nanoseconds()
            let after = cposix_boot_nanoseconds()
            if after - before < tolerance { return ClockOffset(nanoseconds: wall - (before + after) / 2) }
        }
        return nil
    }

    /// By how much CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC, in nanoseconds: it changes by a suspend only, so that
    /// what was said before is said again as long as it can be true. The distance of two moments then comes out exactly as
    /// it was, though this thread may have to wait between two looks at clocks.
    public static func lead() -> Int64 {
        let known = keptLead.load(ordering: .acquiring)
        let new = lead(known: known == .min ? nil : known)
        if new != known { keptLead.store(new, ordering: .releasing) }
        return new
    }

    /// What `lead()` said last; the least number before the first time.
    private static let keptLead = Atomic<Int64>(.min)

    static func lead(known: Int64?) -> Int64 {
        var best: (lead: Int64, width: Int64)?
        for _ in 0..<8 {
            let (before, boot, after) = (monotonic, now.nanoseconds, monotonic)
            if let known, isPossible(known, boot: boot, before: before, after: after) { return known }
            if after - before < best?.width ?? .max { best = (boot - before - (after - before) / 2, after - before) }
        }
        return best?.lead ?? 0
    }

    /// Whether the lead can be `lead` where `boot` was read between the moments `before` and `after` of CLOCK_MONOTONIC.
    static func isPossible(_ lead: Int64, boot: Int64, before: Int64, after: Int64) -> Bool {
        // What is known was measured to some microseconds itself.
        (boot - after - tolerance...boot - before + tolerance).contains(lead)
    }

    private static let tolerance: Int64 = 100_000

    private static var monotonic: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
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
