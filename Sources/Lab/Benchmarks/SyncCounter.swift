internal import Glibc
internal import Posix

/// Counts the calls of fsync and fdatasync of a process with strace, which slows it down.
struct SyncCounter {
    private let tracer: ChildProcess
    private let log: String

    /// Begins to count, also those of the children that the process starts from now on; nil where strace is missing or
    /// may not.
    init?(of process: Int32, log: String) {
        let arguments = ["-f", "-q", "-e", "trace=fsync,fdatasync", "-o", log, "-p", "\(process)"]
        guard let tracer = try? ChildProcess("strace", arguments, log: "/dev/null") else { return nil }
        (self.tracer, self.log) = (tracer, log)
        sleep(1)
        guard tracer.exitCode() == nil else { return nil }
    }

    /// How many so far.
    var count: Int {
        // A call that another thread interrupts takes two lines; only its end has a result.
        let text = (try? File.read(log, limit: 1 << 28)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n").count { $0.contains(" = ") }
    }

    func stop() {
        tracer.signal(SIGINT)
        tracer.wait()
    }
}
