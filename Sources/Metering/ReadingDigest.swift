/// Count and hash of a set of readings of one point: what the gateway committed and what the platform holds can be
/// compared by it without moving the readings.
///
/// The hash of a set is the wrapping sum of its members' hashes, so order does not matter and sets can be added. A
/// member's hash is taken over its phenomenon time in milliseconds and its value, a number in normal form, so `12.30` and
/// `12.3` are the same reading:
///
///     member(t, number) = mix(mix(mix(exponent & 0xFF | negative << 8) ^ magnitude) ^ t)
///     member(t, text)   = mix(mix(… mix(mix(1 << 9 | length << 16) ^ word 1) … ^ word n) ^ t)
///
/// where a text's words are its bytes in UTF-8, eight a word, the first the least significant, the last word filled with
/// zeros;
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

    /// Adds one reading. A Double beyond ±10^±100 has no normal form: it is counted and adds nothing to the hash.
    public mutating func add(_ time: Timestamp, _ value: Value) {
        count += 1
        if case .text(let text) = value {
            hash &+= Self.member(time, text)
        } else if let number = value.normalized {
            hash &+= Self.member(time, number)
        }
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

    /// The hash of one reading of a text.
    public static func member(_ time: Timestamp, _ text: ExactText) -> UInt64 {
        var state = mix(1 << 9 | UInt64(text.utf8.count) << 16)
        var word: UInt64 = 0
        for (index, byte) in text.utf8.enumerated() {
            word |= UInt64(byte) << UInt64(index % 8 * 8)
            guard index % 8 == 7 || index == text.utf8.count - 1 else { continue }
            state = mix(state ^ word)
            word = 0
        }
        return mix(state ^ UInt64(bitPattern: time.milliseconds))
    }

    private static func mix(_ input: UInt64) -> UInt64 {
        var z = input &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
