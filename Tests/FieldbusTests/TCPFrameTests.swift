import Metering
import Testing

@testable import Fieldbus

@Suite struct TCPFrameTests {
    private let span = RegisterSpan(function: .input, address: 0x0102, count: 2)

    private func judge(_ bytes: [UInt8]) -> TCPFrame.Verdict {
        var frame = bytes
        frame += [UInt8](repeating: 0, count: max(0, TCPFrame.maximumLength - bytes.count))
        return TCPFrame.judge(frame, count: bytes.count, for: span, unit: 7, transaction: 0x1234)
    }

    /// The layout of Modbus Messaging on TCP/IP V1.0b, section 3.1.3, and of the Application Protocol V1.1b3, 6.4.
    @Test func aRequestIsTwelveBytes() {
        var frame: [UInt8] = []
        TCPFrame.encode(span, unit: 7, transaction: 0x1234, into: &frame)
        #expect(frame == [0x12, 0x34, 0, 0, 0, 6, 7, 4, 0x01, 0x02, 0, 2])
    }

    @Test func theRightAnswer() {
        #expect(judge([0x12, 0x34, 0, 0, 0, 7, 7, 4, 4, 1, 2, 3, 4]) == .registers)
        #expect(judge([0x12, 0x34, 0, 0, 0, 3, 7, 0x84, 2]) == .exception(2))
    }

    @Test func anAnswerToAnEarlierRequestIsLate() {
        #expect(judge([0x12, 0x33, 0, 0, 0, 7, 7, 4, 4, 1, 2, 3, 4]) == .late)
        #expect(judge([0x12, 0x33, 0, 0, 0, 3, 7, 0x84, 2]) == .late)
    }

    @Test(arguments: [
        ([0x12, 0x34, 0, 0, 0, 7, 8, 4, 4, 1, 2, 3, 4], "unit 8 answers for unit 7"),
        ([0x12, 0x34, 0, 1, 0, 7, 7, 4, 4, 1, 2, 3, 4], "protocol id 1"),
        ([0x12, 0x34, 0, 0, 0, 9, 7, 4, 4, 1, 2, 3, 4], "header announces 9 bytes, 7 came"),
        ([0x12, 0x34, 0, 0, 0, 7, 7, 3, 4, 1, 2, 3, 4], "function 3"),
        ([0x12, 0x34, 0, 0, 0, 5, 7, 4, 2, 1, 2], "2 bytes of data for 2 registers"),
        ([0x12, 0x34, 0, 0, 0, 4, 7, 0x84, 2, 0], "an exception of 10 bytes"),
        ([0x12, 0x34, 0, 0, 0], "only 5 bytes"),
        ([], "only 0 bytes"),
    ])
    func whatDoesNotFitTheRequest(bytes: [UInt8], how: String) {
        #expect(judge(bytes) == .malformed(how))
    }
}
