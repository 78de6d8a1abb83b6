internal import Metering
internal import Posix

/// Reads everything that a spool has, and writes nothing. While its agent runs each look at the file is short, but for
/// SQLite's own.
final class SpoolVerifier {
    private let path: String
    private let tell: (SpoolVerification.Step) -> Void
    private var result = SpoolVerification()

    static func verify(
        directory: String, tell: @escaping (SpoolVerification.Step) -> Void
    ) throws(SpoolError) -> SpoolVerification {
        let verifier = SpoolVerifier(SpoolFolder.file(in: directory), tell)
        try verifier.run(in: directory)
        return verifier.result
    }

    private init(_ path: String, _ tell: @escaping (SpoolVerification.Step) -> Void) {
        (self.path, self.tell) = (path, tell)
    }

    private func run(in directory: String) throws(SpoolError) {
        result.holder = SpoolFolder.holder(of: directory)
        // First: what it has is in the file then, whatever the agent does meanwhile.
        let sidecar = Sidecar.read(in: directory)
        if let kind = File.kind(path), kind != .file {
            return result.add("a \(kind.rawValue) stands in the place of the spool", at: path)
        }
        let log = SpoolFolder.size(path + "-wal")
        if File.exists(path), SpoolFolder.size(path) == 0, log > 0 || (sidecar?.next ?? 1) > 1 {
            return result.add(
                "the file is empty" + (log > 0 ? ", its log is not" : ""), at: path,
                readings: sidecar?.undelivered ?? 0)
        }
        let late: [ChunkHeader]
        let reader: SpoolReader
        do throws(SpoolError) {
            try SpoolReader.checkObstacle(path)
            // Before SQLite has the file open: closing it would drop its locks.
            late = result.holder == nil ? try unreadChunks() : []
            reader = try SpoolReader(file: path)
        } catch {
            guard [.damaged, .foreign, .database].contains(error.code) else { throw error }
            return result.add(error.detail, at: path)
        }
        noteLate(late, reader)
        try checkStructure(reader.connection)
        try attempt("the tables") { () throws(SpoolError) in try self.checkTables(reader.connection) }
        for table in SealedTable.allCases {
            tell(.table(table.name))
            try attempt("table \(table)") { () throws(SpoolError) in try self.checkRows(of: table, reader.connection) }
        }
        let damage = result.findings.count
        try attempt("the dictionary") { () throws(SpoolError) in
            let source = try ChunkSource(reader.archive)
            try self.attempt("the times") { () throws(SpoolError) in try self.checkTimes(reader.archive) }
            try self.attempt("the deliveries") { () throws(SpoolError) in try self.checkDeliveries(reader.archive) }
            try self.attempt("the chunks") { () throws(SpoolError) in
                try self.checkChunks(reader.archive, source, sidecar)
            }
        }
        // Without a dictionary no chunk was looked at, of which more is told than that.
        if result.chunks == 0, result.findings.count > damage { try countWhole(reader.archive) }
    }

    /// Runs a check; what SQLite cannot read is found damaged, and the next check goes on.
    private func attempt(_ what: String, _ check: () throws(SpoolError) -> Void) throws(SpoolError) {
        do throws(SpoolError) {
            try check()
        } catch {
            guard [.damaged, .foreign, .database].contains(error.code) else { throw error }
            result.add(error.detail, at: what)
        }
    }

    // MARK: - The file

    private func checkStructure(_ connection: Connection) throws(SpoolError) {
        tell(.structure)
        try attempt(path) { () throws(SpoolError) in
            self.result.pages = try connection.integer("PRAGMA page_count") ?? 0
            let rows = try connection.statement("PRAGMA integrity_check(20)")
            defer { rows.reset() }
            while try rows.step() {
                for line in rows.text(0).split(separator: "\n") where line != "ok" && !line.hasPrefix("***") {
                    self.result.add("SQLite: \(line)", at: self.path)
                }
            }
        }
    }

