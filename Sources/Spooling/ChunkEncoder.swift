internal import Metering

// A chunk's body:
//
//     byte      3: the version of this layout
//     byte      how fine instants are: in its low half n for multiples of 10^n ns; 16 more when aggregates follow
//     runs      readings that follow each other and share their instant, at most 128 in one:
//       varint    zigzag(shape − shape before − 1) << 1 | hasQualities; shape 0 means that the columns follow, as a shape's
//                 body; before the first run the shape is 0
//       zigzag    instant − instant of the run before (of the first run: − the header's `earliest`), in multiples of 10^n ns
//       values    against their predictions (Predictor): first floats and integers, column by column, as bits in whole bytes,
//                 then the others
//         float     zigzag difference of the bit patterns, as DifferenceCode says
//         integer   zigzag difference of the mantissas, as DifferenceCode says
//         double    XOR, a byte with the zero bytes left out (high nibble leading, low trailing), the rest
//         wide      a byte that is 1 for negative, varint magnitude
//         text      varint length, bytes of UTF-8; a length of 0, which no text has, for the predicted text again.
//                   What is predicted is its number among the texts written so far, from 1
//       qualities 2 bits each, four in a byte, if any is not good
//     aggregates  see AggregateCodec
//     4 bytes   CRC-32C of the header's numbers and all bytes before
//
// The number of readings stands in the header. Against versions 1 and 2, which FormerRuns reads, readings of meters take a
// sixth less.

/// Packs readings into a chunk's body; its memory is used again for the next.
struct ChunkEncoder {
    /// The version of the layout.
    static let version: UInt8 = 3
    /// The bit beside the fineness of the instants.
    static let hasAggregates: UInt8 = 16
    /// 10^n for n in 0...9.
    static let powers: [Int64] = (0...9).map { (0..<$0).reduce(1) { power, _ in power * 10 } }

    private(set) var writer = ByteWriter()
    private var predictor = Predictor()
    private var columns: [Column] = []
    /// The texts written out in this chunk.
    private var texts: [ExactText] = []
    /// By first point: the shape that a run with this first point had last time, which is nearly always the right one.
    private var recent: [Int] = []

    /// The shapes that `encode` added to the book since the last call.
    private(set) var newShapes: [Int] = []
    /// Writes the body up to the checksum, which needs the complete header: see `seal`.
    mutating func encode(_ readings: ArraySlice<Reading>, earliest: Int64, book: inout ShapeBook) {
        writer.bytes.removeAll(keepingCapacity: true)
        newShapes.removeAll(keepingCapacity: true)
        texts.removeAll(keepingCapacity: true)
        predictor.begin(book)
        let hasAggregates = readings.contains { $0.remark != nil && AggregateCodec.packs($0) }
        let fineness = Self.fineness(readings, earliest)
        writer.bytes.append(Self.version)
        writer.bytes.append(UInt8(fineness) | (hasAggregates ? Self.hasAggregates : 0))
        var previous = (instant: earliest, shape: 0)
        var start = readings.startIndex
        while start < readings.endIndex {
            let instant = readings[start].instant
            var end = start + 1
            while end < readings.endIndex, end - start < Shape.maximumColumns, readings[end].instant == instant {
                end += 1
            }
            let run = readings[start..<end]
            let number = shape(of: run, book: &book)
            let hasQualities = run.contains { $0.quality != .good }
            writer.varint(UInt64(ByteWriter.zigzag(Int64(number - previous.shape - 1))) << 1 | (hasQualities ? 1 : 0))
            if number == 0 { Shape(columns: columns).write(to: &writer) }
            writer.zigzag((instant.nanoseconds &- previous.instant) / Self.powers[fineness])
            let place = predictor.beginRun(
                shape: number, layout: book.shape(number)?.layout ?? 0, count: run.count)
            encodeNumbers(run, place)
            encodeOthers(run, place)
            if hasQualities { encodeQualities(run) }
            previous = (instant.nanoseconds, number)
            start = end
        }
        if hasAggregates { AggregateCodec.write(readings, unit: Self.powers[fineness], to: &writer) }
    }

    /// The greatest n for which all instants, those between which an aggregate's readings lay too, are whole multiples of
    /// 10^n ns apart.
    private static func fineness(_ readings: ArraySlice<Reading>, _ earliest: Int64) -> Int {
        var fineness = powers.count - 1
        func consider(_ instant: Instant) {
            let distance = instant.nanoseconds &- earliest
            while fineness > 0, distance % powers[fineness] != 0 { fineness -= 1 }
        }
        for reading in readings {
            consider(reading.instant)
            guard let period = reading.remark?.period else { continue }
            consider(period.from)
            consider(period.to)
        }
        return fineness
    }

