import Metering
import Testing

@Suite struct RegisterDecoderTests {
    private func decode(
        _ words: [UInt16], _ type: RegisterType, _ order: WordOrder = .abcd, scale: String = "1", offset: String = "0",
        notAvailable: [UInt64] = []
    ) -> String {
        decode(
            words, type, Conversion(scale: ExactDecimal(scale)!, offset: ExactDecimal(offset)!), order,
            notAvailable: notAvailable)
    }

    private func decode(
        _ words: [UInt16], _ type: RegisterType, _ conversion: Conversion, _ order: WordOrder = .abcd,
        notAvailable: [UInt64] = []
    ) -> String {
        let point = PointDefinition(
            name: "p", quantity: .ratio, unit: Unit(ucum: "1")!, kind: .gauge, function: .input, address: 0, type: type,
            order: order, conversion: conversion, notAvailable: notAvailable)
        switch RegisterDecoder(point).decode(words) {
        case .value(let value): return value.description
        case .notAvailable: return "not available"
        case .noNumber: return "not finite"
        }
    }

    @Test func integersStayIntegers() {
        #expect(decode([0xFFFF], .u16) == "65535")
        #expect(decode([0xFFFF], .s16) == "-1")
        #expect(decode([0xFFFF, 0xFFFE], .u32) == "4294967294")
        #expect(decode([0x8000, 0], .s32) == "-2147483648")
        #expect(decode([0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], .u64) == "18446744073709551615")
        #expect(decode([0x8000, 0, 0, 0], .s64) == "-9223372036854775808")
    }

    @Test func scaledIntegersStayExact() {
        #expect(decode([123], .u16, scale: "0.1") == "12.3")
        #expect(decode([0xFF85], .s16, scale: "0.1") == "-12.3")
        #expect(decode([5], .u16, scale: "0.25", offset: "-40") == "-38.75")
        #expect(decode([0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], .u64, scale: "0.001") == "18446744073709551.615")
    }

    @Test func whatDoesNotFitIsTheNearestDouble() {
        #expect(decode([0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], .u64, scale: "0.25") == "4.611686018427388e+18")
    }

    /// 240.5 is 0x43708000 (Eastron SDM630 protocol V1.8, section 3.7); the frames are those of a real meter.
    @Test func floatsReadAsTheMeterMeantThem() {
        #expect(decode([0x4370, 0x8000], .f32) == "240.5")
        #expect(decode([0xC32C, 0x9822], .f32) == "-172.59427")
        #expect(decode([0x4366, 0x199A], .f32) == "230.1")
        #expect(decode([0x4366, 0x199A], .f32, scale: "0.001") == "0.2301")
        #expect(decode([0x7FC0, 0], .f32) == "not finite")
        #expect(decode([0x7F80, 0], .f32) == "not finite")
        #expect(decode([0x3FB9, 0x9999, 0x9999, 0x999A], .f64) == "0.1")
        #expect(decode([0x7FF0, 0, 0, 0], .f64) == "not finite")
        // The largest double is no infinity, but ten times it is.
        #expect(decode([0x7FEF, 0xFFFF, 0xFFFF, 0xFFFF], .f64, scale: "10") == "not finite")
    }

    @Test func codesForNoValue() {
        #expect(decode([0x8000, 0], .s32, notAvailable: [0x8000_0000]) == "not available")
        #expect(decode([0, 0x8000], .s32, .cdab, notAvailable: [0x8000_0000]) == "not available")
    }

    @Test func wordOrders() {
        #expect(decode([0x1234, 0x5678], .u32, .abcd) == String(0x1234_5678))
        #expect(decode([0x5678, 0x1234], .u32, .cdab) == String(0x1234_5678))
        #expect(decode([0x3412, 0x7856], .u32, .badc) == String(0x1234_5678))
        #expect(decode([0x7856, 0x3412], .u32, .dcba) == String(0x1234_5678))
        #expect(decode([0x0304, 0x0102], .u32, .cdab) == String(0x0102_0304))
        #expect(decode([0x0708, 0x0506, 0x0304, 0x0102], .u64, .cdab) == String(0x0102_0304_0506_0708))
        #expect(decode([0x0807, 0x0605, 0x0403, 0x0201], .u64, .dcba) == String(0x0102_0304_0506_0708))
        #expect(decode([0x3412], .u16, .badc) == String(0x1234))
        #expect(decode([0x1234], .u16, .cdab) == String(0x1234))
    }

