// What the end of a request means for its readings (PLATFORM: outcome table).
extension DeliveryMachine {
    mutating func posted(_ range: Range<Int>, failed: [FailedRow], at now: Instant) -> Action {
        responded(at: now)
        succeeded(at: now)
        guard !failed.isEmpty else {
            accept(range)
            return nextTask(at: now)
        }
        let sent = work.window.positions(in: range, .open)
        for row in failed where sent.indices.contains(row.index) { work.window.mark(sent[row.index], .doubtful) }
        lastFailure = failed.first.map { DeliveryFailure(.badRequest, "a row was not stored: \($0.reason)") }
        accept(range)
        counts.askedFor += work.window.count(in: range, .doubtful)
        // A row that failed may be a copy of one that is there, so it is asked for. No settle wait: the answer was
        // clear, nothing is at work any more.
        inquire(range, needsTwo: false, then: retries(of: sent))
        return nextQuestion(at: now)
    }

    private mutating func accept(_ range: Range<Int>) {
        let accepted = work.window.turn(range, from: .open, to: .accepted)
        work.accepted += accepted
        if accepted > 0, !work.gone.isEmpty { work.gone = [] }
    }

    /// How failed rows are sent again: alone, or in halves where every row of a Datastream failed together, which is
    /// how a server fails that stores a group wholly or not at all.
    private func retries(of sent: [Int]) -> [Task] {
        var tasks: [Task] = []
        var start = 0
        while start < sent.count {
            let point = work.window.readings[sent[start]].point
            var end = start
            while end < sent.count, work.window.readings[sent[end]].point == point { end += 1 }
            let failed = sent[start..<end].filter { work.window.verdicts[$0] == .doubtful }
            if failed.count == end - start, failed.count > 1 {
                tasks += halves(of: failed[0]..<failed[failed.count - 1] + 1, .doubtful, failures: 0)
            } else {
                tasks += failed.reversed().map { .single($0) }
            }
            start = end
        }
        return tasks
    }

    mutating func postFailed(
        _ range: Range<Int>, failures: Int, _ failure: DeliveryFailure, at now: Instant, _ jitter: Double
    ) -> Action {
        let again = Task.post(range, failures: failures)
        switch failure.code {
        case .unclear, .timedOut:
            // A platform that stumbles over the request once more may stumble over its size, or over one row.
            let then =
                failures == 0
                ? [.post(range, failures: 1)] : halves(of: range, .open, failures: failures)
            let next = doubt(range, needsTwo: failure.code == .timedOut, then: then)
            return restUnclear(failure, then: next, at: now, jitter)
        case .conflict:
            responded(at: now)
            note(failure)
            let then = halves(of: range, .open, failures: 0)
            return resume(doubt(range, needsTwo: false, then: then), at: now)
        case .badRequest:
            responded(at: now)
            // Breadth first: what the platform takes shows early that it is the rows' fault and not its own.
            work.tasks.insert(contentsOf: halves(of: range, .open, failures: 0), at: 0)
            return wasRefused(failure, at: now, jitter)
        case .tooLarge:
            responded(at: now)
            note(failure)
            let rows = work.window.count(in: range, .open)
            rowsPerPost = max(1, min(rowsPerPost, rows / 2))
            work.tasks += halves(of: range, .open, failures: 0)
            return nextTask(at: now)
        case .missing:
            responded(at: now)
            note(failure)
            return resume(.check(.post(range, failures: failures, failure)), at: now)
        case .notSent, .busy, .spool, .stopped:
            work.tasks.append(again)
            return backOff(failure, then: .work, at: now, jitter)
        case .credentials, .misdirected:
            work.tasks.append(again)
            return pause(failure, then: .work, at: now, jitter)
        }
    }

    mutating func stored(_ position: Int, at now: Instant) -> Action {
        responded(at: now)
        succeeded(at: now)
        accept(position..<position + 1)
        return nextTask(at: now)
    }

