internal import Configuration
internal import Fieldbus
internal import Metering
internal import Posix

/// Finds out why a unit is silent: takes the steps that a `SilenceInquiry` asks for, one by one, and reports its verdict.
public struct BusDiagnosis: ~Copyable {
    private let choice: BusChoice
    private let unit: UInt8
    private let meter: Meter?
    /// What is asked for, and the point that it holds, where a model says so.
    private let span: RegisterSpan
    private let point: PointDefinition?
    private let words: SilenceWords
    private let timeoutMilliseconds: Int64
    private var inquiry: SilenceInquiry
    private var access: BusAccess
    /// When a question was sent that nobody has answered yet.
    private var pending: Instant?
    /// The meter's points, where somebody wrote them.
    private var own: OwnPoints?

    /// The settings that are tried on a serial port, the commonest of meters first.
    private static let lines: [SerialLine] = {
        let bauds = [9600, 19_200, 38_400, 4800, 2400, 115_200, 57_600, 1200]
        return bauds.flatMap { baud in
            [(SerialLine.Parity.none, 1), (.even, 1), (.odd, 1), (.none, 2)].map { parity, stopBits in
                SerialLine(baud: baud, parity: parity, stopBits: stopBits)
            }
        }
    }()
    /// How long an answer is waited for at each of them; at slow ones the characters themselves take time.
    private static let lineTimeout: Int64 = 400
    /// At other settings the answer to an earlier question would be taken for one: it gets this long to come.
    private static let settlingTime = Duration.seconds(1)

    /// An inquiry into `unit` on the bus of `choice`. `timeoutMilliseconds` goes before what is configured.
    public init(_ choice: BusChoice, unit: UInt8, timeoutMilliseconds: Int64? = nil) throws(AgentError) {
        try choice.checkAnswers(unit)
        self.init(ofUnit: unit, choice, timeoutMilliseconds: timeoutMilliseconds)
    }

    /// Apart from what throws: the compiler of Swift 6.2 does not survive both in one.
    private init(ofUnit unit: UInt8, _ choice: BusChoice, timeoutMilliseconds: Int64?) {
        self.choice = choice
        self.unit = unit
        meter = choice.meter(at: unit)
        let definitions = meter?.points.map(\.definition) ?? []
        let hasOwnPoints = meter?.definition.model.hasPrefix("own/") ?? false
        own = hasOwnPoints ? OwnPoints(definitions) : nil
        // A point whose value can be judged tells more than others.
        point =
            hasOwnPoints
            ? OwnPoints.telling(definitions) : definitions.first(where: ModelGuess.canJudge) ?? definitions.first
        let span = point?.neededSpan ?? RegisterSpan(function: .holding, address: 0, count: 2)
        self.span = span
        let kind: SilenceInquiry.Situation.Kind =
            switch choice.settings.endpoint {
            case .tcp: .tcp
            case .rtuOverTCP: .rtuOverTCP
            case .serial: .serial
            }
        let configured = timeoutMilliseconds ?? choice.timeoutMilliseconds(of: unit)
        let timeout = min(configured ?? TimeoutEstimator.initial.wholeMilliseconds, BusStep.longestTimeout)
        self.timeoutMilliseconds = timeout
        let own = choice.lines.first ?? choice.settings.line
        var others = choice.lines.count > 1 ? choice.lines : Self.lines
        others = others.map { line in
            var line = line
            line.direction = own?.direction
            return line
        }
        inquiry = SilenceInquiry(
            SilenceInquiry.Situation(
                kind: kind, hasModel: meter != nil, hasOwnPoints: hasOwnPoints,
                lines: kind == .serial ? others.filter { $0 != own } : [],
                shifts: [-1, 1].filter { SilenceWords.canShift(span, $0) },
                neighbours: Array(Set(choice.meters.map(\.unit)).subtracting([unit])).sorted(),
                timeoutMilliseconds: timeout))
        words = SilenceWords(
            kind: kind, endpoint: choice.settings.endpoint.description,
            bus: choice.isConfigured ? choice.settings.id : nil, argument: choice.settings.id, unit: unit,
            meter: meter?.id, model: meter?.definition.model,
            hasOwnPoints: hasOwnPoints, points: hasOwnPoints ? definitions : [], span: span,
            timeoutMilliseconds: timeout)
        access = BusAccess(choice, line: choice.lines.first)
    }