    private func checkTables(_ connection: Connection) throws(SpoolError) {
        var wanted = Schema.statements
        let rows = try connection.statement("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        defer { rows.reset() }
        while try rows.step() {
            guard wanted.removeValue(forKey: rows.text(0)) != rows.text(1) else { continue }
            result.add("it is not what was made", at: "table \(rows.text(0))")
        }
        for name in wanted.keys.sorted() { result.add("it is missing", at: "table \(name)") }
    }

    private func checkRows(of table: SealedTable, _ connection: Connection) throws(SpoolError) {
        let rows = try connection.statement(table.select)
        defer { rows.reset() }
        var count = 0
        while try rows.step() {
            count += 1
            result.rows += 1
            guard rows.row(table) == nil else { continue }
            let key = rows.isNull(0) ? "?" : rows.text(0)
            result.add("its checksum does not fit", at: "table \(table), row \(key)")
        }
        if table == .spool, count != 1 { result.add("it has \(count) rows instead of one", at: "table \(table)") }
    }

    // MARK: - The log

    /// Chunks in the log that SQLite does not read.
    private func unreadChunks() throws(SpoolError) -> [ChunkHeader] {
        let store = try PageStore(path)
        // A transaction that a power cut left unfinished was never committed.
        guard store.lostTransactions else { return [] }
        var remains = Remains()
        var chunks: [Int64: ChunkHeader] = [:]
        try remains.collectUnread(store) { (chunk) throws(SpoolError) in chunks[chunk.header.sequence] = chunk.header }
        return chunks.values.sorted { $0.sequence < $1.sequence }
    }

    private func noteLate(_ chunks: [ChunkHeader], _ reader: SpoolReader) {
        guard let newest = try? reader.archive.header(through: .max) else { return }
        let late = chunks.filter { $0.sequence > newest.last }
        guard !late.isEmpty else { return }
        result.add(
            "it holds \(late.reduce(0) { $0 + $1.count }) readings that SQLite does not read", at: path + "-wal",
            readings: late.reduce(0) { $0 + $1.count })
    }

    // MARK: - What rows say together

    private func checkTimes(_ archive: Archive) throws(SpoolError) {
        var before: FrozenRange?
        var starts: [Int64] = []
        try archive.connection.rows(.frozen, "ORDER BY first") { (row) throws(SpoolError) in
            starts.append(row[0].integer)
            return true
        }
        for start in starts {
            guard let range = try archive.frozenRange(through: start), range.first == start else { continue }
            if let before, before.last >= range.first {
                result.add("its numbers are those of the row before as well", at: "table frozen, row \(start)")
            }
            before = range
        }
    }

    private func checkDeliveries(_ archive: Archive) throws(SpoolError) {
        var uplinks: [Int64] = []
        try archive.connection.rows(.uplink, "ORDER BY id") { (row) throws(SpoolError) in
            uplinks.append(row[0].integer)
            return true
        }
        for uplink in uplinks {
            try attempt("table delivery") { () throws(SpoolError) in _ = try archive.spans(of: uplink, from: 0) }
        }
    }

    private func checkChunks(
        _ archive: Archive, _ source: ChunkSource, _ sidecar: Sidecar?
    ) throws(SpoolError) {
        let row = try SpoolRow.read(from: archive.connection)
        var holes: [ClosedRange<Int64>] = []
        var next = row.forgotten + 1
        let end = try archive.connection.integer("SELECT max(sequence) FROM chunk") ?? 0
        let start = next
        source.go(to: next)
        var isOver = false
        while !isOver {
            tell(.chunks(min(next, end + 1) - start, of: max(0, end - start + 1)))
            isOver = try archive.connection.snapshot { () throws(SpoolError) -> Bool in
                let page = try source.page(readings: 4096)
                // Thinned since the last look: what follows has other numbers now.
                if page.isMoved, let first = page.rows.first { next = min(next, first.header.sequence) }
                if let numbers = page.unreadable {
                    self.result.add(
                        "SQLite cannot read them", at: "numbers \(numbers.lowerBound) to \(numbers.upperBound)")
                }
                for row in page.rows where row.header.sequence <= end {
                    try self.check(row, source, archive, next: &next, &holes)
                }
                return (page.rows.last?.header.sequence ?? .max) >= end
            }
        }
        try checkHoles(holes, archive, next: next, sidecar)
    }

    private func check(
        _ row: ChunkSource.Row, _ source: ChunkSource, _ archive: Archive, next: inout Int64,
        _ holes: inout [ClosedRange<Int64>]
    ) throws(SpoolError) {
        let header = row.header
        let place = "chunk \(header.sequence)"
        result.chunks += 1
        guard row.isSound else {
            source.pass(header, isWhole: false)
            return result.add("its row has impossible numbers", at: place)
        }
        let (readings, fault) = try source.readings(of: header)
        // Of a row that is not what was written nothing is believed: what it stood for is missing.
        if fault == .checksum || fault == .truncated {
            source.pass(header, isWhole: false)
            return result.add("its checksum does not fit", at: place)
        }
        source.pass(header, isWhole: true)
        if header.sequence > next { holes.append(next...header.sequence - 1) }
        if header.sequence < next {
            result.add("its numbers are those of the chunk before as well", at: place)
        }
        next = max(next, header.last + 1)
        result.readings += Int64(readings.count)
        if let fault { result.add("it cannot be decoded: \(fault)", at: place, readings: header.count) }
        if try source.boot(of: header) == nil {
            result.add("its boot \(header.boot) is missing: when its readings were taken is not known", at: place)
        }
        let isOpen = try source.frozenRange(of: header) == nil
        if isOpen, let last = try archive.frozenRange(through: .max), header.sequence <= last.last {
            result.add("its times are not frozen, those of later ones are", at: place)
        }
    }

    /// Holes are damage where no gap tells of them, on one view of the file at the end.
    private func checkHoles(
        _ holes: [ClosedRange<Int64>], _ archive: Archive, next: Int64, _ sidecar: Sidecar?
    ) throws(SpoolError) {
        try archive.connection.snapshot { () throws(SpoolError) in
            let row = try SpoolRow.read(from: archive.connection)
            let newest = try archive.connection.integer("SELECT max(sequence) FROM chunk")
            let last = try newest.flatMap { sequence throws(SpoolError) in try archive.header(through: sequence) }?.last
            var gaps = try archive.gaps(atMost: .max)
            result.listed = gaps.reduce(0) { $0 + $1.count }
            gaps.sort { $0.first < $1.first }
            // Older gaps than these are no longer listed.
            let isCut = gaps.count >= Int(SpoolStore.maximumQuarantined)
            let known = max(row.forgotten, isCut ? (gaps.first?.first ?? 1) - 1 : 0)
            var all = holes
            if row.next > max(next, (last ?? 0) + 1) { all.append(max(next, (last ?? 0) + 1)...row.next - 1) }
            // The newest chunk itself may not be whole: how many readings it had is not known.
            if let newest, newest >= next { all.append(next...newest) }
            for hole in all where hole.upperBound > known {
                let hole = max(hole.lowerBound, known + 1)...hole.upperBound
                var known = NumberSet()
                for gap in gaps where gap.first <= gap.last { known.insert(gap.first...gap.last) }
                for chunk in try wholeChunks(in: hole, archive) { known.insert(chunk) }
                let count = known.count(in: hole)
                if count > 0 {
                    result.add(
                        "\(count) readings are missing, and no gap tells of them",
                        at: "numbers \(hole.lowerBound) to \(hole.upperBound)", readings: count)
                }
            }
            let given = max((last ?? 0) + 1, row.next)
            if let sidecar, sidecar.spoolID == row.id, sidecar.next > given {
                result.add(
                    "\(sidecar.next - given) readings are missing: the file beside the spool knows of them",
                    at: "numbers \(given) to \(sidecar.next - 1)", readings: sidecar.next - given)
            }
        }
    }

    /// What chunks have of a range: what was thinned meanwhile is in others.
    private func wholeChunks(
        in range: ClosedRange<Int64>, _ archive: Archive
    ) throws(SpoolError) -> [ClosedRange<Int64>] {
        var found: [ClosedRange<Int64>] = []
        do throws(SpoolError) {
            let before = try archive.connection.statement("SELECT max(sequence) FROM chunk WHERE sequence <= ?")
            before.bind(range.lowerBound)
            defer { before.reset() }
            let start = try before.step() ? before.integer(0) : range.lowerBound
            try archive.wholeHeaders(from: start) { (header) throws(SpoolError) in
                guard header.sequence <= range.upperBound else { return false }
                found.append(header.sequence...header.last)
                return true
            }
        } catch {
            // What cannot be read was found before.
            guard error.code == .damaged else { throw error }
        }
        return found
    }

    /// Counts chunks whose checksum fits, where they cannot be decoded.
    private func countWhole(_ archive: Archive) throws(SpoolError) {
        try attempt("the chunks") { () throws(SpoolError) in
            try archive.wholeHeaders(from: 0) { (header) throws(SpoolError) in
                self.result.chunks += 1
                self.result.readings += header.count
                return true
            }
        }
    }
}

extension SpoolStore {
    /// Reads everything that the spool in `directory` has, whether its agent runs or not; nothing is written.
    ///
    /// - Throws: where there is nothing to read: no spool, one of another format, one that this user may not read.
    public static func verify(
        directory: String, tell: @escaping (SpoolVerification.Step) -> Void = { _ in }
    ) throws(SpoolError) -> SpoolVerification {
        try SpoolVerifier.verify(directory: directory, tell: tell)
    }
}
