internal import Configuration
internal import Fieldbus
internal import Metering

// What whoever answers is, and what to write into the configuration.

extension BusScan {
    // MARK: - What they are

    mutating func survey(
        _ report: inout ScanReport, _ isStopped: () -> Bool, _ progress: (Progress) -> Void
    ) throws(AgentError) {
        let catalogue = found.isEmpty ? [] : Self.definitions(choice.options.share)
        for (unit, line, presence, sent) in found {
            var entry = ScanReport.FoundUnit(unit: unit, result: "ok", evidence: "")
            entry.line = line?.description
            entry.sent = sent.map { [$0] } ?? []
            entry.isOnOtherLine = choice.isConfigured && line != nil && line != choice.settings.line
            if !entry.isOnOtherLine, let meter = choice.meter(at: unit) {
                (entry.meter, entry.configuredModel) = (meter.id, meter.definition.model)
            }
            switch presence {
            case .answers(let how):
                entry.evidence = how
                guard !isStopped() else {
                    report.isComplete = false
                    entry.doubts.append("ended before it was found out what it is")
                    break
                }
                progress(
                    Progress(
                        done: report.units.count + 1, total: found.count, unit: unit, line: entry.line, isFound: false,
                        isSurvey: true, found: found.count, remaining: .zero))
                var survey = UnitSurvey(
                    choice, unit: unit, line: Self.change(line, choice),
                    timeoutMilliseconds: max(timeoutMilliseconds, 500))
                survey.run(&access, catalogue: catalogue, isStopped: isStopped, &entry)
                if let obstacle = survey.obstacle { throw obstacle }
                entry.isSurveyed = !isStopped()
                if !entry.isSurveyed {
                    report.isComplete = false
                    entry.doubts.append("ended before it was found out what it is")
                }
                compare(&entry)
            case .garbled(let what):
                entry.result = "unknown"
                entry.evidence = what
                entry.doubts.append(
                    "somebody sends, but nothing whole: other baud rate or parity, or two devices with this unit id; "
                        + "`parthe bus why` looks closer")
            case .nobody, .obstacle: continue
            }
            report.units.append(entry)
        }
    }

    private static func definitions(_ share: String?) -> [MeterDefinition] {
        let catalogue = Catalogue(share: share)
        // A definition that is wrong is `parthe meter list`'s to tell.
        return catalogue.models().compactMap { (try? catalogue.definition(model: $0.name)) ?? nil }
    }

    /// Whether the configured model can be right.
    private func compare(_ entry: inout ScanReport.FoundUnit) {
        if entry.isOnOtherLine, let own = choice.settings.line, let target = targetLine {
            let advice = target == own ? "set the device to that" : "set the bus to \(target), as is offered below"
            entry.doubts.append("the bus is configured as \(own): \(advice)")
        }
        guard let configured = entry.configuredModel, let best = entry.guesses.first, best.confidence >= 90,
            best.model != configured
        else { return }
        entry.doubts.append("it is configured as \(configured), but looks like \(best.model): \(best.evidence)")
    }

    mutating func conclude(_ report: inout ScanReport) {
        report.notes = notes
        if let obstacle {
            report.result = report.units.isEmpty ? "failed" : "ok"
            report.error = obstacle.description
            report.hint = obstacle.hint
        } else if report.units.contains(where: { $0.result == "ok" }) {
            report.result = "ok"
        } else if report.isComplete, report.units.isEmpty {
            report.error = "nobody answers"
            report.hint =
                gatewayAnswers > 0
                ? "the gateway itself answers, and finds nobody: look at its line, its baud rate and parity, A and B, "
                    + "and the meters' power" : Self.advice(choice)
        }
    }

    private static func advice(_ choice: BusChoice) -> String {
        let general = "check A and B, termination and the meters' power"
        switch choice.settings.endpoint {
        case .serial:
            return general + "; then try other settings: --baud 9600,19200,38400 --parity none,even"
        case .rtuOverTCP:
            return general + ", and the converter's baud rate and parity; or try tcp: in place of rtu_over_tcp:"
        case .tcp:
            return "check the wiring behind the gateway; or try rtu_over_tcp: if this is a converter; a slow gateway "
                + "needs --timeout 1500ms; --thorough asks silent units in other ways as well"
        }
    }

    // MARK: - What to write

    /// The line settings that the bus should have; nil where there is no serial port, or nobody answers. Whoever answers
    /// at the bus's own is not to be lost, nor a configured meter that was not asked at them.
    private var targetLine: SerialLine? {
        let answering = found.compactMap { if case .answers = $0.presence { $0.line } else { nil } }
        guard let first = answering.first else { return nil }
        if choice.isConfigured, let own = choice.settings.line,
            answering.contains(own) || !lines.contains(own) && !choice.meters.isEmpty
        {
            return own
        }
        let counts = answering.reduce(into: [SerialLine: Int]()) { $0[$1, default: 0] += 1 }
        let most = counts.values.max()
        return answering.first { counts[$0] == most } ?? first
    }

    private static func keys(of line: SerialLine) -> String {
        "baud: \(line.baud), parity: \(line.parity.rawValue), stop_bits: \(line.stopBits)"
    }

    mutating func offer(_ report: inout ScanReport) throws(AgentError) {
        let bus = choice.isConfigured ? choice.settings.id : "bus"
        let target = targetLine
        if choice.isConfigured, let target, target != choice.settings.line {
            (report.change, report.changeAt) = (Self.keys(of: target), "bus \(bus)")
        }
        var names = Set(choice.configuration?.meters.map(\.id) ?? [])
        var all: [MeterOffer] = []
        let atTarget = Set(report.units.filter { $0.line == target?.description }.map(\.unit))
        for index in report.units.indices {
            let unit = report.units[index]
            let isAtTarget = unit.line == target?.description
            // Many a device does not mind another number of stop bits: it is one device all the same.
            guard isAtTarget || !atTarget.contains(unit.unit) else { continue }
            let obstacle: String? =
                switch (target, unit.line) {
                case (let target?, let line?) where !isAtTarget: "set the device from \(line) to \(target)"
                case (let target?, _) where report.change != nil: "set the bus to \(target)"
                default: nil
                }
            let configured = choice.meters.filter { $0.unit == unit.unit }
            let offers = MeterOffer.offers(
                for: unit, bus: bus, configured: configured, names: &names, obstacle: obstacle)
            if offers.isEmpty {
                report.units[index].skeleton = MeterOffer.skeleton(
                    for: unit, bus: bus, place: choice.settings.id, configured: configured, names: &names,
                    obstacle: obstacle)
                continue
            }
            report.units[index].offer = offers.map(\.item).joined(separator: "\n")
            all += offers
        }
        if !choice.isConfigured, report.result == "ok" { report.busOffer = busOffer(target, name: bus) }
        guard options.writes else { return }
        for offer in all {
            if let obstacle = offer.obstacle { report.notes.append("\(offer.id) is not written: first \(obstacle)") }
        }
        all.removeAll { $0.obstacle != nil }
        guard !all.isEmpty else { return }
        report.written = try MeterOffer.write(all, beside: choice.options.configuration)
        let problems = ConfigurationReader(share: choice.options.share).read(file: choice.options.configuration)
            .problems
        for problem in problems where report.written.contains(problem.file) { report.notes.append("\(problem)") }
    }

    private func busOffer(_ line: SerialLine?, name: String) -> String {
        let keys =
            ["id: \(name)", EndpointText.yaml(choice.settings.endpoint)] + (line.map { [Self.keys(of: $0)] } ?? [])
        return "  - {\(keys.joined(separator: ", "))}"
    }
}
