/// A moment in UTC to the millisecond: what the platform calls a time.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
    public var milliseconds: Int64

    /// The moment `milliseconds` after 1970-01-01T00:00:00Z.
    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// Orders moments.
    public static func < (a: Timestamp, b: Timestamp) -> Bool {
        a.milliseconds < b.milliseconds
    }
}

/// What has to be added to the boot clock to get UTC, as known at one moment.
public struct ClockOffset: Hashable, Sendable {
    /// UTC minus boot clock, in nanoseconds.
    public var nanoseconds: Int64

    /// An offset of `nanoseconds` (UTC minus boot clock).
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The UTC time of a moment of this boot, rounded down to the millisecond.
    public func timestamp(of instant: Instant) -> Timestamp {
        let total = instant.nanoseconds + nanoseconds
        let floor = total >= 0 ? total / 1_000_000 : (total - 999_999) / 1_000_000
        return Timestamp(milliseconds: floor)
    }

    /// The moment of this boot at which it is, was or will be `timestamp`.
    public func instant(of timestamp: Timestamp) -> Instant {
        Instant(nanoseconds: timestamp.milliseconds * 1_000_000 - nanoseconds)
    }
}

// MARK: - ISO 8601, the one form that goes on the wire: 2026-11-01T00:00:10.000Z

extension Timestamp: CustomStringConvertible {
    /// `2026-11-01T00:00:10.000Z`.
    public var description: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the 24 characters of `2026-11-01T00:00:10.000Z`.
    ///
    /// Years outside 0…9999 do not occur: the clock is checked before a reading gets its time.
    public func append(to bytes: inout [UInt8]) {
        let days = Self.floorDivide(milliseconds, by: 86_400_000)
        var rest = milliseconds - days * 86_400_000
        let (year, month, day) = Self.civil(fromDays: days)
        Self.append(year, digits: 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        Self.append(month, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        Self.append(day, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: "T"))
        Self.append(rest / 3_600_000, digits: 2, to: &bytes)
        rest %= 3_600_000
        bytes.append(UInt8(ascii: ":"))
        Self.append(rest / 60_000, digits: 2, to: &bytes)
        rest %= 60_000
        bytes.append(UInt8(ascii: ":"))
        Self.append(rest / 1000, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        Self.append(rest % 1000, digits: 3, to: &bytes)
        bytes.append(UInt8(ascii: "Z"))
    }

    /// Reads a time as SensorThings servers print it: `Z` or `±hh:mm`, any number of fraction digits (cut to
    /// milliseconds), and an interval `a/b`, of which the start counts.
    ///
    /// Returns nil for anything else.
    public init?(iso8601 text: some StringProtocol) {
        var parser = DigitReader(bytes: Array(text.utf8.prefix { $0 != UInt8(ascii: "/") }))
        guard let year = parser.number(4), parser.skip("-"),
            let month = parser.number(2), (1...12).contains(month), parser.skip("-"),
            let day = parser.number(2), (1...31).contains(day),
            parser.skip("T") || parser.skip("t") || parser.skip(" "),
            let hour = parser.number(2), hour < 24, parser.skip(":"),
            let minute = parser.number(2), minute < 60, parser.skip(":"),
            let second = parser.number(2), second < 61
        else { return nil }
        let fraction = parser.skip(".") ? parser.fractionInMilliseconds() : 0
        guard let fraction else { return nil }
        var offsetMinutes: Int64 = 0
        if !(parser.skip("Z") || parser.skip("z")) {
            let sign: Int64
            if parser.skip("+") { sign = 1 } else if parser.skip("-") { sign = -1 } else { return nil }
            guard let h = parser.number(2), h < 24 else { return nil }
            _ = parser.skip(":")
            guard let m = parser.number(2), m < 60 else { return nil }
            offsetMinutes = sign * (h * 60 + m)
        }
        guard parser.isAtEnd else { return nil }
        let days = Self.days(fromCivil: year, month, day)
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offsetMinutes * 60
        self.init(milliseconds: seconds * 1000 + fraction)
    }

    private static func append(_ number: Int64, digits: Int, to bytes: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        var rest = number
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / divisor % 10))
            rest %= divisor
            divisor /= 10
        }
    }

    private static func floorDivide(_ a: Int64, by b: Int64) -> Int64 {
        a >= 0 ? a / b : -((-a + b - 1) / b)
    }

    /// Proleptic Gregorian date of a day number (day 0 = 1970-01-01). Howard Hinnant, "chrono-Compatible
    /// Low-Level Date Algorithms", civil_from_days.
    private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let z = days + 719_468
        let era = floorDivide(z, by: 146_097)
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let m = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * m + 2) / 5 + 1
        let month = m < 10 ? m + 3 : m - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    /// Day number of a date; the inverse, days_from_civil.
    private static func days(fromCivil year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = floorDivide(y, by: 400)
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

/// Reads the fixed fields of an ISO 8601 time.
private struct DigitReader {
    let bytes: [UInt8]
    var position = 0

    var isAtEnd: Bool { position == bytes.count }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func number(_ digits: Int) -> Int64? {
        guard position + digits <= bytes.count else { return nil }
        var result: Int64 = 0
        for byte in bytes[position..<position + digits] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            result = result * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        position += digits
        return result
    }

    mutating func fractionInMilliseconds() -> Int64? {
        var result: Int64 = 0
        var weight: Int64 = 100
        let start = position
        while let digit = number(1) {
            result += digit * weight
            weight /= 10
        }
        return position > start ? result : nil
    }
}
