import Glibc
import Metering
import Posix
import Synchronization

@testable import Fieldbus
@testable import Lab

/// What the far end of a wire does with one request.
enum PeerStep: Sendable {
    /// Sends these bytes.
    case send([UInt8])
    /// Waits before the next step.
    case pause(milliseconds: UInt32)
    /// Waits until the gate is open.
    case hold(Gate)
    /// Hangs up.
    case close
}

/// What holds a peer back until the test has seen what it waits for.
final class Gate: Sendable {
    private let flag = Atomic(false)

    var isOpen: Bool { flag.load(ordering: .acquiring) }

    func open() { flag.store(true, ordering: .releasing) }
}

/// The far end of a wire under a test's control: a pseudo-terminal or a connection of a loopback socket. Cuts what comes
/// into requests, and does for each what the script says.
final class LinePeer: Sendable {
    /// The steps for the request with this number, which has these bytes.
    typealias Script = @Sendable (Int, [UInt8]) -> [PeerStep]

    private struct State {
        var requests: [[UInt8]] = []
        var arrivals: [Instant] = []
        /// When each piece was about to be sent.
        var sendings: [Instant] = []
        var sent = 0
        var connections = 0
    }

    /// What to give to `BusSettings`.
    let endpoint: BusSettings.Endpoint
    private let state = Mutex(State())
    private let isStopping = Atomic(false)
    private let thread = Mutex<WorkerThread?>(nil)

    /// Requests that came, in order.
    var requests: [[UInt8]] { state.withLock { $0.requests } }
    /// When the last byte of each was there.
    var arrivals: [Instant] { state.withLock { $0.arrivals } }
    /// When each piece was about to be sent.
    var sendings: [Instant] { state.withLock { $0.sendings } }
    /// How many pieces were sent to their end.
    var sent: Int { state.withLock { $0.sent } }
    /// Connections that were accepted.
    var connections: Int { state.withLock { $0.connections } }

    /// A serial port.
    static func port(_ script: @escaping Script) throws -> LinePeer {
        let (master, path) = try PseudoTerminal.open()
        let peer = LinePeer(.serial(path: path))
        try peer.start { $0.converse(on: master, script) }
        return peer
    }

    /// A converter that passes RTU on.
    static func converter(_ script: @escaping Script) throws -> LinePeer {
        try socket({ .rtuOverTCP(host: "127.0.0.1", port: $0) }, script)
    }

    /// A device that ought to speak Modbus TCP.
    static func device(_ script: @escaping Script) throws -> LinePeer {
        try socket({ .tcp(host: "127.0.0.1", port: $0) }, script)
    }

    private static func socket(
        _ endpoint: (UInt16) -> BusSettings.Endpoint, _ script: @escaping Script
    ) throws -> LinePeer {
        let listener = try Loopback.listen(on: 0)
        let peer = LinePeer(endpoint(Loopback.port(of: listener)))
        try peer.start { peer in
            defer { close(listener) }
            while !peer.isStopping.load(ordering: .acquiring) {
                guard !Poller.readable([listener], within: 5).isEmpty else { continue }
                let connection = Loopback.accept(on: listener)
                guard connection >= 0 else { continue }
                Loopback.sendAtOnce(connection)
                _ = fcntl(connection, F_SETFL, O_NONBLOCK)
                peer.state.withLock { $0.connections += 1 }
                peer.converse(on: connection, script)
            }
        }
        return peer
    }

    private init(_ endpoint: BusSettings.Endpoint) {
        self.endpoint = endpoint
    }

    private func start(_ body: @escaping @Sendable (LinePeer) -> Void) throws {
        SignalQueue.ignorePipe()
        let worker = try WorkerThread { [self] in body(self) }
        thread.withLock { $0 = worker }
    }

    /// Hangs up and waits for the end of the thread.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        thread.withLock { $0 }?.join()
    }

    /// Talks until told to stop, or until the far end is gone. Closes `descriptor`.
    private func converse(on descriptor: Int32, _ script: Script) {
        defer { close(descriptor) }
        var waiting: [UInt8] = []
        while !isStopping.load(ordering: .acquiring) {
            guard !Poller.readable([descriptor], within: 5).isEmpty else { continue }
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { return }
            guard count > 0 else {
                // A pseudo-terminal that nobody has opened says EIO, at once and for ever.
                usleep(1000)
                continue
            }
            waiting += buffer[..<count]
            while let length = requestLength(waiting), waiting.count >= length {
                let request = Array(waiting.prefix(length))
                waiting.removeFirst(length)
                let number = state.withLock { state in
                    state.requests.append(request)
                    state.arrivals.append(BootClock.now)
                    return state.requests.count - 1
                }
                for step in script(number, request) where !perform(step, on: descriptor) { return }
            }
        }
    }

    private func requestLength(_ bytes: [UInt8]) -> Int? {
        if case .tcp = endpoint { return bytes.count < 6 ? nil : 6 + Int(bytes[5]) }
        guard bytes.count >= 2 else { return nil }
        return bytes[1] == 17 ? 4 : bytes[1] == 43 ? 7 : 8
    }

    /// Returns whether the conversation goes on.
    private func perform(_ step: PeerStep, on descriptor: Int32) -> Bool {
        switch step {
        case .send(let bytes):
            state.withLock { $0.sendings.append(BootClock.now) }
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                if count < 0 {
                    guard errno == EAGAIN, !isStopping.load(ordering: .acquiring) else { return false }
                    usleep(1000)
                    continue
                }
                rest = rest.dropFirst(count)
            }
            state.withLock { $0.sent += 1 }
        case .pause(let milliseconds): usleep(milliseconds * 1000)
        case .hold(let gate):
            while !gate.isOpen {
                if isStopping.load(ordering: .acquiring) { return false }
                usleep(1000)
            }
        case .close: return false
        }
        return true
    }
}

/// Frames that peers send.
enum Frames {
    /// `pdu` of `unit` with its checksum.
    static func rtu(_ unit: UInt8, _ pdu: [UInt8]) -> [UInt8] {
        let body = [unit] + pdu
        let crc = RTUFrame.crc(body, 0..<body.count)
        return body + [UInt8(truncatingIfNeeded: crc), UInt8(crc >> 8)]
    }

    /// The answer to an RTU request for registers: each holds `value` plus its number in the answer.
    static func answer(to request: [UInt8], value: UInt16) -> [UInt8] {
        rtu(request[0], answerPDU(function: request[1], count: Int(request[5]), value: value))
    }

    static func answerPDU(function: UInt8, count: Int, value: UInt16) -> [UInt8] {
        let words = (0..<count).map { value &+ UInt16($0) }
        return [function, UInt8(2 * count)] + words.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
    }

    /// Bytes from `01 03 0A`.
    static func bytes(_ text: String) -> [UInt8] {
        text.split(separator: " ").map { UInt8($0, radix: 16)! }
    }
}

extension BusSettings {
    /// The bus to `peer`, fast and patient unless told otherwise.
    init(
        _ peer: LinePeer, baud: Int = 115_200, timing: Timing = Timing(responseTimeout: .seconds(10)),
        direction: SerialLine.Direction? = nil
    ) {
        let line = SerialLine(baud: baud, direction: direction)
        self.init(id: "b", endpoint: peer.endpoint, line: line, timing: timing)
    }
}