    /// What is going to be looked at, in words.
    public var title: String {
        let known = meter.map { ", \($0.id) (\($0.definition.model))" } ?? ", not configured"
        return "\(choice.title) unit \(unit)\(known)"
    }

    /// Goes on until the verdict stands, or `isStopped`; each step is told to `tell` when it is done. Blocks.
    public mutating func run(
        isStopped: () -> Bool, tell: (WhyReport.Step) -> Void
    ) throws(AgentError) -> WhyReport {
        var report = WhyReport(bus: choice.title, unit: unit, meter: meter?.id, model: meter?.definition.model)
        while let step = inquiry.next {
            guard !isStopped() else {
                report.isComplete = false
                break
            }
            var entry = try take(step)
            entry.next = inquiry.next.map(words.name)
            report.steps.append(entry)
            tell(entry)
        }
        let verdict = inquiry.verdict
        let advice = words.advice(verdict)
        report.isLent = access.isLent
        report.isAnsweringAsConfigured = inquiry.isAnsweringAsConfigured
        report.result = report.isComplete ? verdict.result.rawValue : SilenceVerdict.Result.unknown.rawValue
        report.verdict = report.isComplete ? advice.text : "ended before its verdict"
        guard report.isComplete else { return report }
        (report.next, report.change) = (advice.next, advice.change)
        if advice.change != nil {
            let place = verdict.isOfBus ? words.bus.map { "bus \($0)" } : meter.map { "meter \($0.id)" }
            report.changeAt = place ?? words.bus.map { "bus \($0)" }
        }
        return report
    }

    // MARK: - Steps

    private mutating func take(_ step: SilenceInquiry.Step) throws(AgentError) -> WhyReport.Step {
        if case .line = step, let pending { BootClock.sleep(until: pending + Self.settlingTime * 2) }
        let begin = BootClock.now
        if step == .points, let meter { return try inspect(meter, begin) }
        if let own, let place = try look(own, step) {
            inquiry.note(step, place)
            return entry(step, place, begin)
        }
        let question = question(of: step)
        let answer = try access.take(question)
        let bus = question.changed(choice.settings)
        var finding = SilenceInquiry.Finding(
            answer, unit: question.unit, on: bus, pending: question.unit == unit ? pending : nil
        ) { words in
            judge(words, step)
        }
        if step == .connection, answer.error == nil { finding = .connected }
        note(step, answer, question.unit)
        inquiry.note(step, finding)
        var entry = self.entry(step, finding, begin)
        entry.sent = answer.frames.last { $0.isSent }.map { hexadecimal($0.bytes) }
        let received = answer.frames.filter { !$0.isSent }.flatMap(\.bytes)
        entry.received = received.isEmpty ? nil : hexadecimal(received.prefix(64)) + (received.count > 64 ? " …" : "")
        return entry
    }

    private mutating func note(_ step: SilenceInquiry.Step, _ answer: BusAnswer, _ asked: UInt8) {
        guard asked == unit, let sent = answer.frames.last(where: \.isSent)?.instant else { return }
        if answer.isAnswered { pending = nil } else { pending = pending ?? sent }
        // At other settings nobody understood the question.
        if case .line = step { pending = nil }
    }

    private mutating func inspect(_ meter: Meter, _ begin: Instant) throws(AgentError) -> WhyReport.Step {
        var count = SilenceInquiry.PointCount(values: 0)
        var results: [MeterPoll.PointResult]
        if let refusal = try refusalOfAll() {
            results = meter.points.map { _ in .failed(refusal) }
        } else {
            results = try MeterInspection(of: meter, on: choice.settings, by: &access).results
        }
        for (point, result) in zip(meter.points, results) {
            switch result {
            case .value(_, _, let raw):
                count.values += 1
                guard own == nil, let can = ModelGuess.isPlausible(point.definition, raw) else { break }
                count.isPlausible = (count.isPlausible ?? true) && can
            case .notAvailable: count.empty += 1
            case .failed(let error) where error.isAnswer: count.refused += 1
            case .failed(let error):
                count.unanswered += 1
                count.why = count.why ?? error.what
            }
        }
        if var points = own {
            count.isPlausible = points.take(results)
            (count.isDoubted, count.impossible) = (points.isDoubted, points.impossible)
            count.hasOtherOrder = points.swapped != nil
            own = points
        }
        inquiry.note(.points, .points(count))
        return entry(.points, .points(count), begin)
    }

