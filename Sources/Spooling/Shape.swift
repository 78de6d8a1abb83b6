internal import Metering

/// Which point a column of a shape holds, and how its values are written.
///
/// point << 16 | exponent << 8 | kind, so that a column is one number to compare.
struct Column: Hashable {
    var rawValue: UInt64

    enum Kind: UInt8 {
        /// Four bytes, as the difference from the value before.
        case float = 0
        /// Eight bytes, XOR'd with the value before.
        case double = 1
        /// A mantissa that an Int64 holds, as the difference from the value before; the exponent is the column's.
        case integer = 2
        /// A mantissa beyond Int64, written whole.
        case wide = 3
        /// A text, written whole or as the one before. Spools of format version 1 have none.
        case text = 4
    }

    init(_ reading: Reading) {
        let tag: UInt64 =
            switch reading.value {
            case .float: UInt64(Kind.float.rawValue)
            case .double: UInt64(Kind.double.rawValue)
            case .text: UInt64(Kind.text.rawValue)
            case .decimal(let number):
                UInt64(UInt8(bitPattern: number.exponent)) << 8
                    | UInt64((number.magnitude <= UInt64(Int64.max) ? Kind.integer : Kind.wide).rawValue)
            }
        rawValue = UInt64(reading.point.rawValue) << 16 | tag
    }

    init(point: UInt32, kind: Kind, exponent: Int8) {
        rawValue = UInt64(point) << 16 | UInt64(UInt8(bitPattern: exponent)) << 8 | UInt64(kind.rawValue)
    }

    var point: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 16) }
    var exponent: Int8 { Int8(truncatingIfNeeded: rawValue >> 8) }
    var kind: Kind? { Kind(rawValue: UInt8(truncatingIfNeeded: rawValue)) }
    /// Whether its values are written as differences, in bits.
    var isNumber: Bool { kind == .float || kind == .integer }
    /// What is left without the point: two shapes with the same tags have the same layout.
    var tag: UInt16 { UInt16(truncatingIfNeeded: rawValue) }
}

/// The columns of one run of readings, as they come together poll after poll.
struct Shape: Hashable {
    /// Most columns of one shape; a longer run is cut.
    static let maximumColumns = 128

    var columns: [Column]
    /// The number of the layout: shapes of the same model's meters share it, and predict each other's values.
    var layout = 0

    func write(to writer: inout ByteWriter) {
        writer.varint(UInt64(columns.count))
        var previous: Int64 = 0
        for column in columns {
            writer.zigzag(Int64(column.point) - previous)
            previous = Int64(column.point)
            writer.bytes.append(UInt8(truncatingIfNeeded: column.rawValue))
            if column.kind == .integer || column.kind == .wide {
                writer.bytes.append(UInt8(bitPattern: column.exponent))
            }
        }
    }

    /// The body of the row of a shape that was lost: what has it cannot be read.
    static func sealedLoss(number: Int64) -> [UInt8] {
        let crc = CRC32C.checksum(words: [number], UnsafeRawBufferPointer(start: nil, count: 0))
        return (0..<4).map { UInt8(truncatingIfNeeded: crc >> UInt32(8 * $0)) }
    }

    /// The body of a shape's row: the columns and a checksum that covers the number, too.
    func sealed(number: Int64) -> [UInt8] {
        var writer = ByteWriter()
        write(to: &writer)
        let crc = writer.bytes.withUnsafeBytes { CRC32C.checksum(words: [number], $0) }
        writer.little(UInt64(crc), count: 4)
        return writer.bytes
    }

    /// The columns in the body of a shape's row.
    static func unseal(
        _ body: UnsafeRawBufferPointer, number: Int64, pointCount: Int
    ) throws(ChunkFault) -> [Column] {
        guard body.count >= 4 else { throw .truncated }
        let content = UnsafeRawBufferPointer(rebasing: body[..<(body.count - 4)])
        var end = ByteReader(UnsafeRawBufferPointer(rebasing: body[(body.count - 4)...]))
        let crc = UInt32(truncatingIfNeeded: try end.little(4))
        guard CRC32C.checksum(words: [number], content) == crc else { throw .checksum }
        var reader = ByteReader(content)
        // Nothing at all stands for a shape that was lost.
        let columns = reader.isAtEnd ? [] : try read(from: &reader, pointCount: pointCount)
        guard reader.isAtEnd else { throw .malformed("bytes after a shape") }
        return columns
    }

