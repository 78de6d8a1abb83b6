internal import Metering

/// A boot that readings were taken in.
struct Boot: Hashable {
    /// Its number in the spool, from 1.
    var number: Int64
    /// The kernel's name for it.
    var id: String
    /// What has to be added to an instant of it to get the spool's running time, in ns: see History.
    var age: Int64
    /// UTC minus boot clock as it was known best, in ns.
    var offset: Int64
    /// The highest offset that was frozen into times of this boot, or nil.
    var highest: Int64?
    /// How far `offset` can be relied on.
    var standing = ClockStanding.unknown
    /// The sequence number of its first reading; nil before there is one.
    var first: Int64?
    /// The least that its offset can be, because the boot before had ended; nil when nothing is known of that.
    var low: Int64?

    /// What a boot is called whose row was lost.
    static let lost = "lost"

    /// Whether its readings get their times from its own clock.
    var isKnown: Bool { standing >= .set }
    /// The least that its offset can be: a clock that was restored is late, not early.
    var least: Int64? {
        standing == .restored ? max(offset, low ?? offset) : low
    }
    /// What comes nearest to its offset; nil where nothing is known of it.
    var likely: Int64? { isKnown ? offset : least }
}

extension Boot {
    /// A row of the table `boot`.
    init(_ cells: [Cell]) {
        self.init(
            number: cells[0].integer, id: cells[1].text, age: cells[2].integer, offset: cells[3].integer,
            highest: cells[4].optional,
            standing: ClockStanding(rawValue: UInt8(clamping: cells[5].integer)) ?? .unknown,
            first: cells[6].optional, low: cells[7].optional)
    }

    var cells: [Cell] {
        [
            .integer(number), .text(id), .integer(age), .integer(offset), Cell(highest),
            .integer(Int64(standing.rawValue)), Cell(first), Cell(low),
        ]
    }
}

/// The reading side of a spool's file: used by the agent's store and by those who only look.
final class Archive {
    let connection: Connection
    private var decoder = ChunkDecoder()

    init(_ connection: Connection) {
        self.connection = connection
    }

    func damaged(_ detail: String) -> SpoolError {
        connection.damaged(detail)
    }

    // MARK: Chunks

    private static let columns = "SELECT sequence, count, boot, earliest, latest, stored FROM chunk"

    /// The first chunk at or after a sequence number.
    func header(from sequence: Int64) throws(SpoolError) -> ChunkHeader? {
        try header("\(Self.columns) WHERE sequence >= ? ORDER BY sequence LIMIT 1", sequence)
    }

    /// The last chunk at or before a sequence number.
    func header(through sequence: Int64) throws(SpoolError) -> ChunkHeader? {
        try header("\(Self.columns) WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1", sequence)
    }

    /// The chunks from a sequence number on whose checksum fits, oldest first, as long as `take` asks for more. Of another
    /// row nothing can be believed, not even for which readings it stood: it leaves a hole.
    func wholeHeaders(
        from sequence: Int64, _ take: (ChunkHeader) throws(SpoolError) -> Bool
    ) throws(SpoolError) {
        try wholeHeaders(Self.forwards, sequence, take)
    }

    /// The same from the chunk that begins at or before a sequence number back to older ones.
    func wholeHeaders(
        backFrom sequence: Int64, _ take: (ChunkHeader) throws(SpoolError) -> Bool
    ) throws(SpoolError) {
        try wholeHeaders(Self.backwards, sequence, take)
    }

    private static let forwards = "WHERE sequence >= ? ORDER BY sequence"
    private static let backwards = "WHERE sequence <= ? ORDER BY sequence DESC"

    private func wholeHeaders(
        _ clause: String, _ sequence: Int64, _ take: (ChunkHeader) throws(SpoolError) -> Bool
    ) throws(SpoolError) {
        try rows(clause, sequence) { (header, _, isWhole) throws(SpoolError) in try isWhole ? take(header) : true }
    }

