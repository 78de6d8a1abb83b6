internal import Glibc
internal import Metering
internal import Posix

/// What had to be done so that a spool could be opened.
public struct SpoolMending: Hashable, Sendable {
    /// What was wrong, in words.
    public var reason: String
    /// Where the damaged file stands now; nil where nothing had to be set aside.
    public var aside: String?
    /// Readings that are there.
    public var kept: Int64
    /// What is missing.
    public var gaps: [Gap]

    /// `parthe.spool was damaged (…): 12000 readings are kept, 24 to 30 are lost; the damaged file is …`.
    public var text: String {
        let least = gaps.reduce(0) { $0 + $1.count }
        let most = gaps.reduce(0) { $0 + $1.most }
        let lost = most == 0 ? "none is lost" : least == most ? "\(least) are lost" : "\(least) to \(most) are lost"
        return "\(reason): \(kept) readings are kept, \(lost)" + (aside.map { "; the damaged file is now \($0)" } ?? "")
    }

    /// This and what was mended before it.
    func after(_ earlier: SpoolMending?) -> SpoolMending {
        guard let earlier else { return self }
        var both = self
        both.reason = "\(earlier.reason); \(reason)"
        both.aside = aside ?? earlier.aside
        both.gaps = earlier.gaps + gaps.filter { !earlier.gaps.contains($0) }
        return both
    }
}

/// Opens a spool whatever became of its files: what is damaged is set aside, never deleted, and what it still holds goes
/// into a new file. Only a file of a newer format, and a disk that gives or takes nothing, are refused.
///
/// The new file is made beside the old one and takes its place when it is whole and on the disk, so that this can be cut
/// short at any point and begun anew:
///
///     parthe.rescue made ─▶ parthe.spool → parthe.damaged-N ─▶ parthe.rescue → parthe.spool
struct SpoolOpening {
    let directory: String
    let maximumBytes: Int64
    private(set) var mending: SpoolMending?
    private(set) var sidecar: Sidecar?
    /// What stood in the way, and damaged nothing, in words.
    private var obstacles: [String] = []
    /// The readings of a file that it cost nothing.
    private var untouched: Int64 = 0

    private var path: String { SpoolFolder.file(in: directory) }
    private var rescuePath: String { Self.rescuePath(in: directory) }

    /// A whole new database that is to take the spool's place, or one under way to be that.
    static func rescuePath(in directory: String) -> String { directory + "/parthe.rescue" }
    /// A whole copy of a file that was removed while it was open, which is all that there is of it.
    static func savedPath(in directory: String) -> String { directory + "/parthe.saved" }
    /// One that is under way.
    static func copyPath(in directory: String) -> String { directory + "/parthe.copy" }

    /// Opens the spool in `directory`; `suspicion` is what SQLite said of it the last time, if that was bad.
    static func open(
        _ directory: String, maximumBytes: Int64, suspicion: SpoolError?
    ) throws(SpoolError) -> (connection: Connection, mending: SpoolMending?, sidecar: Sidecar?) {
        var opening = SpoolOpening(directory: directory, maximumBytes: maximumBytes)
        do throws(SpoolError) {
            let connection = try opening.open(suspicion)
            return (connection, opening.wholeMending, opening.sidecar)
        } catch {
            throw error.telling(opening.wholeMending)
        }
    }

    /// What was done, with what stood in the way.
    private var wholeMending: SpoolMending? {
        guard !obstacles.isEmpty else { return mending }
        let cleared = SpoolMending(reason: obstacles.joined(separator: "; "), kept: untouched, gaps: [])
        return mending?.after(cleared) ?? cleared
    }

    private init(directory: String, maximumBytes: Int64) {
        (self.directory, self.maximumBytes) = (directory, maximumBytes)
    }

