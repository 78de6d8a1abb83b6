public import Metering
internal import Posix

/// A request to a meter that gave no values: what happened, where, and what to look at next.
public struct ModbusError: Error, Hashable, Sendable {
    /// What happened.
    public enum Code: Hashable, Sendable {
        /// No connection to the endpoint (errno).
        case noConnection(Int32)
        /// The connection broke while a request was under way (errno; 0 when the far end closed it).
        case connectionLost(Int32)
        /// No complete answer within the response timeout.
        case timeout
        /// The meter answered with an exception code (Modbus Application Protocol V1.1b3, section 7).
        case exception(UInt8)
        /// An answer that does not fit the request; the words say how.
        case malformed(String)
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
    /// The unit id that was asked.
    public var unit: UInt8
    /// The registers that were asked for; nil when it did not come to a request.
    public var span: RegisterSpan?

    /// What the caller does next.
    public var disposition: Disposition {
        switch code {
        case .noConnection, .connectionLost, .malformed: .reconnect
        case .timeout: .retry
        // Busy and acknowledge (5, 6) and the gateway's own codes (10, 11) pass by themselves; the others do not.
        case .exception(let code): [4, 5, 6, 10, 11].contains(code) ? .retry : .reject
        }
    }

    /// What to look at next.
    public var hint: String {
        switch code {
        case .noConnection:
            "check the address and the port, the cable, and whether another program holds the meter's only connection"
        case .connectionLost:
            "it may allow fewer connections than there are masters: look who else reads it"
        case .timeout:
            "check the unit id, the wiring behind the gateway and that the meter has power; or raise the bus's timeout"
        case .exception(1): "the meter does not know this function code: try `function: holding` or `function: input`"
        case .exception(2):
            "the meter has no such registers: check the model, and the address (zero-based, not 40001-style)"
        case .exception(3): "the meter refuses the number of registers: lower `limits: registers`"
        case .exception(5), .exception(6): "the meter is busy: read it less often"
        case .exception(10), .exception(11):
            "the gateway on the way finds no meter under this unit id: check the unit id and the line behind it"
        case .exception: "the meter reports an internal fault: look at its display"
        case .malformed:
            "check the unit id and what listens at this address: the answer does not keep to Modbus TCP"
        }
    }
}

extension ModbusError: CustomStringConvertible {
    /// `192.168.1.20:502 unit 3 FC4 0…79: no answer in time`.
    public var description: String {
        let place = span.map { "\(endpoint) unit \(unit) \($0)" } ?? endpoint
        return "\(place): \(what)"
    }

    /// What happened, without the place.
    public var what: String {
        switch code {
        case .noConnection(let errno): "no connection: \(PosixError.text(errno))"
        case .connectionLost(0): "the device closed the connection"
        case .connectionLost(let errno): "connection lost: \(PosixError.text(errno))"
        case .timeout: "no answer in time"
        case .exception(let code): "exception \(code) (\(Self.name(ofException: code)))"
        case .malformed(let how): "malformed answer: \(how)"
        }
    }

    /// The standard's name of an exception code (section 7).
    private static func name(ofException code: UInt8) -> String {
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
