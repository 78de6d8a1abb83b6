internal import Metering

/// Unpacks a chunk's body; total: any bytes give readings or a fault, never a crash.
struct ChunkDecoder {
    private var predictor = Predictor()
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
        let version = try reader.byte()
        guard (ChunkEncoder.version...ChunkEncoder.versionWithAggregates).contains(version) else {
            throw .malformed("an unknown version")
        }
        predictor.begin(book)
        texts.removeAll(keepingCapacity: true)
        var instant = header.earliest
        var rest = Int(header.count)
        guard version == ChunkEncoder.version else {
            var readings: [Reading] = []
            readings.reserveCapacity(rest)
            while rest > 0 {
                try decodeRun(
                    &reader, book: book, pointCount: pointCount, header: header, instant: &instant, rest: &rest
                ) { readings.append($0) }
            }
            try AggregateCodec.read(&reader, into: &readings)
            guard reader.isAtEnd else { throw .malformed("bytes after the last aggregate") }
            for reading in readings { take(reading) }
            return
        }
        while rest > 0 {
            try decodeRun(
                &reader, book: book, pointCount: pointCount, header: header, instant: &instant, rest: &rest, take)
        }
        guard reader.isAtEnd else { throw .malformed("bytes after the last reading") }
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

    private mutating func decodeRun(
        _ reader: inout ByteReader, book: ShapeBook, pointCount: Int, header: ChunkHeader, instant: inout Int64,
        rest: inout Int, _ take: (Reading) -> Void
    ) throws(ChunkFault) {
        let head = try reader.varint()
        guard let number = Int(exactly: head >> 1), number <= book.shapes.count else {
            throw .malformed("an unknown shape")
        }
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
        guard shape.columns.count <= rest else { throw .malformed("more readings than counted") }
        rest -= shape.columns.count
        let (sum, overflow) = instant.addingReportingOverflow(try reader.zigzag())
        guard !overflow, (header.earliest...header.latest).contains(sum) else {
            throw .malformed("an instant out of range")
        }
        instant = sum
        let base = predictor.beginRun(shape: number, layout: shape.layout)
        try Self.withUnsafeRun(of: shape.columns.count) { (run) throws(ChunkFault) in
            try decodeValues(&reader, shape: shape, base: base, into: run)
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
                        point: PointID(rawValue: column.point), instant: Instant(nanoseconds: instant),
                        value: run[index], quality: quality))
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
        _ reader: inout ByteReader, shape: Shape, base: Int, into run: UnsafeMutableBufferPointer<Value>
    ) throws(ChunkFault) {
        var floats = 0
        var control: UInt8 = 0
        for (index, column) in shape.columns.enumerated() {
            let predicted = predictor.value(base, index)
            switch column.kind {
            case .float:
                if floats % 4 == 0 { control = try reader.byte() }
                let length = control & 3 == 0 ? 0 : Int(control & 3) + 1
                control >>= 2
                floats += 1
                let bits = UInt32(truncatingIfNeeded: try reader.little(length) ^ predicted)
                predictor.add(UInt64(bits))
                run[index] = .float(Float(bitPattern: bits))
            case .double:
                let bits = try double(&reader) ^ predicted
                predictor.add(bits)
                run[index] = .double(Double(bitPattern: bits))
            case .integer:
                let mantissa = Int64(bitPattern: predicted) &+ (try reader.zigzag())
                predictor.add(UInt64(bitPattern: mantissa))
                run[index] = .decimal(ExactDecimal(mantissa, exponent: column.exponent))
            case .wide:
                let sign = try reader.byte()
                guard sign <= 1 else { throw .malformed("an unknown sign") }
                predictor.add(0)
                run[index] = .decimal(
                    ExactDecimal(isNegative: sign == 1, magnitude: try reader.varint(), exponent: column.exponent))
            case .text:
                let (text, number) = try text(&reader, predicted: predicted)
                predictor.add(number)
                run[index] = .text(text)
            case nil:
                throw .malformed("an unknown kind")
            }
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
