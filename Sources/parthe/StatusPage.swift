import Gateway

/// The status as a page of at most a given number of lines, 79 columns wide: what is wrong first, then meters, spool
/// and uplinks. Meters that do not fit are summed up; those with an error are shown before the others.
struct StatusPage {
    private let report: StatusReport
    private let lines: Int

    init(_ report: StatusReport, lines: Int) {
        self.report = report
        self.lines = lines
    }

    var text: String {
        let head = headLines + [""]
        let foot = [""] + busLines + spoolLines + uplinkLines
        let room = lines == .max ? .max : max(4, lines - head.count - foot.count)
        return (head + meterLines(room) + foot).joined(separator: "\n")
    }

    private var headLines: [String] {
        var found = [
            Terminal.paint(report.gateway, .bold)
                + "  up \(span(report.uptimeMilliseconds))  \(report.time)  parthe \(report.version)"
        ]
        if report.problems.isEmpty { return found + [Terminal.paint("all is well", .green)] }
        found.append(Terminal.paint("\(counted(report.problems.count, "problem")):", .red))
        let most = lines == .max ? report.problems.count : 4
        for problem in report.problems.prefix(most) { found.append(cut("  " + problem)) }
        if report.problems.count > most { found.append("  … and \(report.problems.count - most) more (--all)") }
        if let hint = firstHint { found.append(cut("  → " + hint)) }
        return found
    }

    private var firstHint: String? {
        report.spool.hint ?? report.uplinks.first { !$0.healthy }?.hint ?? report.meters.first { $0.error != nil }?.hint
    }

    private func meterLines(_ room: Int) -> [String] {
        let title = "METER              BUS         EVERY   LAST AGO  POLLS FAILED  STATE"
        guard !report.meters.isEmpty else { return ["no meters are configured"] }
        let order = report.meters.filter { $0.error != nil } + report.meters.filter { $0.error == nil }
        let shown = order.count + 1 <= room ? order.count : room - 2
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
        var state = meter.error.map { Terminal.paint(Terminal.left($0, min($0.count, 16)), .red) }
        if state == nil, meter.notAvailable > 0 { state = "\(meter.notAvailable) empty" }
        if state == nil, meter.skippedPolls + meter.overruns > 0 {
            state = "\(meter.skippedPolls + meter.overruns) skipped"
        }
        return Terminal.left(meter.id, 18) + " " + Terminal.left(meter.bus, 10) + " "
            + Terminal.right(span(meter.intervalMilliseconds), 6) + " " + Terminal.right(last, 10) + " "
            + Terminal.right(String(meter.polls), 6) + " " + Terminal.right(String(meter.failedPolls), 6) + "  "
            + (state ?? (meter.lastReadingAgeMilliseconds == nil ? "waiting" : "ok"))
    }

    private var busLines: [String] {
        if lines == .max {
            return report.buses.map { bus in
                let state = bus.connected.map { $0 ? "connected" : "not connected" } ?? "waiting"
                return "bus     \(bus.id): \(bus.endpoint), \(state), \(Int((bus.load * 100).rounded())) % busy"
            }
        }
        guard let busiest = report.buses.max(by: { $0.load < $1.load }) else { return [] }
        let connected = report.buses.count { $0.connected ?? false }
        return [
            cut(
                "buses   \(connected) of \(report.buses.count) connected; busiest \(busiest.id), "
                    + "\(Int((busiest.load * 100).rounded())) %")
        ]
    }

    private var spoolLines: [String] {
        let spool = report.spool
        var found = [
            cut(
                "spool   \(spool.state): \(spool.held) readings held, \(spool.undelivered) undelivered, "
                    + "\(byteText(spool.bytes)) of \(byteText(spool.limitBytes))")
        ]
        if let oldest = spool.oldest, let newest = spool.newest {
            found.append(cut("        from \(oldest) to \(newest)"))
        }
        let last = spool.lastCommitAgeMilliseconds.map { span($0) + " ago" } ?? "never"
        found.append(
            cut(
                "        commits every \(span(spool.commitIntervalMilliseconds)), last \(last); "
                    + "\(spool.waiting) readings wait, \(spool.quarantined) refused by the platform"))
        return found
    }

    private var uplinkLines: [String] {
        guard !report.uplinks.isEmpty else {
            return ["uplink  none: readings stay in the spool until its history ends"]
        }
        return report.uplinks.flatMap { uplink in
            let last = uplink.lastSuccessAgeMilliseconds.map { span($0) + " ago" } ?? "never"
            return [
                cut("uplink  \(uplink.id): \(uplink.state)"),
                cut("        \(uplink.delivered) delivered since the start, last \(last), \(uplink.undelivered) to go"),
            ]
        }
    }

    private func span(_ milliseconds: Int64) -> String {
        Duration.milliseconds(milliseconds).rounded
    }

    private func cut(_ line: String) -> String {
        lines == .max || line.count <= 79 ? line : line.prefix(78) + "…"
    }
}
