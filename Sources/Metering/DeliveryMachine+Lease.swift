// From lease to first request, and from the last verdict to the settlement.
extension DeliveryMachine {
    mutating func lease() -> Action {
        state = .leasing
        return .lease
    }

    mutating func clockUnset(at now: Instant) -> Action {
        note(
            DeliveryFailure(
                .notSent, "the gateway's clock is not set: readings are kept, none is sent",
                hint: "time comes from the network (timedatectl status), or set it: date -s"))
        return rest(.clock, until: now + timing.clockCheck, then: .lease)
    }

    mutating func leased(_ lease: Lease?, at now: Instant) -> Action {
        guard let lease else {
            state = .idle
            // A failure of the spool or a clock that was not set is over once the spool says "nothing waits".
            if trouble?.code == .spool || trouble?.code == .notSent { trouble = nil }
            return .wait(until: now + timing.idle)
        }
        work = Work()
        work.lease = lease.id
        work.window = DeliveryWindow(lease.readings)
        work.tasks = posts()
        guard lease.isUnclear else { return provision(then: .work, at: now) }
        // The run that sent it is gone. The platform may be at work on what was sent for as long as on a request that
        // timed out, counted from the begin of this run; before that is over for sure, absence must be seen twice.
        let over = (begin ?? now) + settleWait(timedOut: true)
        let next = doubt(
            0..<work.window.readings.count, needsTwo: now < over + timing.settle, then: work.tasks)
        work.tasks = []
        return provision(then: .notBefore(over, then: next), at: now)
    }

    /// The posts of the whole window, the first at the end.
    func posts() -> [Task] {
        work.window.posts(of: rowsPerPost).reversed().map { .post($0, failures: 0) }
    }

    /// Asks for the Datastreams that are not known, if any; then goes on with `next`.
    mutating func provision(then next: Next, forgetting: Bool = false, at now: Instant) -> Action {
        if forgetting { known.removeAll() }
        var unknown: [PointID] = []
        for point in work.window.points where !known.contains(point) {
            if let absence = absent[point], now < absence.until {
                refuseAll(of: point, absence.reason, isCertain: absence.isCertain)
            } else if hasWork(point) {
                unknown.append(point)
            }
        }
        guard !unknown.isEmpty else { return resume(next, at: now) }
        work.provisioned = unknown
        state = .provisioning(then: next)
        return .provision(unknown, forgetting: forgetting)
    }

    mutating func provisioned(_ missing: [MissingDatastream], then next: Next, at now: Instant) -> Action {
        succeeded(at: now)
        known.formUnion(work.provisioned)
        for point in missing {
            known.remove(point.point)
            absent[point.point] = Absence(
                until: now + Self.absence, reason: point.reason, isCertain: point.isCertain)
            note(DeliveryFailure(.badRequest, point.reason))
            refuseAll(of: point.point, point.reason, isCertain: point.isCertain)
        }
        return resume(next, at: now)
    }

    mutating func provisioningFailed(
        _ failure: DeliveryFailure, then next: Next, at now: Instant, _ jitter: Double
    ) -> Action {
        // The platform as a whole is in doubt, so what seemed gone may be there.
        work.gone = []
        switch failure.code {
        case .unclear, .timedOut: return restUnclear(failure, then: .provision(then: next), at: now, jitter)
        case .notSent, .busy, .spool: return backOff(failure, then: .provision(then: next), at: now, jitter)
        default: return pause(failure, then: .provision(then: next), at: now, jitter)
        }
    }

    /// The next task that has something to do; the settlement when none is left.
    mutating func nextTask(at now: Instant) -> Action {
        while let task = work.tasks.popLast() {
            switch task {
            case .refuse(let position, let reason):
                if work.window.verdicts[position] == .open { refuse(position, reason) }
            case .single(let position):
                guard work.window.verdicts[position] == .open else { continue }
                state = .trying(position)
                sentAt = now
                return .single(position)
            case .post(let range, let failures):
                let rows = work.window.count(in: range, .open)
                if rows == 0 { continue }
                if let singlesUntil, now < singlesUntil {
                    work.tasks += work.window.positions(in: range, .open).reversed().map { .single($0) }
                } else if rows > rowsPerPost {
                    work.tasks += halves(of: range, .open, failures: failures)
                } else {
                    state = .posting(range, failures: failures)
                    sentAt = now
                    return .post(range)
                }
            }
        }
        return conclude(at: now)
    }

    /// Every reading has its verdict: settles, unless nobody but a person can believe the refusals.
    mutating func conclude(at now: Instant) -> Action {
        guard let lease = work.lease else { return .none }
        let doubtful = work.refusals.filter { !$0.isCertain }
        if work.accepted > 0 || doubtful.isEmpty || refusedInARow + doubtful.count <= Self.mostRefusalsInARow {
            state = .settling
            let refused = work.refusals.map {
                Rejection(sequence: work.window.readings[$0.position].sequence, reason: $0.reason)
            }
            return .settle(lease, rejected: work.window.unsendable + refused)
        }
        let reason = doubtful.first?.reason ?? ""
        for refusal in doubtful { work.window.mark(refusal.position, .open) }
        work.tasks = doubtful.reversed().map { .single($0.position) }
        work.refusals.removeAll { !$0.isCertain }
        absent = [:]
        return pause(everythingRefused(reason), then: .provision(then: .work), at: now, 1)
    }

    func everythingRefused(_ reason: String) -> DeliveryFailure {
        DeliveryFailure(
            .misdirected, "the platform refuses every reading: \(reason)",
            hint:
                "nothing is thrown away; check the uplink's `sensorthings` and what the platform's operator has changed"
        )
    }

    mutating func settled() -> Action {
        let rejected = work.refusals.count + work.window.unsendable.count
        if rejected < work.window.readings.count { trouble = nil }
        counts.delivered += work.window.readings.count - rejected
        counts.rejected += rejected
        refusedInARow = work.accepted > 0 ? 0 : refusedInARow + work.refusals.count { !$0.isCertain }
        work = Work()
        return lease()
    }
}
