import Metering
import Testing

@Suite struct ValueTests {
    @Test(arguments: [
        (123, -1, "12.3"), (120, -1, "12.0"), (5, -3, "0.005"), (-5, -1, "-0.5"), (0, -2, "0.00"), (7, 2, "700"),
        (Int64.min, 0, "-9223372036854775808"), (1, 30, "1e30"), (0, 30, "0"),
    ])
    func decimalText(mantissa: Int64, exponent: Int8, text: String) {
        #expect(ExactDecimal(mantissa, exponent: exponent).description == text)
    }

    /// The fuzzer's finding: 4386600000000000000 × 10 was written with 20 digits, which nothing here could read.
    @Test(
        arguments: [
            (.max, 0), (.max, 1), (4_386_600_000_000_000_000, 1), (1, 18), (1, 19), (9, 127), (7, -128),
        ] as [(UInt64, Int8)])
    func textReadsBackAsTheSameNumber(magnitude: UInt64, exponent: Int8) throws {
        let number = ExactDecimal(isNegative: true, magnitude: magnitude, exponent: exponent)
        let read = try #require(ExactDecimal(number.description), "\(number)")
        #expect(read.normalized == number.normalized)
    }

    @Test func unsigned64KeepsEveryDigit() {
        #expect(Value.decimal(ExactDecimal(magnitude: .max)).description == "18446744073709551615")
    }

    @Test func floatsPrintAsTheRegisterMeant() {
        #expect(Value.float(230.1).description == "230.1")
        #expect(Value.float(230.1).normalized == ExactDecimal(2301, exponent: -1))
        #expect(Value.double(0.1).normalized == ExactDecimal(1, exponent: -1))
        #expect(Value.float(1e16).normalized == ExactDecimal(1, exponent: 16))
        #expect(Value.float(-0.0).normalized == .zero)
        #expect(Value.float(.nan).normalized == nil)
    }

    @Test(arguments: ["", "-", "1.2.3", "abc", "1e", "1e999", "184467440737095516160", "1 "])
    func noNumbers(text: String) {
        #expect(ExactDecimal(text) == nil)
    }

    @Test func arithmeticIsExactOrNil() {
        #expect(ExactDecimal("0.1")!.multiplied(by: ExactDecimal("123")!)?.description == "12.3")
        #expect(ExactDecimal("0.1")!.adding(ExactDecimal("-0.25")!)?.description == "-0.15")
        #expect(ExactDecimal(magnitude: .max).multiplied(by: ExactDecimal(2)) == nil)
        #expect(ExactDecimal(magnitude: .max).adding(.one) == nil)
        #expect(ExactDecimal("1e30")!.adding(ExactDecimal("1e-30")!) == nil)
    }
}

@Suite struct TimestampTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (1_793_491_210_123, "2026-11-01T00:00:10.123Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
    ])
    func text(milliseconds: Int64, text: String) {
        let time = Timestamp(milliseconds: milliseconds)
        #expect(time.description == text)
        #expect(Timestamp(iso8601: text) == time)
    }

    @Test(arguments: [
        "2026-11-01T00:00:10Z", "2026-11-01T00:00:10+00:00", "2026-11-01T01:00:10.000+01:00",
        "2026-11-01T00:00:10.000000Z/2026-11-01T00:00:20Z", "2026-10-31T20:00:10.0-0400",
    ])
    func serversForms(text: String) {
        #expect(Timestamp(iso8601: text) == Timestamp(iso8601: "2026-11-01T00:00:10.000Z"))
    }

    @Test(arguments: ["yesterday", "2026-13-01T00:00:10Z", "2026-11-01T00:00:10", "2026-11-01T00:00:10.Z", ""])
    func noTimes(text: String) {
        #expect(Timestamp(iso8601: text) == nil)
    }

    @Test func offsetsRoundDown() {
        let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)
        #expect(offset.timestamp(of: Instant(nanoseconds: 10_999_999)).milliseconds == 1_793_491_200_010)
        #expect(ClockOffset(nanoseconds: -5).timestamp(of: Instant(nanoseconds: 0)).milliseconds == -1)
    }
}
