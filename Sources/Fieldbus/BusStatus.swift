public import Metering

/// What a bus is doing, as `parthe status` shows it.
public struct BusStatus: Hashable, Sendable {
    /// The bus's name.
    public var id: String
    /// Where it is: `192.168.1.20:502`.
    public var endpoint: String
    /// The line's settings; nil for Modbus TCP.
    public var line: SerialLine?
    /// Whether there is a connection, or the port is open; nil before the first poll.
    public var isConnected: Bool?
    /// Share of the time since the last minute's start that requests took, 0…1.
    public var load: Double = 0
    /// Seconds of every second that all polls would take if every meter answered, as far as was measured: above 1 the
    /// bus cannot keep up.
    public var needed: Double = 0
    /// How often gauges are polled: more rarely while the spool fills up.
    public var pace = Pace.normal
    /// What the link counted.
    public var counters = LinkCounters()
    /// What became of the serial port's settings.
    public var port: PortReport?
    /// How often the bus was lent, and for how long in all.
    public var loans: UInt64 = 0
    /// For how long it was lent in all.
    public var lentTime = Duration.zero
    /// Polls that were late because it was lent.
    public var loanDelays: UInt64 = 0
    /// Slots that passed without a poll because it was lent.
    public var loanMisses: UInt64 = 0
    /// Its meters.
    public var meters: [MeterStatus]
}

/// What is known of a meter.
public struct MeterStatus: Hashable, Sendable {
    /// The meter's name.
    public var id: String
    /// Its unit id.
    public var unit: UInt8
    /// How many points are read.
    public var points: Int
    /// Its intervals, the shortest first.
    public var intervals: [IntervalStatus]
    /// When the last value arrived.
    public var lastReading: Instant?
    /// How long the last successful poll took.
    public var lastDuration: Duration?
    /// From the end of a request to its answer, typically.
    public var turnaround: Duration?
    /// Polls made, and how many of them missed some or all values.
    public var polls: UInt64 = 0
    /// Polls that missed some or all values.
    public var failedPolls: UInt64 = 0
    /// Slots that passed without a poll because the bus was busy.
    public var overruns: UInt64 = 0
    /// Slots without a poll because the meter, or its bus's connection, was away.
    public var omittedPolls: UInt64 = 0
    /// Polls skipped because the intake was full.
    public var skippedPolls: UInt64 = 0
    /// Readings handed over, after the choice of what is kept.
    public var readings: UInt64 = 0
    /// Counters whose last value is withheld, because it fell: the next poll decides.
    public var withheld = 0
    /// Values of counters that were no readings, because they fell for one poll.
    public var glitches: UInt64 = 0
    /// Its serial number, once it was read.
    public var serial: String?
    /// Points the meter has no value for, in the last poll.
    public var notAvailable: Int = 0
    /// What went wrong in the last poll; nil when nothing did.
    public var error: ModbusError?
    /// Since when something goes wrong without a good poll between.
    public var failingSince: Instant?
    /// Whether the log was told of it: while a whole bus is away, one of its meters tells for all.
    var isFailureTold = false
    /// When it is asked again, where it does not answer.
    public var nextTry: Instant?
    /// The names of points that the meter refuses whatever is tried: they are asked rarely.
    public var droppedPoints: [String] = []
    /// Runs of registers that the meter refuses, beside those of its definition.
    public var learntHoles: [RequestLimits.Range] = []
}

/// What is known of the polls of one interval.
public struct IntervalStatus: Hashable, Sendable {
    /// How often.
    public var interval: Duration
    /// From the beginning of the last slot to the arrival of its last value: how far behind the clock it was read.
    public var skew: Duration?
    /// The greatest skew since the start.
    public var worstSkew: Duration?

    mutating func book(skew new: Duration) {
        skew = new
        worstSkew = max(worstSkew ?? new, new)
    }
}
