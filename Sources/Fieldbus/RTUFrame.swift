internal import Metering

/// Frames on a serial line (Modbus over Serial Line V1.02, section 2.5.1): unit id, PDU, CRC with its low byte first.
enum RTUFrame {
    /// Bytes of the shortest frame: unit id, function, CRC.
    static let shortest = 4
    /// Bytes of the shortest answer that is of use, an exception.
    static let shortestAnswer = 5
    /// Bytes of the longest frame.
    static let longest = 256
    /// Bytes around the PDU.
    static let overhead = 3

    /// CRC-16 of each byte value, polynomial 0xA001 (section 6.2.2).
    private static let table: [UInt16] = (0..<256).map { value in
        (0..<8).reduce(UInt16(value)) { crc, _ in crc & 1 != 0 ? crc >> 1 ^ 0xA001 : crc >> 1 }
    }

    /// The CRC of some bytes. Over a whole frame, its CRC included, it is 0.
    static func crc(_ bytes: [UInt8], _ range: Range<Int>) -> UInt16 {
        table.withUnsafeBufferPointer { table in
            bytes.withUnsafeBufferPointer { bytes in
                bytes[range].reduce(0xFFFF) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
            }
        }
    }

    /// Where the first `length` bytes from `start` on have a CRC of 0: the ends of frames of any kind.
    static func firstEnd(_ bytes: [UInt8], from start: Int) -> Int? {
        var crc: UInt16 = 0xFFFF
        for index in start..<min(bytes.count, start + longest) {
            crc = crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ bytes[index])]
            if crc == 0, index + 1 - start >= shortest { return index + 1 }
        }
        return nil
    }

    /// Writes `request` to `unit` into `frame`.
    static func encode(_ request: ReadRequest, unit: UInt8, into frame: inout [UInt8]) {
        frame.removeAll(keepingCapacity: true)
        frame.append(unit)
        request.append(to: &frame)
        let crc = crc(frame, 0..<frame.count)
        frame.append(UInt8(truncatingIfNeeded: crc))
        frame.append(UInt8(crc >> 8))
    }

    /// Whether `bytes` from `start` on are an answer of `unit` to `function`, or its exception, with its CRC right:
    /// seen where Modbus TCP is spoken, they betray a converter that passes RTU on.
    static func isAnswer(_ bytes: [UInt8], from start: Int, unit: UInt8, function: UInt8) -> Bool {
        guard bytes.count - start >= shortestAnswer, bytes[start] == unit, bytes[start + 1] & 0x7F == function,
            case .known(let length) = AnswerPDU.length(bytes, from: start + 1, to: bytes.count)
        else { return false }
        let end = start + length + overhead
        return end <= bytes.count && crc(bytes, start..<end) == 0
    }
}
