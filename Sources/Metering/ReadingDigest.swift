/// Count and hash of a set of readings of one point: what the gateway committed and what the platform holds can be
/// compared by it without moving the readings.
///
/// The hash of a set is the wrapping sum of its members' hashes, so order does not matter and sets can be added. A
/// member's hash is taken over its phenomenon time in milliseconds and its value in normal form, so `12.30` and `12.3`
/// are the same reading:
///
///     member(t, v) = mix(mix(mix(exponent & 0xFF | negative << 8) ^ magnitude) ^ t)
///
/// with `mix` the finaliser of SplitMix64 (Steele, Lea, Flood 2014). It finds losses and copies; it is no
/// protection against forgery.
public struct ReadingDigest: Hashable, Sendable {
    /// How many readings.
    public var count: UInt64
    /// The wrapping sum of their hashes.
    public var hash: UInt64

    /// The digest of no reading; or one stored earlier.
    public init(count: UInt64 = 0, hash: UInt64 = 0) {
        self.count = count
        self.hash = hash
    }

    /// Adds one reading.
    public mutating func add(_ time: Timestamp, _ value: ExactDecimal) {
        count += 1
        hash &+= Self.member(time, value)
    }

    /// Adds the readings of another set that shares none with this one.
    public mutating func add(_ other: ReadingDigest) {
        count += other.count
        hash &+= other.hash
    }

    /// The hash of one reading.
    public static func member(_ time: Timestamp, _ value: ExactDecimal) -> UInt64 {
        let number = value.normalized
        let sign = UInt64(UInt8(bitPattern: number.exponent)) | (number.isNegative ? 1 << 8 : 0)
        return mix(mix(mix(sign) ^ number.magnitude) ^ UInt64(bitPattern: time.milliseconds))
    }

    private static func mix(_ input: UInt64) -> UInt64 {
        var z = input &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
