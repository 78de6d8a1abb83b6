internal import Metering

/// Frames of Modbus TCP and the check of an answer (Modbus Messaging on TCP/IP Implementation Guide V1.0b, section
/// 3.1.3: transaction id, protocol id 0, length, unit id, then the PDU).
///
/// libmodbus leaves the unit id of an answer unchecked on TCP, and its raw requests always carry transaction id 0, by
/// which a late answer cannot be told from the right one. So frames are formed and judged here.
enum TCPFrame {
    /// Bytes before the PDU.
    static let headerLength = 7
    /// Most bytes of any frame: 7 + 253 (section 4.1 of the Application Protocol V1.1b3 limits the PDU).
    static let maximumLength = 260

    /// What the bytes from some place on turn out to be.
    enum Verdict: Hashable {
        /// More bytes are needed.
        case incomplete
        /// The answer.
        case answer(Range<Int>)
        /// The meter's exception code.
        case exception(UInt8, Range<Int>)
        /// The answer to an earlier request.
        case late(Range<Int>)
        /// No answer to this request; the stream cannot be trusted any more.
        case malformed(String)
    }

    /// Writes `request` to `unit` under `transaction` into `frame`.
    static func encode(_ request: ReadRequest, unit: UInt8, transaction: UInt16, into frame: inout [UInt8]) {
        frame.removeAll(keepingCapacity: true)
        append(transaction, to: &frame)
        append(0, to: &frame)
        append(0, to: &frame)
        frame.append(unit)
        request.append(to: &frame)
        // The unit id counts; no request of ours comes near 256 bytes.
        frame[5] = UInt8(truncatingIfNeeded: frame.count - 6)
    }

    /// Judges `bytes` as the answer to `request` to `unit` under `transaction`.
    static func judge(_ bytes: [UInt8], for request: ReadRequest, unit: UInt8, transaction: UInt16) -> Verdict {
        guard bytes.count >= 6 else { return .incomplete }
        guard word(bytes, 2) == 0 else { return .malformed("protocol id \(word(bytes, 2))") }
        let announced = Int(word(bytes, 4))
        // Unit id, function and one byte more are the least.
        guard (3...maximumLength - 6).contains(announced) else {
            return .malformed("header announces \(announced) bytes")
        }
        let frame = 0..<6 + announced
        let isWhole = bytes.count >= frame.count
        // An older answer is thrown away whatever it holds.
        guard word(bytes, 0) == transaction else { return isWhole ? .late(frame) : .incomplete }
        // Some devices announce a length of their own; the PDU tells the right one, so nobody waits for the rest.
        if case .known(let length) = AnswerPDU.length(bytes, from: headerLength, to: min(frame.count, bytes.count)),
            announced != length + 1,
            bytes[headerLength] & 0x80 != 0 || AnswerPDU.fits(request, bytes, from: headerLength)
        {
            return .malformed("header announces \(announced) bytes, the answer has \(length + 1)")
        }
        return isWhole ? judge(frame, of: bytes, for: request, unit: unit) : .incomplete
    }

    private static func judge(
        _ frame: Range<Int>, of bytes: [UInt8], for request: ReadRequest, unit: UInt8
    ) -> Verdict {
        guard bytes[6] == unit else { return .malformed("unit \(bytes[6]) answers for unit \(unit)") }
        if bytes[headerLength] == request.function | 0x80 { return .exception(bytes[headerLength + 1], frame) }
        guard AnswerPDU.length(bytes, from: headerLength, to: frame.count) == .known(frame.count - headerLength),
            AnswerPDU.fits(request, bytes, from: headerLength)
        else { return .malformed(AnswerPDU.misfit(request, bytes, from: headerLength)) }
        return .answer(frame)
    }

    /// Whether `bytes` are the beginning of a frame under `transaction`, as far as they tell.
    static func begins(_ bytes: [UInt8], transaction: UInt16) -> Bool {
        !bytes.isEmpty && bytes[0] == UInt8(transaction >> 8)
            && (bytes.count == 1 || bytes[1] == UInt8(truncatingIfNeeded: transaction))
    }

    /// Whether `bytes` from `start` on are an answer of `unit` to `function` on Modbus TCP: seen where RTU is spoken,
    /// they betray a device that wants Modbus TCP.
    static func isAnswer(_ bytes: [UInt8], from start: Int, unit: UInt8, function: UInt8) -> Bool {
        bytes.count - start > headerLength && word(bytes, start + 2) == 0
            && Int(word(bytes, start + 4)) == bytes.count - start - 6 && bytes[start + 6] == unit
            && bytes[start + headerLength] & 0x7F == function
    }

    /// How many bytes the frame has by its header; the least there can be where that has not come.
    static func announcedLength(_ bytes: [UInt8]) -> Int {
        bytes.count < 6 ? headerLength + AnswerPDU.exceptionLength : 6 + Int(word(bytes, 4))
    }

    /// Bytes of the PDU within its frame.
    static func pdu(_ frame: Range<Int>) -> Range<Int> {
        frame.lowerBound + headerLength..<frame.upperBound
    }

    private static func append(_ word: UInt16, to frame: inout [UInt8]) {
        frame.append(UInt8(word >> 8))
        frame.append(UInt8(truncatingIfNeeded: word))
    }

    private static func word(_ frame: [UInt8], _ index: Int) -> UInt16 {
        UInt16(frame[index]) << 8 | UInt16(frame[index + 1])
    }
}