    /// Two double words, each of two words, each of two bytes: every one of the three may come the wrong way round. What
    /// the registers hold is spelled by the letters of the order's name in 64 bits.
    @Test(arguments: [
        (WordOrder.abcd, "ABCDEFGH"), (.cdab, "GHEFCDAB"), (.badc, "BADCFEHG"), (.dcba, "HGFEDCBA"),
        (.efghabcd, "EFGHABCD"), (.cdabghef, "CDABGHEF"), (.fehgbadc, "FEHGBADC"), (.dcbahgfe, "DCBAHGFE"),
    ]) func ordersOf64Bits(order: WordOrder, letters: String) {
        let bytes = letters.utf8.map { UInt16($0 - UInt8(ascii: "A") + 1) }
        let words = (0..<4).map { bytes[2 * $0] << 8 | bytes[2 * $0 + 1] }
        #expect(decode(words, .u64, order) == String(0x0102_0304_0506_0708))
        #expect(order.isOf64Bits == !["ABCD", "CDAB", "BADC", "DCBA"].contains(order.rawValue))
        // Of 32 bits each means the same as the order of its double words.
        let half = order.rawValue.filter { "ABCD".contains($0) }
        let short = half.utf8.map { UInt16($0 - UInt8(ascii: "A") + 1) }
        #expect(decode([short[0] << 8 | short[1], short[2] << 8 | short[3]], .u32, order) == String(0x0102_0304))
    }

    @Test func everyOrderIsAnotherWayToRead64Bits() {
        let values = WordOrder.allCases.map { decode([0x0102, 0x0304, 0x0506, 0x0708], .u64, $0) }
        #expect(WordOrder.allCases.count == 8 && Set(values).count == 8)
    }

