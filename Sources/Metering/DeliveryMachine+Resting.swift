// Waits, and the small helpers that all parts share.
extension DeliveryMachine {
    mutating func resume(_ next: Next, at now: Instant) -> Action {
        switch next {
        case .lease: return lease()
        case .provision(let then): return provision(then: then, at: now)
        case .notBefore(let moment, let then):
            return now < moment ? rest(.unclear, until: moment, then: then) : resume(then, at: now)
        case .work: return nextTask(at: now)
        case .ask: return nextQuestion(at: now)
        case .settle: return conclude(at: now)
        case .check(let check):
            let position =
                switch check {
                case .reading(let position, _): position
                case .post(let range, _, _): firstOpen(in: range)
                }
            guard work.window.verdicts[position] == .open else { return nextTask(at: now) }
            state = .checking(check)
            return .check(work.window.readings[position].point)
        }
    }

    func firstOpen(in range: Range<Int>) -> Int {
        range.first { work.window.verdicts[$0] == .open } ?? range.lowerBound
    }

    mutating func rest(_ reason: Rest.Reason, until: Instant, then next: Next) -> Action {
        state = .resting(Rest(reason: reason, until: until, then: next))
        return .wait(until: until)
    }

    /// Waits for what time heals.
    mutating func backOff(_ failure: DeliveryFailure, then next: Next, at now: Instant, _ jitter: Double) -> Action {
        note(failure)
        let until = link.failed(at: now, jitter: jitter, retryAfter: failure.retryAfter)
        return rest(.backoff, until: until, then: next)
    }

    /// Waits for what a person must heal.
    mutating func pause(_ failure: DeliveryFailure, then next: Next, at now: Instant, _ jitter: Double) -> Action {
        note(failure)
        let until = pause.failed(at: now, jitter: jitter, retryAfter: failure.retryAfter)
        return rest(.paused, until: until, then: next)
    }

    /// Waits until the platform must be done with a request that ended unclear; longer if it fails again and again.
    mutating func restUnclear(
        _ failure: DeliveryFailure, then next: Next, at now: Instant, _ jitter: Double
    ) -> Action {
        note(failure)
        let backoff = link.failed(at: now, jitter: jitter, retryAfter: failure.retryAfter)
        let settled = now + settleWait(timedOut: failure.code == .timedOut)
        return rest(.unclear, until: max(settled, backoff), then: next)
    }

    func settleWait(timedOut: Bool) -> Duration {
        max(timing.settle, max(responses.slowest * 2, timedOut ? responseTimeout : .zero))
    }

    mutating func note(_ failure: DeliveryFailure) {
        trouble = failure
        lastFailure = failure
    }

    /// The platform took readings, or turned out to have them. An answer to a question alone makes nothing good: a
    /// platform that fails at every post can still be asked.
    mutating func succeeded(at now: Instant) {
        link.succeeded(at: now)
        pause.succeeded(at: now)
        trouble = nil
        lastSuccess = now
    }

    /// A post got a clear answer, whatever it says.
    mutating func responded(at now: Instant) {
        lastResponseTime = now - sentAt
        responses.add(now - sentAt)
    }

    mutating func refuse(_ position: Int, _ reason: String, isCertain: Bool = false) {
        work.window.mark(position, .refused)
        work.refusals.append(Refusal(position: position, reason: reason, isCertain: isCertain))
    }

    mutating func refuseAll(of point: PointID, _ reason: String, isCertain: Bool = false) {
        for position in work.window.positions(of: point) {
            switch work.window.verdicts[position] {
            case .open, .doubtful: refuse(position, reason, isCertain: isCertain)
            case .accepted, .refused: break
            }
        }
    }

    func hasWork(_ point: PointID) -> Bool {
        work.window.positions(of: point).contains {
            work.window.verdicts[$0] == .open || work.window.verdicts[$0] == .doubtful
        }
    }
}
