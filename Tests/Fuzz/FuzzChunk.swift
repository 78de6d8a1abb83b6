import Metering

@testable import Spooling

/// Any bytes behind a checksum that fits: they give readings or a fault. What gives readings gives the same ones again when
/// they are packed anew.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzChunk(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard input.count > 2 else { return 0 }
    let readings = Int64(input[0]) << 4 | Int64(input[1] & 15)
    let header = ChunkHeader(
        sequence: 1, counts: min(max(1, readings), Int64(ChunkHeader.maximumReadings)), boot: 1,
        earliest: 1_000_000_000, latest: ChunkHeader.limit, stored: 0)
    guard let decoded = decode(ChunkEncoder.sealed(Array(input.dropFirst(2)), header), header, book) else { return 0 }
    precondition(decoded.count == header.count, "\(decoded.count) readings of \(header.count)")
    var encoder = ChunkEncoder()
    var book = book
    encoder.encode(decoded[...], earliest: header.earliest, book: &book)
    encoder.seal(header)
    guard let again = decode(encoder.writer.bytes, header, book) else { preconditionFailure("packed, and not read") }
    for (one, other) in zip(decoded, again) {
        precondition(
            one.point == other.point && one.instant == other.instant && one.quality == other.quality
                && bits(one.value) == bits(other.value), "\(one) became \(other)")
    }
    return 0
}

/// Shapes of every kind of column, so that few bytes say much.
private let book: ShapeBook = {
    var book = ShapeBook()
    let kinds: [Column.Kind] = [.float, .double, .integer, .wide, .text]
    for kind in kinds { _ = book.add([Column(point: 1, kind: kind, exponent: kind == .integer ? -1 : 0)]) }
    for first in [1, 6] as [UInt32] {
        _ = book.add(kinds.enumerated().map { Column(point: first + UInt32($0), kind: $1, exponent: 0) })
    }
    // One that was lost.
    _ = book.add([])
    return book
}()

private func decode(_ body: [UInt8], _ header: ChunkHeader, _ book: ShapeBook) -> [Reading]? {
    var decoder = ChunkDecoder()
    var readings: [Reading] = []
    do throws(ChunkFault) {
        var fault: ChunkFault?
        body.withUnsafeBytes { bytes in
            do throws(ChunkFault) {
                try decoder.decode(bytes, header: header, book: book, pointCount: 12) { readings.append($0) }
            } catch { fault = error }
        }
        if let fault { throw fault }
        return readings
    } catch {
        return nil
    }
}

/// NaNs are unequal to themselves.
private func bits(_ value: Value) -> String {
    switch value {
    case .float(let number): "f\(number.bitPattern)"
    case .double(let number): "d\(number.bitPattern)"
    default: "\(value)"
    }
}
