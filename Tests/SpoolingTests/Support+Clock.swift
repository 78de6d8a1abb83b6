import Metering
import Spooling

extension SpoolStore {
    /// Appends where the clock is known to have `offset`.
    func append(_ readings: [Reading], offset: ClockOffset) throws(SpoolError) {
        try append(Intake.Content(readings: readings), offset: offset)
    }

    /// The same with all that a commit takes.
    @discardableResult
    func append(
        _ content: Intake.Content, offset: ClockOffset, leasing wanted: [String: LeaseRequest] = [:]
    ) throws(SpoolError) -> [Lease] {
        try know(KnownTime(offset))
        return try append(content, leasing: wanted)
    }

    /// Leases where the clock is known to have `offset`.
    func lease(
        uplink: String, maximumReadings: Int, from end: LeaseEnd = .oldest, offset: ClockOffset
    ) throws(SpoolError) -> Lease? {
        try know(KnownTime(offset))
        return try lease(uplink: uplink, maximumReadings: maximumReadings, from: end)
    }

    /// Makes room where the clock is known to have `offset`.
    func relieve(
        at step: SpoolAdmission.Step, by rules: ThinningRules, offset: ClockOffset
    ) throws(SpoolError) -> SpoolRelief? {
        try know(KnownTime(offset))
        return try relieve(at: step, by: rules)
    }
}
