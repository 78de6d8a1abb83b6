/// A point's number in one spool: its dictionary entry. Stable for the life of the spool.
public struct PointID: RawRepresentable, Hashable, Comparable, Sendable {
    /// The number, from 1.
    public var rawValue: UInt32

    /// The point with this number.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Orders by number.
    public static func < (a: PointID, b: PointID) -> Bool {
        a.rawValue < b.rawValue
    }
}

/// How far a reading can be relied on.
public enum Quality: UInt8, Hashable, Sendable, CaseIterable {
    /// As the meter gave it.
    case good = 0
    /// The value or its time is in doubt.
    case uncertain = 1
    /// Known to be wrong; kept for the record.
    case bad = 2
}

/// One value of one point, as it was read: not yet committed, its time still on the boot clock.
public struct Reading: Hashable, Sendable {
    /// The point.
    public var point: PointID
    /// When the answer with the value arrived.
    public var instant: Instant
    /// The value, finite.
    public var value: Value
    /// How far it can be relied on.
    public var quality: Quality
    /// What else has to be known about it; nil for nearly all.
    public var remark: Remark?

    /// A reading with every property given.
    public init(point: PointID, instant: Instant, value: Value, quality: Quality = .good, remark: Remark? = nil) {
        self.point = point
        self.instant = instant
        self.value = value
        self.quality = quality
        self.remark = remark
    }
}

/// The monotone number of a committed reading in one spool, from 1.
public struct SequenceNumber: RawRepresentable, Hashable, Comparable, Sendable {
    /// The number.
    public var rawValue: Int64

    /// The reading with this number.
    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// Orders by number.
    public static func < (a: SequenceNumber, b: SequenceNumber) -> Bool {
        a.rawValue < b.rawValue
    }
}

/// A committed reading with its phenomenon time, which is frozen: what is delivered as an Observation.
///
/// (point, phenomenon time) is its identity on the platform.
public struct SpooledReading: Hashable, Sendable {
    /// Its number in the spool.
    public var sequence: SequenceNumber
    /// The point.
    public var point: PointID
    /// When the value was true, in UTC.
    public var phenomenonTime: Timestamp
    /// The value.
    public var value: Value
    /// How far it can be relied on.
    public var quality: Quality
    /// What is delivered beside the value; nil for nearly all.
    public var parameters: ReadingParameters?

    /// A committed reading with every property given.
    public init(
        sequence: SequenceNumber, point: PointID, phenomenonTime: Timestamp, value: Value, quality: Quality = .good,
        parameters: ReadingParameters? = nil
    ) {
        self.sequence = sequence
        self.point = point
        self.phenomenonTime = phenomenonTime
        self.value = value
        self.quality = quality
        self.parameters = parameters
    }
}

/// What the platform's answer says of one reading.
public enum Receipt: Hashable, Sendable {
    /// The platform has it.
    case accepted
    /// The platform refuses it and always will; the reason in its words.
    case rejected(reason: String)
    /// It was not stored, and may be sent again.
    case kept
    /// It was sent, but the answer does not say whether it was stored: it must be asked for.
    case unclear
}
