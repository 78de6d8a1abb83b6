internal import CModbus
internal import Glibc
internal import Metering
internal import Posix

/// The connection or the serial port below a link: made, configured and closed by libmodbus, which also sends on a
/// serial port, because it switches RTS there where the kernel does not.
///
/// Bytes are received here and not by libmodbus: `modbus_receive_confirmation` (3.1.6) keeps to itself when they came
/// and which ones, ends at the first checksum error, takes an echo for the answer, drops answers of other units without
/// a word, and leaves half an answer in place after a timeout. `modbus_flush` fails on sockets that speak RTU. And its
/// RTU backend writes to sockets without MSG_NOSIGNAL, so RTU over TCP runs on a connection of its TCP backend.
struct Wire: ~Copyable {
    private let endpoint: BusSettings.Endpoint
    private let line: SerialLine
    // SAFETY: owned; freed once, by `close`.
    private var context: OpaquePointer?
    /// The serial port once more, with the lock that keeps others out.
    private var lock: Int32?
    private var descriptor: Int32 = -1
    /// A name that the resolver was asked for and has not answered yet.
    private var query: NameQuery?
    /// What became of a serial port's settings.
    private(set) var report: PortReport?

    /// An idle connection is asked after 30 s whether the far end is still there, and given up 30 s later.
    private static let keepAlive = (idle: 30, interval: 10, count: 3)
    /// How far a port's speed may be off: half a bit in ten is 5 %, and the meter's own may be off as well.
    private static let tolerancePercent = 3

    /// The wire of a bus, not open yet.
    init(_ endpoint: BusSettings.Endpoint, _ line: SerialLine) {
        self.endpoint = endpoint
        self.line = line
    }

    deinit {
        if let context {
            modbus_close(context)
            modbus_free(context)
        }
        if let lock { SerialPort.close(lock) }
    }

    /// How it reaches its endpoint.
    var transport: ModbusError.Transport {
        switch endpoint {
        case .tcp: .tcp
        case .rtuOverTCP: .rtuOverTCP
        case .serial: .serial
        }
    }

    /// Whether it is open, as far as is known.
    var isOpen: Bool { context != nil }

    /// Whether this program switches RTS, so that `send` returns when the last bit is out.
    var switchesDirection: Bool {
        if case .program = report?.direction { true } else { false }
    }

    /// Opens it, waiting at most `timeout` for each address of the endpoint, and for all of it, the look-up of its name
    /// included, until `limit`.
    mutating func open(within timeout: Duration, until limit: Instant) throws(ModbusError.Code) {
        switch endpoint {
        case .tcp(let host, let port), .rtuOverTCP(let host, let port):
            var code: Int32?
            for address in try addresses(of: host, until: limit) {
                let rest = limit - BootClock.now
                guard rest > .zero else { break }
                let result = connect(to: address, port, within: min(timeout, rest))
                if result == 0 { return }
                // An address of a kind that this machine does not have (IPv6, mostly) hides no other's reason.
                if code == nil || ![EADDRNOTAVAIL, ENETUNREACH, EAFNOSUPPORT].contains(result) { code = result }
            }
            throw .noConnection(code ?? ETIMEDOUT)
        case .serial(let path): try openPort(path)
        }
    }

    /// Closes it.
    mutating func close() {
        if let context {
            modbus_close(context)
            modbus_free(context)
        }
        if let lock { SerialPort.close(lock) }
        context = nil
        lock = nil
        descriptor = -1
    }

    // MARK: - Bytes