    /// IEEE 754-2019, binary16; the words are what Python's `struct.pack(">e", …)` makes of the numbers.
    @Test func halfFloatsReadAsTheMeterMeantThem() {
        #expect(decode([0x5B31], .f16) == "230.1")
        #expect(decode([0x315B], .f16, .badc) == "230.1")
        #expect(decode([0xC920], .f16) == "-10.25")
        #expect(decode([0x3555], .f16) == "0.3333")
        #expect(decode([0x7BFF], .f16) == "65504")
        #expect(decode([0x0001], .f16, scale: "10") == "0.00000060")
        #expect(decode([0x8000], .f16) == "0")
        #expect(decode([0x5B31], .f16, scale: "0.001") == "0.2301")
        for word in [0x7C00, 0xFC00, 0x7E00, 0x7C01] as [UInt16] { #expect(decode([word], .f16) == "not finite") }
        #expect(decode([0x7E00], .f16, notAvailable: [0x7E00]) == "not available")
    }

    @Test func threeRegistersHold48Bits() {
        #expect(decode([0x0001, 0x0000, 0x0002], .u48) == "4294967298")
        #expect(decode([0x0002, 0x0000, 0x0001], .u48, .cdab) == "4294967298")
        #expect(decode([0xFFFF, 0xFFFF, 0xFFFE], .s48) == "-2")
    }

    @Test func codedDecimalsAreDigits() {
        #expect(decode([0x1234, 0x5678], .bcd32, scale: "0.01") == "123456.78")
        #expect(decode([0x9999, 0x9999, 0x9999, 0x9999], .bcd64) == "9999999999999999")
        #expect(decode([0x123A], .bcd16) == "not finite")
    }

    @Test func aTextIsTheNumberThatItSpells() {
        func text(_ text: String, _ count: Int, _ order: WordOrder = .abcd, scale: String = "1") -> String {
            var bytes = Array(text.utf8)
            bytes += Array(repeating: 0, count: 2 * count - bytes.count)
            var words = (0..<count).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
            if order == .badc { words = words.map(\.byteSwapped) }
            let point = PointDefinition(
                name: "p", quantity: .ratio, unit: Unit(ucum: "1")!, kind: .gauge, function: .input, address: 0,
                type: .text, count: count, order: order, conversion: Conversion(scale: ExactDecimal(scale)!))
            switch RegisterDecoder(point).decode(words) {
            case .value(let value): return value.description
            case .notAvailable: return "not available"
            case .noNumber: return "no number"
            }
        }
        #expect(text("00012345", 4) == "12345")
        #expect(text("  -230.10 ", 6) == "-230.10")
        #expect(text("230.1", 3, .badc) == "230.1")
        #expect(text("42", 3, .cdab) == "42")
        #expect(text("1250", 4, scale: "0.001") == "1.250")
        #expect(text("12\u{0}34", 3) == "12")
        for wrong in ["", "   ", "12,5", "SN-TEST", "1 2", "-", "1e999"] { #expect(text(wrong, 4) == "no number") }
        #expect(text("184467440737095516160", 11) == "no number")
    }

    /// The examples follow the rules that Iskra's own library has (Iskramis/pyiskra, helper.py).
    @Test func iskrasMeasurementsHaveTheirOwnExponent() {
        #expect(decode([0xFF00, 0x08FD], .t5) == "230.1")
        #expect(decode([0x0200, 0x0017], .t5) == "2300")
        #expect(decode([0xFFFF, 0xFFFB], .t6) == "-0.5")
        #expect(decode([0x0000, 0x2586], .t7) == "0.9606")
        #expect(decode([0xFF00, 0x2586], .t7) == "-0.9606")
    }

    @Test func someBitsOfARegister() {
        #expect(decode([0b1010_0000], .u16, Conversion(bits: 5...5)) == "1")
        #expect(decode([0b1010_0000], .u16, Conversion(bits: 6...6)) == "0")
        #expect(decode([0xABCD], .u16, Conversion(bits: 4...11)) == "188")
        #expect(decode([0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], .u64, Conversion(bits: 0...63)) == "18446744073709551615")
    }

    @Test func bitsOfASignedNumberAreSigned() {
        #expect(decode([0x12FE], .s16, Conversion(bits: 0...7)) == "-2")
        #expect(decode([0xFE12], .s16, Conversion(bits: 0...7)) == "18")
        #expect(decode([0x8012], .s16, Conversion(bits: 8...15)) == "-128")
        #expect(decode([0x7F12], .s16, Conversion(bits: 8...15)) == "127")
        #expect(decode([0x0001], .s16, Conversion(bits: 0...0)) == "-1")
        #expect(decode([0x00FF, 0x0000], .s32, Conversion(bits: 16...23)) == "-1")
        #expect(decode([0x8000, 0, 0, 0], .s64, Conversion(bits: 0...63)) == "-9223372036854775808")
    }

    @Test func anotherRegisterScales() {
        let exponent = Conversion(scaleRegister: .init(address: 1))
        #expect(decode([2301, 0xFFFF], .u16, exponent) == "230.1")
        #expect(decode([23, 2], .u16, exponent) == "2300")
        #expect(decode([2301, 0x8000], .u16, exponent) == "not available")
        let ratio = Conversion(
            scale: ExactDecimal("0.001")!, scaleRegister: .init(address: 1, type: .u16, role: .factor))
        #expect(decode([5000, 40], .u16, ratio) == "200.000")
    }

    @Test func aLineThroughTwoPoints() {
        func line(_ raw: [Int64], _ value: [Int64]) -> Conversion {
            Conversion(line: .init(raw: raw.map { ExactDecimal($0) }, value: value.map { ExactDecimal($0) }))
        }
        #expect(decode([12_000], .u16, line([4000, 20_000], [0, 10])) == "5.000000")
        #expect(decode([4000], .u16, line([4000, 20_000], [-40, 60])) == "-40.00000")
        #expect(decode([13_824], .s16, line([0, 27_648], [0, 100])) == "50.0")
    }
}
