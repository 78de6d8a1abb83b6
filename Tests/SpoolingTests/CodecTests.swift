import Metering
import Testing

@testable import Spooling

@Suite struct CodecTests {
    /// Everything that a meter's register can become, and what it cannot.
    static func value(_ random: inout SeededGenerator) -> Value {
        switch Int.random(in: 0..<11, using: &random) {
        case 0: .float(Float(bitPattern: UInt32.random(in: 0 ... .max, using: &random)))
        case 1:
            .float([0, -0.0, 230.1, .greatestFiniteMagnitude, .leastNonzeroMagnitude].randomElement(using: &random)!)
        case 2: .float(Float.random(in: 220...240, using: &random))
        case 3: .double(Double(bitPattern: UInt64.random(in: 0 ... .max, using: &random)))
        case 4: .double([0, -0.0, 0.1, 1e300, -1].randomElement(using: &random)!)
        case 5: .decimal(ExactDecimal(Int64.random(in: .min ... .max, using: &random), exponent: -3))
        case 6: .decimal(ExactDecimal(isNegative: Bool.random(using: &random), magnitude: .max, exponent: .max))
        case 7: .decimal(ExactDecimal(Int64.random(in: -5...5, using: &random), exponent: -1))
        case 8: .text(ExactText(["auto", "manual", "é", "e\u{301}"].randomElement(using: &random)!)!)
        case 9: .text(ExactText(String(repeating: "ü", count: Int.random(in: 1...120, using: &random)))!)
        default: .decimal(ExactDecimal([.min, .max, 0, 1 << 62].randomElement(using: &random)!, exponent: .min))
        }
    }

    static func readings(_ random: inout SeededGenerator, points: Int) -> [Reading] {
        var instant: Int64 = Int64.random(in: 0...1 << 40, using: &random)
        let count = Int.random(in: 1...300, using: &random)
        let repeats = Bool.random(using: &random)
        return (0..<count).map { index in
            if Int.random(in: 0..<5, using: &random) == 0 {
                instant = max(0, instant + Int64.random(in: -1_000_000_000...1_000_000_000, using: &random))
            }
            let point = repeats ? index % 7 % points : Int.random(in: 0..<points, using: &random)
            let quality = Quality.allCases[max(0, Int.random(in: -5...2, using: &random))]
            return Reading(
                point: PointID(rawValue: UInt32(point + 1)), instant: Instant(nanoseconds: instant),
                value: value(&random), quality: quality)
        }
    }

    static func header(_ readings: [Reading]) -> ChunkHeader {
        ChunkHeader(
            sequence: 1, counts: Int64(readings.count), boot: 1,
            earliest: readings.map(\.instant.nanoseconds).min() ?? 0,
            latest: readings.map(\.instant.nanoseconds).max() ?? 0, stored: 0)
    }

    /// NaNs are unequal to themselves, so bit patterns are compared.
    static func bits(_ value: Value) -> [UInt64] {
        switch value {
        case .float(let number): [0, UInt64(number.bitPattern)]
        case .double(let number): [1, number.bitPattern]
        case .decimal(let number):
            [number.isNegative ? 3 : 2, number.magnitude, UInt64(UInt8(bitPattern: number.exponent))]
        case .text(let text): [4] + text.utf8.map(UInt64.init)
        }
    }

    static func decode(_ body: [UInt8], _ header: ChunkHeader, _ book: ShapeBook, points: Int) throws -> [Reading] {
        var decoder = ChunkDecoder()
        var result: [Reading] = []
        try body.withUnsafeBytes {
            try decoder.decode($0, header: header, book: book, pointCount: points) { result.append($0) }
        }
        return result
    }

