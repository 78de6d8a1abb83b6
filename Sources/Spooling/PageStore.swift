internal import Glibc
internal import Posix

/// The pages of an SQLite file and of its write-ahead log, read without SQLite: for files that SQLite does not read any
/// more (https://www.sqlite.org/fileformat2.html). Nothing is believed but that a page has its size.
final class PageStore {
    /// Bytes of a page: a spool has no others.
    static let pageSize = Int(Schema.pageSize)
    private static let logHeaderSize = 32
    private static let frameHeaderSize = 24

    // SAFETY: owned, closed once.
    private let file: Int32
    private let log: Int32
    /// Pages of the file.
    let count: Int
    /// By page number from 1: where its newest image begins in the log.
    private(set) var images: [UInt32: Int] = [:]
    /// Images in the log that SQLite does not believe, in the order in which they were written.
    private(set) var unread: [(page: UInt32, start: Int)] = []
    /// Whether the log had transactions that had been committed, and that SQLite does not read: a power cut leaves at most
    /// the last one unfinished, and what was copied into the file was not that. There was damage then, and SQLite, which reads the log up to it, must
    /// not have the file: it would copy old pages over newer ones.
    private(set) var lostTransactions = false
    /// Images that it believes.
    private(set) var read: [(page: UInt32, start: Int)] = []
    /// By page number the newest of those that it does not believe.
    private var unreadImages: [UInt32: Int] = [:]

    /// The pages of the file at `path`, missing or not, and of its log. What is there and cannot be opened, for want of
    /// rights or of descriptors, is an error: it has more in it than nothing.
    init(_ path: String) throws(SpoolError) {
        file = try Self.open(path)
        do throws(SpoolError) {
            log = try Self.open(path + "-wal")
        } catch {
            if file >= 0 { close(file) }
            throw error
        }
        count = Int((SpoolFolder.size(path) + Int64(Self.pageSize) - 1) / Int64(Self.pageSize))
        readLog(bytes: SpoolFolder.size(path + "-wal"))
    }

    private static func open(_ path: String) throws(SpoolError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 || errno == ENOENT else {
            throw SpoolError(errno: errno, operation: "open", path: path)
        }
        return descriptor
    }

    deinit {
        if file >= 0 { close(file) }
        if log >= 0 { close(log) }
    }

    /// The newest image of a page, from 1; nil where there is none.
    ///
    /// - Parameter unread: whether to take what SQLite does not believe before what it does.
    func page(_ number: UInt32, unread: Bool = false) -> [UInt8]? {
        if unread, let start = unreadImages[number] { return image(at: start) }
        if let start = images[number] { return image(at: start) }
        return filePage(number)
    }

    /// A page as the file itself has it.
    func filePage(_ number: UInt32) -> [UInt8]? {
        guard number >= 1, Int(number) <= count, file >= 0 else { return nil }
        return Self.read(file, at: (Int(number) - 1) * Self.pageSize, Self.pageSize)
    }

    /// A page's image in the log.
    func image(at start: Int) -> [UInt8]? { Self.read(log, at: start, Self.pageSize) }

