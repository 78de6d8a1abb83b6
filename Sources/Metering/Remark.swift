/// What has to be known about a reading beside its value: it is stored and delivered with it.
///
/// Kept apart from the reading, so that the many without one cost nothing.
public indirect enum Remark: Hashable, Sendable {
    /// The counter went over the end of its registers, `modulus`, and began anew; it stood at `before`.
    case rollover(before: Value, modulus: ExactDecimal)
    /// The counter was set back; it stood at `before`.
    case reset(before: Value)
    /// Another device answers, as its serial number tells; the counter of the one before stood at `before`.
    case swap(before: Value?, oldSerial: String, newSerial: String)
    /// The counter stands where it stood before a reset that was told: there was none. It stood at `before`.
    case returned(before: Value)
    /// The counter rose by more than it can; `words` are its registers.
    case implausible(words: [UInt16])
    /// `lostEdges` edges of the line were not read; `pulses` among the counted ones are known by number only.
    case recovered(pulses: UInt64, lostEdges: UInt64)
    /// A person set the total, to match the dial; it stood at `before`.
    case preset(before: Value, by: String)
    /// The value stands for `count` readings from `from` to `to`.
    case aggregate(Aggregate, from: Instant, to: Instant, minimum: Value, maximum: Value, count: Int)
    /// An event that was read back from a spool, which has its `members` only.
    case stored(members: String)

    /// What is told of it in a word; nil for an aggregate, which is no event.
    public var event: String? {
        switch self {
        case .rollover: "rollover"
        case .reset: "reset"
        case .swap: "meter-swap"
        case .returned: "reset-withdrawn"
        case .implausible: "implausible-increase"
        case .recovered: "edges-lost"
        case .preset: "total-set"
        case .aggregate: nil
        case .stored(let members): Self.event(in: members)
        }
    }

    /// The time that the value stands for, where that is no moment.
    public var period: (from: Instant, to: Instant)? {
        if case .aggregate(_, let from, let to, _, _, _) = self { (from, to) } else { nil }
    }

    /// The same with the ends of its period on whole multiples of `step`, as the reading's own instant is.
    public func floored(to step: Duration) -> Remark {
        guard case .aggregate(let aggregate, let from, let to, let minimum, let maximum, let count) = self else {
            return self
        }
        return .aggregate(
            aggregate, from: from.floored(to: step), to: to.floored(to: step), minimum: minimum, maximum: maximum,
            count: count)
    }

    /// The members of a JSON object that say it, without braces: `"event":"reset","before":12.3`.
    public var members: String {
        switch self {
        case .rollover(let before, let modulus):
            return named(#""before":\#(before),"modulus":\#(modulus)"#)
        case .reset(let before), .returned(let before): return named(#""before":\#(before)"#)
        case .swap(let before, let old, let new):
            let last = before.map { #""before":\#($0),"# } ?? ""
            return named(last + #""serial_before":\#(JSONString(old)),"serial":\#(JSONString(new))"#)
        case .implausible(let words):
            return named(#""words":"\#(words.map { $0.hexadecimal }.joined(separator: " "))""#)
        case .recovered(let pulses, let lostEdges):
            return named(#""recovered_pulses":\#(pulses),"lost_edges":\#(lostEdges)"#)
        case .preset(let before, let who): return named(#""before":\#(before),"by":\#(JSONString(who))"#)
        case .aggregate(let aggregate, _, _, let minimum, let maximum, let count):
            return #""aggregate":"\#(aggregate.rawValue)","min":\#(minimum),"max":\#(maximum),"count":\#(count)"#
        case .stored(let members): return members
        }
    }

    private func named(_ rest: String) -> String {
        #""event":"\#(event ?? "")",\#(rest)"#
    }
}

/// How the readings of an interval become one.
public enum Aggregate: String, Hashable, Sendable, CaseIterable {
    // As the configuration calls them.
    case mean, min, max, last
}

/// What a delivered Observation carries in its `parameters`.
public indirect enum ReadingParameters: Hashable, Sendable {
    /// The members of a JSON object without braces, and the time that the value stands for.
    case members(String, from: Timestamp?, to: Timestamp?)
}

extension UInt16 {
    /// Four digits: `03E8`.
    public var hexadecimal: String {
        let digits = String(self, radix: 16, uppercase: true)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }
}
