public import Metering
internal import Posix

/// A request to a meter that gave no values: what happened, where, and what to look at next.
public struct ModbusError: Error, Hashable, Codable, Sendable {
    /// What happened.
    public enum Code: Error, Hashable, Codable, Sendable {
        /// No connection to the endpoint (errno).
        case noConnection(Int32)
        /// The endpoint's name leads nowhere (the resolver's words).
        case unknownHost(String)
        /// The serial port is not there; `others` are, by their stable names.
        case noPort(others: [String])
        /// This user may not open the serial port, which belongs to `group`.
        case noPermission(group: String?)
        /// Another program has the serial port.
        case portBusy
        /// The serial port cannot be used; the words say why.
        case portRefused(String)
        /// The serial port went away while in use (errno; 0 when it was hung up).
        case portGone(Int32)
        /// The connection broke while a request was under way (errno; 0 when the far end closed it).
        case connectionLost(Int32)
        /// No complete answer within the response timeout.
        case timeout
        /// The same, but the request was heard back.
        case echoOnly
        /// An answer whose checksum is wrong.
        case crc
        /// The beginning of an answer.
        case cut(received: Int, expected: Int)
        /// The line never became quiet: somebody else keeps sending.
        case lineBusy
        /// The link's time was over before the request could be sent, or its answer be waited for: says nothing of the
        /// unit.
        case outOfTime
        /// The meter answered with an exception code (Modbus Application Protocol V1.1b3, section 7).
        case exception(UInt8)
        /// An answer that does not fit the request; the words say how.
        case malformed(String)
        /// An RTU frame in answer to Modbus TCP.
        case speaksRTU
        /// A frame of Modbus TCP in answer to RTU.
        case speaksTCP
    }

    /// How the endpoint was reached.
    public enum Transport: Hashable, Codable, Sendable {
        /// As in `BusSettings.Endpoint`.
        case tcp, rtuOverTCP, serial
    }

    /// What the caller does next.
    public enum Disposition: Hashable, Sendable {
        /// Ask again at the next poll, on the same connection.
        case retry
        /// Connect anew first.
        case reconnect
        /// Asking again brings the same answer, as long as nobody changes the meter or its definition.
        case reject
    }

    /// What happened.
    public var code: Code
    /// The endpoint: `192.168.1.20:502`.
    public var endpoint: String
    /// How it was reached.
    public var transport: Transport
    /// The unit id that was asked.
    public var unit: UInt8
    /// The registers that were asked for; nil when it did not come to a request, or when it asked for no registers.
    public var span: RegisterSpan?
    /// The function code; nil when it did not come to a request.
    public var function: UInt8?

    /// An error with every property given.
    public init(
        code: Code, endpoint: String, transport: Transport = .tcp, unit: UInt8, span: RegisterSpan? = nil,
        function: UInt8? = nil
    ) {
        self.code = code
        self.endpoint = endpoint
        self.transport = transport
        self.unit = unit
        self.span = span
        self.function = function ?? span?.function.rawValue
    }

    /// Whether nobody answered: nothing came, or nothing but the request heard back.
    public var isSilence: Bool { code == .timeout || code == .echoOnly }

    /// What the caller does next.
    public var disposition: Disposition {
        switch code {
        case .noConnection, .unknownHost, .connectionLost: .reconnect
        case .noPort, .noPermission, .portBusy, .portRefused, .portGone: .reconnect
        // What comes next on the connection could be the rest.
        case .cut, .malformed: transport == .tcp ? .reconnect : .retry
        case .timeout, .echoOnly, .crc, .lineBusy, .outOfTime: .retry
        case .speaksRTU, .speaksTCP: .reject
        // Busy and acknowledge (5, 6) and the gateway's own codes (10, 11) pass by themselves; the others do not.
        case .exception(let code): [4, 5, 6, 10, 11].contains(code) ? .retry : .reject
        }
    }
}

extension ModbusError: CustomStringConvertible {
    /// `192.168.1.20:502 unit 3, 30001 = input 0, 0x0 ×80, sent 04 00 00 00 50: no answer in time`.
    public var description: String {
        let asked = span.map(\.inFull) ?? function.map { "FC\($0)" }
        let place = asked.map { "\(endpoint) unit \(unit), \($0)" } ?? endpoint
        return "\(place): \(what)"
    }

    /// What happened, without the place.
    public var what: String {
        switch code {
        case .noConnection(let errno): "no connection: \(PosixError.text(errno))"
        case .unknownHost(let why): "no address for this name: \(why)"
        case .noPort: "there is no such port"
        case .noPermission: "no permission to open the port"
        case .portBusy: "another program has the port"
        case .portRefused(let why): "the port cannot be used: \(why)"
        case .portGone(0): "the port went away"
        case .portGone(let errno): "the port went away: \(PosixError.text(errno))"
        case .connectionLost(0): "the device closed the connection"
        case .connectionLost(let errno): "connection lost: \(PosixError.text(errno))"
        case .timeout: "no answer in time"
        case .echoOnly: "no answer in time, only the request heard back"
        case .crc: "garbled answer: wrong checksum"
        case .cut(let received, let expected): "only \(received) of \(expected) bytes of the answer came"
        case .lineBusy: "the line does not become quiet"
        case .outOfTime: "the time was over before the bus was free or the answer complete"
        case .exception(let code): "exception \(code) (\(Self.name(ofException: code)))"
        case .malformed(let how): "malformed answer: \(how)"
        case .speaksRTU: "an RTU frame came in answer to Modbus TCP"
        case .speaksTCP: "a frame of Modbus TCP came in answer to RTU"
        }
    }

    /// The standard's name of an exception code (section 7).
    public static func name(ofException code: UInt8) -> String {
        switch code {
        case 1: "illegal function"
        case 2: "illegal data address"
        case 3: "illegal data value"
        case 4: "server device failure"
        case 5: "acknowledge"
        case 6: "server device busy"
        case 8: "memory parity error"
        case 10: "gateway path unavailable"
        case 11: "gateway target device failed to respond"
        default: "not in the standard"
        }
    }
}
