import Metering
import Testing

@testable import Fieldbus
@testable import Gateway

/// Frames in words, and registers in every type.
struct FrameDecoderTests {
    private static let line = BusSettings(id: "b", endpoint: .serial(path: "/dev/x"), line: SerialLine(baud: 9600))
    private static let network = BusSettings(id: "b", endpoint: .tcp(host: "h", port: 502))

    private func entries(_ bus: BusSettings, _ frames: [(FrameTrace.Verdict, [UInt8], Int64)]) -> [TraceEntry] {
        var decoder = FrameDecoder(bus)
        return frames.map { verdict, bytes, milliseconds in
            decoder.decode(
                FrameTrace(verdict: verdict, bytes: bytes, instant: Instant(nanoseconds: milliseconds * 1_000_000)),
                offset: ClockOffset(nanoseconds: 0))
        }
    }

    @Test func anAnswerIsToldWithItsRequest() {
        // 8 characters of 10 bits at 9600 baud take 8.33 ms, 9 take 9.375 ms.
        let found = entries(
            Self.line,
            [
                (.request, Frame.rtu(1, [3, 0x03, 0x48, 0, 2]), 1000),
                (.answer, Frame.rtu(1, [3, 4, 0, 0xE6, 0, 1]), 1023),
                (.request, Frame.rtu(1, [4, 0, 0, 0, 2]), 1030), (.exception(2), Frame.rtu(1, [0x84, 2]), 1045),
            ])
        #expect(found.map(\.kind) == ["request", "answer", "request", "exception"])
        #expect(found[0].register == "40841 = holding 840, 0x348" && found[0].count == 2)
        #expect(found[1].register == found[0].register && found[1].words == ["00E6", "0001"])
        #expect(found[1].sinceMilliseconds == 23)
        #expect(abs((found[1].turnaroundMilliseconds ?? 0) - (23 - 8.333 - 9.375)) < 0.02)
        #expect(found[3].exception == 2 && found[3].exceptionName == "illegal data address")
        #expect(found[3].function == 4 && found[3].register == "30001 = input 0, 0x0")
        #expect(found.allSatisfy { $0.checksum == "ok" && $0.transaction == nil })
        #expect(found.map(\.isSent) == [true, false, true, false])
    }

    @Test func silenceIsToldWithTheNextRequest() {
        let request = Frame.rtu(1, [4, 0, 0, 0, 2])
        let found = entries(
            Self.line,
            [
                (.request, request, 0), (.request, request, 1000), (.echo, request, 1010), (.request, request, 2000),
                (.noise, [1], 2020), (.request, request, 3000),
            ])
        #expect(found.map { $0.isAfterSilence ?? false } == [false, true, false, true, false, false])
    }

    @Test func modbusTCPHasTransactionsAndNoChecksum() {
        let found = entries(
            Self.network,
            [
                (.request, [0, 7, 0, 0, 0, 6, 5, 1, 0, 3, 0, 10], 10),
                (.answer, [0, 7, 0, 0, 0, 5, 5, 1, 2, 0xFF, 3], 14),
            ])
        #expect(found.map(\.transaction) == [7, 7] && found.allSatisfy { $0.checksum == nil })
        #expect(found[1].unit == 5 && found[1].count == 10 && found[1].words == ["FF", "03"])
        #expect(found[1].register == "4 = coil 3, 0x3" && found[1].turnaroundMilliseconds == 4)
    }

