import Gateway

/// The status as a page: what is wrong first, each with what to look at, then meters, spool and uplinks.
///
/// On a terminal it fits the terminal: meters that do not fit are summed up, those with an error are shown before the
/// others. In a file or a pipe it is complete.
struct StatusPage {
    private let report: StatusReport
    private let lines: Int
    private let width: Int

    /// A page of at most `lines` lines of `width` columns.
    init(_ report: StatusReport, lines: Int = .max, width: Int = .max) {
        self.report = report
        self.lines = lines
        self.width = width
    }

    var text: String {
        let parts = [inputLines, [""], clockLines, busLines, spoolLines, uplinkLines, eventLines]
        let foot = parts.flatMap { $0 }
        // However much is wrong, some meters are shown.
        let meters = min(report.meters.count, 6) + 1
        let head = headLines(lines == .max ? .max : lines - 1 - meters - foot.count) + [""]
        let room = lines == .max ? .max : max(4, lines - head.count - foot.count)
        return (head + meterLines(room) + foot).joined(separator: "\n")
    }

    private func headLines(_ room: Int) -> [String] {
        let about = "  up \(span(report.uptimeMilliseconds))  \(report.time)  parthe \(report.version)"
        let name = Terminal.cut(report.gateway, max(8, width == .max ? .max : width - about.count))
        var found = [Terminal.paint(name, .bold) + about]
        if report.problems.isEmpty { return found + [Terminal.paint("all is well", .green)] }
        found.append(Terminal.paint("\(counted(report.problems.count, "problem")):", .red))
        for (index, problem) in report.problems.enumerated() {
            let next = lines(of: problem, after: index > 0 ? report.problems[index - 1] : nil)
            let rest = report.problems.count - index
            // The gravest is always told; the last line is kept for those that do not fit.
            if index > 0, room != .max, found.count + next.count + (rest > 1 ? 1 : 0) > room {
                return found + ["  … and \(rest) more (--all)"]
            }
            found += next
        }
        return found
    }

    private func lines(of problem: StatusReport.Problem, after last: StatusReport.Problem?) -> [String] {
        let most = width == .max ? 1 : 2
        let what = Terminal.wrapped(problem.what, width, first: "  ", rest: "    ", most: most)
        // A row of silent meters needs its advice once.
        guard let hint = problem.hint, hint != last?.hint else { return what }
        return what + Terminal.wrapped(hint, width, first: "    → ", rest: "      ", most: most)
    }

    private func meterLines(_ room: Int) -> [String] {
        let title = "METER              BUS         EVERY   LAST AGO  POLLS FAILED  STATE"
        guard !report.meters.isEmpty else { return report.inputs.isEmpty ? ["no meters are configured"] : [] }
        let order = report.meters.filter { $0.error != nil } + report.meters.filter { $0.error == nil }
        let shown = order.count <= room - 1 ? order.count : room - 2
        var found = [Terminal.paint(title, .dim)] + order.prefix(shown).map(line)
        if shown < order.count {
            let rest = order.dropFirst(shown)
            let failing = rest.count { $0.error != nil }
            found.append("… and \(rest.count) more, \(failing == 0 ? "all well" : "\(failing) failing") (--all)")
        }
        return found
    }

    private func line(_ meter: StatusReport.Meter) -> String {
        let last = meter.lastReadingAgeMilliseconds.map(span) ?? "never"
        let room = width == .max ? .max : max(8, width - 64)
        var state = meter.error.map { error in
            let next = meter.nextTryMilliseconds.map { ", next try in \(span($0))" } ?? ""
            return Terminal.paint(Terminal.cut(error + next, room), .red)
        }
        if state == nil, meter.withheld > 0 { state = "\(counted(meter.withheld, "counter")) fell: next poll decides" }
        if state == nil, meter.notAvailable > 0 { state = "\(meter.notAvailable) empty" }
        if state == nil, meter.skippedPolls + meter.overruns > 0 {
            state = "\(meter.skippedPolls + meter.overruns) skipped"
        }
        return Terminal.left(meter.id, 18) + " " + Terminal.left(meter.bus, 10) + " "
            + Terminal.right(span(meter.intervals.first?.milliseconds ?? 0), 6) + " " + Terminal.right(last, 10) + " "
            + Terminal.right(String(meter.polls), 6) + " " + Terminal.right(String(meter.failedPolls), 6) + "  "
            + (state ?? (meter.lastReadingAgeMilliseconds == nil ? "waiting" : "ok")) + skewText(of: meter)
    }

