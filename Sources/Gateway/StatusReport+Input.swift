internal import DigitalInputs
internal import FoundationEssentials
internal import Metering

extension StatusReport.Input {
    /// What is said at `now` of `status`, the input of `settings`.
    init(_ status: InputStatus, _ settings: InputSettings, now: Instant) {
        func age(_ instant: Instant?) -> Int64? { instant.map { (now - $0).wholeMilliseconds } }
        let points = settings.meter.points
        var units: (total: Unit?, rate: Unit?)
        if case .pulses = settings.use {
            units = (points.first?.definition.unit, points.dropFirst().first?.definition.unit)
        }
        self.init(
            id: status.id, line: status.line, place: status.place, noticesLosses: status.noticesLosses,
            active: status.isActive, state: status.state, stateAgeMilliseconds: age(status.since),
            total: status.total.flatMap { Decimal(string: $0.description) }, unit: units.total?.ucum,
            symbol: units.total?.symbol,
            pulses: status.count,
            rate: status.rate, rateSymbol: units.rate?.symbol, lastPulseAgeMilliseconds: age(status.lastPulse),
            widthMilliseconds: status.width.map { Double($0.wholeNanoseconds / 1000) / 1000 },
            tooShort: status.tooShort, tooLong: status.tooLong, tooFast: status.tooFast, bounces: status.bounces,
            lostEdges: status.lostEdges, recovered: status.recovered, changes: status.changes,
            readings: status.readings, waiting: status.waiting, skipped: status.skipped, error: status.error?.what,
            hint: status.error?.hint,
            failingForMilliseconds: age(status.failingSince))
    }
}
