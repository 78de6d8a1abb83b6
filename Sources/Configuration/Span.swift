internal import Metering

/// Durations and sizes as people write them, exact in both directions.
enum Span {
    /// Milliseconds a unit has.
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]
    private static let sizes: [(name: String, bytes: Int64)] = [
        ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30),
    ]
    /// The day that aligned polls divide, in milliseconds.
    static let day: Int64 = 86_400_000

    /// `10s` → 10 seconds; nil when it is no duration.
    static func duration(_ text: String) -> Duration? {
        guard let (count, unit) = split(text), let unit = units.first(where: { $0.name == unit }) else { return nil }
        let (milliseconds, overflow) = count.multipliedReportingOverflow(by: unit.milliseconds)
        return overflow ? nil : .milliseconds(milliseconds)
    }

    /// `256MB` → 256 000 000; nil when it is no size.
    static func bytes(_ text: String) -> Int64? {
        guard let (count, unit) = split(text), let unit = sizes.first(where: { $0.name == unit }) else { return nil }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: unit.bytes)
        return overflow ? nil : bytes
    }

    private static func split(_ text: String) -> (count: Int64, unit: Substring)? {
        let digits = text.prefix { $0.isASCII && $0.isWholeNumber }
        guard (1...12).contains(digits.utf8.count), let count = Int64(digits) else { return nil }
        return (count, text[digits.endIndex...])
    }

    /// A duration in the largest unit that holds it exactly; from two days on in days.
    static func text(_ duration: Duration) -> String {
        let milliseconds = duration.wholeMilliseconds
        if milliseconds == 0 { return "0s" }
        let unit = units.last { unit in
            milliseconds % unit.milliseconds == 0 && milliseconds >= unit.milliseconds * (unit.name == "d" ? 2 : 1)
        }
        guard let unit else { return "\(milliseconds)ms" }
        return "\(milliseconds / unit.milliseconds)\(unit.name)"
    }

    /// A size in the largest unit that holds it exactly.
    static func text(bytes: Int64) -> String {
        let exact = sizes.filter { bytes >= $0.bytes && bytes % $0.bytes == 0 }
        guard let unit = exact.max(by: { $0.bytes < $1.bytes }) else { return "\(bytes) bytes" }
        return "\(bytes / unit.bytes)\(unit.name)"
    }

    /// The nearest intervals, shorter and longer, that fit a whole number of times into a day; nil when `interval` does.
    ///
    /// Polls are aligned to the day: an interval that does not divide it has one shorter gap at every midnight.
    static func neighbours(of interval: Duration) -> (shorter: Duration, longer: Duration)? {
        let milliseconds = interval.wholeMilliseconds
        guard milliseconds > 0, milliseconds <= day, day % milliseconds != 0 else { return nil }
        // Whole minutes get neighbours in whole minutes, and so on.
        let grain = units.last { day > $0.milliseconds && milliseconds % $0.milliseconds == 0 }?.milliseconds ?? 1
        var shorter: Int64 = grain
        var longer = day
        var divisor: Int64 = 1
        while divisor * divisor <= day / grain {
            defer { divisor += 1 }
            guard day / grain % divisor == 0 else { continue }
            for candidate in [divisor * grain, day / divisor] {
                if candidate < milliseconds {
                    shorter = max(shorter, candidate)
                } else {
                    longer = min(longer, candidate)
                }
            }
        }
        return (.milliseconds(shorter), .milliseconds(longer))
    }
}

extension ExactDecimal {
    /// Whether the number lies from −limit to limit. Exact for any number of digits.
    func isWithin(_ limit: UInt64) -> Bool {
        var whole = magnitude
        var hasFraction = false
        for _ in 0..<Int(exponent.magnitude) where whole != 0 {
            if exponent < 0 {
                hasFraction = hasFraction || whole % 10 != 0
                whole /= 10
            } else {
                let (product, overflow) = whole.multipliedReportingOverflow(by: 10)
                if overflow { return false }
                whole = product
            }
        }
        return whole < limit || (whole == limit && !hasFraction)
    }
}
