/// What a simulated meter does wrong with a request.
public enum Misbehaviour: Hashable, Sendable {
    /// Answers with this exception code (Modbus Application Protocol V1.1b3, section 7).
    case exception(UInt8)
    /// Takes the request and says nothing.
    case silence
    /// Sends an answer that ends in the middle.
    case shortFrame
    /// Answers in the name of another unit.
    case wrongUnit
    /// Answers with another transaction id.
    case wrongTransaction
    /// Closes the connection instead of answering.
    case closeAfterRequest
    /// Sends bytes that are no Modbus.
    case garbage
    /// Answers after this many milliseconds.
    case slow(milliseconds: Int)
    /// Sends a right answer byte by byte, 2 ms apart.
    case oneByteAtATime
    /// Claims more bytes in the answer's byte count than it sends.
    case wrongByteCount
}

extension Misbehaviour {
    /// One piece of an answer and how long after the request it is sent.
    struct Piece: Hashable {
        var after: Duration
        var bytes: [UInt8]
    }

    /// What becomes of a right answer (MBAP header and PDU); nil closes the connection.
    func pieces(of answer: [UInt8]) -> [Piece]? {
        // The shortest answer is an exception: header, function, code.
        guard answer.count >= 9 else { return nil }
        var bent = answer
        switch self {
        case .exception(let code):
            // Unit and transaction stay; function with its high bit, then the code; length 3 (unit, function, code).
            bent = Array(answer.prefix(8) + [code])
            bent[4] = 0
            bent[5] = 3
            bent[7] |= 0x80
        case .silence: return []
        case .shortFrame: bent = Array(answer.prefix(max(1, answer.count - 3)))
        case .wrongUnit: bent[6] = bent[6] &+ 1
        case .wrongTransaction: bent[1] = bent[1] &+ 1
        case .closeAfterRequest: return nil
        case .garbage: bent = Array("\u{15}HTTP/1.1 400 Bad Request\r\n\r\n".utf8)
        case .slow(let milliseconds): return [Piece(after: .milliseconds(milliseconds), bytes: answer)]
        case .oneByteAtATime:
            return answer.enumerated().map { Piece(after: .milliseconds(2 * $0.offset), bytes: [$0.element]) }
        case .wrongByteCount: bent[8] = bent[8] &+ 2
        }
        return [Piece(after: .zero, bytes: bent)]
    }
}
