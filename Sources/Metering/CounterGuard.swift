/// Judges what a counter's registers say, so that nothing becomes consumption that was none.
///
/// A counter only rises, and by no more than the meter's rated power allows. What does not fit is one of these, and each
/// is told apart by what comes next:
///
/// | seen | meaning | what happens |
/// |---|---|---|
/// | falls, and over the end of its registers it is a plausible rise | rollover | kept, with a remark |
/// | falls, and the next poll is where it was | a glitch, such as a single 0 | never a reading; told as an event |
/// | falls, and the next poll counts on from there | reset | both kept, the first with a remark |
/// | falls, and the serial number is another one | another meter | kept at once, with a remark |
/// | a told reset, and later the counter is where it was | the device lied for a while | kept, with a remark |
/// | falls at poll after poll | no counter, or a broken one | told once; its readings are uncertain until it counts on |
/// | rises by more than it can | in doubt | kept as uncertain, with its registers |
///
/// A fallen value is withheld until the next poll decides; one that went over the end of its registers is kept at once,
/// unless it is exactly 0. A counter that fell to exactly 0 is often a device that has
/// not read its meter yet (sem-community #782: 15.5 MWh; Sigenergy-Local-Modbus #313), so it is withheld until it moves
/// or has stood there for ten minutes. Whatever was withheld becomes a reading or is told as an event.
///
/// Pure: time comes in with the readings.
public struct CounterGuard: Hashable, Sendable {
    /// What a counter can do.
    public struct Limits: Hashable, Sendable {
        /// The most it can rise in an hour, in its unit; nil where nothing says it.
        public var ratePerHour: Double?
        /// The most that any meter's counter rises in an hour: the bound where nothing says a lower one.
        public var ceilingPerHour: Double?
        /// The value at which it begins anew; nil where its registers have none. Where a register says the power of ten,
        /// in counts of the registers.
        public var modulus: ExactDecimal?
        /// Whether a register says the power of ten, which a value's exponent shows then.
        public var isScaled: Bool
        /// The least step of its value; 0 for floats, whose step depends on the value.
        public var step: Double

        /// Limits with every property given.
        public init(
            ratePerHour: Double? = nil, ceilingPerHour: Double? = nil, modulus: ExactDecimal? = nil,
            isScaled: Bool = false, step: Double = 0
        ) {
            self.ratePerHour = ratePerHour
            self.ceilingPerHour = ceilingPerHour
            self.modulus = modulus
            self.isScaled = isScaled
            self.step = step
        }
    }

    /// What becomes of a reading.
    public struct Ruling: Hashable, Sendable {
        /// The reading that was withheld until now: it is handed over first.
        public var held: Reading?
        /// Whether the reading is handed over, with the quality and the remark that it has now.
        public var keeps = true
        /// What is to be told.
        public var events: [MeterEvent.Kind] = []
    }

    /// A value that the counter had.
    private struct Level: Hashable {
        var value: Value
        var number: Double
        /// Nil when it is from before a restart.
        var instant: Instant?
    }

    /// Rare, and kept outside: a gateway has many counters.
    private indirect enum Doubt: Hashable {
        /// It rose to this by more than it can, and was handed over as uncertain.
        case rise(Level)
        /// It fell to this; the reading is withheld.
        case fall(Reading, words: [UInt16], Level, times: Int)
        /// It fell again and again, last to this, or rose from there so many times in a row.
        case erratic(Level, rises: Int)

        /// The last value that was not believed.
        var level: Level {
            switch self {
            case .rise(let level), .fall(_, _, let level, _), .erratic(let level, _): level
            }
        }
    }

    private indirect enum Past: Hashable {
        /// What it fell from at a reset that was told.
        case fall(Level)
        /// Another device answers; its first value has not come yet.
        case swap(old: String, new: String)
    }

    private let limits: Limits
    private var level: Level?
    private var doubt: Doubt?
    private var past: Past?

    /// Some meters update their registers once in so long; a rise may come late by it.
    private static let lag = Duration.seconds(120)
    /// What measuring, rounding and a meter's overload may add.
    private static let margin = 1.2
    /// How long a counter that fell to 0 and does not move is waited for.
    private static let patience = Duration.seconds(600)
    /// After so many falls in a row, none of which the next poll confirmed, it is told that this is no counter.
    private static let mostFalls = 3
    /// So many rises in a row make it a counter again.
    private static let enoughRises = 3
    /// Without a known rate, a rollover leads from the last to the first of so many parts of its registers' range.
    private static let parts = 8.0