    private mutating func open(_ suspicion: SpoolError?) throws(SpoolError) -> Connection {
        try clearTheWay()
        try adoptRescue()
        sidecar = Sidecar.read(in: directory)
        // A rescue that just took its place is the mending.
        if let suspicion, mending == nil { try mend(suspicion.detail) }
        if let kind = File.kind(path), kind != .file { try setAside("a \(kind.rawValue) is in its place") }
        let logIsLeft = SpoolFolder.size(path) == 0 && SpoolFolder.size(path + "-wal") > 0
        // SQLite would throw the log of an empty file away.
        if logIsLeft { try mend("the file is empty, its log is not") }
        let isNew = SpoolFolder.size(path) == 0
        let remains = isNew ? nil : try unreadRemains()
        do throws(SpoolError) {
            let connection = try openAsItIs()
            // One that was made, and not used: what was before is not noted yet.
            let row = try SpoolRow.read(from: connection)
            if row.run == 0, let sidecar, sidecar.spoolID != row.id { try noteLoss(of: sidecar, connection) }
            try catchUp(remains, connection)
            if !obstacles.isEmpty { untouched = try Self.readings(in: connection) }
            return connection
        } catch {
            // A disk that is full or fails, or rights that are missing, are no damage.
            guard suspicion == nil, !isNew, [.damaged, .foreign, .database].contains(error.code) else { throw error }
            try mend(error.detail)
            return try openAsItIs()
        }
    }

    private func openAsItIs() throws(SpoolError) -> Connection {
        let connection = try Schema.open(path, maximumBytes: maximumBytes)
        try check(connection)
        return connection
    }

    /// Reads everything that is small: a row that is not what was written is found now, not in the middle of work.
    private func check(_ connection: Connection) throws(SpoolError) {
        let archive = Archive(connection)
        try checkTables(connection)
        _ = try SpoolRow.read(from: connection)
        let keys = try archive.pointKeys()
        _ = try archive.shapes(pointCount: keys.count)
        for table in [SealedTable.boot, .clock, .frozen, .uplink, .delivery, .memory] {
            try connection.rows(table) { (_) throws(SpoolError) in true }
        }
        for chunk in [try archive.header(from: 0), try archive.header(through: .max)] {
            guard let chunk, try !archive.isWhole(chunk) else { continue }
            throw connection.damaged("chunk \(chunk.sequence) is not what was written")
        }
    }