    /// Frames of others do not say whether they ask or answer.
    @Test func foreignFramesAreToldApart() {
        let found = entries(
            Self.line,
            [
                (.foreign, Frame.rtu(9, [1, 0, 0, 0, 20]), 0), (.foreign, Frame.rtu(9, [1, 3, 1, 2, 3]), 20),
                (.foreign, Frame.rtu(9, [6, 0, 1, 0, 5]), 40), (.foreign, Frame.rtu(9, [0x90, 4]), 60),
                (.crcError, [1, 3, 2, 0, 0, 0, 0], 80), (.noise, [0xFF], 90),
            ])
        #expect(
            found.map(\.kind) == [
                "foreign request", "foreign answer", "foreign request", "foreign answer", "garbled", "noise",
            ])
        #expect(found[2].functionName == "Write Single Register")
        #expect(found[3].exception == 4 && found[3].function == 16)
        #expect(found[4].checksum == "wrong" && found[5].unit == nil)
    }

    @Test func addressesAreUnderstoodAndExplained() throws {
        for (text, asked, function, address) in [
            ("840", nil, RegisterFunction.holding, 840), ("840", .input, .input, 840),
            ("0x348", nil, .holding, 840), ("h:840", nil, .holding, 840), ("i:0", nil, .input, 0),
            ("40841", nil, .holding, 840), ("30001", nil, .input, 0), ("10001", nil, .discrete, 0),
            ("440841", nil, .holding, 40_840), ("40841", .holding, .holding, 40_841), ("40000", nil, .holding, 40_000),
            ("c:5", nil, .coil, 5), ("i:0x10", nil, .input, 16), ("65535", nil, .holding, 65_535),
        ] as [(String, RegisterFunction?, RegisterFunction, Int)] {
            let place = try #require(RawAddress(text, function: asked), "\(text)")
            #expect(place.function == function && Int(place.address) == address, "\(text): \(place)")
        }
        for text in ["", "x", "-1", "+1", "65536", "h:", "q:1", "0x", "h:70000"] {
            #expect(RawAddress(text, function: nil) == nil, "\(text)")
        }
        #expect(RawAddress("h:1", function: .input) == nil, "two tables at once")
        #expect(RawAddress("40841", function: nil)?.note?.contains("h:40841") == true)
    }

    @Test func numbersStandInEveryOrder() {
        #expect(RawReadout.values([0x4366, 0x3333], .f32)["ABCD"] == "230.2")
        #expect(RawReadout.values([0x3333, 0x4366], .f32)["CDAB"] == "230.2")
        #expect(RawReadout.values([0, 1], .u32) == ["ABCD": "1", "CDAB": "65536", "BADC": "256", "DCBA": "16777216"])
        #expect(RawReadout.values([0xFFFF, 0xFFFE], .s32)["ABCD"] == "-2")
        #expect(RawReadout.values([0x1234, 0x5678], .bcd32)["ABCD"] == "12345678")
        #expect(RawReadout.values([0x123A, 0], .bcd32)["ABCD"] == nil)
        #expect(RawReadout.values([0x5B31], .f16) == ["ABCD": "230.1", "BADC": "0.1674"])
        #expect(RawReadout.values([0xFF00, 0x08FD], .t5)["ABCD"] == "230.1")
        #expect(RawReadout.values([0x0000, 0x2586], .t7)["ABCD"] == "0.9606")
        #expect(RawReadout.values([0x1234, 0x5678], .t7)["ABCD"] == nil, "no power factor is above 1")
        #expect(RawReadout.values([0x1234, 0x5678, 0x9012], .bcd48)["ABCD"] == "123456789012")
        #expect(RawReadout.values([0x5364, 0x6D20], .text) == ["ABCD": "Sdm ", "BADC": "dS m"])
        let word = RawReadout.Word(register: "r", content: 0x8041)
        #expect(word.u16 == 32_833 && word.s16 == -32_703 && word.hex == "8041")
        #expect(word.bits == "1000 0000 0100 0001" && word.text == ".A" && word.bcd == "8041")
    }

    /// Whatever types and orders there are: each is shown, at every register where a value of it can begin.
    @Test func noTypeAndNoOrderIsForgotten() {
        let words: [UInt16] = [0x1234, 0x5678, 0x0123, 0x4567, 0x0001]
        let readings = RawReadout.readings(of: words, from: 65_530)
        // A register is no bit: its bits stand beside it, and coils are shown as they come.
        #expect(Set(readings.map(\.type)) == Set(RegisterType.allCases.map(\.rawValue)).subtracting(["bit"]))
        for type in RegisterType.allCases where ![.bit, .text].contains(type) {
            let own = readings.filter { $0.type == type.rawValue }
            #expect(own.map(\.address) == (0...words.count - type.wordCount).map { 65_530 + UInt16($0) }, "\(type)")
            #expect(own.allSatisfy { $0.registers == type.wordCount })
            let decoded = RawReadout.values(Array(words.prefix(type.wordCount)), type)
            #expect(own.first?.values == decoded && !decoded.isEmpty, "\(type)")
        }
        #expect(readings.filter { $0.type == "text" }.map(\.registers) == [words.count])
        let orders = readings.filter { $0.type == "u64" }.map { Set($0.values.keys) }
        #expect(orders.allSatisfy { $0 == Set(WordOrder.allCases.map(\.rawValue)) } && orders.count == 2)
        let narrow = RawReadout.readings(of: [7], from: 0).map { Set($0.values.keys) }
        #expect(narrow.allSatisfy { $0.isSubset(of: ["ABCD", "BADC"]) }, "only bytes can be swapped")
    }
}
