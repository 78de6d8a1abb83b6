internal import Metering

// The section `buses`.

private enum BusKey: String, SectionKey {
    case id, tcp, serial, baud, parity, rs485, timeout, pause
    case rtuOverTCP = "rtu_over_tcp"
    case dataBits = "data_bits"
    case stopBits = "stop_bits"
    case byteTimeout = "byte_timeout"
    case afterConnect = "after_connect"

    var example: String {
        switch self {
        case .id: "id: hall"
        case .tcp: "tcp: 192.168.1.20:502"
        case .serial: "serial: /dev/serial/by-path/…"
        case .rtuOverTCP: "rtu_over_tcp: 192.168.1.30:4001"
        case .baud: "baud: 9600"
        case .parity: "parity: even"
        case .dataBits: "data_bits: 8"
        case .stopBits: "stop_bits: 1"
        case .rs485: "rs485: {rts_on_send: high}"
        case .timeout, .byteTimeout, .pause, .afterConnect: TimingKey(rawValue: rawValue)?.example ?? rawValue
        }
    }

    static let synonyms = [
        "host": "tcp", "address": "tcp", "url": "tcp", "name": "id", "device": "serial", "port": "serial",
        "tty": "serial", "path": "serial", "baudrate": "baud", "baud_rate": "baud", "speed": "baud",
        "bytesize": "data_bits", "stopbits": "stop_bits", "rtu_tcp": "rtu_over_tcp", "rtu": "serial",
    ]

    /// The keys that say where the bus is: one of them must be there.
    static let places: [BusKey] = [.tcp, .serial, .rtuOverTCP]
    /// The keys that only a line has.
    static let lineOnly: [BusKey] = [.baud, .parity, .dataBits, .stopBits, .rs485]
}

private enum DirectionKey: String, SectionKey {
    case rtsOnSend = "rts_on_send"
    case delayBefore = "delay_before"
    case delayAfter = "delay_after"

    var example: String {
        switch self {
        case .rtsOnSend: "rts_on_send: high"
        case .delayBefore: "delay_before: 1ms"
        case .delayAfter: "delay_after: 1ms"
        }
    }
}

private enum Level: String, CaseIterable {
    case high, low
}

extension Assembly {
    mutating func readBuses(_ field: Field?) -> [BusSettings] {
        guard let items = field?.items(example: "[{id: hall, tcp: 192.168.1.20}]") else {
            busNames.giveUp()
            return []
        }
        if items.count > Self.busLimit {
            field?.error("\(items.count) buses; at most \(Self.busLimit)")
        }
        var buses: [BusSettings] = []
        for item in items.prefix(Self.busLimit) {
            guard let bus = readBus(item) else { continue }
            if let other = buses.first(where: { $0.endpoint == bus.endpoint }) {
                item.warning(
                    "the same endpoint as bus \"\(other.id)\"",
                    hint: "meters behind one endpoint share one bus, so that their requests do not collide")
            }
            buses.append(bus)
        }
        return buses
    }

    private mutating func readBus(_ field: Field) -> BusSettings? {
        guard let section = Section<BusKey>(field) else {
            busNames.giveUp()
            return nil
        }
        if section.optional(.id) == nil { busNames.giveUp() }
        let id = section.required(.id).flatMap { busNames.claim($0) }
        if let id { busFields[id] = busFields[id] ?? field }
        let endpoint = endpoint(section)
        if let id, section.has(.serial) || section.has(.rtuOverTCP) { lines.insert(id) }
        let line = line(section)
        let timing = Timing.read(section, keys: [.timeout, .byteTimeout, .pause, .afterConnect])
        if let endpoint, case .tcp = endpoint {
            for key in BusKey.lineOnly {
                section.optional(key)?.error(
                    "Modbus TCP has no \(key.rawValue)",
                    hint: "a converter that carries RTU frames as they are: write rtu_over_tcp in place of tcp")
            }
        }
        if let endpoint, case .rtuOverTCP = endpoint {
            section.optional(.rs485)?.error("the converter switches the direction itself", hint: "remove rs485")
        }
        guard let id, let endpoint, let line, let timing else { return nil }
        return BusSettings(id: id, endpoint: endpoint, line: line, timing: timing)
    }

