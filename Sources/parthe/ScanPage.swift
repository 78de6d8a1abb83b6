import Gateway

/// What a scan found, for people.
struct ScanPage {
    private let report: ScanReport

    init(_ report: ScanReport) {
        self.report = report
    }

    var text: String {
        var lines: [String] = []
        for unit in report.units { lines += self.lines(of: unit) + [""] }
        for note in report.notes { lines += wrapped(note, first: "note: ", rest: "      ") }
        if !report.notes.isEmpty { lines.append("") }
        lines += offers
        lines += result
        return lines.joined(separator: "\n")
    }

    private func lines(of unit: ScanReport.FoundUnit) -> [String] {
        let place = unit.line.map { " at \($0)" } ?? ""
        let time = unit.turnaroundMilliseconds.map { $0 < 1 ? ", within 1 ms" : ", after \(rounded($0)) ms" } ?? ""
        let known = unit.meter.map { " – configured as \($0) (\(unit.configuredModel ?? ""))" } ?? ""
        let colour = unit.result == "ok" ? Terminal.Colour.green : .yellow
        var lines = Terminal.wrapped(
            "\(unit.evidence)\(time)\(known)", Terminal.width, first: "unit \(unit.unit)\(place)  ", rest: "        ",
            most: 4, colour: colour)
        func add(_ text: String) { lines += wrapped(text, first: "        ", rest: "          ") }
        if !unit.identification.isEmpty {
            add(
                "says of itself: "
                    + unit.identification.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
                    .joined(separator: ", "))
        }
        if let server = unit.serverID { add("server id: \(server)") }
        if let device = unit.sunSpec { lines += self.lines(of: device) }
        if let best = unit.guesses.first {
            add("\(best.confidence) % \(best.model): \(best.evidence)")
            let others = unit.guesses.dropFirst().map { "\($0.model) \($0.confidence) %" }
            if !others.isEmpty { add("or " + others.joined(separator: ", ")) }
        } else if unit.sunSpec == nil, unit.isSurveyed {
            add("no model of the catalogue fits; `parthe read --raw` shows its registers")
        }
        if let serial = unit.serial { add("serial number \(serial)") }
        if !unit.sent.isEmpty {
            lines += wrapped(unit.sent.joined(separator: ", "), first: "        sent: ", rest: "              ")
        }
        for doubt in unit.doubts { lines += wrapped(doubt, first: "        → ", rest: "          ") }
        return lines
    }

    private func lines(of device: ScanReport.SunSpec) -> [String] {
        var lines = wrapped(
            "SunSpec at \(device.base): \(device.manufacturer) \(device.product) \(device.version), serial number "
                + device.serial + (device.ratedPower.map { ", made for \($0)" } ?? ""), first: "        ",
            rest: "          ")
        for model in device.models {
            let serial = model.serial.flatMap { $0 == device.serial ? nil : ", serial number \($0)" } ?? ""
            lines += wrapped(
                "model \(model.id) at \(model.register)" + (model.model.map { ": \($0)" } ?? "") + serial
                    + (model.note.map { ", \($0)" } ?? ""),
                first: "          ", rest: "            ")
        }
        if let ending = device.ending { lines += wrapped(ending, first: "        → ", rest: "          ") }
        return lines
    }

    private var offers: [String] {
        let offers = report.units.compactMap(\.offer)
        let skeletons = report.units.compactMap(\.skeleton)
        var lines: [String] = []
        if !report.written.isEmpty {
            lines += report.written.map { "written: \($0)" }
            lines += ["→ look them through, then `parthe check`, and reload the agent (SIGHUP)", ""]
        } else if !offers.isEmpty || report.busOffer != nil || report.change != nil {
            lines.append(Terminal.paint("To be written into the configuration:", .bold))
            if let bus = report.busOffer { lines += ["buses:", bus] }
            if let change = report.change { lines += ["at \(report.changeAt ?? "the bus"):", "    \(change)"] }
            if !offers.isEmpty { lines += ["meters:"] + offers }
            lines.append("")
        }
        guard !skeletons.isEmpty else { return lines }
        return lines + [Terminal.paint("To be filled in, then written under meters:", .bold)] + skeletons + [""]
    }

    private var result: [String] {
        let answering = report.units.count { $0.result == "ok" }
        let through = report.isLent ? " through the agent" : ""
        var text = "\(counted(report.asked, "unit id")) asked\(through) in \(rounded(report.seconds)) s: "
        text += answering == 0 ? "none answers" : answering == 1 ? "1 answers" : "\(answering) answer"
        if !report.isComplete { text += "; ended early" }
        var lines = [text]
        if let error = report.error {
            lines.append(Terminal.paint(error, .red))
            if let hint = report.hint { lines += wrapped(hint, first: "  → ", rest: "    ") }
        }
        return lines
    }

    private func rounded(_ number: Double) -> String {
        number < 10 ? "\((number * 10).rounded() / 10)" : "\(Int(number.rounded()))"
    }

    private func wrapped(_ text: String, first: String, rest: String) -> [String] {
        Terminal.wrapped(text, Terminal.width, first: first, rest: rest, most: 12)
    }
}
