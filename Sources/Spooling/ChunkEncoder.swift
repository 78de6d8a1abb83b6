internal import Metering

// A chunk's body:
//
//     byte      1: the version of this layout
//     runs      readings that follow each other and share their instant, at most 128 in one:
//       varint    shape << 1 | hasQualities; shape 0 means that the columns follow, as a shape's body
//       zigzag    instant − instant of the run before (of the first run: − the header's `earliest`), ns
//       values    column by column, each against its prediction (Predictor):
//         float     XOR, 0, 2, 3 or 4 bytes; before every fourth float stands a byte with four 2-bit lengths
//         double    XOR, a byte with the zero bytes left out (high nibble leading, low trailing), the rest
//         integer   zigzag difference of the mantissas
//         wide      a byte that is 1 for negative, varint magnitude
//         text      varint length, bytes of UTF-8; a length of 0, which no text has, for the predicted text again.
//                   What is predicted is its number among the texts written so far, from 1
//       qualities 2 bits each, four in a byte, if any is not good
//     4 bytes   CRC-32C of the header's numbers and all bytes before
//
// The number of readings stands in the header.

/// Packs readings into a chunk's body; its memory is used again for the next.
struct ChunkEncoder {
    /// The version of the layout: of a body that ends with its runs, and of one that has aggregates behind them.
    static let version: UInt8 = 1
    static let versionWithAggregates: UInt8 = 2

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
        writer.bytes.append(hasAggregates ? Self.versionWithAggregates : Self.version)
        var previous = earliest
        var start = readings.startIndex
        while start < readings.endIndex {
            let instant = readings[start].instant
            var end = start + 1
            while end < readings.endIndex, end - start < Shape.maximumColumns, readings[end].instant == instant {
                end += 1
            }
            encodeRun(readings[start..<end], delta: instant.nanoseconds &- previous, book: &book)
            previous = instant.nanoseconds
            start = end
        }
        if hasAggregates { AggregateCodec.write(readings, to: &writer) }
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

    private mutating func encodeRun(_ run: ArraySlice<Reading>, delta: Int64, book: inout ShapeBook) {
        let number = shape(of: run, book: &book)
        let hasQualities = run.contains { $0.quality != .good }
        writer.varint(UInt64(number) << 1 | (hasQualities ? 1 : 0))
        if number == 0 { Shape(columns: columns).write(to: &writer) }
        writer.zigzag(delta)
        encodeValues(run, base: predictor.beginRun(shape: number, layout: book.shape(number)?.layout ?? 0))
        guard hasQualities else { return }
        var byte: UInt8 = 0
        for (index, reading) in run.enumerated() {
            byte |= reading.quality.rawValue << UInt8(index % 4 * 2)
            if index % 4 == 3 || index == run.count - 1 {
                writer.bytes.append(byte)
                byte = 0
            }
        }
    }

    private mutating func encodeValues(_ run: ArraySlice<Reading>, base: Int) {
        var floats = 0
        var control = 0
        for (column, reading) in run.enumerated() {
            let predicted = predictor.value(base, column)
            switch reading.value {
            case .float(let number):
                if floats % 4 == 0 {
                    control = writer.bytes.count
                    writer.bytes.append(0)
                }
                let bits = number.bitPattern
                let rest = bits ^ UInt32(truncatingIfNeeded: predicted)
                let length = rest == 0 ? 0 : max(2, 4 - rest.leadingZeroBitCount / 8)
                writer.bytes[control] |= UInt8(length == 0 ? 0 : length - 1) << UInt8(floats % 4 * 2)
                writer.little(UInt64(rest), count: length)
                floats += 1
                predictor.add(UInt64(bits))
            case .double(let number):
                encode(number.bitPattern ^ predicted)
                predictor.add(number.bitPattern)
            case .decimal(let number) where number.magnitude <= UInt64(Int64.max):
                let mantissa = number.isNegative ? -Int64(number.magnitude) : Int64(number.magnitude)
                writer.zigzag(mantissa &- Int64(bitPattern: predicted))
                predictor.add(UInt64(bitPattern: mantissa))
            case .decimal(let number):
                writer.bytes.append(number.isNegative ? 1 : 0)
                writer.varint(number.magnitude)
                predictor.add(0)
            case .text(let text):
                predictor.add(encode(text, predicted: predicted))
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