    /// The refusal of every point, where the unit refused the first one and a few more: asking a meter for each of many
    /// points, only to be refused, takes long.
    private mutating func refusalOfAll() throws(AgentError) -> ModbusError? {
        guard let own, case .exception = inquiry.finding(.question) else { return nil }
        var refusal: ModbusError?
        for probe in own.probes {
            let answer = try access.take(asking(probe.neededSpan))
            guard let error = answer.error, error.isAnswer else { return nil }
            refusal = error
        }
        return refusal
    }

    /// The points at another place, or in another order; nil for a step that is none of these.
    private mutating func look(
        _ own: OwnPoints, _ step: SilenceInquiry.Step
    ) throws(AgentError) -> SilenceInquiry.Finding? {
        switch step {
        case .otherOrder: return own.swapped.map { .place($0) }
        case .shifted(let by):
            var obstacle: AgentError?
            let weight = own.shifted(by) { span in
                guard obstacle == nil else { return .unanswered }
                do throws(AgentError) {
                    let answer = try access.take(asking(span))
                    if let words = answer.words, answer.error == nil { return .words(words) }
                    return answer.error?.isAnswer ?? false ? .refused : .unanswered
                } catch {
                    obstacle = error
                    return .unanswered
                }
            }
            if let obstacle { throw obstacle }
            return .place(weight)
        default: return nil
        }
    }

    private func asking(_ span: RegisterSpan) -> BusStep {
        var question = BusStep.read(span, of: unit)
        question.timeoutMilliseconds = timeoutMilliseconds
        question.pauseMilliseconds = meter?.timing.pause?.wholeMilliseconds
        return question
    }

    private func entry(
        _ step: SilenceInquiry.Step, _ finding: SilenceInquiry.Finding, _ begin: Instant
    ) -> WhyReport.Step {
        WhyReport.Step(
            name: words.name(step), result: words.result(.init(step: step, finding: finding)),
            evidence: words.evidence(finding),
            milliseconds: Double((BootClock.now - begin).wholeNanoseconds / 100_000) / 10)
    }

    private func question(of step: SilenceInquiry.Step) -> BusStep {
        var question = asking(span)
        switch step {
        case .connection: question.question = .connection
        case .question, .repetition, .points, .otherOrder: break
        case .patience: question.timeoutMilliseconds = BusStep.longestTimeout
        case .otherFraming: question.isOtherFraming = true
        case .line(let line):
            question.line = BusStep.Line(line)
            question.timeoutMilliseconds = max(Self.lineTimeout, min(timeoutMilliseconds, Self.lineTimeout * 2))
        case .neighbour(let other): return neighbour(other)
        case .shifted(let by): question.question = BusStep.read(words.shifted(by), of: unit).question
        case .otherFunction: question.question = BusStep.read(words.otherFunction, of: unit).question
        }
        return question
    }

    /// The neighbour is asked for what it surely has.
    private func neighbour(_ other: UInt8) -> BusStep {
        let point = choice.meter(at: other)?.points.first?.definition
        var question = BusStep.read(
            point?.neededSpan ?? RegisterSpan(function: .holding, address: 0, count: 2), of: other)
        question.timeoutMilliseconds = choice.timeoutMilliseconds(of: other)
        return question
    }

    /// Whether the registers that a step read can be the point's.
    private func judge(_ words: [UInt16], _ step: SilenceInquiry.Step) -> Bool? {
        guard let point else { return nil }
        switch step {
        case .neighbour, .connection: return nil
        default: return own == nil ? ModelGuess.isPlausible(point, words) : OwnPoints.isPlausible(point, words)
        }
    }
}
