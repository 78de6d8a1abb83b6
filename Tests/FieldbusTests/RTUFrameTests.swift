import Metering
import Testing

@testable import Fieldbus

@Suite struct RTUFrameTests {
    /// Frames that manuals, logs and application notes print, from many makers: unit, function, address and count, the
    /// request, the answer (empty where none is printed).
    static let published: [(unit: UInt8, span: RegisterSpan, request: String, answer: String)] = [
        // The example that every Modbus tutorial has.
        (1, RegisterSpan(function: .holding, address: 0, count: 10), "01 03 00 00 00 0A C5 CD", ""),
        // ABB A43/A44 manual 2CMC48001M0201, pages 168 to 170.
        (5, RegisterSpan(function: .holding, address: 0x5000, count: 36), "05 03 50 00 00 24 55 55", ""),
        (5, RegisterSpan(function: .holding, address: 0x5460, count: 60), "05 03 54 60 00 3C 54 71", ""),
        // Chint DTSU666: 204.8 W, 564.86 kWh.
        (
            1, RegisterSpan(function: .holding, address: 0x2012, count: 2), "01 03 20 12 00 02 6F CE",
            "01 03 04 45 00 00 00 EF 3F"
        ),
        (
            1, RegisterSpan(function: .holding, address: 0x1028, count: 2), "01 03 10 28 00 02 40 C3",
            "01 03 04 44 0D 37 0A E9 37"
        ),
        (1, RegisterSpan(function: .holding, address: 6, count: 1), "01 03 00 06 00 01 64 0B", "01 03 02 00 01 79 84"),
        // Eltako DSZ15DZMOD, address 0xCC: 4.61 kWh and 3.68 kWh.
        (
            0xCC, RegisterSpan(function: .input, address: 0x48, count: 4), "CC 04 00 48 00 04 61 C2",
            "CC 04 08 00 00 01 CD 00 00 01 70 CF D7"
        ),
        (
            0xCC, RegisterSpan(function: .holding, address: 0xFC02, count: 2), "CC 03 FC 02 00 02 45 86",
            "CC 03 04 00 00 00 0D 27 3A"
        ),
        // Finder 7M, XY-MD02, R4DCB08, a soil sensor, Senseair S8.
        (0x21, RegisterSpan(function: .input, address: 0x6B, count: 2), "21 04 00 6B 00 02 07 77", ""),
        (1, RegisterSpan(function: .input, address: 1, count: 1), "01 04 00 01 00 01 60 0A", "01 04 02 01 31 79 74"),
        (
            0xFF, RegisterSpan(function: .holding, address: 0xFE, count: 1), "FF 03 00 FE 00 01 F0 24",
            "FF 03 02 00 01 50 50"
        ),
        (
            1, RegisterSpan(function: .holding, address: 0, count: 4), "01 03 00 00 00 04 44 09",
            "01 03 08 02 62 01 67 00 06 00 37 C2 06"
        ),
        (0xFE, RegisterSpan(function: .input, address: 0, count: 4), "FE 04 00 00 00 04 E5 C6", ""),
    ]

    @Test(arguments: published.indices)
    func requestsAreWhatManualsPrint(index: Int) {
        let example = Self.published[index]
        var frame: [UInt8] = []
        RTUFrame.encode(.registers(example.span), unit: example.unit, into: &frame)
        #expect(frame == Frames.bytes(example.request))
        #expect(RTUFrame.crc(frame, 0..<frame.count) == 0)
    }

    @Test(arguments: published.indices)
    func answersAreTakenAsManualsPrintThem(index: Int) {
        let example = Self.published[index]
        guard !example.answer.isEmpty else { return }
        var sorter = RTUSorter()
        sorter.expect(.registers(example.span), of: example.unit)
        let answer = Frames.bytes(example.answer)
        sorter.append(answer, count: answer.count)
        #expect(sorter.next() == .answer(0..<answer.count))
        #expect(sorter.next() == nil)
    }

    /// Three answers of an Eastron SDM630 (arendst/Tasmota #17671), and an exception of an Eltako.
    @Test(arguments: [
        "01 04 04 C3 2C 98 22 ED D0", "01 04 04 C1 09 B8 65 A4 51", "01 04 04 C2 97 EA 02 B9 71", "CC 86 01 12 5F",
    ])
    func checksumsOfLoggedAnswersAreRight(text: String) {
        var frame = Frames.bytes(text)
        #expect(RTUFrame.crc(frame, 0..<frame.count) == 0)
        for bit in 0..<8 {
            frame[2] ^= 1 << bit
            #expect(RTUFrame.crc(frame, 0..<frame.count) != 0)
            frame[2] ^= 1 << bit
        }
    }

    /// Nothing but reading leaves this program: every request there is, in both kinds of frame.
    @Test func allRequestsRead() {
        var functions: Set<UInt8> = []
        var requests: [ReadRequest] = [.serverID]
        for function in RegisterFunction.allCases {
            for count in [1, 2, 125] {
                requests.append(.registers(RegisterSpan(function: function, address: 0xABCD, count: count)))
            }
        }
        for category in ReadRequest.Category.allCases { requests.append(.identification(category, from: 0x80)) }
        for request in requests {
            var line: [UInt8] = []
            var tcp: [UInt8] = []
            RTUFrame.encode(request, unit: 7, into: &line)
            TCPFrame.encode(request, unit: 7, transaction: 0x1234, into: &tcp)
            #expect(line[1] == request.function && tcp[7] == request.function)
            #expect(Array(line.dropFirst().dropLast(2)) == Array(tcp.dropFirst(7)), "one encoding for both")
            #expect(tcp[4] == 0 && Int(tcp[5]) == tcp.count - 6)
            functions.insert(line[1])
        }
        #expect(functions == [1, 2, 3, 4, 17, 43])
    }

    @Test func theOtherRequests() {
        var frame: [UInt8] = []
        RTUFrame.encode(.identification(.regular, from: 3), unit: 9, into: &frame)
        #expect(Array(frame.dropLast(2)) == [9, 43, 14, 2, 3])
        RTUFrame.encode(.serverID, unit: 9, into: &frame)
        #expect(Array(frame.dropLast(2)) == [9, 17])
    }
}
