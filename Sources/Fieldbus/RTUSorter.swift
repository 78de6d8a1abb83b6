internal import Metering

/// Sorts the bytes that come from a line: the answer, our own request heard back, late answers, others' frames, noise.
///
/// A decision without I/O. The end of a frame is known by its length, not by the silence after it: USB adapters and
/// converters hand bytes over in packets, so silences tell nothing, and waiting for them would cost 3.5 characters a
/// request. Only bytes from which nothing can be made are waited out.
///
/// Frames are looked for where the last one ended. The answer, and our own request, are looked for everywhere: a
/// transceiver that switches direction often adds a byte of noise before them (libmodbus #34, #380: the echo of 2-wire
/// adapters breaks every request there).
struct RTUSorter {
    /// What was found, and in which of `bytes`.
    enum Finding: Hashable {
        /// The answer to the request, with its CRC right.
        case answer(Range<Int>)
        /// The unit refused with this code.
        case exception(UInt8, Range<Int>)
        /// The request, heard back.
        case echo(Range<Int>)
        /// A frame of the same unit that does not fit the request: the answer to an earlier one.
        case late(Range<Int>)
        /// A frame of another unit, or the request of another master.
        case foreign(Range<Int>)
        /// Bytes before an answer that are no frame.
        case noise(Range<Int>)
    }

    /// What bytes are that the line's silence ended.
    enum Remainder: Hashable {
        /// There are none.
        case nothing
        /// Fewer than any answer has.
        case noise(Range<Int>)
        /// As many as an answer has, but no frame; `isAnswer` when they begin like the answer.
        case garbled(Range<Int>, isAnswer: Bool)
        /// The beginning of the answer, which has `expected` bytes.
        case cut(Range<Int>, expected: Int)
    }

    /// Bytes since the last request or the last `listen`, but for what `forget` took away.
    private(set) var bytes: [UInt8] = []
    /// The frame to be sent, which may be heard back.
    private(set) var request: [UInt8] = []
    /// Whether it was heard back.
    private(set) var hasEcho = false
    /// What is asked; nil while nothing is.
    private var asked: ReadRequest?
    /// Where the first byte stands that nothing was made of yet.
    private var position = 0
    /// The first bytes, once `forget` has taken them away.
    private var forgotten: [UInt8] = []

    /// Beyond this the oldest bytes are forgotten: someone babbles.
    private static let capacity = 1024
    /// How many bytes are kept to be shown.
    static let evidenceLength = 256

    /// Begins to wait for the answer of `unit`; the frame to send is `request` then.
    mutating func expect(_ asked: ReadRequest, of unit: UInt8) {
        position = bytes.count
        listen()
        RTUFrame.encode(asked, unit: unit, into: &request)
        self.asked = asked
    }

    /// Begins to listen without a request: every frame is foreign. Bytes from which nothing was made stay; returns how
    /// many.
    @discardableResult
    mutating func listen() -> Int {
        asked = nil
        hasEcho = false
        bytes.removeSubrange(..<position)
        position = 0
        forgotten.removeAll()
        return bytes.count
    }

    /// Takes the first `count` bytes of `chunk`.
    mutating func append(_ chunk: [UInt8], count: Int) {
        bytes.append(contentsOf: chunk[..<count])
        if bytes.count > Self.capacity { forget() }
    }

    private mutating func forget() {
        if forgotten.isEmpty { forgotten = Array(bytes.prefix(Self.evidenceLength)) }
        let count = max(position, bytes.count - Self.capacity / 2)
        bytes.removeFirst(count)
        position = 0
    }

    /// Whether bytes came from which nothing was made yet.
    var isPending: Bool { position < bytes.count }

    /// Whether those bytes are an answer of the right length with a wrong CRC.
    var isGarbled: Bool {
        guard case .known(let length) = ownLength(at: position) else { return false }
        return bytes.count - position >= length
    }

    /// The first bytes that came, without our own request.
    var evidence: [UInt8] {
        let first = forgotten.isEmpty ? bytes : forgotten
        let own = hasEcho ? first.indices.first { isEcho(first, at: $0) == .whole } : nil
        let rest = own.map { first[..<$0] + first[($0 + request.count)...] } ?? first[...]
        return Array(rest.prefix(Self.evidenceLength))
    }

    /// Bytes of the answer's PDU within its frame.
    static func pdu(_ frame: Range<Int>) -> Range<Int> {
        frame.lowerBound + 1..<frame.upperBound - 2
    }

