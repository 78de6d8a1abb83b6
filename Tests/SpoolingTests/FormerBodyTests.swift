import Metering
import Testing

@testable import Spooling

/// Bodies as earlier versions wrote them.
@Suite struct FormerBodyTests {
    /// Three runs of two meters: of every kind of value, with qualities, a repeated text, a run of its own columns.
    static let readings: [Reading] = {
        func reading(_ point: UInt32, _ nanoseconds: Int64, _ value: Value, _ quality: Quality = .good) -> Reading {
            Reading(
                point: PointID(rawValue: point), instant: Instant(nanoseconds: nanoseconds), value: value,
                quality: quality)
        }
        func run(_ instant: Int64, _ step: Int64) -> [Reading] {
            [
                reading(1, instant, .float(230.1 + Float(step) / 8)), reading(2, instant, .float(-0.0)),
                reading(3, instant, .float(Float(step) * 1e-30)), reading(4, instant, .float(50)),
                reading(5, instant, .float(.greatestFiniteMagnitude)),
                reading(6, instant, .double(0.1 * Double(step))), reading(7, instant, .double(-1e300)),
                reading(8, instant, .decimal(ExactDecimal(1_234_567 + step, exponent: -3))),
                reading(9, instant, .decimal(ExactDecimal(Int64.min + 1 + step, exponent: 2)), .uncertain),
                reading(10, instant, .decimal(ExactDecimal(isNegative: step % 2 == 1, magnitude: .max, exponent: 0))),
                reading(11, instant, .text(ExactText(step == 3 ? "manual" : "auto")!), .bad),
            ]
        }
        return run(5_000_000_123, 1) + run(6_000_000_456, 2)
            + [
                reading(12, 5_999_999_999, .float(1)),
                reading(13, 5_999_999_999, .decimal(ExactDecimal(-7, exponent: -1))),
            ]
            + run(7_100_000_000, 3)
    }()

    /// The same, of which some stand for others.
    static var aggregates: [Reading] {
        readings.enumerated().map { index, reading in
            guard index % 11 == 0 || index % 11 == 7 else { return reading }
            var reading = reading
            let other: Value = if case .float(let number) = reading.value { .float(number + 1) } else { .float(2) }
            reading.remark = .aggregate(
                index < 12 ? .mean : .max, from: reading.instant - .milliseconds(60_000 + Int64(index)),
                to: reading.instant + .milliseconds(3), minimum: reading.value, maximum: other, count: 60 + index)
            return reading
        }
    }

    /// The bodies. Before their readings there were 60 other shapes.
    static var bodies: [(digits: String, readings: [Reading])] {
        [
            (
                "017b00ff9a396643000000806042a20d0000484203ffff7f7f009a9999999999b93f009c7500883ce437fe90da9601fbffff"
                    + "ffffffffffff0101ffffffffffffffffff01046175746f0000217b9aadd6b9073100600000800300167080020200ffffffff"
                    + "ffffffffff01000000217c9107030000803f0d7b82ac859908210020f021510010aeaaaaaaaaaa1a80020201ffffffffffff"
                    + "ffffff01066d616e75616c000021ff611291",
                readings
            ),
            (
                "027b00ff9a396643000000806042a20d0000484203ffff7f7f009a9999999999b93f009c7500883ce437fe90da9601fbffff"
                    + "ffffffffffff0101ffffffffffffffffff01046175746f0000217b9aadd6b9073100600000800300167080020200ffffffff"
                    + "ffffffffff01000000217c9107030000803f0d7b82ac859908210020f021510010aeaaaaaaaaaa1a80020201ffffffffffff"
                    + "ffffff01066d616e75616c000021070000c0a907063c00030000010700cea90706430004000000400400d6a9070647000300"
                    + "00010702e4a907064e0004000000400402eca907065200040000807f0702faa9070659000400000040040282aa07065d0004"
                    + "000000409c812732",
                aggregates
            ),
        ]
    }

    private static func bytes(_ digits: String) -> [UInt8] {
        let digits = Array(digits)
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0..<$0 + 2]), radix: 16) }
    }

    private static var book: ShapeBook {
        var book = ShapeBook()
        for point in 100..<160 { _ = book.add([Column(point: UInt32(point), kind: .float, exponent: 0)]) }
        _ = book.add(readings[..<11].map(Column.init))
        _ = book.add(readings[22..<24].map(Column.init))
        return book
    }

    @Test(arguments: [0, 1]) func areRead(index: Int) throws {
        let (digits, readings) = Self.bodies[index]
        let decoded = try CodecTests.decode(Self.bytes(digits), CodecTests.header(readings), Self.book, points: 200)
        #expect(decoded == readings)
    }

    /// Readings do; the distances of an aggregate are finer today.
    @Test func takeMoreRoomThanThoseOfToday() {
        let (digits, readings) = Self.bodies[0]
        var encoder = ChunkEncoder()
        var book = Self.book
        let header = CodecTests.header(readings)
        encoder.encode(readings[...], earliest: header.earliest, book: &book)
        encoder.seal(header)
        #expect(encoder.newShapes.isEmpty && encoder.writer.bytes.count < Self.bytes(digits).count)
    }

    /// A checksum keeps accidents out, not malice.
    @Test(arguments: [0, 1]) func areRefusedWhereTheyMakeNoSense(index: Int) {
        var random = SeededGenerator(seed: 5)
        let (digits, readings) = Self.bodies[index]
        let header = CodecTests.header(readings)
        let good = Self.bytes(digits).dropLast(4)
        var refused = 0
        for _ in 0..<2000 {
            var body = Array(good)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                body[Int.random(in: 1..<body.count, using: &random)] = UInt8.random(in: 0 ... .max, using: &random)
            }
            let sealed = ChunkEncoder.sealed(body, header)
            if (try? CodecTests.decode(sealed, header, Self.book, points: 200)) == nil { refused += 1 }
        }
        #expect(refused > 200)
    }
}