    /// Sees to it that the tables are what they were made as: a name that changed on the disk changes what is written.
    private func checkTables(_ connection: Connection) throws(SpoolError) {
        var wanted = Schema.statements
        let rows = try connection.statement("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        defer { rows.reset() }
        while try rows.step() {
            guard wanted.removeValue(forKey: rows.text(0)) == rows.text(1) else {
                throw connection.damaged("the table \(rows.text(0)) is not what was made")
            }
        }
        guard wanted.isEmpty else { throw connection.damaged("the table \(wanted.keys.sorted()[0]) is missing") }
    }

    /// Sets aside by itself what is no file and in the place of one that the spool has beside its main file.
    private mutating func clearTheWay() throws(SpoolError) {
        let places =
            [path + "-wal", path + "-shm", Sidecar.file(in: directory), Spares.file(in: directory)]
            + [rescuePath, Self.savedPath(in: directory), Self.copyPath(in: directory)]
        for place in places {
            guard let kind = File.kind(place), kind != .file else { continue }
            var number = 1
            while ["", "-wal"].contains(where: { File.exists(asidePath(number) + $0) }) { number += 1 }
            let aside = asidePath(number)
            guard rename(place, aside) == 0 else {
                // The spool does without the others, which may be mount points.
                guard place.hasPrefix(path) else { continue }
                throw failure("rename", place)
            }
            SpoolFolder.sync(directory)
            obstacles.append("a \(kind.rawValue) was in the place of \(place), and is \(aside) now")
        }
    }

    private func asidePath(_ number: Int) -> String { "\(directory)/\(SpoolFolder.asidePrefix)\(number)" }

    // MARK: - Damage

    /// Makes a new file of what the damaged one holds, and puts it in its place. Where there is no room for a second file,
    /// nothing is touched: that is waited for, as with any disk that is full.
    private mutating func mend(_ reason: String) throws(SpoolError) {
        let report: Salvage.Report
        do throws(SpoolError) {
            report = try Salvage.rescue(from: path, sidecar: sidecar, into: rescuePath)
        } catch {
            guard error.code == .noSpace else { throw error }
            var waiting = error
            waiting.detail = "it is damaged (\(reason)), and there is no room for a new one beside it: \(error.detail)"
            throw waiting
        }
        try adopt(rescuePath, report.kept, report.gaps, "\(path) was damaged (\(reason))")
    }

    /// Puts a new file, which has `kept` readings and these gaps, in the place of the one that is there.
    private mutating func adopt(
        _ new: String, _ kept: Int64, _ gaps: [Gap], _ reason: String
    ) throws(SpoolError) {
        try setAside(reason)
        guard rename(new, path) == 0 else { throw failure("rename", new) }
        SpoolFolder.sync(directory)
        mending?.kept = kept
        mending?.gaps = gaps
    }

    /// A rescue that was whole before it could take its place takes it now: nobody has written to the damaged file since.
    /// Any other is in nobody's way.
    private mutating func adoptRescue() throws(SpoolError) {
        unlink(Self.copyPath(in: directory))
        let saved = Self.savedPath(in: directory)
        if File.exists(saved) {
            // Whatever is wrong with it, it is looked at, and mended, in its place.
            let kept = (try? Connection(saved, .read, busyTimeout: .zero)).flatMap { try? Self.readings(in: $0) }
            try adopt(saved, kept ?? 0, [], "\(path) was removed or replaced while it was in use, and is made anew")
        }
        guard File.exists(rescuePath) else { return }
        let rescue: (kept: Int64, gaps: [Gap])
        do throws(SpoolError) {
            rescue = try wholeRescue()
        } catch {
            guard [.damaged, .foreign, .database].contains(error.code) else { throw error }
            if File.exists(path) {
                unlink(rescuePath)
            } else {
                // The damaged file is set aside: this was whole, and is mended in its place.
                try adopt(rescuePath, 0, [], "\(path) was damaged, and what was made of it as well")
            }
            return
        }
        try adopt(rescuePath, rescue.kept, rescue.gaps, "\(path) was damaged; mending it was cut short")
    }

    /// What a rescue holds that is whole; throws where it is not.
    private func wholeRescue() throws(SpoolError) -> (kept: Int64, gaps: [Gap]) {
        let connection = try Connection(rescuePath, .read, busyTimeout: .zero)
        defer { connection.close() }
        // The mark is what is written last: see Salvage.
        guard try connection.integer("PRAGMA application_id") == Schema.application else {
            throw connection.damaged("it was cut short")
        }
        return (try Self.readings(in: connection), try Archive(connection).gaps(atMost: 100))
    }

    /// Readings that a file has.
    private static func readings(in connection: Connection) throws(SpoolError) -> Int64 {
        try connection.integer("SELECT sum(count & 65535) FROM chunk") ?? 0
    }

    /// Gives the file and its log another name.
    private mutating func setAside(_ reason: String) throws(SpoolError) {
        // What was begun before the power went, the log first, is gone on with under the same number.
        var number = 1
        func isTaken(_ suffix: String) -> Bool {
            File.exists(asidePath(number) + suffix)
                && (suffix.isEmpty || File.exists(path + suffix))
        }
        while ["", "-wal"].contains(where: isTaken) { number += 1 }
        let aside = asidePath(number)
        for suffix in ["-wal", "-shm", ""] where File.exists(path + suffix) {
            guard rename(path + suffix, aside + suffix) == 0 else { throw failure("rename", path + suffix) }
        }
        SpoolFolder.sync(directory)
        // A file that was gone, or was moved before the power went, is not there under this number.
        let isThere = ["", "-wal"].contains { File.exists(aside + $0) }
        mending = SpoolMending(reason: reason, aside: isThere ? aside : nil, kept: 0, gaps: [])
    }

    private func failure(_ operation: String, _ path: String) -> SpoolError {
        SpoolError(errno: errno, operation: operation, path: path)
    }

    // MARK: - The end

    /// A new file begins where there was one before: what that held is lost, as far as the sidecar tells.
    private mutating func noteLoss(of sidecar: Sidecar, _ connection: Connection) throws(SpoolError) {
        let reason = mending?.reason ?? "the spool's file was gone"
        let gap = Gap(
            first: -1, last: -1, count: 0, most: sidecar.mostUndelivered,
            reason: "\(reason); it was spool \(sidecar.spoolID)", noted: 0)
        try connection.transaction { () throws(SpoolError) in
            if sidecar.next > 1 { try gap.write(to: connection) }
            for (name, total) in sidecar.totals {
                try connection.write([.text(name), .text(total.value), .integer(total.stamp)], to: .memory)
            }
        }
        if sidecar.next > 1 {
            mending = mending ?? SpoolMending(reason: reason, kept: 0, gaps: [])
            mending?.gaps.append(gap)
        }
    }

    /// The last transaction in the log, where SQLite does not read it; nil where that is nothing, as after nearly every
    /// start. Where it does not read more than that, the file is mended before SQLite has it.
    private mutating func unreadRemains() throws(SpoolError) -> (rows: Remains, chunks: [Remains.Chunk])? {
        let store = try PageStore(path)
        if store.lostTransactions {
            try mend("a part of its log")
            return nil
        }
        guard !store.unread.isEmpty, sidecar != nil else { return nil }
        var remains = Remains()
        var chunks: [Int64: Remains.Chunk] = [:]
        try remains.collectUnread(store) { (chunk) throws(SpoolError) in chunks[chunk.header.sequence] = chunk }
        return (remains, chunks.values.sorted { $0.header.sequence < $1.header.sequence })
    }

    /// Brings in what SQLite did not read of the log, where the sidecar says that it was committed, and lists what it says is
    /// missing then. A transaction that a power cut left unfinished never was, and stays away as a whole.
    private mutating func catchUp(
        _ unread: (rows: Remains, chunks: [Remains.Chunk])?, _ connection: Connection
    ) throws(SpoolError) {
        let archive = Archive(connection)
        var row = try SpoolRow.read(from: connection)
        let before = row
        var newest = try archive.header(through: .max)
        let sidecar = sidecar?.spoolID == row.id ? sidecar : nil
        let known = max((newest?.last ?? 0) + 1, row.next)
        let remains = sidecar?.next ?? 1 > known ? unread : nil
        var added: [Remains.Chunk] = []
        for chunk in remains?.chunks ?? [] where chunk.header.sequence > newest?.last ?? row.forgotten {
            // A chunk is of use with its boot and its shapes only; what refers to a boot that is not there is left.
            guard try archive.boot(chunk.header.boot) != nil || isNew(chunk, remains?.rows) else { continue }
            added.append(chunk)
            newest = chunk.header
        }
        let next = max((newest?.last ?? 0) + 1, row.next)
        var gaps: [Gap] = []
        var expected = (try archive.header(through: .max)?.last ?? row.forgotten) + 1
        for chunk in added {
            if chunk.header.sequence > expected, expected >= row.next {
                gaps.append(hole(expected, chunk.header.sequence - 1))
            }
            expected = chunk.header.last + 1
        }
        var end: Gap?
        if let sidecar, sidecar.next > next {
            end = Gap(
                first: next, last: sidecar.ceiling - 1, count: sidecar.next - next, most: sidecar.ceiling - next,
                reason: "the end of the spool's log was damaged", noted: 0)
            row.next = sidecar.ceiling
        }
        let totals = try lateTotals(remains?.rows, sidecar, connection)
        guard !added.isEmpty || !gaps.isEmpty || end != nil || !totals.isEmpty else { return }
        row.damaged += gaps.reduce(0) { $0 + $1.count } + (end?.count ?? 0)
        let new = row
        try connection.transaction { () throws(SpoolError) in
            try add(added, remains?.rows, connection)
            if var gap = end {
                gap.earliest = try newest.flatMap { chunk throws(SpoolError) in
                    try archive.timestamp(of: chunk.latest, in: chunk)?.milliseconds
                }
                gaps.append(gap)
            }
            for gap in gaps { try gap.write(to: connection) }
            for total in totals { try connection.write(total, to: .memory) }
            // What it marked and settled is not known any more.
            if remains != nil, let newest { try doubt(newest.last, remains?.rows, connection) }
            if new != before { try new.write(to: connection) }
        }
        guard !gaps.isEmpty else { return }
        mending = mending ?? SpoolMending(reason: "the end of the spool's log was damaged", kept: 0, gaps: [])
        mending?.kept = try Self.readings(in: connection)
        mending?.gaps += gaps
    }

    private func hole(_ first: Int64, _ last: Int64) -> Gap {
        Gap(first: first, last: last, count: last - first + 1, reason: "the spool's log was damaged", noted: 0)
    }

    private func isNew(_ chunk: Remains.Chunk, _ rows: Remains?) -> Bool {
        rows?.rows(of: .boot).contains { $0[0].integer == chunk.header.boot } ?? false
    }

    private func add(
        _ chunks: [Remains.Chunk], _ rows: Remains?, _ connection: Connection
    ) throws(SpoolError) {
        guard !chunks.isEmpty, let rows else { return }
        let archive = Archive(connection)
        // In the order in which they were made; what would leave a hole has its chunks counted as damaged later.
        var points = Int64(try archive.pointKeys().count)
        for row in rows.rows(of: .point) where row[0].integer == points + 1 {
            try connection.write(row, to: .point)
            points += 1
        }
        var shapes = try connection.integer("SELECT count(*) FROM shape") ?? 0
        let shape = try connection.statement("INSERT INTO shape VALUES (?, ?)")
        for (number, body) in rows.shapes.sorted(by: { $0.key < $1.key }) where number == shapes + 1 {
            shape.bind(number)
            try SpoolStore.run(shape, blob: body, at: 2)
            shapes += 1
        }
        for row in rows.rows(of: .boot) where try archive.boot(row[0].integer) == nil {
            try connection.write(row, to: .boot)
            for entry in rows.rows(of: .clock) where entry[0] == row[0] { try connection.write(entry, to: .clock) }
        }
        let insert = try connection.statement("INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?)")
        for chunk in chunks {
            let header = chunk.header
            insert.bind(header.sequence, header.counts, header.boot, header.earliest, header.latest, header.stored)
            try SpoolStore.run(insert, blob: chunk.body, at: 7)
        }
        for row in rows.rows(of: .remark) where row[0].integer >= chunks[0].header.sequence {
            try connection.write(row, to: .remark)
        }
    }

    /// Keeps times that were frozen, and has every uplink ask about what there is up to `newest`: a mark, or a settlement,
    /// may be missing.
    private func doubt(_ newest: Int64, _ rows: Remains?, _ connection: Connection) throws(SpoolError) {
        let frozen = try Archive(connection).frozenRange(through: .max)?.last ?? 0
        for row in rows?.rows(of: .frozen) ?? [] where FrozenRange(row).last > frozen {
            try connection.write(row, to: .frozen)
        }
        var uplinks: [[Cell]] = []
        try connection.rows(.uplink) { (row) throws(SpoolError) in
            uplinks.append(row)
            return true
        }
        for row in uplinks { try connection.write([row[0], row[1], row[2], .integer(newest)], to: .uplink) }
    }

    /// What is remembered in a newer version elsewhere than in the file.
    private func lateTotals(
        _ rows: Remains?, _ sidecar: Sidecar?, _ connection: Connection
    ) throws(SpoolError) -> [[Cell]] {
        var stamps: [String: Int64] = [:]
        try connection.rows(.memory) { (row) throws(SpoolError) in
            stamps[row[0].text] = row[2].integer
            return true
        }
        var late: [String: [Cell]] = [:]
        for (name, total) in sidecar?.totals ?? [:] where total.stamp > stamps[name] ?? -1 {
            late[name] = [.text(name), .text(total.value), .integer(total.stamp)]
            stamps[name] = total.stamp
        }
        for row in rows?.rows(of: .memory) ?? [] where row[2].integer > stamps[row[0].text] ?? -1 {
            late[row[0].text] = row
        }
        return Array(late.values)
    }
}
