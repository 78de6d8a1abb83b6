public import Metering

/// What a bus is doing, as `parthe status` shows it.
public struct BusStatus: Hashable, Sendable {
    /// The bus's name.
    public var id: String
    /// Where it is: `192.168.1.20:502`.
    public var endpoint: String
    /// Whether there is a connection; nil before the first poll.
    public var isConnected: Bool?
    /// Share of the time since the last minute's start that requests took, 0…1.
    public var load: Double = 0
    /// Late answers thrown away.
    public var lateAnswers: UInt64 = 0
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
    /// The shortest interval.
    public var interval: Duration
    /// When the last value arrived.
    public var lastReading: Instant?
    /// How long the last successful poll took.
    public var lastDuration: Duration?
    /// Polls made, and how many of them missed some or all values.
    public var polls: UInt64 = 0
    /// Polls that missed some or all values.
    public var failedPolls: UInt64 = 0
    /// Slots that passed without a poll because the bus was busy.
    public var overruns: UInt64 = 0
    /// Polls skipped because the intake was full.
    public var skippedPolls: UInt64 = 0
    /// Values handed over.
    public var readings: UInt64 = 0
    /// Points the meter has no value for, in the last poll.
    public var notAvailable: Int = 0
    /// What went wrong in the last poll; nil when nothing did.
    public var error: ModbusError?
    /// Since when something goes wrong without a good poll between.
    public var failingSince: Instant?
}
