internal import Configuration
internal import Fieldbus
internal import Metering
internal import Posix

/// Looks for whoever answers on a bus: every unit id at every line setting that is asked for, then what each is.
///
/// A unit id is asked for two holding registers and given a short time: any answer, an exception or a garbled one too,
/// is evidence of a device. A device that is slower shows itself by its late answer, while another is asked, and is then
/// asked again with patience.
public struct BusScan: ~Copyable {
    /// What is looked for.
    public struct Options: Sendable {
        /// The unit ids; empty for all there can be.
        public var units: [UInt8]
        /// How long each is waited for; nil for what suits the bus.
        public var timeoutMilliseconds: Int64?
        /// Asks who is silent by functions 4 and 43 as well: some devices ignore what they do not know.
        public var isThorough: Bool
        /// Writes a file for each new meter into `meters/` beside the configuration.
        public var writes: Bool

        /// Options with every property given.
        public init(
            units: [UInt8] = [], timeoutMilliseconds: Int64? = nil, isThorough: Bool = false, writes: Bool = false
        ) {
            self.units = units
            self.timeoutMilliseconds = timeoutMilliseconds
            self.isThorough = isThorough
            self.writes = writes
        }
    }

    /// How far it is.
    public struct Progress: Sendable {
        /// Questions asked, of `total`.
        public var done: Int
        /// Unit ids times line settings.
        public var total: Int
        /// The unit id.
        public var unit: UInt8
        /// The line settings, where there is a serial port.
        public var line: String?
        /// Whether it answered just now: what it is, is found out next.
        public var isFound: Bool
        /// Whether everything was asked, and it is found out what this unit is.
        public var isSurvey = false
        /// Unit ids that answered so far.
        public var found: Int
        /// What the rest takes, as it looks.
        public var remaining: Duration
    }

    let choice: BusChoice
    let options: Options
    /// The unit ids that are asked, in order.
    let units: [UInt8]
    /// The line settings; one nil where there is no serial port.
    let lines: [SerialLine?]
    private let isBehindGateway: Bool
    /// Exceptions by which a gateway says that nobody is there: 10 and 11 by the standard (Modbus Application Protocol
    /// V1.1b3, section 7), and what it answers for units that nobody has.
    private var absent: Set<UInt8>
    /// How often it said so.
    var gatewayAnswers = 0
    /// How long each unit id is waited for.
    public let timeoutMilliseconds: Int64

    var access: BusAccess
    /// Who shows himself, and the PDU that made him.
    var found: [(unit: UInt8, line: SerialLine?, presence: Presence, sent: String?)] = []
    var notes: [String] = []
    var obstacle: ModbusError?
    private var done = 0
    private var begin = Instant(nanoseconds: 0)

    /// The usual waits. A meter on a line answers within 300 ms but for few; a converter adds the network and gathers
    /// whole answers; a gateway asks a line behind it, and says that nobody is there only after its own wait.
    private static func usualTimeout(_ endpoint: BusSettings.Endpoint) -> Int64 {
        switch endpoint {
        case .serial: 300
        case .rtuOverTCP: 500
        case .tcp: 1000
        }
    }

    /// Unit ids that hardly anybody has: a device that answers to both answers to all.
    private static let decoys: [UInt8] = [246, 173]

    /// A scan of `choice`.
    public init(_ choice: BusChoice, _ options: Options) throws(AgentError) {
        let isTCP = choice.isTCP
        if let wrong = options.units.first(where: { !isTCP && !(1...247).contains($0) || 248...254 ~= $0 }) {
            throw AgentError(
                code: .usage, message: "unit \(wrong) cannot be on this bus",
                hint: isTCP ? "0…247, and 255" : "1…247 on a line; 0 and 255 on Modbus TCP only")
        }
        guard !options.writes || choice.isConfigured else {
            throw AgentError(
                code: .usage, message: "the configuration has no bus at \(choice.settings.id): nothing can be written",
                hint: "scan without --write, and put the bus that is offered into the configuration first")
        }
        self.init(checked: choice, options)
    }