    @Test(arguments: 1...40) func whatGoesInComesOut(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var encoder = ChunkEncoder()
        var book = ShapeBook()
        for _ in 0..<20 {
            let readings = Self.readings(&random, points: 40)
            let header = Self.header(readings)
            encoder.encode(readings[...], earliest: header.earliest, book: &book)
            encoder.seal(header)
            let decoded = try Self.decode(encoder.writer.bytes, header, book, points: 40)
            #expect(decoded.map(\.point) == readings.map(\.point), "seed \(seed)")
            #expect(decoded.map(\.instant) == readings.map(\.instant), "seed \(seed)")
            #expect(decoded.map(\.quality) == readings.map(\.quality), "seed \(seed)")
            #expect(decoded.map { Self.bits($0.value) } == readings.map { Self.bits($0.value) }, "seed \(seed)")
        }
    }

    @Test(arguments: 1...20) func everyFlippedBitAndEveryCutIsNoticed(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var encoder = ChunkEncoder()
        var book = ShapeBook()
        let readings = Self.readings(&random, points: 10)
        let header = Self.header(readings)
        encoder.encode(readings[...], earliest: header.earliest, book: &book)
        encoder.seal(header)
        let body = encoder.writer.bytes
        for _ in 0..<100 {
            var flipped = body
            flipped[Int.random(in: 0..<body.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            #expect(throws: ChunkFault.self) { try Self.decode(flipped, header, book, points: 10) }
            let cut = Array(body.prefix(Int.random(in: 0..<body.count, using: &random)))
            #expect(throws: ChunkFault.self) { try Self.decode(cut, header, book, points: 10) }
        }
        var moved = header
        moved.sequence += 1
        #expect(throws: ChunkFault.checksum) { try Self.decode(body, moved, book, points: 10) }
    }

    /// A checksum keeps accidents out, not malice: what has a fitting one must still not crash.
    @Test(arguments: 1...20) func hostileBytesWithAGoodChecksumDoNotCrash(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var encoder = ChunkEncoder()
        var book = ShapeBook()
        let readings = Self.readings(&random, points: 10)
        let header = Self.header(readings)
        encoder.encode(readings[...], earliest: header.earliest, book: &book)
        let good = encoder.writer.bytes
        var refused = 0
        for round in 0..<1000 {
            var body = good
            if round % 2 == 0 {
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    body[Int.random(in: 1..<body.count, using: &random)] = UInt8.random(in: 0 ... .max, using: &random)
                }
            } else {
                body =
                    [UInt8.random(in: 0...4, using: &random), UInt8.random(in: 0...31, using: &random)]
                    + (0..<Int.random(in: 4...200, using: &random)).map { _ in
                        UInt8.random(in: 0 ... .max, using: &random)
                    }
            }
            var hostile = header
            hostile.count = Int64.random(in: 1...400, using: &random)
            hostile.latest = Int64.random(in: header.earliest...ChunkHeader.limit, using: &random)
            let crc = body.withUnsafeBytes { CRC32C.checksum(words: hostile.words, $0) }
            body += (0..<4).map { UInt8(truncatingIfNeeded: crc >> UInt32(8 * $0)) }
            if (try? Self.decode(body, hostile, book, points: 10)) == nil { refused += 1 }
        }
        #expect(refused > 900, "seed \(seed)")
    }

    @Test func impossibleHeadersAreRefused() {
        let sound = ChunkHeader(sequence: 1, counts: 1, boot: 1, earliest: 0, latest: 0, stored: 0)
        #expect(sound.isSound)
        for (path, number) in [
            (\ChunkHeader.sequence, Int64.max), (\.sequence, 0), (\.count, 0), (\.count, 4097), (\.boot, 0),
            (\.earliest, -1), (\.latest, .max), (\.stored, -1), (\.earliest, 1),
        ] {
            var header = sound
            header[keyPath: path] = number
            #expect(!header.isSound, "\(header)")
        }
    }

    @Test func checksumIsCastagnoli() {
        // RFC 3720, appendix B.4: 32 bytes of zeros, and of 0xFF.
        #expect([UInt8](repeating: 0, count: 32).withUnsafeBytes { CRC32C.checksum($0) } == 0x8A91_36AA)
        #expect([UInt8](repeating: 0xFF, count: 32).withUnsafeBytes { CRC32C.checksum($0) } == 0x62A8_AB43)
        let zero = [UInt8](repeating: 0, count: 24).withUnsafeBytes { CRC32C.checksum(words: [0], $0) }
        #expect(zero == 0x8A91_36AA)
    }

    @Test func aLoadOfMetersFitsIntoFiveBytesAReading() {
        var random = SeededGenerator(seed: 7)
        var encoder = ChunkEncoder()
        var book = ShapeBook()
        let readings = (0..<1280).map { index in
            let value = Float(index % 40 + 1) * Float.random(in: 0.5...1, using: &random)
            let instant = Instant(nanoseconds: Int64(index / 14) * 3_000_000)
            return Reading(point: PointID(rawValue: UInt32(index + 1)), instant: instant, value: .float(value))
        }
        encoder.encode(readings[...], earliest: 0, book: &book)
        let first = encoder.writer.bytes.count
        #expect(first < 1280 * 5, "\(first) bytes")
        #expect(!encoder.newShapes.isEmpty)
        encoder.encode(readings[...], earliest: 0, book: &book)
        #expect(encoder.newShapes.isEmpty)
    }

    /// What a number costs that stands still, or moves within some bits.
    @Test(arguments: [
        (0, 1), (1, 2), (7, 4), (100, 8), (30_000, 16),
    ]) func aNumberCostsTheBitsThatItMoves(step: Int64, bits: Int) throws {
        var encoder = ChunkEncoder()
        var book = ShapeBook()
        func encoded(_ polls: Int) throws -> Int {
            let readings = (0..<polls).flatMap { poll in
                (1...80).map { point in
                    let value = Int64(point) * 1_000_003 + (poll % 2 == 0 ? 0 : step)
                    return Reading(
                        point: PointID(rawValue: UInt32(point)),
                        instant: Instant(nanoseconds: Int64(poll) * 500_000_000),
                        value: point <= 40
                            ? .decimal(ExactDecimal(value, exponent: -1)) : .float(Float(bitPattern: UInt32(value))))
                }
            }
            let header = Self.header(readings)
            encoder.encode(readings[...], earliest: 0, book: &book)
            encoder.seal(header)
            #expect(try Self.decode(encoder.writer.bytes, header, book, points: 80) == readings)
            return encoder.writer.bytes.count
        }
        // A poll more: its head, its instant, what 80 numbers move, and a bit each. A few stay wider than they need be.
        let cost = try encoded(30) - encoded(29)
        #expect(cost <= 2 + (80 * (bits + 1) + 7) / 8 + 2, "\(cost) bytes")
    }

    @Test(arguments: [1, 10, 1000, 99_999, 100_000, 1_000_000, 1_000_000_000, 30_000_000_000] as [Int64])
    func instantsAreExactHoweverFine(step: Int64) throws {
        var encoder = ChunkEncoder()
        var book = ShapeBook()
        let readings = [5, 0, 1, 2, 9, 4].map { place in
            Reading(
                point: PointID(rawValue: 1), instant: Instant(nanoseconds: 123_456_789 + place * step),
                value: .float(Float(place)))
        }
        let header = Self.header(readings)
        encoder.encode(readings[...], earliest: header.earliest, book: &book)
        encoder.seal(header)
        #expect(try Self.decode(encoder.writer.bytes, header, book, points: 1) == readings)
    }

    /// A text that a meter repeats is one byte; another one is its bytes.
    @Test func aTextThatStaysCostsAByte() throws {
        var encoder = ChunkEncoder()
        var book = ShapeBook()
        func encoded(_ texts: [String]) throws -> Int {
            let readings = texts.enumerated().map { index, text in
                Reading(
                    point: PointID(rawValue: 1), instant: Instant(nanoseconds: Int64(index) * 1_000_000_000),
                    value: .text(ExactText(text)!))
            }
            let header = Self.header(readings)
            encoder.encode(readings[...], earliest: 0, book: &book)
            encoder.seal(header)
            #expect(try Self.decode(encoder.writer.bytes, header, book, points: 1) == readings)
            return encoder.writer.bytes.count
        }
        let one = try encoded(["firmware 2.01"])
        let many = try encoded(Array(repeating: "firmware 2.01", count: 101))
        // Of each further reading the head of its run, a byte for a second, and one for the text.
        #expect(many == one + 100 * 3)
        #expect(try encoded(["firmware 2.01", "firmware 2.02", "firmware 2.01"]) == one + 2 * 3 + 2 * 13)
    }

    /// Each of these has a fitting checksum, and none is a text.
    @Test(arguments: [
        [0], [241, 1] + [UInt8](repeating: 0x41, count: 241), [2, 0x41], [1, 0x0A], [1, 0xFC], [2, 0xC2, 0x85],
        [0x80], [1, 0x41, 0x41],
    ])
    func textsThatAreNone(bytes: [UInt8]) throws {
        // Version, shape 0, one column: point 1, a text; its instant.
        func decode(_ bytes: [UInt8]) throws -> [Reading] {
            var body: [UInt8] = [1, 0, 1, 2, Column.Kind.text.rawValue, 0] + bytes
            let header = ChunkHeader(sequence: 1, counts: 1, boot: 1, earliest: 0, latest: 0, stored: 0)
            let crc = body.withUnsafeBytes { CRC32C.checksum(words: header.words, $0) }
            body += (0..<4).map { UInt8(truncatingIfNeeded: crc >> UInt32(8 * $0)) }
            return try Self.decode(body, header, ShapeBook(), points: 1)
        }
        #expect(try decode([1, 0x41]).map(\.value) == [.text(ExactText("A")!)])
        #expect(throws: ChunkFault.self) { try decode(bytes) }
    }

    @Test func aFullBookOfShapesOnlyCostsBytes() throws {
        var encoder = ChunkEncoder()
        var book = ShapeBook()
        for point in 1...UInt32(ShapeBook.maximumShapes) {
            #expect(book.add([Column(point: point, kind: .float, exponent: 0)]) == Int(point))
        }
        for round in 0..<5 {
            let readings = [0, 1].map {
                Reading(
                    point: PointID(rawValue: UInt32($0 * 5000 + round + 1)), instant: Instant(nanoseconds: 5),
                    value: .decimal(ExactDecimal(Int64(round), exponent: -2)))
            }
            let header = Self.header(readings)
            encoder.encode(readings[...], earliest: header.earliest, book: &book)
            encoder.seal(header)
            #expect(try Self.decode(encoder.writer.bytes, header, book, points: 10_000) == readings)
            #expect(encoder.newShapes.isEmpty)
        }
        #expect(book.shapes.count == ShapeBook.maximumShapes)
    }

    /// The readings that an aggregate stands for lie between instants that are kept as they were, however fine.
    @Test(arguments: [1_000_000 as Int64, 100_000, 1]) func anAggregateKeepsItsPeriod(unit: Int64) throws {
        let instant: Int64 = 5_000_000_000
        let readings = (1...40).map { index in
            let to = Instant(nanoseconds: instant + Int64(index) * 60_000_000_000 + Int64(index * 7) * unit)
            return Reading(
                point: PointID(rawValue: 1), instant: to, value: .float(230.5),
                remark: .aggregate(
                    .mean, from: to - .nanoseconds(59_000_000_000 - Int64(index * 13) * unit), to: to,
                    minimum: .float(229), maximum: .float(231), count: 60))
        }
        let header = Self.header(readings)
        var encoder = ChunkEncoder()
        var book = ShapeBook()
        encoder.encode(readings[...], earliest: header.earliest, book: &book)
        encoder.seal(header)
        #expect(try Self.decode(encoder.writer.bytes, header, book, points: 1) == readings)
    }
}
