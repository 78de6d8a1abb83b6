internal import Metering

/// What an inquiry comes to.
struct SilenceVerdict: Equatable, Sendable {
    /// The cause.
    enum Cause: Equatable, Sendable {
        /// The unit answers, and its registers are what the model says.
        case answers
        /// It answers, but some points are refused or empty.
        case incomplete(values: Int, refused: Int, empty: Int)
        /// There is no way to the bus.
        case obstacle(SilenceInquiry.Obstacle)
        /// Nobody spoke; whether a neighbour did, and how many were asked.
        case silent(livingNeighbour: UInt8?, silentNeighbours: Int)
        /// The adapter hears itself, and nobody else.
        case echoOnly(livingNeighbour: UInt8?)
        /// It answers at other line settings.
        case otherLine(SerialLine)
        /// Bytes came, but at no line settings a whole answer.
        case garbled
        /// It refuses with this code.
        case exception(UInt8)
        /// A gateway says that nobody is there.
        case nobodyBehindGateway(livingNeighbour: UInt8?)
        /// Another unit answers in its place.
        case otherUnit(UInt8)
        /// The far end speaks the other framing.
        case otherFraming
        /// It answers after its time.
        case late(milliseconds: Int64)
        /// Others use the line.
        case foreignTraffic([UInt8])
        /// Its registers stand so many addresses beside; whether their contents prove it.
        case shifted(Int, isProven: Bool)
        /// Its registers stand in the other table.
        case otherFunction
        /// Its registers hold something else than the model says.
        case otherModel
        /// It answers at times.
        case flaky
        /// The far end closes the connection on each question.
        case closes
        /// What comes back is no Modbus, or fits no question.
        case malformed(String)
    }

    /// How sure that is.
    enum Result: String, Hashable, Sendable {
        /// All is well.
        case ok
        /// The cause is found.
        case failed
        /// The cause is not proven.
        case unknown
    }

    var cause: Cause
    var result: Result

    init(_ cause: Cause, _ result: Result = .failed) {
        self.cause = cause
        self.result = result
    }

    /// Whether what is to change is the bus, not the meter.
    var isOfBus: Bool {
        switch cause {
        case .obstacle, .otherLine, .otherFraming: true
        default: false
        }
    }
}

extension SilenceInquiry {
    /// What the trail comes to. Final once `next` is nil.
    var verdict: SilenceVerdict {
        if let last = trail.last, case .obstacle(let obstacle) = last.finding, isFinal(last.step) {
            return SilenceVerdict(.obstacle(obstacle))
        }
        for entry in trail {
            if case .late(let milliseconds) = entry.finding { return SilenceVerdict(.late(milliseconds: milliseconds)) }
        }
        guard let first = finding(.question) else {
            return SilenceVerdict(.silent(livingNeighbour: nil, silentNeighbours: 0), .unknown)
        }
        switch first {
        case .answered(_, let isPlausible): return verdictOfAnswering(isPlausible)
        case .exception(let code): return verdict(after: code)
        case .otherFraming: return SilenceVerdict(.otherFraming)
        default: return verdictOfSilent(first)
        }
    }

    private func isFinal(_ step: Step) -> Bool {
        [.connection, .question, .repetition, .patience].contains(step)
    }

    // MARK: - It answers

    private func verdict(after exception: UInt8) -> SilenceVerdict {
        switch exception {
        case 10, 11: return SilenceVerdict(.nobodyBehindGateway(livingNeighbour: livingNeighbour))
        // Without a model any register was as good as another, and the unit has spoken.
        case 1...3 where !situation.hasModel: return SilenceVerdict(.answers, .ok)
        case 1...3: return beside ?? SilenceVerdict(.exception(exception))
        default: return SilenceVerdict(.exception(exception))
        }
    }

    private func verdictOfAnswering(_ isPlausible: Bool?) -> SilenceVerdict {
        guard situation.hasModel else { return SilenceVerdict(.answers, .ok) }
        if isPlausible == false { return beside ?? SilenceVerdict(.otherModel, .unknown) }
        guard case .points(let values, let refused, let empty, _) = finding(.points) else {
            return SilenceVerdict(.flaky, .unknown)
        }
        if refused == 0, empty == 0 { return SilenceVerdict(.answers, .ok) }
        // Registers that held a likely value stand where they should, whatever became of the others.
        if isPlausible != true, values == 0, refused > 0, let beside { return beside }
        return SilenceVerdict(.incomplete(values: values, refused: refused, empty: empty))
    }

    /// The registers at the addresses beside, or in the other table.
    private var beside: SilenceVerdict? {
        let steps: [Step] = [.shifted(-1), .shifted(1), .otherFunction]
        let answered = steps.filter { finding($0)?.isRegisters ?? false }
        func cause(_ step: Step, isProven: Bool) -> SilenceVerdict {
            if case .shifted(let by) = step {
                return SilenceVerdict(.shifted(by, isProven: isProven), isProven ? .failed : .unknown)
            }
            return SilenceVerdict(.otherFunction, isProven ? .failed : .unknown)
        }
        if let step = answered.first(where: { finding($0)?.isPlausible == true }) { return cause(step, isProven: true) }
        // Contents that are known to be wrong speak against it; where nothing can be said, the only answer does.
        let possible = answered.filter { finding($0)?.isPlausible == nil }
        return possible.count == 1 ? cause(possible[0], isProven: false) : nil
    }

    // MARK: - It is silent

    private func verdictOfSilent(_ first: Finding) -> SilenceVerdict {
        if finding(.repetition)?.isAnswer ?? false { return SilenceVerdict(.flaky, .unknown) }
        if finding(.otherFunction)?.isAnswer ?? false { return SilenceVerdict(.answers, .ok) }
        if case .answered(let milliseconds, _) = finding(.patience) {
            return milliseconds > situation.timeoutMilliseconds
                ? SilenceVerdict(.late(milliseconds: milliseconds)) : SilenceVerdict(.flaky, .unknown)
        }
        if finding(.patience)?.isAnswer ?? false { return SilenceVerdict(.flaky, .unknown) }
        if finding(.otherFraming)?.isAnswer ?? false { return SilenceVerdict(.otherFraming) }
        if let line = fittingLine { return SilenceVerdict(.otherLine(line)) }
        // The last look as the unit is configured says most.
        switch finding(.patience) ?? finding(.repetition) ?? first {
        case .otherUnit(let unit): return SilenceVerdict(.otherUnit(unit))
        case .foreignTraffic(let units): return SilenceVerdict(.foreignTraffic(units))
        case .garbled: return SilenceVerdict(.garbled)
        case .closed: return SilenceVerdict(.closes)
        case .malformed(let how): return SilenceVerdict(.malformed(how))
        case .otherFraming: return SilenceVerdict(.otherFraming)
        case .exception(10), .exception(11):
            return SilenceVerdict(.nobodyBehindGateway(livingNeighbour: livingNeighbour))
        case .silence(isEcho: true): return SilenceVerdict(.echoOnly(livingNeighbour: livingNeighbour), .unknown)
        default:
            return SilenceVerdict(
                .silent(livingNeighbour: livingNeighbour, silentNeighbours: silentNeighbours), .unknown)
        }
    }
}

extension SilenceInquiry.Finding {
    fileprivate var isRegisters: Bool { if case .answered = self { true } else { false } }

    fileprivate var isPlausible: Bool? { if case .answered(_, let isPlausible) = self { isPlausible } else { nil } }
}
