public import Metering
internal import Posix

/// One poll of a meter, or of the points of it that share an interval: what it asks, and what it has learnt about asking.
///
/// After a refusal the other requests are still made: partial results are kept, and `PollPlan` learns from it. After
/// silence or a broken connection they are not, since each would cost the bus another timeout; the next poll begins
/// behind the request that nobody answered, so that the others have their turn. A garbled answer is asked for once more.
public struct MeterPoll: Sendable {
    /// What became of one point in a poll.
    public enum PointResult: Hashable, Sendable {
        /// A value, when its answer arrived, and the registers it was in.
        case value(Value, at: Instant, words: [UInt16])
        /// The meter's code for "no value", or a float that is no number.
        case notAvailable(words: [UInt16])
        /// The request that would have read it failed.
        case failed(ModbusError)
    }

    /// What became of a whole poll.
    public struct Outcome {
        /// How many values arrived.
        public internal(set) var values = 0
        /// How many points the meter had no value for.
        public internal(set) var notAvailable = 0
        /// The first request that failed.
        public internal(set) var error: ModbusError?
        /// What was learnt of the meter.
        public internal(set) var changes: [PollPlan.Change] = []
        /// What it means for the bus.
        public internal(set) var session = BusSession.Outcome.answered
        /// Requests that the unit answered, if only with an exception.
        var answered = 0
        /// The exceptions in which points were refused, by the points' indices.
        var refusals: [Int: ModbusError] = [:]
    }

    /// Asks the meter for a span: when its answer arrived, and its words.
    public typealias Reader = (RegisterSpan) throws(ModbusError) -> (Instant, [UInt16])

    /// What becomes of one point: its index, when its answer arrived, what its registers say, and the registers.
    public typealias Taker = (Int, Instant, RegisterDecoder.Result, Slice<UnsafeBufferPointer<UInt16>>) -> Void

    /// The unit id.
    public let unit: UInt8
    /// The points, in the order in which results are given.
    public let points: [Point]
    /// The requests, and what the meter's refusals have taught about them.
    public private(set) var plan: PollPlan
    /// The meter's timing, as it states it.
    let timing: Timing
    /// The groups of the plan: 2 × the interval's place among the meter's, and 1 more for what may wait.
    private let groups: Set<Int>
    /// The request that the next poll begins with.
    private var first = 0
    /// What the meter's last refusal said: all there is to tell while there is nothing left to ask.
    private var refusal: ModbusError?
    /// What requests cost; nil where nothing says what the wire takes.
    private var cost: RequestCost?
    /// The turnaround that the requests were planned with.
    private var turnaround = RequestCost.usualTurnaround

    /// The poll of `points` of `meter`, in the requests that are the quickest on `bus`. Points that are always due together
    /// are a group.
    public init(meter: Meter, points: [Point], on bus: BusSettings) {
        unit = meter.unit
        self.points = points
        timing = meter.timing
        let cost = RequestCost(of: meter, on: bus)
        self.cost = bus.line == nil ? nil : cost
        let intervals = meter.intervals
        let groupOf = points.map { 2 * (intervals.firstIndex(of: $0.interval) ?? 0) + ($0.mayWait ? 1 : 0) }
        groups = Set(groupOf)
        plan = PollPlan(
            points: points.map(\.definition), limits: meter.definition.limits, cost: cost,
            groups: groups.count == 1 ? [] : groupOf)
    }

    /// How many points the requests ask for now.
    public var askedPoints: Int { plan.requests.reduce(0) { $0 + $1.slots.count } }

    /// Asks for the points of these intervals, by their place among the meter's, from now on: all of them, or only what
    /// may not wait.
    public mutating func choose(_ due: [(interval: Int, takesAll: Bool)]) {
        let chosen = due.flatMap { $0.takesAll ? [2 * $0.interval, 2 * $0.interval + 1] : [2 * $0.interval] }
        plan.choose(chosen.filter(groups.contains).sorted())
    }

    /// The unit takes so long to answer: the requests are planned anew where that is clearly something else than before.
    public mutating func learn(turnaround new: Duration) {
        guard var cost else { return }
        let change = max(new, turnaround) - min(new, turnaround)
        guard change > .milliseconds(2), change > turnaround / 4 else { return }
        cost.request += new - turnaround
        (self.cost, turnaround) = (cost, new)
        plan.learn(cost)
    }

    /// Runs the poll on `link` and gives each point that was answered to `take`. Begins no request once `isStopped`, nor
    /// more than twice as many as planned: a meter that refuses much is understood over several polls, for the bus has
    /// others to serve.
    public mutating func run(
        on link: inout ModbusLink, isStopped: () -> Bool = { false }, take: Taker
    ) -> Outcome {
        let (unit, timing) = (unit, timing)
        return walk(atMost: 2 * plan.requests.count + 4, isStopped: isStopped, take: take) {
            span throws(ModbusError) in (try link.read(span, unit: unit, timing: timing), link.words)
        }
    }

