internal import Fieldbus
internal import Metering

/// All points of a meter, read once by way of a `BusAccess`.
struct MeterInspection {
    /// What became of each point, in the order of the meter's.
    var results: [MeterPoll.PointResult]
    /// The PDUs of the requests it took, in hexadecimal.
    var requests: [String] = []

    /// Reads `meter` on `settings`.
    init(of meter: Meter, on settings: BusSettings, by access: inout BusAccess) throws(AgentError) {
        var poll = MeterPoll(meter: meter, points: meter.points, on: settings)
        var obstacle: AgentError?
        var requests: [String] = []
        results = poll.inspect { span throws(ModbusError) in
            var step = BusStep.read(span, of: meter.unit)
            step.timeoutMilliseconds = meter.timing.or(settings.timing).responseTimeout?.wholeMilliseconds
            step.pauseMilliseconds = meter.timing.pause?.wholeMilliseconds
            let answer: BusAnswer
            do throws(AgentError) {
                answer = try access.take(step)
            } catch {
                obstacle = error
                throw ModbusError(code: .timeout, endpoint: settings.endpoint.description, unit: meter.unit, span: span)
            }
            requests += answer.frames.filter(\.isSent).map { PDU(of: $0, settings).text }
            if let error = answer.error { throw error }
            guard let words = answer.words, words.count == span.count else {
                throw ModbusError(
                    code: .malformed("\(answer.words?.count ?? 0) registers"),
                    endpoint: settings.endpoint.description, unit: meter.unit, span: span)
            }
            return (answer.end, words)
        }
        if let obstacle { throw obstacle }
        self.requests = requests
    }
}
