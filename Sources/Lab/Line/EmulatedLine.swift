internal import Glibc
public import Metering
internal import Posix
internal import Synchronization

/// An RS-485 line with meters on a pseudo-terminal, in true time at its baud rate; also to be had as RTU over TCP.
///
/// One thread carries the bytes; `LineModel` decides everything. A pseudo-terminal hands bytes over at once, so each is
/// written when it would be through on a wire, never earlier; where this machine is late, several go together. The
/// master finds the port under a stable name, a link that is gone while the adapter is unplugged.
public final class EmulatedLine: Sendable {
    /// One unit.
    public struct Unit: Hashable, Sendable {
        /// Its unit id, 1…247.
        public var id: UInt8
        /// Its model.
        public var definition: MeterDefinition
        /// From the moment at which it knows the end of a request, 3.5 characters after its last byte, to its answer.
        public var turnaround: Duration

        /// A unit with every property given.
        public init(id: UInt8, definition: MeterDefinition, turnaround: Duration = .milliseconds(5)) {
            self.id = id
            self.definition = definition
            self.turnaround = turnaround
        }
    }

    /// What is asked of the thread.
    enum Wish: Sendable {
        case setFaults([LineFault])
        case plug(Bool)
        case swap(UInt8)
        case end
    }

    /// What the thread and the owner share.
    struct Shared {
        var wishes: [Wish] = []
        var device: String?
        var records: [LineRecord] = []
        var counts = LineCounts()
    }

    /// The stable name of the port, such as a port has in /dev/serial/by-id.
    public let path: String
    /// The TCP port on 127.0.0.1 at which the same line is to be had as RTU over TCP; nil where it is not.
    public let converterPort: UInt16?
    private let folder: String
    private let ownsFolder: Bool
    private let shared: SharedLine
    private let thread: WorkerThread
    private let wake: WakeUp

    /// Starts the line.
    ///
    /// - Parameters:
    ///   - units: who is on it; their unit ids differ.
    ///   - line: baud rate and characters.
    ///   - faults: what goes wrong, counted from now on.
    ///   - seed: gives the buildings behind the meters, and all chance.
    ///   - isPatient: whether units answer requests that come too early as well.
    ///   - folder: where the stable name is made, as by-id/usb-LAB; nil for a new temporary one.
    ///   - converter: a port for RTU over TCP, 0 for a free one; nil for none.
    ///   - truth: a file that gets a line of JSON for each frame and event.
    ///   - keepsRecords: whether `records` are kept, which grow without end.
    public init(
        _ units: [Unit], line: SerialLine = SerialLine(), faults: [LineFault] = [], seed: UInt64 = 1,
        isPatient: Bool = false, folder: String? = nil, converter: UInt16? = nil, truth: String? = nil,
        keepsRecords: Bool = false
    ) throws {
        guard Set(units.map(\.id)).count == units.count, units.allSatisfy({ (1...247).contains($0.id) }) else {
            throw LabError(.format, "unit ids are not right", hint: "each unit has its own, from 1 to 247")
        }
        let made = try units.enumerated().map { index, unit throws(LabError) in
            try LineUnit(id: unit.id, definition: unit.definition, seed: seed &+ UInt64(index) &* 7919)
        }
        let log = try truth.map { path throws(LabError) in try LineTruth(path: path) }
        let listener = try converter.map { port throws(LabError) in Descriptor(try Loopback.listen(on: port)) }
        wake = try WakeUp()
        ownsFolder = folder == nil
        let base = try folder ?? LabFile.temporaryFolder("parthe-line")
        self.folder = base
        path = base + "/by-id/usb-LAB"
        converterPort = listener.map { Loopback.port(of: $0.raw) }
        shared = SharedLine()
        do {
            try File.makeFolder(base + "/by-id")
            let model = LineModel(
                line, turnarounds: Dictionary(uniqueKeysWithValues: units.map { ($0.id, $0.turnaround) }),
                faults: faults, isPatient: isPatient, seed: seed, start: BootClock.now)
            let loop = LineLoop(
                model, units: made, name: path, listener: listener, shared: shared, wake: wake, truth: log,
                keepsRecords: keepsRecords)
            try loop.plugIn()
            thread = try WorkerThread { loop.run() }
        } catch {
            Self.clear(base, isOwn: folder == nil)
            throw error
        }
    }