    mutating func singleFailed(
        _ position: Int, _ failure: DeliveryFailure, at now: Instant, _ jitter: Double
    ) -> Action {
        switch failure.code {
        case .unclear, .timedOut:
            var tries = work.tries[position] ?? Tries(acceptedBefore: work.accepted)
            tries.count += 1
            work.tries[position] = tries
            // Behind all others, so that they go first, and show whether the platform takes anything at all.
            let isPoison = tries.count >= Self.mostTries && work.accepted > tries.acceptedBefore
            let reason = "\(failure.summary), \(tries.count) times, while others were stored"
            work.tasks.insert(isPoison ? .refuse(position, reason: reason) : .single(position), at: 0)
            let next = doubt(position..<position + 1, needsTwo: failure.code == .timedOut, then: [])
            return restUnclear(failure, then: next, at: now, jitter)
        case .conflict:
            responded(at: now)
            let reason = "\(failure.summary), but it is not there"
            let then = [Task.refuse(position, reason: reason)]
            return resume(doubt(position..<position + 1, needsTwo: false, then: then), at: now)
        case .badRequest, .tooLarge, .missing:
            responded(at: now)
            return resume(.check(.reading(position, failure)), at: now)
        case .notSent, .busy, .spool, .stopped:
            work.tasks.append(.single(position))
            return backOff(failure, then: .work, at: now, jitter)
        case .credentials, .misdirected:
            work.tasks.append(.single(position))
            return pause(failure, then: .work, at: now, jitter)
        }
    }

    /// What was refused has its Datastream: the refusal is meant.
    mutating func present(_ check: Check, at now: Instant, _ jitter: Double) -> Action {
        switch check {
        case .reading(let position, let failure):
            refuse(position, failure.summary)
            return wasRefused(failure, at: now, jitter)
        case .post(let range, let failures, _):
            // The platform has no CreateObservations.
            singlesUntil = now + timing.arraysAgain
            work.tasks.append(.post(range, failures: failures))
            return nextTask(at: now)
        }
    }

    mutating func checkFailed(
        _ check: Check, _ failure: DeliveryFailure, at now: Instant, _ jitter: Double
    ) -> Action {
        switch failure.code {
        case .missing:
            let position: Int
            switch check {
            case .reading(let refused, _):
                position = refused
                work.tasks.append(.single(refused))
            case .post(let range, let failures, _):
                position = firstOpen(in: range)
                work.tasks.append(.post(range, failures: failures))
            }
            return datastreamGone(work.window.readings[position].point, failure, then: .work, at: now)
        case .notSent, .unclear, .timedOut, .busy, .spool, .stopped:
            return backOff(failure, then: .check(check), at: now, jitter)
        case .badRequest, .tooLarge, .conflict, .credentials, .misdirected:
            return pause(failure, then: .check(check), at: now, jitter)
        }
    }

    /// Goes on after a refusal; slowly, if the platform has refused everything so far.
    private mutating func wasRefused(_ failure: DeliveryFailure, at now: Instant, _ jitter: Double) -> Action {
        work.refusedRequests += 1
        lastFailure = failure
        guard work.accepted == 0, work.refusedRequests > Self.mostRefusedRequests else { return nextTask(at: now) }
        return pause(everythingRefused(failure.summary), then: .work, at: now, jitter)
    }

    /// A range's readings with one verdict in two halves, the first at the end; one reading goes alone.
    func halves(of range: Range<Int>, _ verdict: DeliveryWindow.Verdict, failures: Int) -> [Task] {
        let rows = work.window.positions(in: range, verdict)
        func part(_ rows: ArraySlice<Int>) -> [Task] {
            guard let first = rows.first, let last = rows.last else { return [] }
            return rows.count == 1 ? [.single(first)] : [.post(first..<last + 1, failures: failures)]
        }
        return part(rows[(rows.count / 2)...]) + part(rows[..<(rows.count / 2)])
    }
}
