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
        for (unit, line, presence) in found {
            var entry = ScanReport.FoundUnit(unit: unit, result: "ok", evidence: "")
            entry.line = line?.description
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
        if entry.isOnOtherLine, let line = entry.line, let own = choice.settings.line {
            entry.doubts.append("the bus is configured as \(own): set the device, or the bus, to \(line)")
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

    func offer(_ report: inout ScanReport) throws(AgentError) {
        let bus = choice.isConfigured ? choice.settings.id : "bus"
        var names = Set(choice.configuration?.meters.map(\.id) ?? [])
        var all: [MeterOffer] = []
        for index in report.units.indices {
            let configured = choice.meters.filter { $0.unit == report.units[index].unit }
            let offers = MeterOffer.offers(
                for: report.units[index], bus: bus, configured: configured, names: &names)
            guard !offers.isEmpty else { continue }
            report.units[index].offer = offers.map(\.item).joined(separator: "\n")
            all += offers
        }
        if !choice.isConfigured, report.result == "ok" { report.busOffer = busOffer(report, name: bus) }
        guard options.writes, !all.isEmpty else { return }
        report.written = try MeterOffer.write(all, beside: choice.options.configuration)
        let problems = ConfigurationReader(share: choice.options.share).read(file: choice.options.configuration)
            .problems
        for problem in problems where report.written.contains(problem.file) { report.notes.append("\(problem)") }
    }

    private func busOffer(_ report: ScanReport, name: String) -> String {
        var keys = ["id: \(name)", EndpointText.yaml(choice.settings.endpoint)]
        let line = found.first { if case .answers = $0.presence { true } else { false } }?.line
        if let line {
            keys += ["baud: \(line.baud)", "parity: \(line.parity.rawValue)", "stop_bits: \(line.stopBits)"]
        }
        return "  - {\(keys.joined(separator: ", "))}"
    }
}