    /// Runs the poll by `read` and keeps everything there is to show about each point.
    public mutating func inspect(by read: Reader) -> [PointResult] {
        var results = [PointResult?](repeating: nil, count: points.count)
        let outcome = walk(
            atMost: 2 * (points.count + plan.requests.count), isStopped: { false },
            take: { point, arrived, result, words in
                if case .value(let value) = result {
                    results[point] = .value(value, at: arrived, words: Array(words))
                } else {
                    results[point] = .notAvailable(words: Array(words))
                }
            }, read: read)
        return results.enumerated().map { index, result in
            if let result { return result }
            guard let error = outcome.refusals[index] ?? outcome.error else {
                preconditionFailure("\(points[index].key) was neither read nor refused")
            }
            return .failed(error)
        }
    }

    /// Asks the unit for as little as can be, to see whether it answers. An exception is an answer.
    public func probe(on link: inout ModbusLink) -> (outcome: BusSession.Outcome, error: ModbusError?) {
        guard let span = plan.shortestSpan else { return (.answered, nil) }
        let begin = BootClock.now
        do throws(ModbusError) {
            try link.read(span, unit: unit, timing: timing)
            return (.answered, nil)
        } catch {
            if error.isAnswer { return (.answered, error) }
            return (error.outcome(cost: BootClock.now - begin, answered: 0), error)
        }
    }

    /// Asks the points that the meter refused once more at the next poll.
    public mutating func reconsider() {
        plan.reconsider()
        first = 0
    }

    private mutating func walk(
        atMost limit: Int, isStopped: () -> Bool, take: Taker, read: Reader
    ) -> Outcome {
        var outcome = Outcome()
        var isRead = [Bool](repeating: false, count: points.count)
        var hasRetried = false
        var place = 0
        var rest = limit
        while place < plan.requests.count, rest > 0, !isStopped() {
            let index = (first + place) % plan.requests.count
            let request = plan.requests[index]
            if request.slots.allSatisfy({ isRead[$0.point] }) {
                place += 1
                continue
            }
            rest -= 1
            let begin = BootClock.now
            var change: PollPlan.Change?
            do throws(ModbusError) {
                let (arrived, words) = try read(request.span)
                // A request that was made anew may read along what is read already.
                let slots = request.slots.filter { !isRead[$0.point] }
                words.withUnsafeBufferPointer { decode(slots, arrived, $0, &outcome, take) }
                for slot in request.slots { isRead[slot.point] = true }
                outcome.answered += 1
                change = plan.recordAnswer(of: index)
            } catch {
                if error.isGarbled, !hasRetried {
                    hasRetried = true
                    continue
                }
                guard case .exception(let code) = error.code, error.isAnswer else {
                    first = (index + 1) % plan.requests.count
                    outcome.error = outcome.error ?? error
                    outcome.session = error.outcome(cost: BootClock.now - begin, answered: outcome.answered)
                    break
                }
                outcome.answered += 1
                refusal = error
                for slot in request.slots { outcome.refusals[slot.point] = error }
                change = plan.record(exception: code, of: index)
                // What is asked in another way, or not at all, is no failure of this poll.
                if change == nil { outcome.error = outcome.error ?? error }
            }
            if let change {
                outcome.changes.append(change)
                (first, place) = (0, 0)
            } else {
                place += 1
            }
        }
        let isRefused = !outcome.refusals.isEmpty || plan.dropped.count == points.count
        // Learning from refusals is no failure as long as something else was answered.
        if isRefused && outcome.values + outcome.notAvailable == 0 { outcome.error = outcome.error ?? refusal }
        return outcome
    }
}

extension MeterPoll {
    private func decode(
        _ slots: [PlannedRequest.Slot], _ arrived: Instant, _ words: UnsafeBufferPointer<UInt16>,
        _ outcome: inout Outcome, _ take: Taker
    ) {
        for slot in slots {
            let definition = points[slot.point].definition
            // Made anew each time: kept for all points of a gateway, decoders would be larger than the points.
            let result = RegisterDecoder(definition).decode(words, at: slot.offset)
            if case .value = result { outcome.values += 1 } else { outcome.notAvailable += 1 }
            take(slot.point, arrived, result, words[slot.offset..<slot.offset + definition.count])
        }
    }
}

extension PollPlan {
    /// The fewest registers that make sense to ask for; nil when there is no point to ask for.
    fileprivate var shortestSpan: RegisterSpan? {
        requests.map(\.span).min { $0.count < $1.count }
    }
}

extension ModbusError {
    /// Whether the unit itself answered. A gateway's "no such path" and "no answer" (10, 11) are its silence.
    public var isAnswer: Bool {
        if case .exception(let code) = code { code != 10 && code != 11 } else { false }
    }

    /// Whether something came in place of the answer, so that asking once more may help.
    fileprivate var isGarbled: Bool {
        switch code {
        case .crc, .cut, .malformed: transport != .tcp
        default: false
        }
    }

    /// What a request that took `cost` means for the bus, after `answered` others of the same poll.
    fileprivate func outcome(cost: Duration, answered: Int) -> BusSession.Outcome {
        switch code {
        case .noConnection, .unknownHost, .noPort, .noPermission, .portBusy, .portRefused, .portGone: .disconnected
        case .lineBusy where answered == 0: .blocked(cost: cost)
        default: answered > 0 ? .partly(cost: cost) : .silent(cost: cost)
        }
    }
}
