import Gateway

/// What `parthe spool` prints: what is held, how long it will last, what is missing.
struct SpoolPage {
    private let report: SpoolReport
    private let width: Int

    /// A page of `width` columns.
    init(_ report: SpoolReport, width: Int) {
        self.report = report
        self.width = width
    }

    var text: String {
        (readingLines + sizeLines + forecastLines + gapLines + otherLines).joined(separator: "\n")
    }

    private func line(_ word: String, _ text: String) -> [String] {
        Terminal.wrapped(text, width, first: Terminal.left(word, 12), rest: Self.margin, most: 8)
    }

    private static let margin = String(repeating: " ", count: 12)

    private var readingLines: [String] {
        var lines = line("spool", "\(report.folder), \(report.spool)")
        lines += line("readings", "\(report.held) held, \(report.committed) committed since it was made")
        if let oldest = report.oldest, let newest = report.newest, report.held > 0 {
            lines += line("", "from \(oldest) to \(newest)")
        }
        for (index, uplink) in report.uplinks.enumerated() {
            lines += line(index == 0 ? "undelivered" : "", "\(uplink.undelivered) for \(uplink.id)")
        }
        if report.uplinks.isEmpty { lines += line("undelivered", "no uplink is configured") }
        return lines
    }

    private var sizeLines: [String] {
        let limit =
            switch report.limitFrom {
            case "default": "\(byteText(report.limitBytes)), unless the configuration says otherwise"
            default: byteText(report.limitBytes)
            }
        let bound =
            report.roomBytes < report.limitBytes ? "; the disk has room for \(byteText(report.roomBytes)) of it" : ""
        var lines = line(
            "size",
            "\(byteText(report.fileBytes)) on the disk; \(byteText(report.usedBytes)) of the limit are taken, with room for "
                + "the log")
        lines += line("limit", limit + bound)
        if let rate = report.rate {
            lines += line(
                "comes in",
                "\(figure(rate.readingsPerSecond)) readings/s, \(byteText(rate.bytesPerDay)) a day "
                    + "(over the last \(span(rate.overSeconds)) that the agent ran)")
        } else {
            lines += line("comes in", "unknown: less than a minute was recorded")
        }
        let written =
            report.writtenBytesPerDay.map { "\(byteText($0)) a day, as the agent has written since its start" }
            ?? (report.silence.map { "unknown: \($0)" }
                ?? (report.process == nil ? "unknown: no agent runs" : "unknown in the agent's first minute"))
        return lines + line("flash", written)
    }

    private var forecastLines: [String] {
        guard let forecast = report.forecast else { return [] }
        var lines = line(
            "forecast",
            "full \(moment(forecast.fullInSeconds, nil)) at this rate, if nothing is delivered; before that:")
        lines += line("", "gauges are read every fourth time \(moment(forecast.slowInSeconds, forecast.slow))")
        var start = (seconds: forecast.thinInSeconds, time: forecast.thin)
        for (index, stage) in forecast.stages.enumerated() {
            let what = index == 0 ? "the oldest readings are thinned to" : "then to"
            let lasting = stage.until.map { "until \(day($0))" } ?? "over 100 years"
            lines += line("", "\(what) \(stage.interval) \(moment(start.seconds, start.time)), lasting \(lasting)")
            // What comes behind that is nobody's concern.
            guard stage.until != nil else { return lines }
            start = (stage.lastsSeconds, stage.until)
        }
        if report.uplinks.count > 1 {
            lines += line("", "what one uplink has already is not thinned for the others: it is dropped earlier")
        }
        guard forecast.drop != nil else { return lines }
        return lines
            + line(
                "",
                "the oldest are dropped \(moment(forecast.dropInSeconds, forecast.drop)), as gaps; "
                    + "the last \(span(forecast.keepsSeconds)) stay")
    }

    /// `in 12 d (2026-12-01)`.
    private func moment(_ seconds: Int64, _ time: String?) -> String {
        if seconds == 0 { return "now" }
        guard let time else { return seconds >= 3_000_000_000 ? "in over 100 years" : "in \(span(seconds))" }
        return "in \(span(seconds)) (\(day(time)))"
    }

    private func day(_ time: String) -> String { String(time.prefix(10)) }

    private var gapLines: [String] {
        var lines =
            report.gapCount == 0
            ? line("gaps", "none is listed; `parthe spool verify` reads everything")
            : line(
                "gaps",
                "\(report.gapCount) (\(report.dropped) readings dropped for room, \(report.damaged) lost to damage)")
        for gap in report.gaps { lines += line("", gap.text) }
        let rest = report.gapCount - report.gaps.count
        if rest > 0 { lines += line("", "… and \(rest) more (--all)") }
        if let beside = report.beside, beside.fits, report.process == nil, beside.next > report.next {
            lines += line(
                "",
                Terminal.paint("numbers \(report.next) to \(beside.next - 1) are missing", .yellow)
                    + ": the agent lists them at its next start")
        }
        if report.thinnedAway > 0 {
            lines += line("thinned", "\(report.thinnedAway) readings, of which means and edges that are held tell")
        }
        return lines
    }

    private var otherLines: [String] {
        var lines = line(
            "quarantine",
            report.quarantined == 0
                ? "empty: no platform refused a reading"
                : "\(report.quarantined) readings were refused by a platform, \(report.quarantineKept) of them are kept: "
                    + "`parthe spool quarantine`")
        for (index, aside) in report.aside.enumerated() {
            lines += line(
                index == 0 ? "set aside" : "",
                "\(aside.path), \(byteText(aside.bytes)), damaged, of \(day(aside.modified))")
        }
        if !report.aside.isEmpty {
            lines += line(
                "", "→ what is whole in such a file: `parthe spool export --spool FILE`; delete it when nobody needs it"
            )
        }
        if let beside = report.beside {
            let totals = beside.totals > 0 ? ", \(counted(beside.totals, "total")) of pulses" : ""
            lines += line(
                "beside", beside.fits ? "whole: up to number \(beside.next - 1)\(totals)" : "of another spool\(totals)")
        } else {
            lines += line("beside", "nothing that is whole: the agent writes it once a minute")
        }
        if report.step != "normal" {
            lines += line("room", Terminal.paint(report.step, .yellow) + ": readings wait, look with `parthe status`")
        }
        return lines
    }

    private func span(_ seconds: Int64) -> String {
        seconds >= 2 * 31_557_600 ? "\(seconds / 31_557_600) years" : Duration.seconds(seconds).rounded
    }

    private func figure(_ number: Double) -> String {
        number < 10 ? "\((number * 100).rounded() / 100)" : "\(Int(number.rounded()))"
    }
}
