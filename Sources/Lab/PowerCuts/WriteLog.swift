internal import Glibc
internal import Posix

/// What was written to a disk and when it was flushed: the log of QEMU's `blklogwrites`.
///
/// The format is that of Linux's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst), with sectors of
/// 512 bytes: one sector for the log, then per entry one sector and its data. The requests stand in the order in which
/// they were made.
struct WriteLog {
    struct Entry {
        /// Byte offset on the disk.
        var offset: Int
        /// What was written; empty for a flush alone.
        var bytes: [UInt8]
        /// Whether everything before it is on the disk for good.
        var isFlush: Bool
        /// Whether itself is, at once.
        var isForced: Bool
    }

    static let sector = 512
    private static let magic: UInt64 = 0x6A73_6677_7368_72

    private(set) var entries: [Entry] = []

    init(_ path: String) throws {
        let raw = open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { throw PosixError("open", path, code: errno) }
        let file = Descriptor(raw)
        let head = try Self.numbers(file, path, at: 0)
        guard head[0] == Self.magic, head[1] == 1, head[3] & 0xFFFF_FFFF == Self.sector else {
            throw LabError(.format, "\(path) is no log of blklogwrites with sectors of \(Self.sector) bytes")
        }
        var position = Self.sector
        for _ in 0..<head[2] {
            let entry = try Self.numbers(file, path, at: position)
            position += Self.sector
            // A discarded range has a length, but no data behind it; what the disk makes of it is its own affair.
            let isDiscard = entry[2] & 4 != 0
            let size = isDiscard ? 0 : Int(entry[1]) * Self.sector
            let bytes = try Self.read(file, path, size, at: position)
            position += size
            entries.append(
                Entry(
                    offset: Int(entry[0]) * Self.sector, bytes: bytes, isFlush: entry[2] & 1 != 0,
                    isForced: entry[2] & 2 != 0))
        }
    }

    private static func numbers(_ file: Descriptor, _ path: String, at offset: Int) throws -> [UInt64] {
        try read(file, path, 32, at: offset).withUnsafeBytes { bytes in
            (0..<4).map { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self)) }
        }
    }

    private static func read(_ file: Descriptor, _ path: String, _ count: Int, at offset: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, pread(file.raw, buffer.baseAddress, count, off_t(offset)))
            guard filled == count else { throw LabError(.format, "\(path) ends in the middle of an entry") }
        }
    }
}
