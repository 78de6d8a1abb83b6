internal import CModbus
internal import Glibc
internal import Metering
internal import Posix

/// The thread behind the meters: poll(2) over all listeners and connections; libmodbus reads requests and forms answers.
///
/// An answer that is to go wrong is formed by libmodbus too, into a socket pair, then bent and sent. Late pieces wait in
/// a list with their deadlines. A client that sends half a request holds the others up for 50 ms at most.
final class MeterLoop: @unchecked Sendable {
    // SAFETY: made by one thread, then handed to the thread that runs `run` and touched by no other.
    let ports: [UInt16]
    private let listeners: [Descriptor]
    private let meters: [SimulatedMeter]
    private let units: [UInt8: Int]
    private let layout: SimulatedMeters.Layout
    private let shared: MeterShared
    private let stop: Int32
    private let truth: TruthLog?
    private let modbus: ModbusContext
    private let pair: (near: Descriptor, far: Descriptor)
    private var connections: [Connection] = []
    private var late: [LatePiece] = []
    /// Answers that the truth log does not have yet: it is written when nobody waits for an answer.
    private var untold: [SimulatedMeter.Answer] = []
    private var serial = 0

    private struct Connection {
        var descriptor: Int32
        var listener: Int
        var serial: Int
    }

    private struct LatePiece {
        var due: Instant
        var serial: Int
        var bytes: [UInt8]
    }

    /// The longest request or answer (Modbus Messaging on TCP/IP V1.0b, section 4.1): 260 bytes.
    private static let longestFrame = 260
    /// libmodbus waits with select(2), which knows descriptors below 1024 only.
    private static let descriptorLimit: Int32 = 1024
    /// The truth log waits for so long a silence, in milliseconds, or for so many answers.
    private static let truthSilence: Int32 = 2
    private static let mostUntold = 1000