    /// The guard of a counter that stood at `last` when the agent ended, where that is known.
    public init(_ limits: Limits, last: Value? = nil) {
        self.limits = limits
        level = last.map { Level(value: $0, number: $0.approximate, instant: nil) }
    }

    /// The last value that is believed: what the agent has to remember over a restart.
    public var last: Value? { level?.value }

    /// Whether a reading is withheld.
    public var isWithholding: Bool { if case .fall = doubt { true } else { false } }

    /// Whether `value` would be a surprise that another meter explains, so that its serial number is worth a look.
    public func isSurprise(_ value: Value, at instant: Instant) -> Bool {
        guard let level else { return false }
        if case .swap = past { return false }
        let new = Level(value: value, number: value.approximate, instant: instant)
        if isRise(from: level, to: new) { return false }
        return doubt.map { !isRise(from: $0.level, to: new) } ?? true
    }

    /// Judges a reading whose registers are `words`.
    public mutating func judge(_ reading: inout Reading, words: @autoclosure () -> [UInt16]) -> Ruling {
        let new = Level(value: reading.value, number: reading.value.approximate, instant: reading.instant)
        guard let level else {
            self.level = new
            return markSwap(&reading, before: nil)
        }
        if case .swap = past {
            (self.level, doubt) = (new, nil)
            return markSwap(&reading, before: level.value)
        }
        switch doubt {
        case nil: return judge(&reading, new, level, words)
        case .rise(let other):
            doubt = nil
            // Counting on from there it has shown that it is there.
            guard isRise(from: other, to: new), !isRise(from: level, to: new) else {
                return judge(&reading, new, level, words)
            }
            self.level = new
            return Ruling()
        case .fall(let held, let heldWords, let other, let times):
            if isRise(from: level, to: new) || new.number > level.number {
                doubt = nil
                var ruling = judge(&reading, new, level, words)
                ruling.events.insert(.glitch(value: held.value, words: heldWords), at: 0)
                return ruling
            }
            if isRise(from: other, to: new) { return countOn(held, from: level, to: other, new) }
            return fall(&reading, words, new, after: held, heldWords, from: level, times)
        case .erratic(let other, let rises):
            return judgeErratic(&reading, new, level, other, rises)
        }
    }

    /// Another device answers since the last reading; the one before was seen last at `seen`. Returns what becomes of the
    /// reading that was withheld, if there is one.
    public mutating func swapped(old: String, new: String, seen: Instant?) -> Ruling {
        guard case .fall(var held, let words, let other, _) = doubt else {
            past = .swap(old: old, new: new)
            return Ruling(keeps: false)
        }
        doubt = nil
        if let seen, held.instant <= seen {
            past = .swap(old: old, new: new)
            return Ruling(keeps: false, events: [.glitch(value: held.value, words: words)])
        }
        held.remark = .swap(before: level?.value, oldSerial: old, newSerial: new)
        (level, past) = (other, nil)
        return Ruling(held: held, keeps: false)
    }

    // MARK: - After a fall

    /// The fall is confirmed: `new` counts on from what was withheld.
    private mutating func countOn(_ held: Reading, from level: Level, to other: Level, _ new: Level) -> Ruling {
        if other.number == 0, new.number == 0, !hasStood(since: other, until: new) { return Ruling(keeps: false) }
        var first = held
        doubt = nil
        self.level = new
        if let modulus = modulus(from: level), isRollover(at: modulus, from: level, to: other) {
            first.remark = .rollover(before: level.value, modulus: modulus)
            return Ruling(held: first, events: [.rollover(before: level.value, value: first.value)])
        }
        first.remark = .reset(before: level.value)
        past = .fall(level)
        return Ruling(held: first, events: [.reset(before: level.value, value: first.value)])
    }

    /// It fell once more, to somewhere else.
    private mutating func fall(
        _ reading: inout Reading, _ words: () -> [UInt16], _ new: Level, after held: Reading, _ heldWords: [UInt16],
        from level: Level, _ times: Int
    ) -> Ruling {
        guard times >= Self.mostFalls else {
            doubt = .fall(reading, words: words(), new, times: times + 1)
            return Ruling(keeps: false, events: [.glitch(value: held.value, words: heldWords)])
        }
        var first = held
        first.quality = .uncertain
        reading.quality = .uncertain
        doubt = .erratic(new, rises: 0)
        return Ruling(held: first, events: [.erratic(before: level.value, value: reading.value)])
    }