    /// The rows of damaged chunks in a range of numbers, whatever they say.
    func damagedRows(
        _ first: Int64, through last: Int64, _ take: (ChunkHeader, UnsafeRawBufferPointer) -> Void
    ) throws(SpoolError) {
        try rows(Self.forwards, first) { (header, body, isWhole) throws(SpoolError) in
            guard header.sequence <= last else { return false }
            if !isWhole { take(header, body) }
            return true
        }
    }

    private func rows(
        _ clause: String, _ sequence: Int64,
        _ take: (ChunkHeader, _ body: UnsafeRawBufferPointer, _ isWhole: Bool) throws(SpoolError) -> Bool
    ) throws(SpoolError) {
        let statement = try connection.statement(
            "SELECT sequence, count, boot, earliest, latest, stored, body FROM chunk \(clause)")
        statement.bind(sequence)
        defer { statement.reset() }
        while try statement.step() {
            let (header, body) = (Self.header(of: statement), statement.blob(6))
            guard try take(header, body, header.isSound && ChunkDecoder.isWhole(body, header)) else { return }
        }
    }

    /// The first of them.
    func wholeHeader(from sequence: Int64) throws(SpoolError) -> ChunkHeader? {
        try wholeHeader(Self.forwards, sequence)
    }

    /// The last of them that begins at or before a sequence number.
    func wholeHeader(backFrom sequence: Int64) throws(SpoolError) -> ChunkHeader? {
        try wholeHeader(Self.backwards, sequence)
    }

    private func wholeHeader(_ clause: String, _ sequence: Int64) throws(SpoolError) -> ChunkHeader? {
        var found: ChunkHeader?
        try wholeHeaders(clause, sequence) { (header) throws(SpoolError) in
            found = header
            return false
        }
        return found
    }

    /// The first chunk that begins in a range of numbers and for which something holds that then holds for all behind it.
    /// Costs a few looks, however many chunks there are, as long as these are whole.
    func firstWholeHeader(
        in numbers: ClosedRange<Int64>, where holds: (ChunkHeader) -> Bool
    ) throws(SpoolError) -> ChunkHeader? {
        var found: ChunkHeader?
        var (low, high) = (numbers.lowerBound, numbers.upperBound)
        while low <= high {
            let middle = low + (high - low) / 2
            if let chunk = try wholeHeader(backFrom: middle), chunk.sequence >= low, holds(chunk) {
                found = chunk
                high = chunk.sequence - 1
            } else {
                low = middle + 1
            }
        }
        return found
    }

    /// Whether a chunk's checksum fits.
    func isWhole(_ header: ChunkHeader) throws(SpoolError) -> Bool {
        try wholeHeader(from: header.sequence) == header
    }

    /// The chunks from a sequence number on, oldest first, as long as `take` asks for more.
    func headers(from sequence: Int64, _ take: (ChunkHeader) throws(SpoolError) -> Bool) throws(SpoolError) {
        try anyHeaders(from: sequence) { (header) throws(SpoolError) in try take(sound(header)) }
    }

    /// The same, whatever their rows say.
    func anyHeaders(from sequence: Int64, _ take: (ChunkHeader) throws(SpoolError) -> Bool) throws(SpoolError) {
        let statement = try connection.statement("\(Self.columns) WHERE sequence >= ? ORDER BY sequence")
        statement.bind(sequence)
        defer { statement.reset() }
        while try statement.step() {
            guard try take(Self.header(of: statement)) else { return }
        }
    }

    private func header(_ sql: String, _ sequence: Int64) throws(SpoolError) -> ChunkHeader? {
        let statement = try connection.statement(sql)
        statement.bind(sequence)
        defer { statement.reset() }
        return try statement.step() ? try sound(Self.header(of: statement)) : nil
    }

    /// A row's first six columns, whatever they say.
    private static func header(of row: Statement) -> ChunkHeader {
        ChunkHeader(
            sequence: row.integer(0), counts: row.integer(1), boot: row.integer(2), earliest: row.integer(3),
            latest: row.integer(4), stored: row.integer(5))
    }

    private func sound(_ header: ChunkHeader) throws(SpoolError) -> ChunkHeader {
        guard header.isSound else { throw damaged("impossible numbers in the row of chunk \(header.sequence)") }
        return header
    }

