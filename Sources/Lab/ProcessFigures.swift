internal import Glibc
public import Posix

/// What /proc says of a process: CPU, memory, threads and bytes written.
public struct ProcessFigures: Sendable {
    /// User and system time since its start, in seconds.
    public var cpuSeconds: Double
    /// Bytes that it caused to be sent to the disk (`write_bytes` of /proc/PID/io): pages dirtied, not bytes passed to write(2).
    public var diskBytes: Int64
    /// Resident memory, in KiB.
    public var rss: Int64
    /// The most resident memory that it had, in KiB.
    public var peakRSS: Int64
    /// Resident memory with shared pages divided among their users, in KiB.
    public var pss: Int64
    /// Resident memory that is its own and changed, in KiB.
    public var privateDirty: Int64
    /// Threads.
    public var threads: Int

    /// The figures of process `id` now.
    public init(of id: Int32) throws(PosixError) {
        let stat = try Self.text("/proc/\(id)/stat")
        // The program's name stands in parentheses and may hold spaces; the fields count from behind it (proc(5)).
        let fields = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ")
        guard fields.count > 17, let user = Double(fields[12]), let system = Double(fields[13]),
            let threads = Int(fields[18])
        else { throw PosixError("read", "/proc/\(id)/stat", code: EINVAL) }
        cpuSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        self.threads = threads
        let memory = try Self.text("/proc/\(id)/smaps_rollup")
        rss = Self.field("Rss:", in: memory)
        peakRSS = Self.field("VmHWM:", in: try Self.text("/proc/\(id)/status"))
        pss = Self.field("Pss:", in: memory)
        privateDirty = Self.field("Private_Dirty:", in: memory)
        diskBytes = Self.field("write_bytes:", in: try Self.text("/proc/\(id)/io"))
    }

    /// User and system time of this process since its start, in seconds.
    static var ownCPUSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// `write_bytes` of this process; 0 where the kernel does not count it.
    static var ownDiskBytes: Int64 {
        field("write_bytes:", in: (try? text("/proc/self/io")) ?? "")
    }

    private static func text(_ path: String) throws(PosixError) -> String {
        String(decoding: try File.read(path), as: UTF8.self)
    }

    private static func field(_ name: String, in text: String) -> Int64 {
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            return Int64(line.split(separator: " ")[1]) ?? 0
        }
        return 0
    }
}
