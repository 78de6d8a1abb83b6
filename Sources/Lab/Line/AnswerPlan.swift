internal import Metering

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

    /// The answer `frame` on its way, with what goes wrong in it.
    func transmission(
        of frame: [UInt8], _ character: Duration, record: LineRecord, _ random: inout SplitMix
    ) -> Transmission {
        var bytes = frame
        if isBent {
            bytes[Int.random(in: frame.indices, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
        if isCut { bytes.removeLast(Int.random(in: 1..<max(2, frame.count), using: &random)) }
        bytes = (0..<noise).map { _ in UInt8.random(in: 0...255, using: &random) } + bytes
        var transmission = Transmission(bytes, from: start, character, record: record)
        if let split, bytes.count > 1 {
            transmission.delay(from: Int.random(in: 1..<bytes.count, using: &random), by: split)
        }
        return transmission
    }
}

/// Others on the line: another master and its unit.
struct Strangers {
    let character: Duration
    let silence: Duration
    /// Unit ids that are not theirs.
    let own: Set<UInt8>

    /// What they say from `begin` on: a question with its answer; every fourth time a broadcast that sets a register.
    func talk(from begin: Instant, _ random: inout SplitMix) -> [Transmission] {
        if random.unit() < 0.25 {
            return [send(Frame.make(0, [6, 0, UInt8.random(in: 0...255, using: &random), 0, 1]), from: begin)]
        }
        guard let unit = (201...247 as ClosedRange<UInt8>).first(where: { !own.contains($0) }) else { return [] }
        let count = UInt8.random(in: 1...20, using: &random)
        let request = send(
            Frame.make(unit, [3, 0, UInt8.random(in: 0...255, using: &random), 0, count]), from: begin)
        let words = (0..<2 * count).map { _ in UInt8.random(in: 0...255, using: &random) }
        let answer = send(
            Frame.make(unit, [3, 2 * count] + words), from: request.end + silence + .milliseconds(5))
        return [request, answer]
    }

    private func send(_ bytes: [UInt8], from begin: Instant) -> Transmission {
        let record = LineRecord(begin: begin, end: begin, what: .foreign, unit: bytes[0], verdict: .sent)
        return Transmission(bytes, from: begin, character, record: record)
    }
}
