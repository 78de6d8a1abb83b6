/// Appends numbers of so many bits to a byte string, the lowest bit first; the last byte is filled up with zeros.
struct BitWriter {
    private var held: UInt64 = 0
    private var count = 0

    /// Appends the lowest `width` bits of a number that has no others, 0...64.
    mutating func write(_ number: UInt64, width: Int, to bytes: inout [UInt8]) {
        guard width <= 32 else {
            write(number & 0xFFFF_FFFF, width: 32, to: &bytes)
            return write(number >> 32, width: width - 32, to: &bytes)
        }
        held |= number << UInt64(count)
        count += width
        while count >= 8 {
            bytes.append(UInt8(truncatingIfNeeded: held))
            held >>= 8
            count -= 8
        }
    }

    /// Appends the bits that no byte is full of.
    mutating func finish(_ bytes: inout [UInt8]) {
        if count > 0 { bytes.append(UInt8(truncatingIfNeeded: held)) }
        (held, count) = (0, 0)
    }
}

/// Reads what `BitWriter` wrote; takes no byte that it does not need.
struct BitReader {
    private var held: UInt64 = 0
    private var count = 0

    /// The next `width` bits, 0...64.
    mutating func read(_ width: Int, from bytes: inout ByteReader) throws(ChunkFault) -> UInt64 {
        guard width <= 32 else {
            let low = try read(32, from: &bytes)
            return low | (try read(width - 32, from: &bytes)) << 32
        }
        while count < width {
            held |= UInt64(try bytes.byte()) << UInt64(count)
            count += 8
        }
        let number = held & (1 << UInt64(width) - 1)
        held >>= UInt64(width)
        count -= width
        return number
    }
}

/// How the difference of a number from its prediction is written: in as many bits as the difference before needed, behind
/// a 0; or, behind a 1, in as many as it needs itself, of which the first is known. Noise has about as many bits from one
/// poll to the next, and what stands still has none.
struct DifferenceCode {
    /// Bits of the numbers.
    let full: Int
    /// Bits that say how many bits follow; all of them set: `full`.
    let field: Int

    static let float = DifferenceCode(full: 32, field: 5)
    static let integer = DifferenceCode(full: 64, field: 6)

    /// Writes a difference and returns its width: with it the next is predicted.
    func write(_ number: UInt64, predicted width: Int, _ bits: inout BitWriter, to bytes: inout [UInt8]) -> Int {
        let needed = 64 - number.leadingZeroBitCount
        // Wider than needed costs less than to say another width.
        if needed <= width, width < needed + field {
            bits.write(0, width: 1, to: &bytes)
            bits.write(number, width: width, to: &bytes)
            return width
        }
        let escape: UInt64 = 1 << UInt64(field) - 1
        bits.write(1, width: 1, to: &bytes)
        guard needed < Int(escape) else {
            bits.write(escape, width: field, to: &bytes)
            bits.write(number, width: full, to: &bytes)
            return full
        }
        bits.write(UInt64(needed), width: field, to: &bytes)
        if needed > 0 { bits.write(number & ~(1 << UInt64(needed - 1)), width: needed - 1, to: &bytes) }
        return needed
    }

    /// Reads what `write` wrote.
    func read(
        predicted width: Int, _ bits: inout BitReader, from bytes: inout ByteReader
    ) throws(ChunkFault) -> (number: UInt64, width: Int) {
        if try bits.read(1, from: &bytes) == 0 { return (try bits.read(width, from: &bytes), width) }
        let needed = Int(try bits.read(field, from: &bytes))
        if needed == 1 << field - 1 { return (try bits.read(full, from: &bytes), full) }
        guard needed > 0 else { return (0, 0) }
        return (try bits.read(needed - 1, from: &bytes) | 1 << UInt64(needed - 1), needed)
    }
}