    /// Follows the log's frames: those whose checksums hold together up to the last that ends a transaction are what
    /// SQLite reads; those of the same run behind them are what it does not.
    private func readLog(bytes: Int64) {
        guard log >= 0, let header = Self.read(log, at: 0, Self.logHeaderSize) else { return }
        func word(_ bytes: [UInt8], _ index: Int) -> UInt32 {
            bytes[index * 4..<index * 4 + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        let magic = word(header, 0)
        let isBigEndian = magic & 1 == 1
        var salt = (word(header, 4), word(header, 5))
        var sum = Self.checksum(header[..<24], isBigEndian, (0, 0))
        var isWhole = magic & ~1 == 0x377F_0682 && sum == (word(header, 6), word(header, 7))
        // A log whose head is damaged is nothing to SQLite. Its first frame tells which run it was.
        if !isWhole, let first = Self.read(log, at: Self.logHeaderSize, Self.frameHeaderSize) {
            salt = (word(first, 2), word(first, 3))
        }
        var pending: [(page: UInt32, start: Int)] = []
        var ends = 0
        // Pages that the file has after the last transaction that SQLite reads.
        var size: UInt32?
        var start = Self.logHeaderSize
        while start + Self.frameHeaderSize + Self.pageSize <= Int(bytes) {
            guard let frame = Self.read(log, at: start, Self.frameHeaderSize + Self.pageSize) else { break }
            let head = Array(frame[..<Self.frameHeaderSize])
            let isOfThisRun = (word(head, 2), word(head, 3)) == salt
            if isWhole {
                sum = Self.checksum(frame[..<8], isBigEndian, sum)
                sum = Self.checksum(frame[Self.frameHeaderSize...], isBigEndian, sum)
                isWhole = isOfThisRun && sum == (word(head, 4), word(head, 5))
            }
            if isWhole {
                pending.append((word(head, 0), start + Self.frameHeaderSize))
                if word(head, 1) != 0 {
                    size = word(head, 1)
                    for image in pending { images[image.page] = image.start }
                    read += pending
                    pending.removeAll(keepingCapacity: true)
                }
            } else if isOfThisRun {
                unread.append((word(head, 0), start + Self.frameHeaderSize))
                if word(head, 1) != 0 { ends += 1 }
            }
            start += Self.frameHeaderSize + Self.pageSize
        }
        // A transaction whose end is not there is none, but its rows may be whole.
        unread = pending + unread
        for image in unread { unreadImages[image.page] = image.start }
        // A file that is larger has something of a transaction that the log had.
        let isAhead = size.map { count > Int($0) } ?? false
        lostTransactions = isAhead || areLost(ends: ends)
    }

    /// Whether transactions that SQLite does not read had been committed, of which so many have their end in the log.
    private func areLost(ends: Int) -> Bool {
        guard ends > 0 else { return false }
        // Pages that the file has but for a few bytes, and those over which SQLite would copy an older image.
        var (flipped, overwritten) = (0, 0)
        for (page, start) in unreadImages {
            guard let image = image(at: start), let copy = filePage(page) else { return ends > 1 }
            if image != copy {
                guard zip(image, copy).count(where: { $0 != $1 }) <= 4 else { return ends > 1 }
                flipped += 1
            } else if let believed = images[page], self.image(at: believed) != image {
                overwritten += 1
            }
        }
        // Of several there is none where the file has them all: such a log had been copied as a whole and was about to be
        // begun anew. The last one alone had been copied where a byte was flipped in one of its pages at most, and two
        // others prove it: that a single page is as it was before does not.
        return ends > 1 ? flipped + overwritten > 0 : flipped <= 1 && overwritten >= 2
    }

    /// The log's checksum (file format, section 4.2), continued from `sum`.
    private static func checksum(
        _ bytes: ArraySlice<UInt8>, _ isBigEndian: Bool, _ sum: (UInt32, UInt32)
    ) -> (UInt32, UInt32) {
        var (first, second) = sum
        bytes.withUnsafeBytes { bytes in
            for index in stride(from: 0, to: bytes.count - 7, by: 8) {
                let a = bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self)
                let b = bytes.loadUnaligned(fromByteOffset: index + 4, as: UInt32.self)
                first = first &+ (isBigEndian ? UInt32(bigEndian: a) : UInt32(littleEndian: a)) &+ second
                second = second &+ (isBigEndian ? UInt32(bigEndian: b) : UInt32(littleEndian: b)) &+ first
            }
        }
        return (first, second)
    }

    private static func read(_ descriptor: Int32, at start: Int, _ count: Int) -> [UInt8]? {
        guard descriptor >= 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                pread(descriptor, buffer.baseAddress?.advanced(by: done), count - done, off_t(start + done))
            }
            if got < 0, errno == EINTR { continue }
            // A file that ends within a page: the rest is nothing. A bad sector takes its page only.
            guard got > 0 else { return done > 0 ? bytes : nil }
            done += got
        }
        return bytes
    }
}
