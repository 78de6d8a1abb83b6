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

/// A frame of the master.
struct MasterFrame {
    var bytes: [UInt8] = []
    var begin: Instant
    var end: Instant
    /// For how long the line had been silent before it; nil where nothing had been on it.
    var silence: Duration?
    var isCollided = false
    var isAtSpeed: Bool

    /// What becomes of it, where units need `silence` before it; `isKnown` when it concerns one of them, or all.
    func verdict(isKnown: Bool, silence needed: Duration) -> LineRecord.Verdict {
        if isCollided { return .collision }
        if let silence, silence < needed { return .gap }
        if !isAtSpeed { return .speed }
        if !Frame.isWhole(bytes) { return .crc }
        return isKnown ? .heard : .nobody
    }
}
