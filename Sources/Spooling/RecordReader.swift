/// A row as it stands in a page of an SQLite file, whichever table it is of.
struct RawRecord {
    /// A column.
    enum Column {
        case cell(Cell)
        case blob([UInt8])
    }

    /// The row's number; nil in a table without.
    var rowID: Int64?
    var columns: [Column]
}

/// Finds the rows in single pages of an SQLite file (https://www.sqlite.org/fileformat2.html, sections 1.6 and 2). Total:
/// any bytes give rows or none, never a crash. Whether a row is what was written is for its checksum to say.
struct RecordReader {
    let pages: PageStore
    /// Whether rows that go on in other pages go on in those that SQLite does not believe.
    var unread = false

    /// Largest row that is looked at, in bytes: a chunk of 4096 readings is smaller by far.
    private static let maximumBytes = 1 << 20
    /// Most columns of a table of a spool.
    private static let maximumColumns = 16

    /// Hands out the rows of a page, from 1.
    func records(of number: UInt32, in page: [UInt8], _ take: (RawRecord) -> Void) {
        // The first page begins with the file's header.
        let head = number == 1 ? 100 : 0
        guard page.count == PageStore.pageSize else { return }
        // Leaves of tables; leaves and inner pages of tables without row numbers.
        let kind = page[head]
        guard [0x0D, 0x0A, 0x02].contains(kind) else { return }
        let isTable = kind == 0x0D
        let start = head + (kind == 0x02 ? 12 : 8)
        let count = Int(page[head + 3]) << 8 | Int(page[head + 4])
        for index in 0..<min(count, (page.count - start) / 2) {
            let pointer = Int(page[start + 2 * index]) << 8 | Int(page[start + 2 * index + 1])
            guard pointer >= start, pointer < page.count else { continue }
            var cursor = Cursor(bytes: page, position: pointer + (kind == 0x02 ? 4 : 0))
            guard let length = cursor.varint(), length > 0, length <= Self.maximumBytes else { continue }
            var rowID: Int64?
            if isTable {
                guard let id = cursor.varint() else { continue }
                rowID = id
            }
            guard let payload = payload(Int(length), at: cursor.position, of: page, isTable: isTable) else { continue }
            if let columns = Self.columns(of: payload) { take(RawRecord(rowID: rowID, columns: columns)) }
        }
    }

    /// The bytes of a row, of which a long one goes on in other pages.
    private func payload(_ length: Int, at position: Int, of page: [UInt8], isTable: Bool) -> [UInt8]? {
        let usable = PageStore.pageSize
        let most = isTable ? usable - 35 : (usable - 12) * 64 / 255 - 23
        guard length > most else {
            return position + length <= page.count ? Array(page[position..<position + length]) : nil
        }
        let least = (usable - 12) * 32 / 255 - 23
        let fitting = least + (length - least) % (usable - 4)
        let local = fitting <= most ? fitting : least
        guard position + local + 4 <= page.count else { return nil }
        var bytes = Array(page[position..<position + local])
        var next = Self.word(page, at: position + local)
        while bytes.count < length {
            guard next != 0, let more = pages.page(next, unread: unread), more.count == usable else { return nil }
            bytes += more[4..<min(usable, 4 + length - bytes.count)]
            next = Self.word(more, at: 0)
        }
        return bytes
    }

    private static func word(_ bytes: [UInt8], at position: Int) -> UInt32 {
        bytes[position..<position + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The columns of a record.
    private static func columns(of payload: [UInt8]) -> [RawRecord.Column]? {
        var header = Cursor(bytes: payload, position: 0)
        guard let size = header.varint(), size >= 1, size <= payload.count else { return nil }
        var position = Int(size)
        var columns: [RawRecord.Column] = []
        while header.position < Int(size) {
            guard let type = header.varint(), columns.count < maximumColumns else { return nil }
            let length: Int
            switch type {
            case 0, 8, 9: length = 0
            case 1...4: length = Int(type)
            case 5: length = 6
            case 6, 7: length = 8
            case 12...: length = Int((type - 12) / 2)
            default: return nil
            }
            guard length <= payload.count - position else { return nil }
            let bytes = payload[position..<position + length]
            position += length
            switch type {
            case 0, 7: columns.append(.cell(.null))
            case 8, 9: columns.append(.cell(.integer(type - 8)))
            case 1...6:
                let negative = bytes.first.map { $0 & 0x80 != 0 } ?? false
                let number = bytes.reduce(negative ? -1 : Int64(0)) { $0 << 8 | Int64($1) }
                columns.append(.cell(.integer(number)))
            default:
                columns.append(
                    type % 2 == 0 ? .blob(Array(bytes)) : .cell(.text(String(decoding: bytes, as: UTF8.self))))
            }
        }
        return columns
    }

    /// Reads SQLite's variable-length integers: big-endian, seven bits a byte, the ninth byte whole.
    private struct Cursor {
        let bytes: [UInt8]
        var position: Int

        mutating func varint() -> Int64? {
            var number: UInt64 = 0
            for index in 0..<9 {
                guard position < bytes.count else { return nil }
                let byte = bytes[position]
                position += 1
                if index == 8 { return Int64(bitPattern: number << 8 | UInt64(byte)) }
                number = number << 7 | UInt64(byte & 0x7F)
                if byte & 0x80 == 0 { return Int64(bitPattern: number) }
            }
            return nil
        }
    }
}