    /// How far behind its slots a meter is read; where there is room for it.
    private func skewText(of meter: StatusReport.Meter) -> String {
        guard lines == .max else { return "" }
        return meter.intervals.map { interval in
            guard let skew = interval.skewMilliseconds, let worst = interval.worstSkewMilliseconds else { return "" }
            return ", each \(span(interval.milliseconds)) \(skew) ms after its slot (at most \(worst))"
        }.joined()
    }

    private var inputLines: [String] {
        guard !report.inputs.isEmpty else { return [] }
        let shown = lines == .max ? report.inputs.count : min(report.inputs.count, 8)
        let title = Terminal.paint("INPUT              LINE         TOTAL OR STATE", .dim)
        var found = ["", title] + report.inputs.prefix(shown).map(line)
        if shown < report.inputs.count { found.append("… and \(report.inputs.count - shown) more (--all)") }
        return found
    }

    private func line(_ input: StatusReport.Input) -> String {
        let place = Terminal.left(input.id, 18) + " " + Terminal.left(input.line, 12) + " "
        if let error = input.error {
            // What was counted before stands.
            let total = input.total.map { "\($0) \(input.symbol ?? "")  " } ?? ""
            let room = width == .max ? .max : max(8, width - 32 - total.count)
            return place + total + Terminal.paint(Terminal.cut(error, room), .red)
        }
        if let state = input.state {
            let since = input.stateAgeMilliseconds.map { " for \(span($0))" } ?? ""
            return cut(place + state + since + ", \(counted(Int(clamping: input.changes), "change"))")
        }
        guard let total = input.total else { return place + "waiting" }
        var parts = ["\(total) \(input.symbol ?? "")"]
        if let rate = input.rate, let symbol = input.rateSymbol {
            parts.append("\((rate * 1000).rounded() / 1000) \(symbol)")
        }
        parts.append(input.lastPulseAgeMilliseconds.map { "last pulse \(span($0)) ago" } ?? "no pulse yet")
        if let pulses = input.pulses, lines == .max { parts.append("\(pulses) pulses ever") }
        for (count, what) in [
            (input.lostEdges, "lost edges"), (input.recovered, "counted by number"), (input.tooShort, "too short"),
            (input.tooLong, "too long"),
            (input.tooFast, "too fast to see"),
            (input.bounces, "bounces"),
        ] where count > 0 {
            parts.append("\(count) \(what)")
        }
        return cut(place + parts.joined(separator: ", "))
    }

    private var busLines: [String] {
        if lines == .max {
            return report.buses.map { bus in
                let state = bus.connected.map { $0 ? "connected" : "not connected" } ?? "waiting"
                let line = bus.line.map { " " + $0 } ?? ""
                return "bus     \(bus.id): \(bus.endpoint)\(line), \(state), \(percent(bus.load)) busy"
                    + (bus.pace == "slow" ? ", gauges every fourth time" : "") + errors(of: bus)
            }
        }
        guard let busiest = report.buses.max(by: { $0.load < $1.load }) else { return [] }
        let connected = report.buses.count { $0.connected ?? false }
        let loans = report.buses.reduce(0) { $0 + $1.loans }
        let missed = report.buses.reduce(0) { $0 + $1.loanMisses }
        let lent = loans > 0 ? ", \(loans) steps lent (\(missed) polls missed)" : ""
        return [
            cut(
                "buses   \(connected) of \(report.buses.count) connected; busiest \(busiest.id), "
                    + "\(percent(busiest.load))" + lent + (skewText ?? ""))
        ]
    }

