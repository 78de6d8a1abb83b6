// What the platform has: the only way to tell "lost on the way there" from "lost on the way back".
extension DeliveryMachine {
    /// Makes a range's open readings doubtful and plans the questions about them.
    mutating func doubt(_ range: Range<Int>, needsTwo: Bool, then tasks: [Task]) -> Next {
        counts.askedFor += work.window.turn(range, from: .open, to: .doubtful)
        inquire(range, needsTwo: needsTwo, then: tasks)
        return .ask
    }

    /// Plans the questions about a range's doubtful readings.
    mutating func inquire(_ range: Range<Int>, needsTwo: Bool, then tasks: [Task]) {
        work.inquiry = Inquiry(range: range, cursor: range.lowerBound, needsTwo: needsTwo, then: tasks)
    }

    /// The next question: doubtful readings of one point.
    mutating func nextQuestion(at now: Instant) -> Action {
        guard let inquiry = work.inquiry else { return nextTask(at: now) }
        let verdicts = work.window.verdicts
        let readings = work.window.readings
        var first = inquiry.cursor
        while first < inquiry.range.upperBound, verdicts[first] != .doubtful { first += 1 }
        guard first < inquiry.range.upperBound else { return endOfRound(inquiry, at: now) }
        var last = first
        var next = first + 1
        while next < inquiry.range.upperBound, next - first < inquiry.readingsPerQuestion,
            readings[next].point == readings[first].point
        {
            if verdicts[next] == .doubtful { last = next }
            next += 1
        }
        let question = Question(
            point: readings[first].point, positions: first..<last + 1,
            from: readings[first].phenomenonTime, to: readings[last].phenomenonTime)
        state = .asking(question)
        return .ask(question)
    }

    /// Absent once is absent, unless the request may still be at work: then a second look must find nothing new.
    private mutating func endOfRound(_ inquiry: Inquiry, at now: Instant) -> Action {
        let absent = work.window.count(in: inquiry.range, .doubtful)
        if inquiry.needsTwo, absent > 0, inquiry.round == 1 || inquiry.foundInRound > 0 {
            work.inquiry?.cursor = inquiry.range.lowerBound
            work.inquiry?.round += 1
            work.inquiry?.foundInRound = 0
            return rest(.unclear, until: now + timing.settle, then: .ask)
        }
        work.window.turn(inquiry.range, from: .doubtful, to: .open)
        work.tasks += inquiry.then
        work.inquiry = nil
        return nextTask(at: now)
    }

    mutating func asked(
        _ question: Question, _ found: [FoundObservation], isComplete: Bool, at now: Instant, _ jitter: Double
    ) -> Action {
        lastSuccess = now
        for observation in found {
            guard let position = work.window.position(of: observation.time, in: question.positions),
                work.window.verdicts[position] == .doubtful
            else { continue }
            work.window.mark(position, .accepted)
            work.inquiry?.foundInRound += 1
            counts.copiesAvoided += 1
            if !Self.same(work.window.readings[position].value, observation.value) { counts.conflicts += 1 }
        }
        if isComplete {
            work.inquiry?.cursor = question.positions.upperBound
            return nextQuestion(at: now)
        }
        // More than a page: pages without a stable order repeat and miss rows, so the span is halved instead.
        if question.positions.count > 1 {
            work.inquiry?.readingsPerQuestion = question.positions.count / 2
            return nextQuestion(at: now)
        }
        guard work.window.verdicts[question.positions.lowerBound] == .doubtful else { return nextQuestion(at: now) }
        let failure = DeliveryFailure(
            .misdirected, "the platform cannot say what it has: it answers more than was asked for",
            hint: "its $filter on phenomenonTime does not work; without it nothing can be sent again safely")
        return pause(failure, then: .ask, at: now, jitter)
    }

    mutating func askFailed(
        _ question: Question, _ failure: DeliveryFailure, at now: Instant, _ jitter: Double
    ) -> Action {
        switch failure.code {
        case .missing:
            return datastreamGone(question.point, failure, then: .ask, at: now)
        case .notSent, .unclear, .timedOut, .busy, .spool, .stopped:
            return backOff(failure, then: .ask, at: now, jitter)
        case .badRequest, .tooLarge, .conflict, .credentials, .misdirected:
            return pause(failure, then: .ask, at: now, jitter)
        }
    }

    /// The platform no longer has a point's Datastream: all cached ids are in doubt. Once in a lease everything is
    /// looked up or made again; a Datastream that vanishes twice is refused.
    mutating func datastreamGone(
        _ point: PointID, _ failure: DeliveryFailure, then next: Next, at now: Instant
    ) -> Action {
        note(failure)
        guard work.gone.insert(point).inserted else {
            refuseAll(of: point, "the platform has lost the Datastream twice: \(failure.summary)")
            return resume(next, at: now)
        }
        return provision(then: next, forgetting: true, at: now)
    }

    /// Whether the platform's value is ours. Some servers store every number as a double; a text is the same bytes.
    private static func same(_ ours: Value, _ theirs: Value?) -> Bool {
        guard let theirs else { return false }
        return ours.isSame(as: theirs) || ours.approximate == theirs.approximate
    }
}
