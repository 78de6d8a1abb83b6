internal import Metering

/// Unpacks a chunk's body; total: any bytes give readings or a fault, never a crash.
struct ChunkDecoder {
    var predictor = Predictor()
    private var texts: [ExactText] = []

    /// Checks `body` and hands every reading to `take`, in order.
    ///
    /// A fault may come after some readings were handed out; they do not count then.
    mutating func decode(
        _ body: UnsafeRawBufferPointer, header: ChunkHeader, book: ShapeBook, pointCount: Int, take: (Reading) -> Void
    ) throws(ChunkFault) {
        guard header.isSound else { throw .malformed("impossible numbers in the row") }
        guard body.count > 5 else { throw .truncated }
        guard try Self.checksumFits(body, header) else { throw .checksum }
        let content = UnsafeRawBufferPointer(rebasing: body[..<(body.count - 4)])
        var reader = ByteReader(content)
        let layout = try Layout(&reader)
        predictor.begin(book)
        texts.removeAll(keepingCapacity: true)
        var run = Run(instant: header.earliest, rest: Int(header.count))
        guard layout.hasAggregates else {
            while run.rest > 0 {
                try decode(&run, layout, &reader, book: book, pointCount: pointCount, header: header, take)
            }
            guard reader.isAtEnd else { throw .malformed("bytes after the last reading") }
            return
        }
        var readings: [Reading] = []
        readings.reserveCapacity(run.rest)
        while run.rest > 0 {
            try decode(&run, layout, &reader, book: book, pointCount: pointCount, header: header) {
                readings.append($0)
            }
        }
        try AggregateCodec.read(&reader, unit: layout.isFormer ? 1_000_000 : layout.unit, into: &readings)
        guard reader.isAtEnd else { throw .malformed("bytes after the last aggregate") }
        for reading in readings { take(reading) }
    }

    /// What the first bytes of a body say of the others.
    private struct Layout {
        /// Whether runs are as in versions 1 and 2.
        var isFormer: Bool
        /// Nanoseconds of which instants are multiples.
        var unit: Int64 = 1
        var hasAggregates: Bool

        init(_ reader: inout ByteReader) throws(ChunkFault) {
            switch try reader.byte() {
            case ChunkDecoder.formerVersion: (isFormer, hasAggregates) = (true, false)
            case ChunkDecoder.formerVersionWithAggregates: (isFormer, hasAggregates) = (true, true)
            case ChunkEncoder.version:
                let byte = try reader.byte()
                let fineness = Int(byte & 15)
                guard byte < 2 * ChunkEncoder.hasAggregates, fineness < ChunkEncoder.powers.count else {
                    throw .malformed("unknown instants")
                }
                (isFormer, hasAggregates) = (false, byte & ChunkEncoder.hasAggregates != 0)
                unit = ChunkEncoder.powers[fineness]
            default: throw .malformed("an unknown version")
            }
        }
    }

    /// The run that was read last, and the readings that come behind it.
    private struct Run {
        var instant: Int64
        var shape: Int64 = 0
        var rest: Int
    }

    /// Whether the checksum fits a body and its row.
    private static func checksumFits(_ body: UnsafeRawBufferPointer, _ header: ChunkHeader) throws(ChunkFault) -> Bool {
        let content = UnsafeRawBufferPointer(rebasing: body[..<(body.count - 4)])
        var end = ByteReader(UnsafeRawBufferPointer(rebasing: body[(body.count - 4)...]))
        return CRC32C.checksum(words: header.words, content) == UInt32(truncatingIfNeeded: try end.little(4))
    }

    /// The same for a body of any length.
    static func isWhole(_ body: UnsafeRawBufferPointer, _ header: ChunkHeader) -> Bool {
        body.count > 5 && ((try? checksumFits(body, header)) ?? false)
    }

    private mutating func decode(
        _ run: inout Run, _ layout: Layout, _ reader: inout ByteReader, book: ShapeBook, pointCount: Int,
        header: ChunkHeader, _ take: (Reading) -> Void
    ) throws(ChunkFault) {
        let head = try reader.varint()
        if layout.isFormer {
            run.shape = Int64(head >> 1)
        } else {
            let (next, overflow) = ByteReader.unzigzag(head >> 1).addingReportingOverflow(run.shape + 1)
            guard !overflow else { throw .malformed("an unknown shape") }
            run.shape = next
        }
        guard (0...Int64(book.shapes.count)).contains(run.shape) else { throw .malformed("an unknown shape") }
        let number = Int(run.shape)
        let shape: Shape
        if number == 0 {
            shape = Shape(columns: try Shape.read(from: &reader, pointCount: pointCount))
        } else if let known = book.shape(number) {
            shape = known
        } else {
            throw .malformed("an unknown shape")
        }
        // A shape that was lost has no columns: see Salvage.
        guard !shape.columns.isEmpty else { throw .malformed("its shape is lost") }
        guard shape.columns.count <= run.rest else { throw .malformed("more readings than counted") }
        run.rest -= shape.columns.count
        let (distance, isTooFar) = try reader.zigzag().multipliedReportingOverflow(by: layout.unit)
        let (sum, overflow) = run.instant.addingReportingOverflow(distance)
        guard !isTooFar, !overflow, (header.earliest...header.latest).contains(sum) else {
            throw .malformed("an instant out of range")
        }
        run.instant = sum
        let place = predictor.beginRun(shape: number, layout: shape.layout, count: shape.columns.count)
        try Self.withUnsafeRun(of: shape.columns.count) { (values) throws(ChunkFault) in
            if layout.isFormer {
                try decodeFormerValues(&reader, shape, place, into: values)
            } else {
                try decodeValues(&reader, shape, place, into: values)
            }
            var packed: UInt8 = 0
            for (index, column) in shape.columns.enumerated() {
                var quality = Quality.good
                if head & 1 == 1 {
                    if index % 4 == 0 { packed = try reader.byte() }
                    guard let stored = Quality(rawValue: packed & 3) else { throw .malformed("an unknown quality") }
                    quality = stored
                    packed >>= 2
                }
                take(
                    Reading(
                        point: PointID(rawValue: column.point), instant: Instant(nanoseconds: sum),
                        value: values[index], quality: quality))
            }
        }
    }