    /// What disturbs a bus, where something does.
    private func errors(of bus: StatusReport.Bus) -> String {
        [
            (bus.timeouts, "timeouts"), (bus.crcErrors, "wrong checksums"), (bus.lateAnswers, "late answers"),
            (bus.foreignFrames, "frames of others"), (bus.loans, "steps lent to commands"),
            (bus.loanDelays, "polls late for that"), (bus.loanMisses, "polls missed for that"),
        ].filter { $0.0 > 0 }.map { ", \($0.0) \($0.1)" }.joined()
    }

    /// How far behind its slot the meter is read that comes last.
    private var skewText: String? {
        let skews = report.meters.filter { $0.error == nil }.map { meter in
            (id: meter.id, skew: meter.intervals.compactMap(\.skewMilliseconds).max() ?? 0)
        }
        guard let late = skews.max(by: { $0.skew < $1.skew }), late.skew > 0 else { return nil }
        return "; latest \(late.id), \(late.skew) ms after its slot"
    }

    private func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }

    private var clockLines: [String] {
        let clock = report.clock
        var text = clock.text
        if clock.state == "synchronised", let since = clock.since { text += ", since \(since)" }
        if clock.waiting > 0 {
            let due = clock.dueMilliseconds.map { ", at most \(span($0)) longer" } ?? ""
            text += "; \(clock.waiting) readings wait for it\(due)"
        }
        if let offset = clock.offsetMilliseconds { text += "; UTC is boot clock + \(seconds(offset))" }
        guard lines == .max else { return [cut("clock   \(text)")] }
        return ["clock   \(text)"]
            + clock.changes.map { change in
                let step = change.stepMilliseconds.map { ", set by \(seconds($0))" } ?? ""
                let leap = change.leapSecond ?? false ? ", a leap second" : ""
                return "        \(change.since) \(change.state) by \(change.by)\(step)\(leap)"
            }
    }

    /// Milliseconds as seconds: `1793491200.123 s`.
    private func seconds(_ milliseconds: Int64) -> String {
        let (whole, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
        let digits = String(rest)
        return (milliseconds < 0 ? "-" : "") + "\(whole)." + String(repeating: "0", count: 3 - digits.count) + digits
            + " s"
    }

    private var spoolLines: [String] {
        let spool = report.spool
        let content =
            spool.isKnown
            ? "\(spool.held) readings held, \(spool.undelivered) undelivered, "
                + "\(byteText(spool.bytes)) of \(byteText(spool.limitBytes))"
            : "it could not be opened yet, so what it holds is not known"
        var found = [cut("spool   \(spool.state): " + content)]
        if let oldest = spool.oldest, let newest = spool.newest {
            found.append(cut("        from \(oldest) to \(newest)"))
        }
        let last = spool.lastCommitAgeMilliseconds.map { span($0) + " ago" } ?? "never"
        found.append(
            cut(
                "        commits every \(span(spool.commitIntervalMilliseconds)), last \(last); "
                    + "\(spool.waiting) readings wait, \(spool.quarantined) were refused"
                    + (lines == .max ? spool.writtenBytesPerDay.map { "; \(byteText($0)) a day written" } ?? "" : "")))
        return found
    }

    private var uplinkLines: [String] {
        guard !report.uplinks.isEmpty else {
            return ["uplink  none: readings stay in the spool until its history ends"]
        }
        return report.uplinks.flatMap { uplink in
            let last = uplink.lastSuccessAgeMilliseconds.map { span($0) + " ago" } ?? "never"
            let next = uplink.nextTryMilliseconds.map { ", in \(span($0))" } ?? ""
            return [
                cut("uplink  \(uplink.id): \(uplink.state)\(next)"),
                cut(
                    "        \(uplink.delivered) delivered since the last start or reload, last \(last), \(uplink.undelivered) to go"
                ),
            ]
        }
    }

    /// What happened to meters; on a terminal only the newest.
    private var eventLines: [String] {
        report.events.prefix(lines == .max ? .max : 3).enumerated().map { index, event in
            cut((index == 0 ? "events  " : "        ") + "\(event.time) \(event.subject) \(event.text)")
        }
    }

    private func span(_ milliseconds: Int64) -> String {
        Duration.milliseconds(milliseconds).rounded
    }

    private func cut(_ line: String) -> String {
        Terminal.cut(line, width)
    }
}
