import Metering
import Testing

@testable import Fieldbus

@Suite struct TCPFrameTests {
    private let span = RegisterSpan(function: .input, address: 0x0102, count: 2)

    private func judge(_ bytes: [UInt8]) -> TCPFrame.Verdict {
        TCPFrame.judge(bytes, for: .registers(span), unit: 7, transaction: 0x1234)
    }

    /// The layout of Modbus Messaging on TCP/IP V1.0b, section 3.1.3, and of the Application Protocol V1.1b3, 6.4.
    @Test func aRequestIsTwelveBytes() {
        var frame: [UInt8] = []
        TCPFrame.encode(.registers(span), unit: 7, transaction: 0x1234, into: &frame)
        #expect(frame == [0x12, 0x34, 0, 0, 0, 6, 7, 4, 0x01, 0x02, 0, 2])
    }

    @Test func theRightAnswer() {
        let answer: [UInt8] = [0x12, 0x34, 0, 0, 0, 7, 7, 4, 4, 1, 2, 3, 4]
        #expect(judge(answer) == .answer(0..<13))
        #expect(judge(answer + [9, 9]) == .answer(0..<13), "what follows belongs to nobody yet")
        #expect(judge([0x12, 0x34, 0, 0, 0, 3, 7, 0x84, 2]) == .exception(2, 0..<9))
        for count in 0..<13 { #expect(judge(Array(answer.prefix(count))) == .incomplete) }
    }

    @Test func anAnswerToAnEarlierRequestIsLate() {
        #expect(judge([0x12, 0x33, 0, 0, 0, 7, 7, 4, 4, 1, 2, 3, 4]) == .late(0..<13))
        #expect(judge([0x12, 0x33, 0, 0, 0, 3, 7, 0x84, 2]) == .late(0..<9))
        #expect(judge([0x12, 0x33, 0, 0, 0, 3, 7, 0x84]) == .incomplete)
    }

    @Test(arguments: [
        ([0x12, 0x34, 0, 0, 0, 7, 8, 4, 4, 1, 2, 3, 4], "unit 8 answers for unit 7"),
        ([0x12, 0x34, 0, 1, 0, 7, 7, 4, 4, 1, 2, 3, 4], "protocol id 1"),
        ([0x12, 0x34, 0, 0, 0, 9, 7, 4, 4, 1, 2, 3, 4], "header announces 9 bytes, the answer has 7"),
        ([0x12, 0x34, 0, 0, 0, 2, 7, 4], "header announces 2 bytes"),
        ([0x12, 0x34, 0, 0, 1, 0, 7, 4], "header announces 256 bytes"),
        ([0x12, 0x34, 0, 0, 0, 7, 7, 3, 4, 1, 2, 3, 4], "function 3 in place of 4"),
        ([0x12, 0x34, 0, 0, 0, 5, 7, 4, 2, 1, 2], "2 bytes of data for 2 registers"),
        ([0x12, 0x34, 0, 0, 0, 4, 7, 0x84, 2, 0], "header announces 4 bytes, the answer has 3"),
    ])
    func whatDoesNotFitTheRequest(bytes: [UInt8], how: String) {
        #expect(judge(bytes) == .malformed(how))
    }

    /// Lengths within an identification's answer cannot lead beyond it.
    @Test(
        arguments: [
            ([43, 14, 1, 1, 0, 0, 1, 0, 2, 65, 66], nil),
            ([43, 14, 1, 1, 0, 0, 2, 0, 2, 65, 66], "no answer to function 43"),
            ([43, 14, 1, 1, 0, 0, 1, 0, 200, 65, 66], "header announces 12 bytes, the answer has 210"),
            ([43, 14, 1], "no answer to function 43"),
            ([43, 13, 1, 1, 0, 0, 0], "no answer to function 43"),
            ([43, 14, 2, 1, 0, 0, 0], "no answer to function 43"),
        ] as [([UInt8], String?)])
    func identification(pdu: [UInt8], how: String?) {
        let frame = [0x12, 0x34, 0, 0, 0, UInt8(pdu.count + 1), 7] + pdu
        let verdict = TCPFrame.judge(
            frame, for: .identification(.basic, from: 0), unit: 7, transaction: 0x1234)
        #expect(verdict == how.map { .malformed($0) } ?? .answer(0..<frame.count))
    }

    /// Whatever comes, judging it ends, and only right answers are answers.
    @Test func anyBytesAreJudged() {
        var random = RandomSource(seed: 7)
        let requests: [ReadRequest] = [.registers(span), .serverID, .identification(.regular, from: 3)]
        for _ in 0..<20_000 {
            let request = requests[Int.random(in: 0..<3, using: &random)]
            var bytes: [UInt8] = [0x12, 0x34, 0, 0, 0, UInt8.random(in: 0...30, using: &random), 7, request.function]
            for _ in 0..<Int.random(in: 0...30, using: &random) {
                bytes.append(UInt8.random(in: 0...(Bool.random(using: &random) ? 255 : 14), using: &random))
            }
            switch TCPFrame.judge(bytes, for: request, unit: 7, transaction: 0x1234) {
            case .answer(let frame), .exception(_, let frame), .late(let frame):
                #expect(frame.upperBound <= bytes.count)
                #expect(
                    AnswerPDU.length(bytes, from: 7, to: frame.upperBound) == .known(frame.upperBound - 7),
                    "\(bytes)")
            case .incomplete, .malformed: break
            }
        }
    }
}
