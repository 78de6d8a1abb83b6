internal import Configuration
internal import Fieldbus
internal import Metering
internal import Posix

/// The bus that a command works on: one of the configuration, or a place given directly, perhaps with other line
/// settings.
public struct BusChoice: Sendable {
    /// What the command line says.
    public struct Request: Sendable {
        /// The bus's name in the configuration, or a place: `tcp:HOST:PORT`, `rtu_over_tcp:HOST:PORT`, `/dev/…`.
        public var bus: String
        /// Baud rates; empty for the bus's own.
        public var bauds: [Int]
        /// `none`, `even`, `odd`; empty for the bus's own.
        public var parities: [String]
        /// 1, 2; empty for the bus's own.
        public var stopBits: [Int]

        /// A request with every property given.
        public init(bus: String, bauds: [Int] = [], parities: [String] = [], stopBits: [Int] = []) {
            self.bus = bus
            self.bauds = bauds
            self.parities = parities
            self.stopBits = stopBits
        }
    }

    /// The bus as it is configured; for a place given directly, with the first of the line settings asked for.
    let settings: BusSettings
    /// Line settings to try, the bus's own first where they are among them; empty for Modbus TCP.
    let lines: [SerialLine]
    /// The configuration, where there is a right one.
    let configuration: AgentConfiguration?
    /// Whether the bus stands in the configuration.
    let isConfigured: Bool
    let options: Agent.Options

    /// Whether it is a Modbus TCP endpoint, where other unit ids are possible than on a line.
    var isTCP: Bool { if case .tcp = settings.endpoint { true } else { false } }

    /// The meters of the configuration on this bus.
    var meters: [Meter] {
        guard isConfigured else { return [] }
        return configuration?.meters.filter { $0.bus == settings.id } ?? []
    }

    /// Finds the bus. A place given directly needs no configuration; where a right one has a bus at that place, it is
    /// that bus.
    public init(_ request: Request, options: Agent.Options) throws(AgentError) {
        self.options = options
        let lines = try Self.lines(request)
        switch EndpointText.read(request.bus) {
        case .wrong(let how):
            throw AgentError(
                code: .usage, message: "\(request.bus): \(how)",
                hint: "name a bus of the configuration, or a place: \(EndpointText.forms)")
        case .name:
            let configuration = try AgentConfiguration(checked: options)
            guard let bus = configuration.buses.first(where: { $0.id == request.bus }) else {
                throw AgentError(
                    code: .usage, message: "\(options.configuration) has no bus \(request.bus)",
                    hint: Configuration.hint(for: request.bus, among: configuration.buses.map(\.id), called: "it has")
                        + "; or give its place: \(EndpointText.forms)")
            }
            self.configuration = configuration
            settings = bus
            isConfigured = true
        case .endpoint(let endpoint):
            let configuration = File.exists(options.configuration) ? try? AgentConfiguration(checked: options) : nil
            let known = configuration?.buses.first { $0.endpoint == endpoint }
            self.configuration = configuration
            isConfigured = known != nil
            settings =
                known ?? BusSettings(id: request.bus, endpoint: endpoint, line: lines(SerialLine()).first)
        }
        guard case .serial = settings.endpoint else {
            guard request.bauds.isEmpty, request.parities.isEmpty, request.stopBits.isEmpty else {
                throw AgentError(
                    code: .usage, message: "\(request.bus) is no serial port: it has no baud rate, parity or stop bits",
                    hint: "those of a converter are set in the converter")
            }
            self.lines = []
            return
        }
        let own = settings.line ?? SerialLine()
        let all = lines(own)
        self.lines = all.contains(own) ? [own] + all.filter { $0 != own } : all
    }

    /// Every combination that is asked for, as a function of what the bus itself has.
    private static func lines(_ request: Request) throws(AgentError) -> (SerialLine) -> [SerialLine] {
        var parities: [SerialLine.Parity] = []
        for word in request.parities {
            guard let parity = SerialLine.Parity(rawValue: word) else {
                throw AgentError(code: .usage, message: "\(word) is no parity", hint: "none, even or odd")
            }
            parities.append(parity)
        }
        for baud in request.bauds where !BusStep.bauds.contains(baud) {
            throw AgentError(code: .usage, message: "\(baud) is no baud rate", hint: "such as 9600,19200")
        }
        for bits in request.stopBits where !(1...2).contains(bits) {
            throw AgentError(code: .usage, message: "\(bits) stop bits are none", hint: "1 or 2")
        }
        return { [parities] own in
            let bauds = request.bauds.isEmpty ? [own.baud] : request.bauds
            let stops = request.stopBits.isEmpty ? [own.stopBits] : request.stopBits
            return bauds.flatMap { baud in
                (parities.isEmpty ? [own.parity] : parities).flatMap { parity in
                    stops.map { stopBits in
                        var line = own
                        (line.baud, line.parity, line.stopBits) = (baud, parity, stopBits)
                        return line
                    }
                }
            }
        }
    }

    /// On a line 0 is for broadcasts, which nobody answers: asking it tells nothing.
    func checkAnswers(_ unit: UInt8) throws(AgentError) {
        guard unit == 0, !isTCP else { return }
        throw AgentError(
            code: .usage, message: "unit 0 on \(title) is for broadcasts: no unit answers to it",
            hint: "units of a line have the ids 1…247; `parthe bus scan \(settings.id)` finds those that are there")
    }

    /// The meter of the configuration at `unit`: with several parts of one device the first.
    func meter(at unit: UInt8) -> Meter? { meters.first { $0.unit == unit } }

    /// How long `unit` is waited for in milliseconds, where its meter or the bus states it.
    func timeoutMilliseconds(of unit: UInt8) -> Int64? {
        (meter(at: unit)?.timing ?? Timing()).or(settings.timing).responseTimeout?.wholeMilliseconds
    }

    /// `hall (192.168.1.20:502)`, or the place alone.
    var title: String {
        let kind =
            switch settings.endpoint {
            case .tcp: "Modbus TCP "
            case .rtuOverTCP: "RTU over TCP "
            case .serial: ""
            }
        let place = kind + settings.endpoint.description
        return isConfigured ? "\(settings.id) (\(place))" : place
    }
}
