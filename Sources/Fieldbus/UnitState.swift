internal import Metering

/// What a link knows of one unit.
struct UnitState {
    /// The unit id.
    let unit: UInt8
    /// What its answers teach about waiting.
    var estimator = TimeoutEstimator()
    /// What they teach about silences within them, on a line.
    var gaps = GapLimit()
    /// The response timeout that the meter or the bus states.
    var stated: Duration?
    /// When its last answer ended.
    var lastAnswer: Instant?
    /// On a line, the answers that may still come.
    var unanswered = UnansweredRequests()

    /// A lost packet is sent again after 200 ms at the earliest (Linux' TCP_RTO_MIN): a shorter wait for a fast unit
    /// would lose its answer with every lost packet.
    static let leastOverTCP = Duration.milliseconds(500)

    /// Nothing known of `unit`.
    init(_ unit: UInt8) {
        self.unit = unit
    }

    /// How long to wait for its answer.
    func timeout(_ transport: ModbusError.Transport) -> Duration {
        stated ?? max(estimator.timeout, transport == .serial ? .zero : Self.leastOverTCP)
    }
}
