internal import Metering

/// Writes and reads what a reading that stands for several has beside its value: behind the runs of a chunk's body, so that
/// a mean costs some 15 bytes more than a raw reading.
///
/// ```
/// count, then for each: index − index before, aggregate, from its first reading to it, from it to its last, readings,
/// minimum, maximum
/// ```
/// Distances are in the body's multiples of 10^n ns (in version 2 of the body in ms).
/// Minimum and maximum are a tag and what it says: 0 the reading's own value, 1…4 a Float that differs in so many bytes
/// from it, 5 a Double, 6 a mantissa beside the reading's at its exponent, 7 an exponent and a mantissa.
enum AggregateCodec {
    private static let aggregates: [Aggregate] = [.mean, .min, .max, .last]

    /// What a reading's remark says, where it can be packed.
    private struct Packed {
        var aggregate: UInt64
        var from: Instant
        var to: Instant
        var minimum: Value
        var maximum: Value
        var count: Int

        init?(_ reading: Reading) {
            guard
                case .aggregate(let aggregate, let from, let to, let minimum, let maximum, let count) = reading.remark,
                let index = AggregateCodec.aggregates.firstIndex(of: aggregate), count > 0,
                ![reading.value, minimum, maximum].contains(where: \.isText)
            else { return nil }
            self.aggregate = UInt64(index)
            (self.from, self.to, self.minimum, self.maximum, self.count) = (from, to, minimum, maximum, count)
        }
    }

    /// Whether a reading's remark goes into the chunk, and not into the table of remarks.
    static func packs(_ reading: Reading) -> Bool { Packed(reading) != nil }

    /// Writes what the readings of a chunk have.
    static func write(_ readings: ArraySlice<Reading>, unit: Int64, to writer: inout ByteWriter) {
        writer.varint(UInt64(readings.count { packs($0) }))
        var previous = 0
        for (index, reading) in readings.enumerated() {
            guard let packed = Packed(reading) else { continue }
            writer.varint(UInt64(index - previous))
            previous = index
            writer.varint(packed.aggregate)
            writer.zigzag((reading.instant - packed.from).wholeNanoseconds / unit)
            writer.zigzag((packed.to - reading.instant).wholeNanoseconds / unit)
            writer.varint(UInt64(packed.count))
            write(packed.minimum, beside: reading.value, to: &writer)
            write(packed.maximum, beside: reading.value, to: &writer)
        }
    }

    private static func write(_ value: Value, beside own: Value, to writer: inout ByteWriter) {
        if value == own {
            writer.bytes.append(0)
            return
        }
        switch (value, own) {
        case (.float(let number), _):
            var base: UInt32 = 0
            if case .float(let mine) = own { base = mine.bitPattern }
            let rest = number.bitPattern ^ base
            let length = max(1, 4 - rest.leadingZeroBitCount / 8)
            writer.bytes.append(UInt8(length))
            writer.little(UInt64(rest), count: length)
        case (.double(let number), _):
            writer.bytes.append(5)
            writer.little(number.bitPattern, count: 8)
        case (.decimal(let number), .decimal(let mine))
        where number.exponent == mine.exponent && number.signed != nil && mine.signed != nil:
            writer.bytes.append(6)
            writer.zigzag((number.signed ?? 0) &- (mine.signed ?? 0))
        case (.decimal(let number), _):
            writer.bytes.append(7)
            writer.bytes.append(UInt8(bitPattern: number.exponent))
            writer.bytes.append(number.isNegative ? 1 : 0)
            writer.varint(number.magnitude)
        case (.text, _): preconditionFailure("a text is packed as the bound of an aggregate")
        }
    }

    /// Reads what was written for `readings`, and gives it to them.
    static func read(
        _ reader: inout ByteReader, unit: Int64, into readings: inout [Reading]
    ) throws(ChunkFault) {
        let count = try reader.varint()
        guard count <= UInt64(readings.count) else { throw .malformed("more aggregates than readings") }
        var index: UInt64 = 0
        for _ in 0..<count {
            let (next, overflow) = index.addingReportingOverflow(try reader.varint())
            guard !overflow, next < UInt64(readings.count) else { throw .malformed("an aggregate of no reading") }
            index = next
            let reading = readings[Int(index)]
            let kind = try reader.varint()
            guard kind < UInt64(aggregates.count) else { throw .malformed("an unknown aggregate") }
            let before = try distance(&reader, unit)
            let after = try distance(&reader, unit)
            guard let number = Int(exactly: try reader.varint()), number > 0 else {
                throw .malformed("an aggregate of nothing")
            }
            let minimum = try value(&reader, beside: reading.value)
            let maximum = try value(&reader, beside: reading.value)
            readings[Int(index)].remark = .aggregate(
                aggregates[Int(kind)], from: reading.instant - before, to: reading.instant + after, minimum: minimum,
                maximum: maximum, count: number)
        }
    }

    private static func distance(_ reader: inout ByteReader, _ unit: Int64) throws(ChunkFault) -> Duration {
        let number = try reader.zigzag()
        guard (-ChunkHeader.limit / unit / 2...ChunkHeader.limit / unit / 2).contains(number) else {
            throw .malformed("an aggregate over more than all time")
        }
        return .nanoseconds(number * unit)
    }

    private static func value(_ reader: inout ByteReader, beside own: Value) throws(ChunkFault) -> Value {
        let tag = try reader.byte()
        switch tag {
        case 0: return own
        case 1...4:
            var base: UInt32 = 0
            if case .float(let mine) = own { base = mine.bitPattern }
            return .float(Float(bitPattern: UInt32(truncatingIfNeeded: try reader.little(Int(tag))) ^ base))
        case 5: return .double(Double(bitPattern: try reader.little(8)))
        case 6:
            guard case .decimal(let mine) = own, let mantissa = mine.signed else {
                throw .malformed("a bound beside no decimal")
            }
            return .decimal(ExactDecimal(mantissa &+ (try reader.zigzag()), exponent: mine.exponent))
        case 7:
            let exponent = Int8(bitPattern: try reader.byte())
            let sign = try reader.byte()
            guard sign <= 1 else { throw .malformed("an unknown sign") }
            return .decimal(ExactDecimal(isNegative: sign == 1, magnitude: try reader.varint(), exponent: exponent))
        default: throw .malformed("an unknown bound")
        }
    }
}

extension Value {
    fileprivate var isText: Bool { if case .text = self { true } else { false } }
}

extension ExactDecimal {
    /// The mantissa, where an Int64 holds it.
    fileprivate var signed: Int64? {
        guard magnitude <= UInt64(Int64.max) else { return nil }
        return isNegative ? -Int64(magnitude) : Int64(magnitude)
    }
}