    /// Ends the body with its checksum.
    mutating func seal(_ header: ChunkHeader) {
        let crc = writer.bytes.withUnsafeBytes { CRC32C.checksum(words: header.words, $0) }
        writer.little(UInt64(crc), count: 4)
    }

    /// A body with its checksum.
    static func sealed(_ body: [UInt8], _ header: ChunkHeader) -> [UInt8] {
        var writer = ByteWriter(bytes: body)
        writer.little(UInt64(body.withUnsafeBytes { CRC32C.checksum(words: header.words, $0) }), count: 4)
        return writer.bytes
    }

    private mutating func encodeQualities(_ run: ArraySlice<Reading>) {
        var byte: UInt8 = 0
        for (index, reading) in run.enumerated() {
            byte |= reading.quality.rawValue << UInt8(index % 4 * 2)
            if index % 4 == 3 || index == run.count - 1 {
                writer.bytes.append(byte)
                byte = 0
            }
        }
    }

    private mutating func encodeNumbers(_ run: ArraySlice<Reading>, _ place: Predictor.Place) {
        var bits = BitWriter()
        for column in 0..<run.count {
            let code: DifferenceCode
            let (value, difference): (UInt64, UInt64)
            let predicted = predictor.value(place, column)
            switch run[run.startIndex + column].value {
            case .float(let number):
                code = .float
                let distance = Int32(bitPattern: number.bitPattern &- UInt32(truncatingIfNeeded: predicted))
                value = UInt64(number.bitPattern)
                difference = ByteWriter.zigzag(Int64(distance))
            case .decimal(let number) where number.magnitude <= UInt64(Int64.max):
                code = .integer
                let mantissa = number.isNegative ? -Int64(number.magnitude) : Int64(number.magnitude)
                value = UInt64(bitPattern: mantissa)
                difference = ByteWriter.zigzag(mantissa &- Int64(bitPattern: predicted))
            default: continue
            }
            let width = code.write(
                difference, predicted: predictor.width(place, column, code), &bits, to: &writer.bytes)
            predictor.set(place, column, value, width: width)
        }
        bits.finish(&writer.bytes)
    }

    private mutating func encodeOthers(_ run: ArraySlice<Reading>, _ place: Predictor.Place) {
        for column in 0..<run.count {
            switch run[run.startIndex + column].value {
            case .double(let number):
                encode(number.bitPattern ^ predictor.value(place, column))
                predictor.set(place, column, number.bitPattern)
            case .decimal(let number) where number.magnitude > UInt64(Int64.max):
                writer.bytes.append(number.isNegative ? 1 : 0)
                writer.varint(number.magnitude)
            case .text(let text):
                predictor.set(place, column, encode(text, predicted: predictor.value(place, column)))
            case .float, .decimal: break
            }
        }
    }

    /// Writes a text and returns its number.
    private mutating func encode(_ text: ExactText, predicted: UInt64) -> UInt64 {
        if predicted > 0, texts[Int(predicted) - 1] == text {
            writer.varint(0)
            return predicted
        }
        writer.varint(UInt64(text.utf8.count))
        writer.bytes.append(contentsOf: text.utf8)
        texts.append(text)
        return UInt64(texts.count)
    }

    private mutating func encode(_ rest: UInt64) {
        let leading = rest == 0 ? 8 : rest.leadingZeroBitCount / 8
        let trailing = rest == 0 ? 0 : rest.trailingZeroBitCount / 8
        writer.bytes.append(UInt8(leading << 4 | trailing))
        writer.little(rest == 0 ? 0 : rest >> UInt64(8 * trailing), count: 8 - leading - trailing)
    }

    /// The number of the run's shape; 0, with `columns` filled, when the book has no room for it.
    private mutating func shape(of run: ArraySlice<Reading>, book: inout ShapeBook) -> Int {
        guard let first = run.first else { return 0 }
        let point = Int(first.point.rawValue)
        while recent.count <= point { recent.append(0) }
        if let known = book.shape(recent[point]), Self.fits(run, known) { return recent[point] }
        columns.removeAll(keepingCapacity: true)
        for reading in run { columns.append(Column(reading)) }
        if let number = book.number(of: columns) {
            recent[point] = number
            return number
        }
        guard let number = book.add(columns) else { return 0 }
        newShapes.append(number)
        recent[point] = number
        return number
    }

    private static func fits(_ run: ArraySlice<Reading>, _ shape: Shape) -> Bool {
        guard run.count == shape.columns.count else { return false }
        var index = 0
        for reading in run {
            guard Column(reading) == shape.columns[index] else { return false }
            index += 1
        }
        return true
    }
}
