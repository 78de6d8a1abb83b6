internal import Configuration
internal import Fieldbus
public import FoundationEssentials
internal import Metering
internal import Posix

/// One reading of a meter, now, with everything a technician compares with the meter's display and its manual.
public struct MeterReadout: Encodable, Sendable {
    /// One point.
    public struct Line: Encodable, Sendable {
        /// The point's name within its meter.
        public var name: String
        /// The value after scale and offset, exact; absent where there is none.
        public var value: Decimal?
        /// The value of a point that is a text; absent for all others.
        public var text: String?
        /// UCUM code.
        public var unit: String
        /// The unit as people write it: `kWh`.
        public var symbol: String
        /// OBIS code, where one is known.
        public var obis: String?
        /// Function code.
        public var function: UInt8
        /// Zero-based PDU address of the first register.
        public var register: UInt16
        /// The same as most manuals print it: 30001 for input register 0.
        public var manualRegister: Int
        /// Both notations: `30001 = input 0, 0x0`.
        public var notation: String
        /// The registers' contents in hexadecimal.
        public var words: [String]
        /// Why there is no value.
        public var error: String?
    }

    /// The meter's name.
    public var meter: String
    /// The bus it hangs on.
    public var bus: String
    /// Where that is.
    public var endpoint: String
    /// The unit id.
    public var unit: UInt8
    /// The model's name in the catalogue; `own/METER` where the configuration has the points.
    public var model: String
    /// How far the register map is confirmed: `manual`, `agreed` or `own`.
    public var status: String
    /// The PDUs of the requests it took, in hexadecimal: function code, address, count.
    public var requests: [String]
    /// Whether the running agent lent its bus for it.
    public var isLent: Bool
    /// How long it took, with the connection.
    public var milliseconds: Double
    /// When, by this machine's clock.
    public var time: String
    /// The points in the order of the definition.
    public var points: [Line]
    /// `ok`: every point has a value; `failed`: it answers, but not with all of them, or the bus cannot be asked;
    /// `unknown`: no answer came.
    public var result = "ok"
    /// The first thing that went wrong, with its place.
    public var error: String?
    /// What to do next; absent when every point has a value.
    public var hint: String?

    /// How many points have a value.
    public var values: Int { points.count { $0.value != nil || $0.text != nil } }

    /// Reads the meter `id` of the configuration once: over the running agent's connection, or one of its own. Blocks.
    public init(of id: String, options: Agent.Options) throws(AgentError) {
        let configuration = try AgentConfiguration(checked: options)
        guard let meter = configuration.meters.first(where: { $0.id == id }),
            let settings = configuration.buses.first(where: { $0.id == meter.bus })
        else {
            throw AgentError(
                code: .usage, message: "\(options.configuration) has no meter \(id)",
                hint: Configuration.hint(for: id, among: configuration.meters.map(\.id), called: "it has"))
        }
        var access = BusAccess(settings, socket: options.socket)
        let begin = BootClock.now
        let inspection = try MeterInspection(of: meter, on: settings, by: &access)
        let end = BootClock.now
        self.meter = id
        bus = settings.id
        endpoint = settings.endpoint.description
        unit = meter.unit
        model = meter.definition.model
        status = meter.definition.status.rawValue
        requests = inspection.requests
        isLent = access.isLent
        milliseconds = Double((end - begin).wholeNanoseconds / 10_000) / 100
        time = BootClock.offset.timestamp(of: end).description
        points = zip(meter.points, inspection.results).map { Line($0, $1) }
        conclude(inspection.results)
    }

    private mutating func conclude(_ results: [MeterPoll.PointResult]) {
        let failures = results.compactMap { if case .failed(let failure) = $0 { failure } else { nil } }
        let hasAnswered = points.contains { !$0.words.isEmpty } || failures.contains(where: \.isAnswer)
        if let failure = failures.first {
            let isObstacle = SilenceInquiry.Obstacle(failure.code) != nil
            result = hasAnswered || isObstacle ? "failed" : "unknown"
            error = failure.description
            hint = failure.hint
            if !hasAnswered { hint? += "; `parthe bus why \(bus) \(unit)` looks closer" }
        } else if let empty = points.first(where: { $0.error != nil }) {
            result = "failed"
            hint =
                "the meter answers \(empty.name) with its code for \"no value\": compare with its display; what it "
                + "does not measure is left out by `points: […]`"
        }
    }

    /// The readout as JSON.
    public var json: [UInt8] { jsonBytes(self) }
}

extension MeterReadout.Line {
    fileprivate init(_ point: Point, _ result: MeterPoll.PointResult) {
        let definition = point.definition
        name = definition.name
        unit = definition.unit.ucum
        symbol = definition.unit.symbol
        obis = definition.obis
        function = definition.function.rawValue
        register = definition.address
        manualRegister = definition.function.manualNumber(of: definition.address)
        notation = definition.function.notation(of: definition.address)
        words = []
        switch result {
        case .value(let value, _, let raw):
            if case .text(let text) = value {
                self.text = text.description
            } else {
                self.value = Decimal(string: value.description)
            }
            words = raw.map(\.hexadecimal)
        case .notAvailable(let raw):
            words = raw.map(\.hexadecimal)
            error = "the meter has no value"
        case .failed(let failure):
            error = failure.what
        }
    }
}