    /// Room for the values of one run, without the heap.
    private static func withUnsafeRun(
        of count: Int, _ body: (UnsafeMutableBufferPointer<Value>) throws(ChunkFault) -> Void
    ) throws(ChunkFault) {
        // Swift 6.2's withUnsafeTemporaryAllocation does not carry typed errors: they are carried by hand.
        var fault: ChunkFault?
        withUnsafeTemporaryAllocation(of: Value.self, capacity: count) { values in
            values.initialize(repeating: .float(0))
            defer { values.deinitialize() }
            do throws(ChunkFault) { try body(values) } catch { fault = error }
        }
        if let fault { throw fault }
    }

    private mutating func decodeValues(
        _ reader: inout ByteReader, _ shape: Shape, _ place: Predictor.Place,
        into values: UnsafeMutableBufferPointer<Value>
    ) throws(ChunkFault) {
        var bits = BitReader()
        for (index, column) in shape.columns.enumerated() {
            let predicted = predictor.value(place, index)
            switch column.kind {
            case .float:
                let code = DifferenceCode.float
                let (difference, width) = try code.read(
                    predicted: predictor.width(place, index, code), &bits, from: &reader)
                let number = UInt32(truncatingIfNeeded: Int64(bitPattern: predicted) &+ ByteReader.unzigzag(difference))
                predictor.set(place, index, UInt64(number), width: width)
                values[index] = .float(Float(bitPattern: number))
            case .integer:
                let code = DifferenceCode.integer
                let (difference, width) = try code.read(
                    predicted: predictor.width(place, index, code), &bits, from: &reader)
                let mantissa = Int64(bitPattern: predicted) &+ ByteReader.unzigzag(difference)
                predictor.set(place, index, UInt64(bitPattern: mantissa), width: width)
                values[index] = .decimal(ExactDecimal(mantissa, exponent: column.exponent))
            default: break
            }
        }
        for (index, column) in shape.columns.enumerated() where !column.isNumber {
            values[index] = try other(&reader, column, index, place)
        }
    }

    /// A value that is neither a float nor an integer.
    mutating func other(
        _ reader: inout ByteReader, _ column: Column, _ index: Int, _ place: Predictor.Place
    ) throws(ChunkFault) -> Value {
        switch column.kind {
        case .double:
            let bits = try double(&reader) ^ predictor.value(place, index)
            predictor.set(place, index, bits)
            return .double(Double(bitPattern: bits))
        case .wide:
            let sign = try reader.byte()
            guard sign <= 1 else { throw .malformed("an unknown sign") }
            return .decimal(
                ExactDecimal(isNegative: sign == 1, magnitude: try reader.varint(), exponent: column.exponent))
        case .text:
            let (text, number) = try text(&reader, predicted: predictor.value(place, index))
            predictor.set(place, index, number)
            return .text(text)
        case .float, .integer, nil:
            throw .malformed("an unknown kind")
        }
    }

    /// A text and its number.
    private mutating func text(
        _ reader: inout ByteReader, predicted: UInt64
    ) throws(ChunkFault) -> (ExactText, number: UInt64) {
        let length = try reader.varint()
        if length == 0 {
            guard predicted > 0, predicted <= UInt64(texts.count) else { throw .malformed("a text like none before") }
            return (texts[Int(predicted) - 1], predicted)
        }
        guard length <= UInt64(ExactText.maximumBytes) else { throw .malformed("a text of \(length) bytes") }
        guard let text = ExactText(utf8: try reader.take(Int(length))) else { throw .malformed("no text") }
        texts.append(text)
        return (text, UInt64(texts.count))
    }

    private func double(_ reader: inout ByteReader) throws(ChunkFault) -> UInt64 {
        let lengths = try reader.byte()
        let leading = Int(lengths >> 4)
        let trailing = Int(lengths & 15)
        guard leading + trailing <= 8 else { throw .malformed("a number of less than no bytes") }
        let rest = try reader.little(8 - leading - trailing)
        return trailing == 8 ? 0 : rest << UInt64(8 * trailing)
    }
}
