internal import Metering

/// Something that goes wrong on an emulated line: for one unit, for all, or for the line itself.
public struct LineFault: Hashable, Sendable {
    /// What goes wrong.
    public enum Kind: Hashable, Sendable {
        /// The unit hears, and does not answer.
        case silence
        /// It answers so much later than it usually does.
        case late(Duration)
        /// One bit of the answer is wrong.
        case crc
        /// The answer pauses for so long somewhere in its middle.
        case split(Duration)
        /// The answer ends in its middle.
        case cut
        /// So many bytes that are no frame come right before the answer.
        case noise(Int)
        /// The unit refuses with this code (Modbus Application Protocol V1.1b3, section 7).
        case exception(UInt8)
        /// The unit answers everything with the first frame that it sent while stuck.
        case stuck
        /// The unit sends without a pause for so long, in place of an answer.
        case babble(Duration)
        /// Another meter of the same model takes the unit's place: other serial number, other counters.
        case swap
        /// The adapter of the master hears what it sends, as 2-wire adapters may.
        case echo
        /// Others talk on the line, once in so long on average: another master and its unit, or a broadcast.
        case foreign(Duration)
        /// The master's adapter (or the converter's power) is unplugged, until it comes back as another device under the same stable name.
        case unplug
    }

    /// What goes wrong.
    public var kind: Kind
    /// The unit id that it concerns; nil for all units, and for what concerns the line.
    public var unit: UInt8?
    /// The share of requests that it concerns, 0…1.
    public var share: Double
    /// When it begins, counted from the line's start.
    public var from: Duration
    /// When it is over; nil for never.
    public var until: Duration?

    /// A fault with every property given.
    public init(_ kind: Kind, unit: UInt8? = nil, share: Double = 1, from: Duration = .zero, until: Duration? = nil) {
        self.kind = kind
        self.unit = unit
        self.share = share
        self.from = from
        self.until = until
    }

    /// Whether it holds at `age` of the line.
    func isOn(at age: Duration) -> Bool {
        age >= from && (until.map { age < $0 } ?? true)
    }

    /// Whether it concerns the line and not an answer.
    var isOfLine: Bool {
        switch kind {
        case .echo, .foreign, .unplug: true
        default: false
        }
    }
}

extension LineFault.Kind {
    /// Its word in plans and in the truth log.
    var word: String {
        switch self {
        case .silence: "silence"
        case .late: "late"
        case .crc: "crc"
        case .split: "split"
        case .cut: "cut"
        case .noise: "noise"
        case .exception: "exception"
        case .stuck: "stuck"
        case .babble: "babble"
        case .swap: "swap"
        case .echo: "echo"
        case .foreign: "foreign"
        case .unplug: "unplug"
        }
    }
}

extension LineFault {
    /// What plans look like, for helps and hints.
    static let grammar =
        "[UNIT:]FAULT[=HOW][:SHARE][@FROM[-UNTIL]], such as 3:silence, *:crc:0.02, 2:late=700ms@10s-20s"

    /// Reads a fault: `3:silence`, `*:crc:0.02` (2 % of all answers), `2:late=700ms@10s-20s`, `foreign=5s`, `echo`,
    /// `5:swap@30s`, `unplug@20s-25s`. Times count from the line's start.
    public init(_ text: String) throws(LabError) {
        func wrong(_ what: String) -> LabError { LabError(.format, "fault '\(text)': \(what)", hint: Self.grammar) }
        let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        var words = halves[0].split(separator: ":", omittingEmptySubsequences: false)
        var unit: UInt8?
        var hasUnit = false
        if words.count > 1, words[0] == "*" || UInt8(words[0]) != nil {
            unit = UInt8(words.removeFirst())
            hasUnit = true
            if let unit, !(1...247).contains(unit) { throw wrong("unit ids are from 1 to 247") }
        }
        guard words.count <= 2 else { throw wrong("there are too many colons") }
        let parts = words[0].split(separator: "=", maxSplits: 1).map(String.init)
        let name = parts.first ?? ""
        guard let kind = Self.kind(name, parts.count > 1 ? parts[1] : nil) else {
            throw wrong(Self.words.contains(name) ? "'\(name)' does not go with that" : "there is no fault '\(name)'")
        }
        var share = 1.0
        if words.count == 2 {
            guard let number = Double(words[1]), (0...1).contains(number) else { throw wrong("a share is from 0 to 1") }
            share = number
        }
        self.init(kind, unit: unit, share: share)
        if isOfLine, hasUnit { throw wrong("'\(name)' concerns the line, not a unit") }
        if !isOfLine, !hasUnit { throw wrong("which unit? * means all") }
        guard halves.count == 2 else { return }
        let times = halves[1].split(separator: "-", maxSplits: 1).map { Self.duration(String($0)) }
        guard let first = times.first, let from = first, times.count == 1 || times[1] != nil else {
            throw wrong("times are such as 500ms, 20s, 5m")
        }
        self.from = from
        until = times.count == 2 ? times[1] : nil
        if let until, until <= from { throw wrong("it ends before it begins") }
    }

    private static let words = [
        "silence", "late", "crc", "split", "cut", "noise", "exception", "stuck", "babble", "swap", "echo", "foreign",
        "unplug",
    ]

    private static func kind(_ name: String, _ how: String?) -> Kind? {
        let time = how.flatMap(duration)
        switch (name, how) {
        case ("silence", nil): return .silence
        case ("late", _?): return time.map(Kind.late)
        case ("crc", nil): return .crc
        case ("split", _?): return time.map(Kind.split)
        case ("cut", nil): return .cut
        case ("noise", nil): return .noise(3)
        case ("noise", let how?): return Int(how).flatMap { (1...64).contains($0) ? .noise($0) : nil }
        case ("exception", let how?): return UInt8(how).map(Kind.exception)
        case ("stuck", nil): return .stuck
        case ("babble", _?): return time.map(Kind.babble)
        case ("swap", nil): return .swap
        case ("echo", nil): return .echo
        case ("foreign", _?): return time.flatMap { $0 > .zero ? .foreign($0) : nil }
        case ("unplug", nil): return .unplug
        default: return nil
        }
    }

    /// `500ms`, `2.5s`, `5m`.
    static func duration(_ text: String) -> Duration? {
        for (suffix, unit) in [("ms", 0.001), ("s", 1.0), ("m", 60.0)] where text.hasSuffix(suffix) {
            guard let number = Double(text.dropLast(suffix.count)), number >= 0, number <= 1e6 else { return nil }
            return .nanoseconds(Int64((number * unit * 1e9).rounded()))
        }
        return nil
    }
}