    // Apart, because Swift 6.2.3 of Debian fails on errors thrown where a value that is not copied is there by half.
    private init(checked choice: BusChoice, _ options: Options) {
        self.choice = choice
        self.options = options
        let isTCP = choice.isTCP
        isBehindGateway = isTCP
        absent = isTCP ? [10, 11] : []
        units = options.units.isEmpty ? Array(1...247) + (isTCP ? [255, 0] : []) : options.units
        lines = choice.lines.isEmpty ? [nil] : choice.lines.map(Optional.some)
        timeoutMilliseconds =
            min(options.timeoutMilliseconds ?? Self.usualTimeout(choice.settings.endpoint), BusStep.longestTimeout)
        access = BusAccess(choice)
    }

    /// What is going to be done, and how long that takes at most: in words for people.
    public var plan: String {
        let ids = units.count == 1 ? "1 unit id" : "\(units.count) unit ids"
        let settings =
            lines.count > 1 ? " at \(lines.count) line settings" : lines[0].map { " at \($0)" } ?? ""
        return "\(choice.title): \(ids)\(settings), \(timeoutMilliseconds) ms for each: at most \(longest.rounded), "
            + "and some seconds for each that answers"
    }

    /// How long it takes if nobody answers, without the polls of an agent that it waits for.
    public var longest: Duration {
        let questions = options.isThorough ? 3 : 1
        return lines.reduce(Duration.zero) { sum, line in
            let wire = (line ?? choice.settings.line).map { $0.duration(ofCharacters: 8) + $0.silence * 2 } ?? .zero
            return sum + (wire + .milliseconds(timeoutMilliseconds)) * (units.count * questions)
        }
    }

    /// Runs until everything was asked, or `isStopped`. Blocks.
    public mutating func run(
        isStopped: () -> Bool, progress: (Progress) -> Void
    ) throws(AgentError) -> ScanReport {
        begin = BootClock.now
        var asked = units
        if options.units.isEmpty, isBehindGateway, try answersToAll() {
            asked = [choice.meters.first?.unit ?? 1]
            notes.append(
                "it answers to any unit id, so it is one device, or a gateway that does not look at them: "
                    + "only unit \(asked[0]) is shown; to ask others name them with --units")
        }
        for line in lines where obstacle == nil {
            try ask(asked, line, of: asked.count * lines.count, isStopped, progress)
        }
        var report = ScanReport(
            bus: choice.title, result: "unknown", isComplete: !isStopped() && obstacle == nil, isLent: access.isLent,
            asked: done, seconds: 0, timeoutMilliseconds: timeoutMilliseconds)
        try survey(&report, isStopped, progress)
        conclude(&report)
        try offer(&report)
        report.seconds = Double((BootClock.now - begin).wholeMilliseconds) / 1000
        return report
    }

    // MARK: - Who is there

    private mutating func ask(
        _ units: [UInt8], _ line: SerialLine?, of total: Int, _ isStopped: () -> Bool, _ progress: (Progress) -> Void
    ) throws(AgentError) {
        var strangers: Set<UInt8> = []
        for unit in units {
            guard !isStopped(), obstacle == nil else { return }
            let (presence, others, sent) = try look(for: unit, line)
            done += 1
            strangers.formUnion(others)
            if case .garbled = presence, found.isEmpty, try speaksTCP(unit) { return }
            book(unit, line, presence, sent)
            tell(unit, line, of: total, presence, progress)
        }
        // Whoever was heard without having answered in time.
        let heard = Set(found.filter { $0.line == line }.map(\.unit))
        for unit in strangers.subtracting(heard).sorted() {
            guard !isStopped(), obstacle == nil else { return }
            let answer = try take(.registers(function: .holding, address: 0, count: 2), unit, line, slow: true)
            if case .answers(let how) = Presence(answer, absent: absent) {
                book(
                    unit, line, .answers("\(how), but after \(answer.duration.wholeMilliseconds) ms"),
                    answer.sent(on: choice.settings))
            } else {
                notes.append("a frame of unit \(unit) was heard, but it does not answer: another master may ask it")
            }
        }
    }