    init(
        _ specifications: [SimulatedMeters.Specification], layout: SimulatedMeters.Layout, port: UInt16, seed: UInt64,
        truth: String?, shared: MeterShared, stop: Int32
    ) throws(LabError) {
        self.layout = layout
        self.shared = shared
        self.stop = stop
        self.truth = try truth.map { (path) throws(LabError) in try TruthLog(path: path) }
        var meters: [SimulatedMeter] = []
        for (index, one) in specifications.enumerated() {
            meters.append(
                try SimulatedMeter(name: one.name, definition: one.definition, seed: seed &+ UInt64(index) &* 7919))
        }
        self.meters = meters
        units = Dictionary(specifications.enumerated().map { ($0.element.unit, $0.offset) }) { first, _ in first }
        modbus = try ModbusContext(port: 0)
        modbus_set_byte_timeout(modbus.raw, 0, 50_000)
        // libmodbus sleeps this long before it refuses a request with an impossible count.
        modbus_set_response_timeout(modbus.raw, 0, 1000)
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
            throw LabError(.system, "no socket pair: \(String(cString: strerror(errno)))")
        }
        pair = (Descriptor(ends[0]), Descriptor(ends[1]))
        var listeners: [Descriptor] = []
        var ports: [UInt16] = []
        for index in 0..<(layout == .units ? 1 : specifications.count) {
            guard let own = UInt16(exactly: port == 0 ? 0 : Int(port) + index) else {
                throw LabError(.cannotListen, "there is no port \(Int(port) + index)", hint: "begin with a lower port")
            }
            let (descriptor, bound) = try Self.listen(on: own)
            listeners.append(descriptor)
            ports.append(bound)
        }
        self.listeners = listeners
        self.ports = ports
    }

    deinit {
        for connection in connections { close(connection.descriptor) }
    }

    private static func listen(on port: UInt16) throws(LabError) -> (Descriptor, UInt16) {
        let listener = try ModbusContext(port: port)
        let descriptor = modbus_tcp_listen(listener.raw, 16)
        guard descriptor >= 0 else {
            throw LabError(
                .cannotListen, "cannot listen on 127.0.0.1:\(port): \(String(cString: strerror(errno)))",
                hint: "choose another port, or 0 for free ones")
        }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        return (Descriptor(descriptor), Loopback.port(of: descriptor))
    }

    // MARK: - The loop

    func run() {
        while true {
            var watched = [pollfd(fd: stop, events: Int16(POLLIN), revents: 0)]
            watched += listeners.map { pollfd(fd: $0.raw, events: Int16(POLLIN), revents: 0) }
            watched += connections.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            let count = poll(&watched, nfds_t(watched.count), timeout())
            if count < 0, errno != EINTR { break }
            if watched[0].revents != 0 { break }
            sendLatePieces()
            if count <= 0 || untold.count >= Self.mostUntold { tellTruth() }
            guard count > 0 else { continue }
            // Connections first: a new one is not among those that were watched.
            let ready = zip(connections, watched.dropFirst(1 + listeners.count)).filter { $0.1.revents != 0 }.map(\.0)
            for connection in ready where !serve(connection) { drop(connection) }
            for (index, state) in watched.dropFirst().prefix(listeners.count).enumerated() where state.revents != 0 {
                accept(index)
            }
        }
        for connection in connections { close(connection.descriptor) }
        connections = []
        noteConnections()
        tellTruth()
    }

    private func timeout() -> Int32 {
        guard let next = late.map(\.due).min() else { return untold.isEmpty ? -1 : Self.truthSilence }
        let rest = Int32(clamping: max(0, ((next - BootClock.now).wholeNanoseconds + 999_999) / 1_000_000))
        return untold.isEmpty ? rest : min(rest, Self.truthSilence)
    }

    private func tellTruth() {
        guard let truth, !untold.isEmpty else { return }
        for answer in untold { truth.add(answer) }
        untold.removeAll(keepingCapacity: true)
        truth.flush()
    }

    private func accept(_ listener: Int) {
        let descriptor = Loopback.accept(on: listeners[listener].raw)
        guard descriptor >= 0 else { return }
        guard descriptor < Self.descriptorLimit else {
            close(descriptor)
            return
        }
        Loopback.sendAtOnce(descriptor)
        serial += 1
        connections.append(Connection(descriptor: descriptor, listener: listener, serial: serial))
        noteConnections()
    }

    private func drop(_ connection: Connection) {
        close(connection.descriptor)
        connections.removeAll { $0.serial == connection.serial }
        late.removeAll { $0.serial == connection.serial }
        noteConnections()
    }

    private func noteConnections() {
        let count = connections.count
        shared.withLock { $0.connections = count }
    }

    // MARK: - One request

    /// Reads a request and answers it; false closes the connection.
    private func serve(_ connection: Connection) -> Bool {
        var frame = [UInt8](repeating: 0, count: Self.longestFrame)
        modbus_set_socket(modbus.raw, connection.descriptor)
        let length = Int(modbus_receive(modbus.raw, &frame))
        guard length >= 8 else { return false }
        readRest(of: &frame, length, from: connection.descriptor)
        func word(_ index: Int) -> UInt16 { UInt16(frame[index]) << 8 | UInt16(frame[index + 1]) }
        let (unit, function) = (frame[6], frame[7])
        let meter = layout == .endpoints ? connection.listener : units[unit]
        let request = SimulatedMeters.Request(
            meter: meter, unit: unit, function: function, address: length >= 12 ? word(8) : 0,
            count: length >= 12 ? word(10) : 0)
        let misbehaviour = shared.note(request)
        guard let misbehaviour else {
            return reply(to: frame, length, request, on: connection.descriptor)
        }
        // Formed into the pair first: its far end holds the right answer.
        guard reply(to: frame, length, request, on: pair.near.raw) else { return false }
        var answer = [UInt8](repeating: 0, count: Self.longestFrame)
        let count = read(pair.far.raw, &answer, answer.count)
        guard count > 0, let pieces = misbehaviour.pieces(of: Array(answer.prefix(count))) else { return false }
        let now = BootClock.now
        for piece in pieces {
            late.append(LatePiece(due: now + piece.after, serial: connection.serial, bytes: piece.bytes))
        }
        sendLatePieces()
        return true
    }

    /// libmodbus does not know how long requests with rare function codes are: what is left of them is in the way.
    private func readRest(of frame: inout [UInt8], _ length: Int, from descriptor: Int32) {
        let announced = 6 + (Int(frame[4]) << 8 | Int(frame[5]))
        guard announced > length, announced <= Self.longestFrame else { return }
        var rest = [UInt8](repeating: 0, count: announced - length)
        _ = recv(descriptor, &rest, rest.count, Int32(MSG_DONTWAIT))
    }

    private func reply(
        to frame: [UInt8], _ length: Int, _ request: SimulatedMeters.Request, on descriptor: Int32
    ) -> Bool {
        modbus_set_socket(modbus.raw, descriptor)
        guard let index = request.meter else {
            // Modbus Application Protocol V1.1b3, section 7: 0x0B, gateway target device failed to respond.
            return modbus_reply_exception(modbus.raw, frame, 11) >= 0
        }
        guard let function = RegisterFunction(rawValue: request.function) else {
            // 0x01, illegal function: these meters can be read, and nothing else.
            return modbus_reply_exception(modbus.raw, frame, 1) >= 0
        }
        let meter = meters[index]
        let now = BootClock.now
        let offset = BootClock.offset
        let addresses = Int(request.address)..<Int(request.address) + Int(request.count)
        if meter.hasTexts { meter.texts = shared.withLock { $0.texts[index] ?? [:] } }
        meter.renew(function, addresses, at: now, offset)
        if meter.tellsIdentity(function, addresses),
            let answer = meter.answer(function, addresses, at: offset.timestamp(of: now))
        {
            guard reply(to: frame, length, with: answer) else { return false }
        } else {
            guard modbus_reply(modbus.raw, frame, Int32(length), meter.mapping) >= 0 else { return false }
        }
        if truth != nil, let answer = meter.answer(function, addresses, at: offset.timestamp(of: now)) {
            untold.append(answer)
        }
        return true
    }

    /// Replies from registers of this answer alone.
    private func reply(to frame: [UInt8], _ length: Int, with answer: SimulatedMeter.Answer) -> Bool {
        let (start, count) = (UInt32(answer.addresses.lowerBound), UInt32(answer.words.count))
        let isInput = answer.function == .input
        guard
            let mapping = modbus_mapping_new_start_address(
                0, 0, 0, 0, isInput ? 0 : start, isInput ? 0 : count, isInput ? start : 0, isInput ? count : 0)
        else { return false }
        defer { modbus_mapping_free(mapping) }
        let table = isInput ? mapping.pointee.tab_input_registers : mapping.pointee.tab_registers
        for (place, word) in answer.words.enumerated() { table?[place] = word }
        return modbus_reply(modbus.raw, frame, Int32(length), mapping) >= 0
    }

    private func sendLatePieces() {
        guard !late.isEmpty else { return }
        let now = BootClock.now
        let due = late.filter { $0.due <= now }
        late.removeAll { $0.due <= now }
        for piece in due {
            guard let connection = connections.first(where: { $0.serial == piece.serial }) else { continue }
            // A client that is gone shows itself by the next read; there is nothing to tell it.
            _ = send(connection.descriptor, piece.bytes, piece.bytes.count, Int32(MSG_NOSIGNAL))
        }
    }
}

/// A context of libmodbus for 127.0.0.1. It owns no socket: what it is given is closed by others.
private final class ModbusContext {
    let raw: OpaquePointer

    init(port: UInt16) throws(LabError) {
        guard let raw = modbus_new_tcp("127.0.0.1", Int32(port)) else {
            throw LabError(.system, "libmodbus gives no context")
        }
        self.raw = raw
    }

    deinit {
        modbus_free(raw)
    }
}