    deinit {
        stop()
    }

    /// Ends the line; the stable name is gone then, and whoever has the port open reads its end.
    public func stop() {
        wish(.end)
        thread.join()
        Self.clear(folder, isOwn: ownsFolder)
    }

    private static func clear(_ folder: String, isOwn: Bool) {
        unlink(folder + "/by-id/usb-LAB")
        rmdir(folder + "/by-id")
        if isOwn { rmdir(folder) }
    }

    private func wish(_ wish: Wish) {
        shared.withLock { $0.wishes.append(wish) }
        wake.give()
    }

    /// Replaces the plan of faults; its times still count from the line's start.
    public func setFaults(_ faults: [LineFault]) { wish(.setFaults(faults)) }

    /// Pulls the adapter out: the port is gone, and its stable name with it.
    public func unplug() { wish(.plug(false)) }

    /// Plugs the adapter in again: it is another device, under the same stable name.
    public func plugIn() { wish(.plug(true)) }

    /// Puts another meter of the same model in the place of `unit`.
    public func swap(_ unit: UInt8) { wish(.swap(unit)) }

    /// The port's device at the moment, `/dev/pts/7`; nil while it is unplugged.
    public var device: String? { shared.withLock { $0.device } }

    /// What has happened so far, in the order in which it ended; empty unless records are kept.
    public var records: [LineRecord] { shared.withLock { $0.records } }

    /// What was counted so far.
    public var counts: LineCounts { shared.withLock { $0.counts } }
}

/// What an emulated line counts.
public struct LineCounts: Hashable, Sendable {
    /// Requests that their unit heard.
    public var heard = 0
    /// Requests that came before 3.5 characters of silence had passed.
    public var gapViolations = 0
    /// Requests that were not heard for another reason.
    public var unheard = 0
    /// Answers that went out.
    public var answers = 0
    /// The shortest silence before a request, in nanoseconds; nil before the second frame.
    public var shortestSilence: Int64?
    /// Requests by function code.
    public var functions: [UInt8: Int] = [:]

    /// Counts one more.
    mutating func add(_ record: LineRecord) {
        switch record.what {
        case .request:
            if record.bytes.count > 1 { functions[record.bytes[1], default: 0] += 1 }
            switch record.verdict {
            case .heard: heard += 1
            case .gap: gapViolations += 1
            default: unheard += 1
            }
            guard let silence = record.silence?.wholeNanoseconds, record.verdict != .collision else { return }
            shortestSilence = min(silence, shortestSilence ?? silence)
        case .answer: answers += 1
        case .foreign, .event: break
        }
    }
}

/// The shared state behind its lock.
final class SharedLine: Sendable {
    private let state = Mutex(EmulatedLine.Shared())

    func withLock<Result: Sendable>(_ body: (inout EmulatedLine.Shared) -> Result) -> Result {
        state.withLock { body(&$0) }
    }
}

/// Wakes a thread that waits in poll(2), again and again.
final class WakeUp: Sendable {
    /// To be polled for POLLIN.
    let descriptor: Int32
    private let writeEnd: Int32

    init() throws(LabError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw LabError(.system, "no pipe: \(String(cString: strerror(errno)))") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        descriptor = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(descriptor)
        close(writeEnd)
    }

    func give() {
        var byte: UInt8 = 1
        // A full pipe wakes as well.
        _ = write(writeEnd, &byte, 1)
    }

    func take() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(descriptor, &bytes, bytes.count) == bytes.count {}
    }
}
