internal import Glibc
internal import Posix
internal import Synchronization

/// The truth log of an emulated line: one line of JSON for each frame and event. A thread of its own writes it, for a busy
/// disk must not hold bytes up.
final class LineTruth: Sendable {
    private let file: TruthFile
    private let stopSignal: StopSignal
    private let thread: WorkerThread

    /// Opens `path` for appending.
    init(path: String) throws(LabError) {
        let (file, stopSignal) = (try TruthFile(path: path), try StopSignal())
        self.file = file
        self.stopSignal = stopSignal
        thread = try WorkerThread {
            while !Poller.isReadable(stopSignal.descriptor, within: .milliseconds(100)) { file.flush() }
            file.flush()
        }
    }

    deinit {
        stop()
    }

    /// Takes one more.
    func add(_ record: LineRecord) {
        var line = record.json.bytes
        line.append(UInt8(ascii: "\n"))
        file.append(line)
    }

    /// Writes what is left. Nothing may be added afterwards.
    func stop() {
        stopSignal.give()
        thread.join()
    }
}

/// What waits to be written, and the file.
private final class TruthFile: Sendable {
    private let descriptor: Descriptor
    private let path: String
    private let waiting = Mutex<[UInt8]>([])
    private let hasFailed = Atomic(false)

    init(path: String) throws(LabError) {
        self.path = path
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw LabError(.file, "\(path): cannot open: \(String(cString: strerror(errno)))")
        }
        self.descriptor = Descriptor(descriptor)
    }

    func append(_ line: [UInt8]) {
        waiting.withLock { $0 += line }
    }

    /// Writes what has gathered; says once when the file takes no more.
    func flush() {
        let bytes = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        var rest = bytes[...]
        while !rest.isEmpty, !hasFailed.load(ordering: .relaxed) {
            let count = rest.withUnsafeBytes { write(descriptor.raw, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count < 0 {
                hasFailed.store(true, ordering: .relaxed)
                Output.error("\(path): the truth log ends here: \(String(cString: strerror(errno)))")
            }
            rest = rest.dropFirst(max(0, count))
        }
    }
}
