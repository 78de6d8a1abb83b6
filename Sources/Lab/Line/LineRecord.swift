public import Metering

/// What happened on an emulated line: one entry of its truth log.
public struct LineRecord: Hashable, Sendable {
    /// What it was.
    public enum What: String, Hashable, Sendable {
        /// The master's frame.
        case request
        /// A unit's frame, or what it sent in place of one.
        case answer
        /// Others' frames.
        case foreign
        /// Something that happened to the line: unplugged, plugged in, a meter swapped.
        case event
    }

    /// What became of it.
    public enum Verdict: String, Hashable, Sendable {
        /// A request that its unit heard.
        case heard
        /// A request that began before the line had been silent for 3.5 characters: no unit heard it.
        case gap
        /// Sent while something else was.
        case collision
        /// A request whose checksum is wrong.
        case crc
        /// A request at another speed than the line's.
        case speed
        /// A request that concerns no unit here.
        case nobody
        /// An answer, or others' frame, that went out to its end.
        case sent
        /// An answer that was under way when the adapter was unplugged.
        case lost
        /// An event.
        case happened
    }

    /// A point that an answer carried whole.
    public struct Value: Hashable, Sendable {
        /// The point's name in its definition.
        public var point: String
        /// What the registers say.
        public var value: RegisterDecoder.Result
    }

    /// When its first byte began on the line.
    public var begin: Instant
    /// When its last byte was through, or handed over to the master.
    public var end: Instant
    /// What it was.
    public var what: What
    /// The unit id; nil where none is concerned.
    public var unit: UInt8?
    /// When the request began that an answer answers.
    public var asked: Instant?
    /// The bytes as they were on the line; of an event nothing.
    public var bytes: [UInt8] = []
    /// What became of it.
    public var verdict: Verdict
    /// For how long the line had been silent before a request; nil before the first byte of all.
    public var silence: Duration?
    /// The faults that were put into an answer; the event's name.
    public var faults: [String] = []
    /// The registers that an answer carries; nil for what is no answer to a request for registers.
    public var span: RegisterSpan?
    /// What the unit put into its answer; empty for refusals.
    public var values: [Value] = []

    /// Whether an answer went over the line as its unit formed it.
    public var isIntact: Bool { verdict == .sent && Frame.isWhole(bytes) }
}

extension LineRecord {
    /// The record as one line of JSON. `at` and `end` are in nanoseconds of the boot clock.
    var json: JSON {
        var members: [JSON.Member] = [
            .init(name: "at", value: .integer(begin.nanoseconds)), .init(name: "end", value: .integer(end.nanoseconds)),
            .init(name: "what", value: .string(what.rawValue)),
        ]
        if let unit { members.append(.init(name: "unit", value: .integer(unit))) }
        if let asked { members.append(.init(name: "asked", value: .integer(asked.nanoseconds))) }
        if !bytes.isEmpty { members.append(.init(name: "bytes", value: .string(Frame.text(bytes)))) }
        members.append(.init(name: "verdict", value: .string(verdict.rawValue)))
        if let silence { members.append(.init(name: "silence", value: .integer(silence.wholeNanoseconds))) }
        if !faults.isEmpty { members.append(.init(name: "faults", value: .array(faults.map { .string($0) }))) }
        if !values.isEmpty {
            members.append(
                .init(
                    name: "values",
                    value: .object(values.map { JSON.Member(name: $0.point, value: Self.json($0.value)) })))
        }
        return .object(members)
    }

    private static func json(_ result: RegisterDecoder.Result) -> JSON {
        guard case .value(let value) = result else { return .null }
        var bytes: [UInt8] = []
        value.append(to: &bytes)
        return .number(String(decoding: bytes, as: UTF8.self))
    }
}

/// RTU frames, as the lab forms and checks them by itself (Modbus over Serial Line V1.02, sections 2.5.1 and 6.2.2).
enum Frame {
    /// CRC-16, polynomial 0xA001, bit by bit. Over a whole frame, its CRC included, it is 0.
    static func crc(_ bytes: some Sequence<UInt8>) -> UInt16 {
        bytes.reduce(0xFFFF) { crc, byte in
            (0..<8).reduce(crc ^ UInt16(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xA001 : value >> 1 }
        }
    }

    /// `pdu` of `unit` with its checksum, low byte first.
    static func make(_ unit: UInt8, _ pdu: [UInt8]) -> [UInt8] {
        let body = [unit] + pdu
        let crc = crc(body)
        return body + [UInt8(truncatingIfNeeded: crc), UInt8(crc >> 8)]
    }

    /// Whether the bytes are one frame with its checksum right. The shortest has unit, function and CRC.
    static func isWhole(_ bytes: [UInt8]) -> Bool {
        bytes.count >= 4 && crc(bytes) == 0
    }

    /// `01 04 02`.
    static func text(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined(separator: " ")
    }
}
