internal import Glibc
internal import Posix

/// Where a writer notes what it promises, on the disk whose writes QEMU logs.
///
/// The note is one sector, written past the page cache to a partition of its own. It takes its place in the log after
/// everything that the promise rests on and before everything that comes after it, and it forces nothing else to the
/// disk: no flush belongs to it. So whether it survives a power cut does not matter; its place in the log says from when
/// on the promise was given.
final class MarkFile {
    /// Bytes of a mark: a sector of the disk.
    static let size = 512
    /// "PRTHMARK", in front of each.
    private static let magic: [UInt8] = Array("PRTHMARK".utf8)

    private let path: String
    private let descriptor: Descriptor
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ path: String) throws(PosixError) {
        self.path = path
        // O_DIRECT is an unsigned macro that Swift does not see (asm-generic/fcntl.h; arm64 has its own).
        #if arch(arm64)
            let direct: Int32 = 0o200000
        #else
            let direct: Int32 = 0o40000
        #endif
        let raw = open(path, O_WRONLY | O_CLOEXEC | direct)
        guard raw >= 0 else { throw PosixError("open", path, code: errno) }
        descriptor = Descriptor(raw)
        buffer = .allocate(byteCount: Self.size, alignment: 4096)
    }

    deinit {
        buffer.deallocate()
    }

    func write(_ promise: ProbeSpool.Promise) throws(PosixError) {
        buffer.copyBytes(from: Self.bytes(promise))
        let count = pwrite(descriptor.raw, buffer.baseAddress, Self.size, 0)
        guard count == Self.size else { throw PosixError("write", path, code: errno) }
    }

    /// The sector that gives a promise.
    static func bytes(_ promise: ProbeSpool.Promise) -> [UInt8] {
        var bytes = magic
        for number in [promise.committed, promise.settled, promise.settling] {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes + [UInt8](repeating: 0, count: size - bytes.count)
    }

    /// The promise in a sector; nil in one that is no mark.
    static func promise(in sector: some Collection<UInt8>) -> ProbeSpool.Promise? {
        let bytes = Array(sector.prefix(32))
        guard bytes.count == 32, Array(bytes[..<8]) == magic else { return nil }
        let numbers = bytes.withUnsafeBytes { bytes in
            (1...3).map { Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
        return ProbeSpool.Promise(committed: numbers[0], settled: numbers[1], settling: numbers[2])
    }
}
