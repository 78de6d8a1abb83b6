internal import Metering

/// A read request and the check of its answer on Modbus TCP (Modbus Messaging on TCP/IP Implementation Guide V1.0b,
/// section 3.1.3: transaction id, protocol id 0, length, unit id, then the PDU).
///
/// libmodbus forms its own requests, but leaves the unit id of an answer unchecked on TCP, and its raw requests always
/// carry transaction id 0, by which a late answer cannot be told from the right one. So the twelve bytes of a read
/// request are formed here. There is no other request: nothing here can encode a write.
enum TCPFrame {
    /// Bytes before the PDU.
    static let headerLength = 7
    /// Bytes of a read request.
    static let requestLength = 12
    /// Most bytes of any frame: 7 + 253 (section 4.1 of the Application Protocol V1.1b3 limits the PDU).
    static let maximumLength = 260

    /// What an answer turns out to be.
    enum Verdict: Equatable {
        /// The registers' bytes begin at offset 9.
        case registers
        /// The meter's exception code.
        case exception(UInt8)
        /// The answer to an earlier request.
        case late
        /// No answer to this request; the stream cannot be trusted any more.
        case malformed(String)
    }

    /// Writes the request for `span` of `unit` under `transaction`.
    static func encode(_ span: RegisterSpan, unit: UInt8, transaction: UInt16, into frame: inout [UInt8]) {
        frame.removeAll(keepingCapacity: true)
        for word in [transaction, 0, 6] { append(word, to: &frame) }
        frame.append(unit)
        frame.append(span.function.rawValue)
        append(span.address, to: &frame)
        append(UInt16(span.count), to: &frame)
    }

    /// Judges the `count` bytes of `frame` as the answer to the request for `span` of `unit` under `transaction`.
    static func judge(
        _ frame: [UInt8], count: Int, for span: RegisterSpan, unit: UInt8, transaction: UInt16
    ) -> Verdict {
        guard count >= headerLength + 2 else { return .malformed("only \(count) bytes") }
        guard word(frame, 2) == 0 else { return .malformed("protocol id \(word(frame, 2))") }
        let announced = Int(word(frame, 4))
        guard announced == count - 6 else {
            return .malformed("header announces \(announced) bytes, \(count - 6) came")
        }
        guard word(frame, 0) == transaction else { return .late }
        guard frame[6] == unit else { return .malformed("unit \(frame[6]) answers for unit \(unit)") }
        let function = frame[7]
        if function == span.function.rawValue | 0x80 {
            return count == 9 ? .exception(frame[8]) : .malformed("an exception of \(count) bytes")
        }
        guard function == span.function.rawValue else { return .malformed("function \(function)") }
        guard Int(frame[8]) == 2 * span.count, count == 9 + 2 * span.count else {
            return .malformed("\(frame[8]) bytes of data for \(span.count) registers")
        }
        return .registers
    }

    private static func append(_ word: UInt16, to frame: inout [UInt8]) {
        frame.append(UInt8(word >> 8))
        frame.append(UInt8(truncatingIfNeeded: word))
    }

    private static func word(_ frame: [UInt8], _ index: Int) -> UInt16 {
        UInt16(frame[index]) << 8 | UInt16(frame[index + 1])
    }
}
