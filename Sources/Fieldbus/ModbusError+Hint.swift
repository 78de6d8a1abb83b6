internal import Metering
internal import Posix

extension ModbusError {
    /// What to look at next.
    public var hint: String {
        switch code {
        case .noConnection:
            "check the address and the port, the cable, and whether another program holds the meter's only connection"
        case .unknownHost: "check the name, or write the IP address"
        case .noPort(let others): Self.hint(others: others)
        case .noPermission(let group): Self.hint(group: group)
        case .portBusy: "only one program can use a serial port: find it with `fuser -v \(endpoint)` and end it"
        case .portRefused: "check that the path is a serial port, and that it knows the line's baud rate"
        case .portGone: "check the adapter's plug; the port is opened again by itself when it is back"
        case .connectionLost: connectionHint
        case .timeout: silenceHint
        case .echoOnly:
            "the adapter hears itself, so the port works: check the unit id, A and B, and that the meter has power"
        case .crc:
            "check baud rate and parity, A and B, the termination, and that no two meters have this unit id"
        case .cut where transport == .tcp:
            "the device sends less than it announces, or too slowly: raise the bus's timeout, or look for new firmware"
        case .cut: "the line has errors, or the meter pauses within its answer: raise byte_timeout"
        case .lineBusy:
            "another master is on this line, or a device babbles: unplug the devices one by one to find it"
        case .outOfTime:
            "a pause or after_connect is longer than the agent lends its bus, or the line is slow: "
                + "ask for fewer registers, or stop the agent meanwhile"
        case .exception(let exception): Self.hint(exception: exception)
        case .malformed where transport == .tcp:
            "check the unit id and what listens at this address: the answer does not keep to Modbus TCP"
        case .malformed:
            "the meter answers another question than was asked: check the model, and that no two meters have this unit id"
        case .speaksRTU: "this looks like RTU over TCP: write rtu_over_tcp in place of tcp"
        case .speaksTCP: "this looks like Modbus TCP: write tcp in place of rtu_over_tcp"
        }
    }

    private static func hint(others: [String]) -> String {
        guard !others.isEmpty else {
            return "the adapter is unplugged, or this machine has no such port: \(SerialPort.stableNames) is empty"
        }
        return "is the adapter unplugged? These are there: " + others.joined(separator: ", ")
    }

    private static func hint(group: String?) -> String {
        guard let group else { return "add this user to the group that owns the port: `ls -l` tells it" }
        return "the port belongs to the group \(group): `usermod -aG \(group) USER`, then log in again"
    }

    private static func hint(exception: UInt8) -> String {
        switch exception {
        case 1: "the meter does not know this function code: try `function: holding` or `function: input`"
        case 2: "the meter has no such registers: check the model, and the address (zero-based, not 40001-style)"
        case 3: "the meter refuses the number of registers: lower `limits: registers`"
        case 5, 6: "the meter is busy: read it less often"
        case 10, 11:
            "the gateway on the way finds no meter under this unit id: check the unit id and the line behind it"
        default: "the meter reports an internal fault: look at its display"
        }
    }

    private var connectionHint: String {
        let masters = "it may allow fewer connections than there are masters: look who else reads it"
        return transport == .rtuOverTCP ? masters + "; or it speaks Modbus TCP: try tcp" : masters
    }

    private var silenceHint: String {
        switch transport {
        case .tcp:
            "check the unit id, the wiring behind the gateway and that the meter has power; raise the bus's timeout; "
                + "or try rtu_over_tcp if this is a converter"
        case .rtuOverTCP:
            "check the unit id, baud rate and parity of the converter, A and B, and that the meter has power; "
                + "or try tcp if the converter speaks Modbus TCP"
        case .serial:
            "check the unit id, baud rate and parity, A and B, and that the meter has power"
        }
    }
}