    /// Sends a frame, its checksum included.
    func send(_ frame: [UInt8]) throws(ModbusError.Code) {
        if transport == .serial {
            // libmodbus computes the same checksum again.
            guard let context, modbus_send_raw_request(context, frame, Int32(frame.count - 2)) == frame.count else {
                throw .portGone(errno == 0 ? EIO : errno)
            }
            return
        }
        let sent = Glibc.send(descriptor, frame, frame.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        guard sent == frame.count else { throw .connectionLost(sent < 0 ? errno : EPIPE) }
    }

    /// Waits at most `time` for bytes, or for the end of the wire, which `receive` then tells.
    func isReadable(within time: Duration) -> Bool {
        Poller.isReadable(descriptor, within: time)
    }

    /// Receives what is there into `chunk`; 0 when there is nothing.
    func receive(into chunk: inout [UInt8]) throws(ModbusError.Code) -> Int {
        let isSerial = transport == .serial
        let count =
            isSerial
            ? read(descriptor, &chunk, chunk.count)
            : recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
        if count > 0 { return count }
        let code = count == 0 ? 0 : errno
        if code == EINTR || code == EAGAIN { return 0 }
        throw isSerial ? .portGone(code) : .connectionLost(code)
    }

    /// Whether the far end has closed the connection, or the adapter is gone.
    var isHungUp: Bool { Poller.hasHungUp(descriptor) }

    // MARK: - TCP

    /// The addresses of `host`. A name that was not found out in time is waited for further by the next call.
    private mutating func addresses(of host: String, until limit: Instant) throws(ModbusError.Code) -> [String] {
        if let digits = NameQuery.digits(host) { return digits }
        let query: NameQuery
        do throws(PosixError) {
            query = if let pending = self.query { pending } else { try NameQuery(host) }
        } catch {
            throw .noConnection(error.code)
        }
        let answer = query.answer(within: limit - BootClock.now)
        self.query = answer == nil ? query : nil
        switch answer {
        case .addresses(let addresses): return addresses
        case .unknown(let why): throw .unknownHost(why)
        case nil: throw .unknownHost("the name server does not answer in time")
        }
    }

    /// Connects to an address in digits; returns 0 or an errno.
    private mutating func connect(to address: String, _ port: UInt16, within timeout: Duration) -> Int32 {
        // The _pi form speaks IPv6 as well.
        var version4 = in_addr()
        let isVersion4 = inet_pton(AF_INET, address, &version4) == 1
        let new = isVersion4 ? modbus_new_tcp(address, Int32(port)) : modbus_new_tcp_pi(address, String(port))
        guard let new else { return errno }
        modbus_set_error_recovery(new, MODBUS_ERROR_RECOVERY_NONE)
        let microseconds = max(1, timeout.wholeNanoseconds / 1000)
        modbus_set_response_timeout(new, UInt32(microseconds / 1_000_000), UInt32(microseconds % 1_000_000))
        guard modbus_connect(new) == 0 else {
            let code = errno
            modbus_free(new)
            return code == 0 ? ECONNREFUSED : code
        }
        context = new
        descriptor = modbus_get_socket(new)
        keepAlive()
        return 0
    }

    private func keepAlive() {
        func set(_ level: Int32, _ option: Int32, _ value: Int) {
            var value = Int32(value)
            setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        set(SOL_SOCKET, SO_KEEPALIVE, 1)
        set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, Self.keepAlive.idle)
        set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, Self.keepAlive.interval)
        set(Int32(IPPROTO_TCP), TCP_KEEPCNT, Self.keepAlive.count)
    }

    // MARK: - Serial port

    private mutating func openPort(_ path: String) throws(ModbusError.Code) {
        let lock: Int32
        do {
            lock = try SerialPort.open(path)
        } catch {
            throw Self.refusal(error.code, path)
        }
        let letters: [SerialLine.Parity: Character] = [.none: "N", .even: "E", .odd: "O"]
        let parity = CChar(bitPattern: letters[line.parity]?.asciiValue ?? 0)
        let new = modbus_new_rtu(path, Int32(line.baud), parity, Int32(line.dataBits), Int32(line.stopBits))
        guard let new else {
            let code = errno
            SerialPort.close(lock)
            throw .portRefused(PosixError.text(code))
        }
        modbus_set_error_recovery(new, MODBUS_ERROR_RECOVERY_NONE)
        guard modbus_connect(new) == 0 else {
            let code = errno
            modbus_free(new)
            SerialPort.close(lock)
            throw Self.refusal(code, path)
        }
        context = new
        self.lock = lock
        descriptor = modbus_get_socket(new)
        if let speed = SerialPort.speed(of: descriptor),
            abs(speed - line.baud) * 100 > line.baud * Self.tolerancePercent
        {
            close()
            throw .portRefused("it runs at \(speed) baud, not \(line.baud)")
        }
        // Root alone is not kept out by this, and drivers that do not know it do no harm: the lock above is the rule.
        _ = SerialPort.claim(descriptor)
        let isQuick = SerialPort.hurry(descriptor) == 0
        report = PortReport(
            path: path, device: SerialPort.device(at: path), direction: setDirection(new), isQuick: isQuick)
    }

    private static func refusal(_ code: Int32, _ path: String) -> ModbusError.Code {
        switch code {
        case ENOENT, ENXIO, ENODEV:
            .noPort(
                others: ((try? File.names(in: SerialPort.stableNames)) ?? []).map { SerialPort.stableNames + "/" + $0 })
        case EACCES, EPERM: .noPermission(group: SerialPort.group(of: path))
        case EBUSY: .portBusy
        case ENOTTY, EISDIR: .portRefused("it is no serial port")
        default: .portRefused(PosixError.text(code))
        }
    }

    /// Has the transceiver's direction switched: by the kernel, else by libmodbus, else by nobody.
    ///
    /// The kernel keeps the delays before and after a transmission apart. libmodbus knows one: of two different delays
    /// the longer holds on both sides, which costs time, while the shorter could cut a frame. Where none is stated it
    /// takes one character.
    private func setDirection(_ context: OpaquePointer) -> PortReport.Direction {
        guard let direction = line.direction else { return .automatic }
        let refusal = SerialPort.setDirection(direction, of: descriptor)
        guard refusal != 0 else { return .kernel }
        // libmodbus does not look whether its own switching works.
        let obstacle = SerialPort.tryRTS(of: descriptor)
        guard obstacle == 0 else { return .none(refusal: refusal, rts: obstacle) }
        let delay = max(direction.delayBefore, direction.delayAfter)
        if delay > .zero { modbus_rtu_set_rts_delay(context, Int32(clamping: delay.wholeNanoseconds / 1000)) }
        let mode = direction.rtsIsHighToSend ? MODBUS_RTU_RTS_UP : MODBUS_RTU_RTS_DOWN
        guard modbus_rtu_set_rts(context, mode) == 0 else { return .none(refusal: refusal, rts: errno) }
        return .program(refusal: refusal)
    }
}