    /// The next finding; nil when more bytes are needed. When `burstIsOver` the line was silent after them, so that
    /// they are not the first half of an echo.
    mutating func next(burstIsOver: Bool = false) -> Finding? {
        guard isPending else { return nil }
        switch asked == nil || hasEcho ? .no : isEcho(bytes, at: position) {
        case .whole: return takeEcho()
        case .begun where !burstIsOver: return nil
        default: break
        }
        if let found = frame(at: position) {
            position = found.range.upperBound
            return found
        }
        guard asked != nil else { return nil }
        for start in position + 1..<bytes.count {
            guard isOwnAnswer(at: start) || !hasEcho && isEcho(bytes, at: start) == .whole else { continue }
            defer { position = start }
            return .noise(position..<start)
        }
        return nil
    }

    /// Makes an end with the bytes from which nothing could be made.
    mutating func finishBurst() -> Remainder {
        let range = position..<bytes.count
        defer { position = bytes.count }
        guard !range.isEmpty else { return .nothing }
        let length = ownLength(at: range.lowerBound)
        if case .known(let length) = length, length > range.count { return .cut(range, expected: length) }
        guard range.count >= RTUFrame.shortestAnswer else { return .noise(range) }
        return .garbled(range, isAnswer: length != .unknown)
    }

    // MARK: - Echo

    private enum Echo {
        case no, begun, whole
    }

    private func isEcho(_ bytes: [UInt8], at start: Int) -> Echo {
        let count = min(bytes.count - start, request.count)
        for index in 0..<count where bytes[start + index] != request[index] { return .no }
        return count == request.count ? .whole : .begun
    }

    private mutating func takeEcho() -> Finding {
        hasEcho = true
        defer { position += request.count }
        return .echo(position..<position + request.count)
    }

    // MARK: - Frames

    /// The length of the frame at `start` if it is the answer to what is asked; unknown when it is not.
    private func ownLength(at start: Int) -> AnswerPDU.Length {
        guard let asked, start + 1 < bytes.count, bytes[start] == request[0], bytes[start + 1] & 0x7F == asked.function
        else { return .unknown }
        switch AnswerPDU.length(bytes, from: start + 1, to: bytes.count) {
        case .known(let length):
            let isException = bytes[start + 1] & 0x80 != 0
            guard isException || AnswerPDU.fits(asked, bytes, from: start + 1) else { return .unknown }
            return .known(length + RTUFrame.overhead)
        case let other: return other
        }
    }

    /// Whether the whole answer stands at `start`.
    private func isOwnAnswer(at start: Int) -> Bool {
        guard case .known(let length) = ownLength(at: start), start + length <= bytes.count else { return false }
        return RTUFrame.crc(bytes, start..<start + length) == 0
    }

    /// The whole frame at `start`; nil when there is none, or not yet.
    private func frame(at start: Int) -> Finding? {
        guard bytes.count - start >= RTUFrame.shortest else { return nil }
        switch ownLength(at: start) {
        case .known(let length):
            guard isOwnAnswer(at: start) else { return nil }
            let range = start..<start + length
            return bytes[start + 1] & 0x80 != 0 ? .exception(bytes[start + 2], range) : .answer(range)
        case .undecided: return nil
        case .unknown: break
        }
        if case .known(let length) = AnswerPDU.length(bytes, from: start + 1, to: bytes.count),
            let range = whole(at: start, length: length + RTUFrame.overhead)
        {
            return asked != nil && bytes[start] == request[0] ? .late(range) : .foreign(range)
        }
        return foreignRequest(at: start).map { .foreign($0) }
    }

    private func whole(at start: Int, length: Int) -> Range<Int>? {
        guard start + length <= bytes.count, RTUFrame.crc(bytes, start..<start + length) == 0 else { return nil }
        return start..<start + length
    }

    /// The request of another master, or any frame of a function that is not known here.
    private func foreignRequest(at start: Int) -> Range<Int>? {
        switch bytes[start + 1] {
        // Unit, function, address, count or value, CRC.
        case 1...6: whole(at: start, length: 8)
        case 15, 16:
            bytes.count - start > 6 ? whole(at: start, length: 9 + Int(bytes[start + 6])) : nil
        default: RTUFrame.firstEnd(bytes, from: start).map { start..<$0 }
        }
    }
}

extension RTUSorter.Finding {
    /// Where it stands.
    var range: Range<Int> {
        switch self {
        case .answer(let range), .exception(_, let range), .echo(let range), .late(let range), .foreign(let range),
            .noise(let range):
            range
        }
    }
}

extension RTUSorter.Remainder {
    /// Where it stands; nil when there is none.
    var range: Range<Int>? {
        switch self {
        case .nothing: nil
        case .noise(let range), .garbled(let range, _), .cut(let range, _): range
        }
    }
}
