/// Something that happened to a meter and has to be known when its readings are looked at: kept in the spool.
public struct MeterEvent: Hashable, Sendable {
    /// What happened.
    public indirect enum Kind: Hashable, Sendable {
        /// A counter went over the end of its registers.
        case rollover(before: Value, value: Value)
        /// A counter was set back.
        case reset(before: Value, value: Value)
        /// A counter stands where it stood before a reset that was told.
        case returned(before: Value, value: Value)
        /// A counter fell for one poll; the value was no reading.
        case glitch(value: Value, words: [UInt16])
        /// A counter fell at poll after poll.
        case erratic(before: Value, value: Value)
        /// A counter rose by more than it can.
        case implausible(before: Value, value: Value, words: [UInt16])
        /// The meter has another serial number.
        case swap(oldSerial: String, newSerial: String)
        /// Edges of a line were not read; pulses among them are counted by number.
        case lostEdges(UInt64, pulses: UInt64)
        /// A line could not be watched for a while; what happened meanwhile is not known.
        case away(Duration)
        /// A person set a total.
        case preset(before: Value, value: Value, by: String)
        /// The configuration says otherwise how a total is counted; it is `value` now.
        case recounted(PulseTotal.Change, value: Value)
    }

    /// The meter's name, or the key of its point.
    public var subject: String
    /// When it was seen.
    public var instant: Instant
    /// What happened.
    public var kind: Kind

    /// An event with every property given.
    public init(subject: String, instant: Instant, kind: Kind) {
        self.subject = subject
        self.instant = instant
        self.kind = kind
    }
}

extension MeterEvent.Kind {
    /// The event in a word, as in the remark of a reading.
    public var word: String {
        switch self {
        case .rollover: "rollover"
        case .reset: "reset"
        case .returned: "reset-withdrawn"
        case .glitch: "glitch"
        case .erratic: "falls-again-and-again"
        case .implausible: "implausible-increase"
        case .swap: "meter-swap"
        case .lostEdges: "edges-lost"
        case .away: "line-away"
        case .preset: "total-set"
        case .recounted: "counted-otherwise"
        }
    }

    /// The event in words, for a log and for people.
    public var text: String {
        switch self {
        case .rollover(let before, let value): "went over its end, from \(before) to \(value)"
        case .reset(let before, let value): "was set back from \(before) to \(value)"
        case .returned(let before, let value): "is back at \(value), after \(before): the reset before was none"
        case .glitch(let value, let words): "was \(value) for a moment (\(Self.text(words))): not taken"
        case .erratic(let before, let value):
            "fell at poll after poll, from \(before) to \(value): its readings are uncertain until it counts on"
        case .implausible(let before, let value, let words):
            "rose from \(before) to \(value) (\(Self.text(words))), more than it can: marked uncertain"
        case .lostEdges(let edges, let pulses):
            "lost \(edges) edges of its line; \(pulses) pulses were counted by their number, without their widths"
        case .away(let time):
            "could not be watched for \(max(1, time.wholeMilliseconds / 1000)) s; pulses meanwhile are not known"
        case .preset(let before, let value, let who): "was set from \(before) to \(value) by \(who)"
        case .recounted(.scale(let from, let to), let value):
            "stays at \(value); its pulses count \(to) for one unit from now on, before \(from)"
        case .recounted(.unit(let from, let before), _):
            "begins with nothing in its new unit, before \(before) \(from): set it with parthe input set-total"
        case .swap(let old, let new): "is another device: serial number \(new), before \(old)"
        }
    }

    private static func text(_ words: [UInt16]) -> String {
        "registers " + words.map(\.hexadecimal).joined(separator: " ")
    }
}