    private mutating func judgeErratic(
        _ reading: inout Reading, _ new: Level, _ level: Level, _ other: Level, _ rises: Int
    ) -> Ruling {
        if isRise(from: level, to: new) {
            (self.level, doubt) = (new, nil)
            reading.remark = .returned(before: level.value)
            return Ruling(events: [.returned(before: level.value, value: reading.value)])
        }
        let rises = isRise(from: other, to: new) ? rises + 1 : 0
        guard rises >= Self.enoughRises else {
            doubt = .erratic(new, rises: rises)
            reading.quality = .uncertain
            return Ruling()
        }
        (self.level, doubt, past) = (new, nil, .fall(level))
        reading.remark = .reset(before: level.value)
        return Ruling(events: [.reset(before: level.value, value: reading.value)])
    }

    // MARK: - Without a doubt from before

    private mutating func judge(
        _ reading: inout Reading, _ new: Level, _ level: Level, _ words: () -> [UInt16]
    ) -> Ruling {
        if case .fall(let before) = past, isRise(from: before, to: new), new.number > level.number {
            past = nil
            self.level = new
            reading.remark = .returned(before: before.value)
            return Ruling(events: [.returned(before: before.value, value: reading.value)])
        }
        if isRise(from: level, to: new) {
            self.level = new
            return Ruling()
        }
        if new.number > level.number {
            let words = words()
            reading.quality = .uncertain
            reading.remark = .implausible(words: words)
            doubt = .rise(new)
            return Ruling(events: [.implausible(before: level.value, value: reading.value, words: words)])
        }
        if let modulus = modulus(from: level), new.number != 0, isRollover(at: modulus, from: level, to: new) {
            self.level = new
            reading.remark = .rollover(before: level.value, modulus: modulus)
            return Ruling(events: [.rollover(before: level.value, value: reading.value)])
        }
        doubt = .fall(reading, words: words(), new, times: 1)
        return Ruling(keeps: false)
    }

    private mutating func markSwap(_ reading: inout Reading, before: Value?) -> Ruling {
        guard case .swap(let old, let new) = past else { return Ruling() }
        past = nil
        reading.remark = .swap(before: before, oldSerial: old, newSerial: new)
        return Ruling()
    }

    /// Whether the counter can have gone from one value to the other: up, and not too fast.
    private func isRise(from a: Level, to b: Level) -> Bool {
        let rise = b.number - a.number
        guard rise >= -slack(at: a.number) else { return false }
        return most(limits.ratePerHour ?? limits.ceilingPerHour, from: a, to: b).map { rise <= $0 } ?? true
    }

    /// The most that it can have risen between two values at `rate` an hour; nil where nothing says it.
    private func most(_ rate: Double?, from a: Level, to b: Level) -> Double? {
        guard let rate, let begin = a.instant, let end = b.instant else { return nil }
        let hours = (end - begin + Self.lag) / .seconds(3600)
        return rate * Self.margin * hours + 2 * slack(at: b.number)
    }

    /// By how much a value may seem to fall because numbers are rounded.
    private func slack(at number: Double) -> Double {
        // A float register has 24 bits of digits.
        limits.step > 0 ? 0 : abs(number) / Double(1 << 22)
    }

    /// Where a counter that stood at `level` begins anew.
    private func modulus(from level: Level) -> ExactDecimal? {
        guard limits.isScaled else { return limits.modulus }
        guard case .decimal(let number) = level.value else { return nil }
        return limits.modulus?.multiplied(by: ExactDecimal(1, exponent: number.exponent))
    }

    private func isRollover(at modulus: ExactDecimal, from a: Level, to b: Level) -> Bool {
        let end = modulus.approximate
        let rise = end - a.number + b.number
        guard rise >= 0, a.number <= end else { return false }
        if let most = most(limits.ratePerHour, from: a, to: b) { return rise <= most }
        return a.number >= end * (1 - 1 / Self.parts) && b.number <= end / Self.parts
    }

    private func hasStood(since a: Level, until b: Level) -> Bool {
        guard let begin = a.instant, let end = b.instant else { return true }
        return end - begin >= Self.patience
    }
}