    /// The numbers from `oldest` on that have no reading: by an index of the chunks that stand for more than they have, and
    /// by the gaps.
    func vacancies(from oldest: Int64) throws(SpoolError) -> Vacancies {
        var vacancies = Vacancies()
        var emptied: [ChunkHeader] = []
        try thinned { $0.isEmptied ? emptied.append($0) : vacancies.add($0) }
        // What a damaged row says of how far it reaches is not believed.
        for chunk in emptied {
            guard let whole = try wholeHeader(from: chunk.sequence), whole.last == chunk.last else { continue }
            vacancies.add(whole)
        }
        try connection.rows(.gap, "WHERE last >= ? ORDER BY first", oldest) { (row) throws(SpoolError) in
            vacancies.add(Gap(row))
            return true
        }
        return vacancies
    }

    /// The chunks that stand for more numbers than they have readings, with their numbers only.
    func thinned(_ take: (ChunkHeader) -> Void) throws(SpoolError) {
        let rows = try connection.statement(
            "SELECT sequence, count FROM chunk INDEXED BY thinned WHERE count >= \(ChunkHeader.leastRemoved)")
        defer { rows.reset() }
        while try rows.step() {
            let header = ChunkHeader(
                sequence: rows.integer(0), counts: rows.integer(1), boot: 1, earliest: 0, latest: 0, stored: 0)
            guard header.isSound else { throw damaged("impossible numbers in the index of chunk \(rows.integer(0))") }
            take(header)
        }
    }

    /// Decodes one chunk; a fault is returned, not thrown, so that one bad chunk does not stop the others.
    func decode(
        _ header: ChunkHeader, book: ShapeBook, pointCount: Int, take: (Reading) -> Void
    ) throws(SpoolError) -> ChunkFault? {
        let statement = try connection.statement("SELECT body FROM chunk WHERE sequence = ?")
        statement.bind(header.sequence)
        defer { statement.reset() }
        guard try statement.step() else { return .truncated }
        do throws(ChunkFault) {
            try decoder.decode(statement.blob(0), header: header, book: book, pointCount: pointCount, take: take)
            return nil
        } catch {
            return error
        }
    }

    // MARK: Dictionary

    /// The points' keys in the order of their numbers, from 1.
    func pointKeys() throws(SpoolError) -> [String] {
        var keys: [String] = []
        try connection.rows(.point, "ORDER BY id") { (row) throws(SpoolError) in
            keys.append(row[1].text)
            guard row[0].integer == keys.count else { throw damaged("point \(keys.count) is missing") }
            return true
        }
        return keys
    }

    /// The shapes, checked.
    func shapes(pointCount: Int) throws(SpoolError) -> ShapeBook {
        let statement = try connection.statement("SELECT id, body FROM shape ORDER BY id")
        defer { statement.reset() }
        var book = ShapeBook()
        while try statement.step() {
            let number = statement.integer(0)
            do throws(ChunkFault) {
                let columns = try Shape.unseal(statement.blob(1), number: number, pointCount: pointCount)
                guard let added = book.add(columns), added == number else { throw .malformed("a shape out of order") }
            } catch {
                throw damaged("shape \(number) cannot be read: \(error)")
            }
        }
        return book
    }

    /// What is remembered, by name.
    func memory() throws(SpoolError) -> [String: String] {
        var memory: [String: String] = [:]
        try connection.rows(.memory) { (row) throws(SpoolError) in
            memory[row[0].text] = row[1].text
            return true
        }
        return memory
    }

    /// The totals of pulses that are remembered, for the sidecar.
    func totals() throws(SpoolError) -> [String: Sidecar.Total] {
        var totals: [String: Sidecar.Total] = [:]
        let end = String(UnicodeScalar(UInt8(ascii: " ") + 1))
        try connection.rows(
            .memory, "WHERE name >= '\(Sidecar.prefix)' AND name < '\(Sidecar.prefix.dropLast())\(end)'"
        ) { (row) throws(SpoolError) in
            totals[row[0].text] = Sidecar.Total(stamp: row[2].integer, value: row[1].text)
            return true
        }
        return totals
    }