    /// Whether a converter that sends garbage is no converter: then every unit id would look garbled.
    private mutating func speaksTCP(_ unit: UInt8) throws(AgentError) -> Bool {
        guard case .rtuOverTCP = choice.settings.endpoint else { return false }
        var step = BusStep.read(RegisterSpan(function: .holding, address: 0, count: 2), of: unit)
        step.isOtherFraming = true
        step.timeoutMilliseconds = timeoutMilliseconds
        let answer = try access.take(step)
        switch answer.error?.code {
        case nil, .exception:
            obstacle = ModbusError(
                code: .speaksTCP, endpoint: choice.settings.endpoint.description, transport: .rtuOverTCP, unit: unit)
            return true
        default: return false
        }
    }

    private mutating func look(
        for unit: UInt8, _ line: SerialLine?
    ) throws(AgentError) -> (Presence, Set<UInt8>, sent: String?) {
        var questions: [BusStep.Question] = [.registers(function: .holding, address: 0, count: 2)]
        if options.isThorough {
            questions += [.registers(function: .input, address: 0, count: 2), .identification]
        }
        var others: Set<UInt8> = []
        for question in questions {
            let answer = try take(question, unit, line)
            others.formUnion(answer.strangers(than: unit, on: choice.settings))
            let presence = Presence(answer, absent: absent)
            if presence == .nobody, case .exception = answer.error?.code { gatewayAnswers += 1 }
            if presence != .nobody { return (presence, others, answer.sent(on: choice.settings)) }
        }
        return (.nobody, others, nil)
    }

    private mutating func take(
        _ question: BusStep.Question, _ unit: UInt8, _ line: SerialLine?, slow: Bool = false
    ) throws(AgentError) -> BusAnswer {
        let step = BusStep(
            unit: unit, question: question, line: Self.change(line, choice),
            timeoutMilliseconds: slow ? BusStep.longestTimeout : timeoutMilliseconds)
        return try access.take(step)
    }

    /// The settings as a step names them; nil for the bus's own, so that its open port serves.
    static func change(_ line: SerialLine?, _ choice: BusChoice) -> BusStep.Line? {
        line == choice.settings.line ? nil : line.map(BusStep.Line.init)
    }

    private mutating func answersToAll() throws(AgentError) -> Bool {
        var refusals: [UInt8] = []
        for unit in Self.decoys where choice.meter(at: unit) == nil {
            let answer = try take(.registers(function: .holding, address: 0, count: 2), unit, nil)
            guard case .answers = Presence(answer, absent: absent) else { return false }
            if case .exception(let code) = answer.error?.code { refusals.append(code) }
        }
        // 1 to 3 are what a meter says of a question; beyond them a gateway speaks of a meter that it does not reach.
        guard let code = refusals.first, code > 3, refusals.count == Self.decoys.count,
            refusals.allSatisfy({ $0 == code })
        else { return true }
        absent.insert(code)
        notes.append("exception \(code) is taken for the gateway's word that nobody has a unit id")
        return false
    }

    private mutating func book(_ unit: UInt8, _ line: SerialLine?, _ presence: Presence, _ sent: String?) {
        switch presence {
        case .nobody: break
        case .obstacle(let error): obstacle = error
        case .answers, .garbled: found.append((unit, line, presence, sent))
        }
    }

    private func tell(
        _ unit: UInt8, _ line: SerialLine?, of total: Int, _ presence: Presence, _ progress: (Progress) -> Void
    ) {
        var isFound = true
        switch presence {
        case .nobody, .obstacle, .garbled: isFound = false
        case .answers: break
        }
        let each = (BootClock.now - begin) / max(1, done)
        progress(
            Progress(
                done: done, total: total, unit: unit, line: line?.description, isFound: isFound,
                found: found.count, remaining: each * max(0, total - done)))
    }
}
