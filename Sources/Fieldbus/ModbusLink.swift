internal import CModbus
internal import Glibc
public import Metering
internal import Posix

/// One connection to a bus through libmodbus: connects, asks, checks, tells what went wrong.
///
/// Blocking, and for one thread at a time: an actor with a thread of its own holds it, or a command that does nothing
/// else. libmodbus connects, keeps the timeouts and receives whole frames; error recovery is off, because the caller
/// decides when to connect anew.
public struct ModbusLink: ~Copyable {
    /// Words of the last answer; valid until the next request.
    public private(set) var words: [UInt16] = []

    private let endpoint: String
    private let host: String
    private let port: UInt16
    private let timeout: Duration
    private var context: OpaquePointer?
    private var transaction: UInt16 = 0
    private var request: [UInt8] = []
    private var answer = [UInt8](repeating: 0, count: TCPFrame.maximumLength)
    /// Answers in a row that did not come in time.
    private var timeouts = 0
    /// Whether a late answer has used up some of the time in force in libmodbus.
    private var isTimeoutShortened = false
    /// Answers to earlier requests that were thrown away.
    public private(set) var lateAnswers: UInt64 = 0

    /// A connection may be half dead without telling: after this many timeouts in a row it is made anew.
    private static let timeoutsBeforeReconnect = 3

    /// The version of the libmodbus in use.
    public static var libraryVersion: String {
        "\(libmodbus_version_major).\(libmodbus_version_minor).\(libmodbus_version_micro)"
    }

    /// A link to `bus`, not connected yet.
    public init(_ bus: BusSettings) {
        switch bus.endpoint {
        case .tcp(let host, let port), .rtuOverTCP(let host, let port):
            self.host = host
            self.port = port
        case .serial(let path):
            self.host = path
            self.port = 0
        }
        endpoint = bus.endpoint.description
        timeout = bus.timing.responseTimeout ?? .seconds(1)
    }

    deinit {
        if let context {
            modbus_close(context)
            modbus_free(context)
        }
    }

    /// Whether there is a connection, as far as is known.
    public var isConnected: Bool { context != nil }

    /// Closes the connection; the next `connect` makes a new one.
    public mutating func close() {
        guard let old = context else { return }
        modbus_close(old)
        modbus_free(old)
        context = nil
        timeouts = 0
    }

    /// Connects, waiting at most the response timeout. Does nothing on a link that is connected.
    public mutating func connect() throws(ModbusError) {
        guard context == nil else { return }
        // The _pi form resolves names and speaks IPv6 as well; an address needs none of that.
        var address = in_addr()
        let isAddress = inet_pton(AF_INET, host, &address) == 1
        guard let new = isAddress ? modbus_new_tcp(host, Int32(port)) : modbus_new_tcp_pi(host, String(port)) else {
            throw failure(.noConnection(errno), 0, nil)
        }
        modbus_set_error_recovery(new, MODBUS_ERROR_RECOVERY_NONE)
        // Without a byte timeout the response timeout bounds the whole answer: one byte at a time does not stretch it.
        modbus_set_byte_timeout(new, 0, 0)
        Self.setTimeout(timeout, on: new)
        if modbus_connect(new) != 0 {
            let code = errno
            modbus_free(new)
            throw failure(.noConnection(code), 0, nil)
        }
        context = new
        timeouts = 0
    }

    /// Reads `span` of `unit` into `words`. Returns when the answer arrived.
    ///
    /// Connects first if need be. Closes the connection when the stream of frames can no longer be trusted.
    @discardableResult
    public mutating func read(_ span: RegisterSpan, unit: UInt8) throws(ModbusError) -> Instant {
        try connect()
        guard let context else { throw failure(.noConnection(ENOTCONN), unit, span) }
        transaction &+= 1
        TCPFrame.encode(span, unit: unit, transaction: transaction, into: &request)
        let sent = send(modbus_get_socket(context), request, request.count, Int32(MSG_NOSIGNAL))
        guard sent == request.count else {
            let code = sent < 0 ? errno : EPIPE
            close()
            throw failure(.connectionLost(code), unit, span)
        }
        let deadline = BootClock.now + timeout
        if isTimeoutShortened {
            Self.setTimeout(timeout, on: context)
            isTimeoutShortened = false
        }
        while true {
            let count = modbus_receive_confirmation(context, &answer)
            guard count > 0 else { throw receiveFailed(errno, unit, span) }
            let arrived = BootClock.now
            switch TCPFrame.judge(answer, count: Int(count), for: span, unit: unit, transaction: transaction) {
            case .registers:
                timeouts = 0
                takeWords(span.count)
                return arrived
            case .exception(let code):
                timeouts = 0
                throw failure(.exception(code), unit, span)
            case .late:
                lateAnswers += 1
                guard arrived < deadline else { throw receiveFailed(ETIMEDOUT, unit, span) }
                Self.setTimeout(deadline - arrived, on: context)
                isTimeoutShortened = true
            case .malformed(let how):
                close()
                throw failure(.malformed(how), unit, span)
            }
        }
    }

    private mutating func takeWords(_ count: Int) {
        words.removeAll(keepingCapacity: true)
        for index in 0..<count {
            words.append(UInt16(answer[9 + 2 * index]) << 8 | UInt16(answer[10 + 2 * index]))
        }
    }

    /// What a failed receive means, and what becomes of the connection.
    private mutating func receiveFailed(_ code: Int32, _ unit: UInt8, _ span: RegisterSpan) -> ModbusError {
        switch code {
        case ETIMEDOUT:
            timeouts += 1
            if timeouts >= Self.timeoutsBeforeReconnect { close() }
            return failure(.timeout, unit, span)
        case let code where code > MODBUS_ENOBASE:
            close()
            return failure(.malformed(String(cString: modbus_strerror(code))), unit, span)
        default:
            close()
            // libmodbus reports an orderly close as ECONNRESET, too.
            return failure(.connectionLost(code == ECONNRESET ? 0 : code), unit, span)
        }
    }

    private func failure(_ code: ModbusError.Code, _ unit: UInt8, _ span: RegisterSpan?) -> ModbusError {
        ModbusError(code: code, endpoint: endpoint, unit: unit, span: span)
    }

    private static func setTimeout(_ duration: Duration, on context: OpaquePointer) {
        let microseconds = max(1, duration.wholeNanoseconds / 1000)
        modbus_set_response_timeout(context, UInt32(microseconds / 1_000_000), UInt32(microseconds % 1_000_000))
    }
}

extension BusSettings.Endpoint {
    /// `192.168.1.20:502`; `[fd00::1]:502`.
    public var description: String {
        switch self {
        case .tcp(let host, let port), .rtuOverTCP(let host, let port):
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .serial(let path): path
        }
    }
}