    /// The newest gaps, the newest first.
    func gaps(atMost count: Int) throws(SpoolError) -> [Gap] {
        var gaps: [Gap] = []
        try connection.rows(.gap, "ORDER BY first DESC LIMIT ?", Int64(count)) { (row) throws(SpoolError) in
            gaps.append(Gap(row))
            return true
        }
        return gaps
    }

    // MARK: Times

    /// A boot by its number.
    func boot(_ number: Int64) throws(SpoolError) -> Boot? {
        try boot("WHERE number = ?", number)
    }

    /// The boot that was made last.
    func lastBoot() throws(SpoolError) -> Boot? {
        try boot("WHERE number > ? ORDER BY number DESC LIMIT 1", 0)
    }

    /// The first boot after `number` that knew its time.
    func knownBoot(after number: Int64) throws(SpoolError) -> Boot? {
        try boot("WHERE number > ? AND standing >= \(ClockStanding.set.rawValue) ORDER BY number LIMIT 1", number)
    }

    private func boot(_ clause: String, _ parameter: Int64) throws(SpoolError) -> Boot? {
        guard let row = try connection.row(.boot, clause, parameter) else { return nil }
        let boot = Boot(row)
        let offsets = -ChunkHeader.offsetLimit...ChunkHeader.offsetLimit
        guard (1...ChunkHeader.limit).contains(boot.number), offsets.contains(boot.offset), offsets.contains(boot.age),
            offsets.contains(boot.highest ?? 0), offsets.contains(boot.low ?? 0),
            (1...ChunkHeader.limit).contains(boot.first ?? 1)
        else { throw damaged("impossible numbers in the row of boot \(boot.number)") }
        return boot
    }

    /// The frozen range that holds a sequence number, or nil while its time is open.
    func frozenRange(of sequence: Int64) throws(SpoolError) -> FrozenRange? {
        let range = try frozenRange(through: sequence)
        return range?.contains(sequence) == true ? range : nil
    }

    /// The last frozen range that begins at or before a sequence number.
    func frozenRange(through sequence: Int64) throws(SpoolError) -> FrozenRange? {
        guard let row = try connection.row(.frozen, "WHERE first <= ? ORDER BY first DESC LIMIT 1", sequence) else {
            return nil
        }
        let range = FrozenRange(row)
        let offsets = -ChunkHeader.offsetLimit...ChunkHeader.offsetLimit
        guard (1...ChunkHeader.limit).contains(range.first), (range.first...ChunkHeader.limit).contains(range.last),
            offsets.contains(range.offset), offsets.contains(range.low ?? 0), offsets.contains(range.high ?? 0),
            abs(range.latest / 2) <= ChunkHeader.offsetLimit / 1_000_000
        else { throw damaged("impossible numbers in the row of the times from \(range.first)") }
        return range
    }

    /// A moment on the clock of the newest reading's boot, not before that reading; nil where there is none.
    func place(of time: Timestamp?) throws(SpoolError) -> (boot: Int64, instant: Int64)? {
        guard let newest = try header(through: .max) else { return nil }
        let offset = try boot(newest.boot)?.likely
        guard let time, let offset, abs(time.milliseconds) < ChunkHeader.offsetLimit / 1_000_000 else {
            return (newest.boot, newest.latest)
        }
        return (newest.boot, min(ChunkHeader.limit, max(newest.latest, time.milliseconds * 1_000_000 - offset)))
    }

    /// The moment of an instant: as frozen, else as well as its boot's clock was known; nil where it never was.
    func timestamp(of instant: Int64, in header: ChunkHeader) throws(SpoolError) -> Timestamp? {
        let instant = Instant(nanoseconds: instant)
        if let range = try frozenRange(of: header.sequence) { return range.timestamp(of: instant) }
        guard let boot = try boot(header.boot) else { return nil }
        return boot.likely.map { ClockOffset(nanoseconds: $0).timestamp(of: instant) }
    }
}