    /// Reads a shape whose points all have a number of at most `pointCount`.
    static func read(from reader: inout ByteReader, pointCount: Int) throws(ChunkFault) -> [Column] {
        let count = try reader.varint()
        guard (1...UInt64(maximumColumns)).contains(count) else { throw .malformed("a shape of \(count) columns") }
        var columns: [Column] = []
        columns.reserveCapacity(Int(count))
        var point: Int64 = 0
        for _ in 0..<count {
            let (next, overflow) = point.addingReportingOverflow(try reader.zigzag())
            guard !overflow, next >= 1, next <= Int64(pointCount) else { throw .malformed("an unknown point") }
            point = next
            guard let kind = Column.Kind(rawValue: try reader.byte()) else { throw .malformed("an unknown kind") }
            let exponent = kind == .integer || kind == .wide ? Int8(bitPattern: try reader.byte()) : 0
            columns.append(Column(point: UInt32(point), kind: kind, exponent: exponent))
        }
        return columns
    }
}

/// The shapes of a spool, by number from 1: what makes a poll cost its values and little else.
struct ShapeBook {
    /// Most shapes; runs that would need another carry their columns themselves.
    static let maximumShapes = 4096
    /// Most columns of all shapes together: 1 MiB of memory.
    static let maximumTotalColumns = 65_536

    private(set) var shapes: [Shape] = []
    private(set) var layoutCount = 0
    private var totalColumns = 0
    private var numbers: [[Column]: Int] = [:]
    private var layouts: [[UInt16]: Int] = [:]

    /// The shape with a number, or nil when there is none.
    func shape(_ number: Int) -> Shape? {
        number >= 1 && number <= shapes.count ? shapes[number - 1] : nil
    }

    /// The number of the shape with these columns, or nil.
    func number(of columns: [Column]) -> Int? {
        numbers[columns]
    }

    /// Takes a new shape and returns its number, or nil when the book is full.
    mutating func add(_ columns: [Column]) -> Int? {
        guard shapes.count < Self.maximumShapes, totalColumns + columns.count <= Self.maximumTotalColumns else {
            return nil
        }
        let tags = columns.map(\.tag)
        let layout = layouts[tags] ?? layoutCount
        if layout == layoutCount {
            layouts[tags] = layout
            layoutCount += 1
        }
        shapes.append(Shape(columns: columns, layout: layout))
        totalColumns += columns.count
        numbers[columns] = shapes.count
        return shapes.count
    }
}

/// The values of the runs so far, by which the next are predicted; the same on both sides of the codec.
struct Predictor {
    /// Where the values of a run stand, and those that predict them: −1 where none do.
    struct Place {
        var base: Int
        var own: Int
    }

    private var values: [UInt64] = []
    /// How many bits the differences took.
    private var widths: [UInt8] = []
    private var ofShape: [Int32] = []
    private var ofLayout: [Int32] = []

    /// Forgets everything: each chunk can be read alone.
    mutating func begin(_ book: ShapeBook) {
        values.removeAll(keepingCapacity: true)
        widths.removeAll(keepingCapacity: true)
        ofShape.removeAll(keepingCapacity: true)
        ofShape.append(contentsOf: repeatElement(-1, count: book.shapes.count + 1))
        ofLayout.removeAll(keepingCapacity: true)
        ofLayout.append(contentsOf: repeatElement(-1, count: book.layoutCount))
    }

    /// Opens a run of so many values. The same meter's last run is the best guess, another meter's of the same model the
    /// next best.
    mutating func beginRun(shape: Int, layout: Int, count: Int) -> Place {
        let own = values.count
        values.append(contentsOf: repeatElement(0, count: count))
        widths.append(contentsOf: repeatElement(0, count: count))
        guard shape > 0 else { return Place(base: -1, own: own) }
        // Shapes made while the chunk is written come after the ones that begin() saw.
        while ofShape.count <= shape { ofShape.append(-1) }
        while ofLayout.count <= layout { ofLayout.append(-1) }
        let base = ofShape[shape] >= 0 ? ofShape[shape] : ofLayout[layout]
        ofShape[shape] = Int32(truncatingIfNeeded: own)
        ofLayout[layout] = Int32(truncatingIfNeeded: own)
        return Place(base: Int(base), own: own)
    }

    /// The prediction for a column of a run.
    func value(_ place: Place, _ column: Int) -> UInt64 {
        place.base < 0 ? 0 : values[place.base + column]
    }

    /// The bits that a column's difference is expected to need.
    func width(_ place: Place, _ column: Int, _ code: DifferenceCode) -> Int {
        place.base < 0 ? code.full : Int(widths[place.base + column])
    }

    mutating func set(_ place: Place, _ column: Int, _ value: UInt64, width: Int = 0) {
        values[place.own + column] = value
        widths[place.own + column] = UInt8(truncatingIfNeeded: width)
    }
}
