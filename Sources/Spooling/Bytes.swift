/// Why stored bytes cannot be read. Damage is a value: it is counted and named, and the spool goes on.
enum ChunkFault: Error, Hashable {
    /// The bytes end before the readings do.
    case truncated
    /// The checksum does not fit the bytes.
    case checksum
    /// The checksum fits, but the content makes no sense.
    case malformed(String)
}

/// Appends numbers to a byte string. Varints are LEB128; fixed widths are little-endian.
struct ByteWriter {
    var bytes: [UInt8] = []

    mutating func varint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Small numbers of either sign get few bytes.
    mutating func zigzag(_ number: Int64) {
        varint(Self.zigzag(number))
    }

    /// 0, −1, 1, −2 become 0, 1, 2, 3.
    static func zigzag(_ number: Int64) -> UInt64 {
        UInt64(bitPattern: (number << 1) ^ (number >> 63))
    }

    /// The lowest `count` bytes of a number.
    mutating func little(_ number: UInt64, count: Int) {
        var rest = number
        for _ in 0..<count {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }
}

/// Reads what `ByteWriter` wrote, and survives everything else.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func byte() throws(ChunkFault) -> UInt8 {
        guard position < bytes.count else { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func varint() throws(ChunkFault) -> UInt64 {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try byte()
            // The tenth byte has room for one bit only.
            guard shift < 63 || byte <= 1 else { throw .malformed("a number of more than 64 bits") }
            number |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return number }
            shift += 7
        }
    }

    mutating func zigzag() throws(ChunkFault) -> Int64 {
        Self.unzigzag(try varint())
    }

    /// The number that `ByteWriter.zigzag` made this of.
    static func unzigzag(_ number: UInt64) -> Int64 {
        Int64(bitPattern: number >> 1) ^ -Int64(bitPattern: number & 1)
    }

    /// The next `count` bytes.
    mutating func take(_ count: Int) throws(ChunkFault) -> Slice<UnsafeRawBufferPointer> {
        guard count <= bytes.count - position else { throw .truncated }
        defer { position += count }
        return bytes[position..<position + count]
    }

    mutating func little(_ count: Int) throws(ChunkFault) -> UInt64 {
        guard count <= bytes.count - position else { throw .truncated }
        var number: UInt64 = 0
        for index in 0..<count { number |= UInt64(bytes[position + index]) << UInt64(8 * index) }
        position += count
        return number
    }
}

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds every burst of up to 32 flipped bits.
enum CRC32C {
    /// What a byte does to the rest with 0…7 bytes behind it: eight bytes at once (Kounavis and Berry, 2005). All of a
    /// backlog is checked three times on its way out.
    private static let tables: [UInt32] = {
        var tables: [UInt32] = (0..<256).map { index in
            (0..<8).reduce(UInt32(index)) { rest, _ in rest & 1 == 1 ? rest >> 1 ^ 0x82F6_3B78 : rest >> 1 }
        }
        for index in 256..<8 * 256 {
            let before = tables[index - 256]
            tables.append(before >> 8 ^ tables[Int(before & 0xFF)])
        }
        return tables
    }()

    /// The checksum of `words`, as eight little-endian bytes each, followed by `bytes`.
    static func checksum(words: [Int64] = [], _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        tables.withUnsafeBufferPointer { tables in
            var crc = UInt32.max
            func add(_ word: UInt64) {
                let word = word ^ UInt64(crc)
                crc = 0
                for place in 0..<8 {
                    let byte = UInt8(truncatingIfNeeded: word >> UInt64(8 * place))
                    crc ^= tables[256 * (7 - place) + Int(byte)]
                }
            }
            for word in words { add(UInt64(bitPattern: word)) }
            let whole = bytes.count & ~7
            for start in stride(from: 0, to: whole, by: 8) {
                add(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)))
            }
            for byte in bytes[whole...] { crc = crc >> 8 ^ tables[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
            return ~crc
        }
    }
}
