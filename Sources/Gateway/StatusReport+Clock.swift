internal import Metering
internal import Spooling

extension StatusReport.Clock {
    /// What `clock` has come to, and what waits for it.
    init(_ clock: WallClock, waiting: Int64, now: Instant) {
        let history = clock.known.history
        let best = history.best
        state = Self.name(best?.standing ?? .unknown)
        by = best?.source.rawValue
        let isLeft = best?.standing == .synchronised && clock.last?.isSynchronised == false
        isKept = best?.standing == .synchronised ? !isLeft : nil
        text =
            (isLeft ? "was " : "") + Self.words(best?.standing ?? .unknown, best?.source ?? .nobody)
            + (isLeft ? ", and is not kept right now" : "")
        since = best.map { $0.offset.timestamp(of: $0.since).description }
        offsetMilliseconds = best.map { $0.offset.nanoseconds / 1_000_000 }
        self.waiting = waiting
        dueMilliseconds = clock.due.map { max(0, ($0 - now).wholeMilliseconds) }
        if let last = clock.last, let best {
            let lead = (last.offset - best.offset).wholeMilliseconds
            wallClockAheadMilliseconds = abs(lead) < ClockHistory.tolerance.wholeMilliseconds ? nil : lead
        }
        changes = history.entries.enumerated().map { index, entry in
            let step = index == 0 ? nil : (entry.offset - history.entries[index - 1].offset).wholeMilliseconds
            return Change(
                since: (best ?? entry).offset.timestamp(of: entry.since).description, state: Self.name(entry.standing),
                by: entry.source.rawValue, offsetMilliseconds: entry.offset.nanoseconds / 1_000_000,
                stepMilliseconds: step, leapSecond: entry.isLeapSecond ? true : nil)
        }
    }

    /// What a clock is worth, in words: `synchronised by chrony`.
    static func words(_ standing: ClockStanding, _ source: ClockSource) -> String {
        switch (standing, source) {
        case (.unknown, _): "not set: it cannot be right"
        case (.restored, _): "not synchronised, and nothing stands behind it"
        case (.set, .hand): "not synchronised, set by hand"
        case (.set, _): "not synchronised, goes by the \(source.rawValue)"
        case (.synchronised, _): "synchronised by \(source.rawValue)"
        }
    }

    /// A step of the clock in words: `forward by 3 d`.
    static func words(ofStep step: Duration) -> String {
        step < .zero ? "back by \((.zero - step).rounded)" : "forward by \(step.rounded)"
    }

    private static func name(_ standing: ClockStanding) -> String {
        switch standing {
        case .unknown: "unknown"
        case .restored: "restored"
        case .set: "set"
        case .synchronised: "synchronised"
        }
    }

    /// What is wrong with it, and what to do.
    func problems(latestGiven: Timestamp?, now: Instant) -> [StatusReport.Problem] {
        var found: [StatusReport.Problem] = []
        let remedy = "time comes from the network (timedatectl status), or set it: date -s"
        if state == "unknown" {
            found.append(.init(what: "clock: it cannot be right, \(waiting) readings wait for it", hint: remedy))
        }
        if let ahead = wallClockAheadMilliseconds, abs(ahead) > 5000, state != "unknown" {
            let step = Self.words(ofStep: .milliseconds(ahead))
            let before = state == "synchronised" ? "after it had been synchronised" : "to what is not believed"
            found.append(
                .init(
                    what: "clock: it was set \(step) \(before); readings keep the time from before",
                    hint:
                        "start what keeps it right again (systemctl restart systemd-timesyncd), or restart the gateway")
            )
        }
        if let offset = offsetMilliseconds, state != "unknown", let latestGiven {
            let time = ClockOffset(nanoseconds: offset * 1_000_000).timestamp(of: now)
            let ahead = latestGiven.milliseconds - time.milliseconds
            if ahead > 5000 {
                found.append(
                    .init(
                        what: "clock: it was set back; readings get times right behind \(latestGiven), as uncertain, "
                            + "for at least \(Duration.milliseconds(ahead).rounded)",
                        hint: "their true times stand in their parameters"))
            }
        }
        return found
    }
}