    /// The one key that says where the bus is.
    private func endpoint(_ section: Section<BusKey>) -> BusSettings.Endpoint? {
        let given = BusKey.places.filter { section.has($0) }
        guard given.count == 1, let key = given.first else {
            if let second = given.dropFirst().first {
                section.optional(second)?.error(
                    "\(given[0].rawValue) stands here as well", hint: "a bus is at one place: remove one of them")
            } else {
                section.field.error(
                    "neither tcp nor serial nor rtu_over_tcp",
                    hint: "add \"\(BusKey.tcp.example)\" or \"\(BusKey.serial.example)\"")
            }
            return nil
        }
        guard let field = section.optional(key) else { return nil }
        switch key {
        case .serial: return serialPort(field)
        case .rtuOverTCP: return field.hostAndPort(standardPort: nil).map { .rtuOverTCP(host: $0, port: $1) }
        default: return field.hostAndPort(standardPort: 502).map { .tcp(host: $0, port: $1) }
        }
    }

    /// The path of a serial port, or what is printed beside it on the enclosure.
    private func serialPort(_ field: Field) -> BusSettings.Endpoint? {
        if board != nil, case .scalar(let text, _) = field.node.content, !text.hasPrefix("/") {
            return terminal(field, among: \.ports, \.terminal).map { .serial(path: $0.path) }
        }
        return field.serialPort()
    }

    /// Who switches the direction of a port that was named by its terminal: as its board has it.
    private func boardDirection(_ section: Section<BusKey>) -> SerialLine.Direction? {
        guard case .scalar(let text, _) = section.optional(.serial)?.node.content else { return nil }
        return board?.ports.first { $0.terminal == text }?.direction
    }

    private func line(_ section: Section<BusKey>) -> SerialLine? {
        let standard = SerialLine()
        let baud = section.value(.baud, or: standard.baud) { $0.baud() }
        let parity = section.value(.parity, or: standard.parity) { $0.choice(SerialLine.Parity.self, "parity") }
        let dataBits = section.value(.dataBits, or: standard.dataBits) { field in
            guard let bits = field.integer(in: 7...8) else { return nil }
            if bits == 7 {
                field.warning("Modbus RTU needs 8 data bits", hint: "7 is for Modbus ASCII; remove data_bits")
            }
            return bits
        }
        let stopBits = section.value(.stopBits, or: standard.stopBits) { $0.integer(in: 1...2) }
        let direction = section.value(.rs485, or: boardDirection(section)) { $0.direction().map(Optional.some) }
        guard let baud, let parity, let dataBits, let stopBits, let direction else { return nil }
        return SerialLine(baud: baud, parity: parity, dataBits: dataBits, stopBits: stopBits, direction: direction)
    }
}

extension Field {
    /// The path of a serial port, best one that stays the same.
    fileprivate func serialPort() -> BusSettings.Endpoint? {
        guard let path = text("the path of a serial port") else { return nil }
        guard path.hasPrefix("/") else {
            error("\(quoted(path)) is no path", hint: "such as /dev/serial/by-path/…; `ls -l /dev/serial/by-path`")
            return nil
        }
        if ["/dev/ttyUSB", "/dev/ttyACM"].contains(where: path.hasPrefix) {
            warning(
                "\(path) may be another adapter after the next start",
                hint: "use its stable name: `ls -l /dev/serial/by-path /dev/serial/by-id`")
        }
        return .serial(path: path)
    }

    /// A speed that serial ports know (termios(3)).
    func baud() -> Int? {
        let speeds = [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600]
        guard let baud = integer(in: 300...921_600, "a baud rate") else { return nil }
        guard speeds.contains(baud) else {
            error("\(baud) is no baud rate", hint: "one of " + speeds.map(String.init).joined(separator: ", "))
            return nil
        }
        return baud
    }

    /// How RTS switches a transceiver's direction.
    func direction() -> SerialLine.Direction? {
        guard let section = Section<DirectionKey>(self) else { return nil }
        let standard = SerialLine.Direction()
        let level = section.value(.rtsOnSend, or: Level.high) { $0.choice(Level.self, "level") }
        let limits = Duration.zero ... .milliseconds(100)
        let before = section.value(.delayBefore, or: standard.delayBefore) { $0.duration(in: limits) }
        let after = section.value(.delayAfter, or: standard.delayAfter) { $0.duration(in: limits) }
        guard let level, let before, let after else { return nil }
        return SerialLine.Direction(rtsIsHighToSend: level == .high, delayBefore: before, delayAfter: after)
    }
}
