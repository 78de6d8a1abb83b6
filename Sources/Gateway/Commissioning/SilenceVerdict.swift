internal import Metering

/// What an inquiry comes to.
struct SilenceVerdict: Equatable, Sendable {
    /// The cause.
    enum Cause: Equatable, Sendable {
        /// The unit answers, and its registers are what the model says.
        case answers
        /// It answers, but some points are refused or empty.
        case incomplete(SilenceInquiry.PointCount)
        /// It answers, but what some points hold cannot be.
        case impossible(SilenceInquiry.PointCount)
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
        /// Its registers, or those of these points, stand so many addresses beside; whether their contents prove it.
        case shifted(Int, isProven: Bool, points: [String] = [])
        /// The values of its points, or of these, have their words the other way round.
        case otherOrder(isProven: Bool, points: [String] = [])
        /// The registers are not what is configured, and each of these would explain it.
        case unclear([SilenceInquiry.Step])
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
        case 1...3:
            if let beside { return beside }
            if case .points(let count) = finding(.points), count.values > 0 { return verdict(of: count) }
            return SilenceVerdict(.exception(exception))
        default: return SilenceVerdict(.exception(exception))
        }
    }

    private func verdictOfAnswering(_ isPlausible: Bool?) -> SilenceVerdict {
        guard situation.hasModel else { return SilenceVerdict(.answers, .ok) }
        if !situation.hasOwnPoints, isPlausible == false { return beside ?? SilenceVerdict(.otherModel, .unknown) }
        guard case .points(let count) = finding(.points) else { return SilenceVerdict(.flaky, .unknown) }
        if situation.hasOwnPoints {
            if count.isDoubted, let beside { return beside }
            return verdict(of: count)
        }
        // Registers that held a likely value stand where they should, whatever became of the others.
        if isPlausible != true, count.values == 0, count.refused > 0, let beside { return beside }
        return verdict(of: count)
    }

    private func verdict(of count: PointCount) -> SilenceVerdict {
        if !count.impossible.isEmpty { return SilenceVerdict(.impossible(count), .unknown) }
        if count.refused == 0, count.empty == 0, count.unanswered == 0 { return SilenceVerdict(.answers, .ok) }
        // Whoever does not answer in time may do so the next time.
        return SilenceVerdict(.incomplete(count), count.refused + count.empty > 0 ? .failed : .unknown)
    }

    /// The registers at the addresses beside, or in the other table.
    private var beside: SilenceVerdict? {
        if situation.hasOwnPoints { return besideOwnPoints }
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

    /// The same for points that somebody wrote: what most of them speak for.
    private var besideOwnPoints: SilenceVerdict? {
        let places = ([.shifted(-1), .shifted(1), .otherOrder] as [Step]).compactMap { step in
            if case .place(let weight) = finding(step) { (step: step, weight: weight) } else { nil }
        }
        let isOtherTable = finding(.otherFunction)?.isPlausible == true
        // Of some points among others that are right only proof is worth telling.
        let fitting = places.filter { $0.weight.fits && ($0.weight.isWhole || $0.weight.isProven) }
        // Whole before part; the first of equal ones, though it is not told alone.
        let best = fitting.max {
            ($0.weight.isWhole ? 1 : 0, $0.weight.likely) < ($1.weight.isWhole ? 1 : 0, $1.weight.likely)
        }
        if let best {
            // Where as much is as expected at another place, and nothing speaks against it, that may be the right one.
            let rivals = places.filter { place in
                place.step != best.step && place.weight.likely >= best.weight.likely
                    && (place.weight.isOpen || !best.weight.isWhole && place.weight.fits)
            }
            let like = [best.step] + rivals.map(\.step) + (isOtherTable ? [.otherFunction] : [])
            guard like.count == 1 else {
                return SilenceVerdict(.unclear(like.sorted { Self.order($0) < Self.order($1) }), .unknown)
            }
            let (isProven, points) = (best.weight.isProven, best.weight.isWhole ? [] : best.weight.suspects)
            let result = isProven ? SilenceVerdict.Result.failed : .unknown
            if case .shifted(let by) = best.step {
                return SilenceVerdict(.shifted(by, isProven: isProven, points: points), result)
            }
            return SilenceVerdict(.otherOrder(isProven: isProven, points: points), result)
        }
        if isOtherTable { return SilenceVerdict(.otherFunction) }
        // Where nothing can be said of the contents, the only place that is answered does.
        var answered = places.filter(\.weight.isAnswered).map(\.step)
        if finding(.otherFunction)?.isRegisters ?? false, finding(.otherFunction)?.isPlausible == nil,
            places.allSatisfy(\.weight.isOfRefusals)
        {
            answered.append(.otherFunction)
        }
        guard answered.count == 1 else { return nil }
        if case .shifted(let by) = answered[0] { return SilenceVerdict(.shifted(by, isProven: false), .unknown) }
        return answered[0] == .otherFunction ? SilenceVerdict(.otherFunction, .unknown) : nil
    }

    /// What is more common comes first: manuals that count from 1 lead one register too far.
    private static func order(_ step: Step) -> Int {
        switch step {
        case .shifted(let by): by < 0 ? 0 : 1
        case .otherOrder: 2
        default: 3
        }
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
