internal import Metering

/// Bytes on their way to the master, each with the moment at which it is through.
struct Transmission {
    private var bytes: [UInt8]
    private var dues: [Instant]
    private var next = 0
    private var record: LineRecord?
    private var isGarbled = false
    /// The adapter was unplugged meanwhile.
    var isLost = false
    let begin: Instant

    /// `bytes` one after another from `begin` on. Without a record it is the master's own echo.
    init(_ bytes: [UInt8], from begin: Instant, _ character: Duration, record: LineRecord?) {
        self.bytes = bytes
        self.begin = begin
        self.record = record
        dues = bytes.indices.map { begin + character * ($0 + 1) }
    }

    /// When the next byte is through.
    var due: Instant { dues[next] }
    /// When the last one is.
    var end: Instant { dues[dues.count - 1] }
    var isOver: Bool { next == bytes.count }
    var isEcho: Bool { record == nil }

    /// When the last byte that ought to be through before `now` is so; nil when none is left that ought to.
    func lastByte(before now: Instant) -> Instant? {
        dues[next...].last { $0 <= now }
    }

    /// The next byte, handed over at `now`.
    mutating func take(at now: Instant) -> UInt8 {
        defer { next += 1 }
        record?.end = now
        return bytes[next]
    }

    /// Pauses before byte `index`.
    mutating func delay(from index: Int, by pause: Duration) {
        for place in index..<dues.count { dues[place] = dues[place] + pause }
    }

    /// Destroys the bytes that are on the wire between two moments; returns whether there are any.
    mutating func garble(from begin: Instant, to end: Instant, _ character: Duration, _ random: inout SplitMix) -> Bool
    {
        var found = false
        for place in next..<bytes.count where dues[place] > begin && dues[place] - character < end {
            bytes[place] ^= UInt8.random(in: 1...255, using: &random)
            found = true
        }
        isGarbled = isGarbled || found
        return found
    }

    /// What is to be recorded of it.
    var finished: LineRecord? {
        guard var record else { return nil }
        record.bytes = bytes
        record.verdict = isLost ? .lost : isGarbled ? .collision : .sent
        return record
    }
}

/// How one answer goes wrong.
struct AnswerPlan {
    let asked: Instant
    var start: Instant
    var isSilent = false
    var isBent = false
    var isCut = false
    var isStuck = false
    var noise = 0
    var exception: UInt8?
    var split: Duration?
    var babble: Duration?
    var words: [String] = []

    init(asked: Instant, start: Instant) {
        self.asked = asked
        self.start = start
    }

    mutating func take(_ kinds: [LineFault.Kind]) {
        for kind in kinds {
            switch kind {
            case .silence: isSilent = true
            case .late(let time): start = start + time
            case .crc: isBent = true
            case .cut: isCut = true
            case .split(let pause): split = pause
            case .noise(let count): noise = count
            case .exception(let code): exception = code
            case .stuck: isStuck = true
            case .babble(let time): babble = time
            case .swap, .echo, .foreign, .unplug: continue
            }
            words.append(kind.word)
        }
    }
}
