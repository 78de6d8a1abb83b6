// The durable store between the meters and the uplinks: committed readings wait in it, are leased, delivered and
// settled, stay for a while as history, and go.
//
// CONSTRAINTS
// - A reading that append() returned for survives a power cut: one transaction, WAL, synchronous=FULL. Nothing of an
//   append that threw is there; the caller still has its readings.
// - Flash is worn by pages, not by bytes: all readings of a commit are one packed row, and in-flight marks and
//   settlements ride in the transaction of the next append, as rows of one page.
// - Start-up, memory and each call cost the same however many readings wait: counts are differences of sequence
//   numbers.
// - Nothing that a disk has changed is believed: every row carries a checksum. What is damaged is set aside, never
//   deleted; what is missing is listed (SpoolOpening.swift).
// - One agent at a time (SpoolLock); others may look (SpoolReader), also with the sqlite3 shell.
//
// FILES in the spool's folder
//   parthe.spool      the database, with parthe.spool-wal (its log) and parthe.spool-shm (an index of the log) while
//                     open
//   parthe.lock       held by the agent (flock); its process id, for people
//   parthe.totals     the sidecar, text: how far the spool is and the totals of pulses, once a minute (Sidecar.swift)
//   parthe.words      text: a copy of the points' names and of the shapes, a line for each (Spares.swift)
//   parthe.damaged-N  a damaged database that was set aside, with its log as parthe.damaged-N-wal; or what stood in the
//                     place of one of these and was no file
//   parthe.damaged-rows  as SQL, rows of chunks that were damaged, from before they were deleted; at most 16 MiB
//                     (SpoolStore+Aside.swift)
//   parthe.rescue     a new database under way, of what a damaged one still holds (Salvage.swift)
//   parthe.saved      a copy of one that was removed while it was open (SpoolStore+Place.swift), until it takes its place;
//   parthe.copy       the same under way
//
// FORMAT, version 4: an SQLite database, application_id "PRTH", user_version 4, page_size 1024, no auto_vacuum: freed
// pages are used again, the file does not shrink. Earlier versions are brought forward at the opening
// (Migration.swift): 1 had no texts, 2 no checksums in rows and a table `damage` in place of `gap`, 3 no emptied chunks.
//
// The last column of each table but `chunk` and `shape` is `crc`: CRC-32C (Castagnoli, RFC 3720) of the table's number
// as eight little-endian bytes and of the other columns in their order, each as a byte 0 for NULL, 1 for an integer and
// its eight little-endian bytes, 2 for a text, its length as LEB128 and its UTF-8 (SealedRow.swift, which has the
// numbers).
//   spool       one row: `id`, random, makes sequence numbers unique in the world; `run`, how often it was opened;
//               readings ever `quarantined`, `damaged` (could not be read back) and `dropped` (for want of room);
//               `forgotten`, the last sequence number whose chunk was deleted as history; `next`: numbers below were
//               given, whether or not their chunks are there; `format`, the version once more, for a file whose head is
//               damaged
//   point       the dictionary: point keys by number, each with a note (JSON) of what it measures, for the time when
//               the configuration no longer has it. Never deleted, at most 65536
//   shape       which points come together in a poll and how their values are written (Shape.swift); CRC in the body.
//               An empty one stands for a shape that was lost
//   chunk       one commit's readings, packed (ChunkEncoder.swift). The key is the sequence number of the first
//               reading; readings of a chunk are numbered on. `count`: the readings; from bit 16 on how far they are
//               thinned (ThinningLevel); from bit 20 on how many more numbers it stands for, those of readings that
//               thinning took away (the index `thinned` has these chunks). One without readings is emptied: it stands for
//               history that was deleted behind what waits, and is deleted when nothing older is left. `earliest`,
//               `latest`: instants on the boot clock, ns; `stored`: bytes of all bodies ever written up to and with this
//               one. The body ends with aggregates: what a reading that stands for several has beside its value
//               (AggregateCodec.swift), and with a CRC-32C that covers the row. The newest chunk is never deleted: it
//               carries the sequence on
//   boot        the boots that readings were taken in: the best offset of its clock and how far that can be relied on
//               (`standing`: 0 unknown, 1 restored, 2 set, 3 synchronised), its first reading, the least that its offset
//               can be (`low`)
//   clock       the settings that the clock had in each boot: from which instant on, offset, standing, by whom, whether
//               it was a leap second (ClockHistory.swift)
//   frozen      which clock offset the readings of a range of chunks have for ever (FrozenTimes.swift,
//               SpoolStore+Times.swift, SpoolStore+Bounds.swift); with a boot's instants it gives the phenomenon times, so
//               freezing rewrites no chunk. `raised`: why they are in doubt (0: they are not), `low`, `high`: the offsets between which the
//               truth lies
//   uplink      the uplinks by number; `active` 0 for those that the configuration no longer names; `doubtful`: the
//               newest reading when the name appeared, or when the file was mended, up to which its platform is asked
//               before it is sent anything
//   delivery    per uplink the settled ranges (settled 1) and the windows in flight (settled 0) (Progress.swift)
//   quarantine  readings that a platform refused for good; the newest 10 000 are kept
//   gap         readings that are missing, and why: the numbers from `first` to `last` (below 1: not even these are
//               known), `count` of them at least and `most` at most, none older than `earliest` or younger than
//               `latest` (ms since 1970), `noted` when that was found. Damage and dropping alike; the last 10 000 by
//               number are kept
//   remark      what is delivered beside the value of a reading (by its sequence number): members of a JSON object, and
//               the instants between which it was gathered, where it stands for several and is not packed
//   memory      what the agent has to remember over a restart, by name: totals of pulses, serial numbers of meters,
//               stands of counters. The greater `stamp` is the later, also of one in the sidecar
//   event       what happened to meters and to the spool (boot and instant as in chunk); the newest 10 000 are kept
//   total       per point: count, hash and first and last time (ms) of the readings whose chunks are deleted as
//               history. With what the chunks held add up to, it is the audit
//
// With the shell, while an agent runs or not (`parthe spool export` reads what is packed):
//   sqlite3 -readonly parthe.spool "SELECT sequence, count & 65535, datetime(latest / 1000000000 + boot.\"offset\" /
//     1000000000, 'unixepoch') FROM chunk JOIN boot ON boot.number = chunk.boot ORDER BY sequence DESC LIMIT 10"
//   sqlite3 -readonly parthe.spool "SELECT first, last, count, reason FROM gap"
//
// FLOW
//   know ─▶ what is known of the clock ─ next append commits ─▶ clock, boot
//   append ─▶ chunk (time open) ─ lease ─▶ frozen + delivery (mark) ─ next append commits both ─▶ isDurable ─▶ sent
//   settle ─▶ delivery (settled) ─ next append commits ─▶ settled by all uplinks ─▶ history ─▶ total, chunk deleted or
//             emptied
//   full   ─▶ chunks that no uplink has leased or settled: thinned (fewer readings, all numbers) ─▶ dropped (gap)
// After a restart, windows whose mark was committed and whose settlement was not come first, with the same readings and
// times, and are unclear.
//
// A lease takes the oldest that waits, or the newest; with the newest, all that is older gets its times too, so that they
// rise from one end to the other (SpoolStore+Window.swift). What all have settled is deleted from the oldest on; behind
// what still waits, a row without readings stays in its place (SpoolStore+History.swift).
//
// LIMITS: 65536 points; 4096 shapes; 4096 readings in a chunk; 65536 in a lease; 64 open leases an uplink, and 16 runs of
// numbers that wait between settled ones; the bytes of the settings for file and log together, of which history takes
// half at most. A full spool still takes marks, settlements and quarantine rows. A call waits at most 2 s for a lock that
// another program holds.
//
// NOT PROMISED: where the log's end is damaged, what was committed since the sidecar was written (a minute) may be
// missing without a trace; what a damaged file lost at its end is told as bounds. A damaged file of version 1 or 2 is
// set aside, but gives no readings back. A rescued spool may hold again what had been dropped, and what had been emptied,
// which the audit then counts twice; no uplink gets it twice. Nothing protects against a disk that lies about having
// written. Where a clock that ran ahead is set back, times are squeezed together until it has caught up
// (FrozenTimes.swift). The time that a reading gets is only as true as what was known of the clock at its first lease, or
// at that of a newer reading (WallClock.swift); where a boot's row is lost, times lie between those of its neighbours, as
// uncertain. Sequence numbers name readings until they are thinned: what is left of a thinned run is numbered anew, within
// the run's numbers.
internal import CSQLite
public import Metering
internal import Posix

/// The synchronous core of the spool: one thread at a time, no clock of its own. The agent uses it through `Spool`.
public final class SpoolStore {
    /// Most points of one spool.
    public static let maximumPoints = 65_536
    /// Most readings of one lease, unless its first chunk alone has more.
    public static let maximumLeaseReadings = 65_536
    /// Most leases of one uplink that are open at once.
    public static let maximumOpenLeases = Progress.maximumOpenLeases
    /// Rows kept in the quarantine table, and in that of gaps; older ones go, their number stays counted.
    public static let maximumQuarantined: Int64 = 10_000

    let settings: SpoolSettings
    let directory: String
    let archive: Archive
    var connection: Connection { archive.connection }

    /// Everything that mirrors the file or waits to get into it. A value, so that a failed transaction is undone by
    /// putting the old one back.
    var state: State
    var encoder = ChunkEncoder()
    private let lock: SpoolLock
    /// The files that are open: see `isInPlace`.
    let identity: File.Identity?
    var identityOfLog: File.Identity?
    /// What had to be done at the opening; nil where nothing was wrong.
    public let mending: SpoolMending?
    private var sidecar: Sidecar
    private var spares: Spares
    /// Numbers of leases: the run in the upper half, so that none is given twice.
    private var nextLease: Int64

    /// Opens the spool in a folder, making both when they are missing.
    ///
    /// - Parameters:
    ///   - directory: the folder; the database file in it is `parthe.spool`.
    ///   - settings: limits.
    ///   - uplinks: the names of all uplinks. A new one starts with the oldest reading held; one that is no longer named
    ///     keeps no reading alive, and goes on where it was when it comes back.
    ///   - bootID: the kernel's name for this boot; instants of another boot are never mixed with this one's.
    ///   - suspicion: what made somebody give the spool up that was open before: a damaged file is then mended first.
    ///   - untold: what an earlier try mended, as its error said.
    ///   - now: when that is, on this boot's clock and by the wall clock; nil stands for the newest reading's instant.
    public init(
        directory: String, settings: SpoolSettings, uplinks: [String], bootID: String, suspicion: SpoolError? = nil,
        untold: SpoolMending? = nil, at now: (instant: Instant, time: Timestamp)? = nil
    ) throws(SpoolError) {
        try SpoolFolder.make(directory)
        self.directory = directory
        self.settings = settings
        lock = try SpoolLock(directory: directory)
        let opened = try Self.open(directory, settings, uplinks, bootID, suspicion)
        (archive, state, nextLease) = (opened.archive, opened.state, opened.lease)
        mending = opened.opening.mending?.after(untold) ?? untold
        identity = File.identity(opened.archive.connection.path)
        sidecar = Sidecar(
            spoolID: state.row.id, version: opened.opening.sidecar?.version ?? 0, next: state.nextSequence,
            ceiling: state.nextSequence, undelivered: 0)
        spares = Spares(of: state.row.id, in: directory)
        addSpares()
        do throws(SpoolError) {
            if let mending { try note("spool-mended", mending.text, at: now) }
        } catch {
            // Damage that shows here is mended when it shows again; who opened this tells of what was mended now.
            guard error.code == .damaged else { throw error.telling(opened.opening.mending) }
        }
        noteBeside(waits: false)
    }

    /// Everything that a store begins with.
    private struct Opened {
        var archive: Archive
        var state: State
        var lease: Int64
        var opening: (connection: Connection, mending: SpoolMending?, sidecar: Sidecar?)
    }

    /// Opens the file and begins a run; damage that shows only then is mended as well, once.
    private static func open(
        _ directory: String, _ settings: SpoolSettings, _ uplinks: [String], _ bootID: String, _ suspicion: SpoolError?
    ) throws(SpoolError) -> Opened {
        let opening = try SpoolOpening.open(directory, maximumBytes: settings.maximumBytes, suspicion: suspicion)
        do throws(SpoolError) {
            let archive = Archive(opening.connection)
            let lease = try beginRun(opening.connection)
            return Opened(
                archive: archive, state: try load(archive, uplinks: uplinks, bootID: bootID), lease: lease,
                opening: opening)
        } catch {
            guard error.code == .damaged, suspicion == nil else { throw error.telling(opening.mending) }
            opening.connection.close()
            do throws(SpoolError) {
                var again = try open(directory, settings, uplinks, bootID, error)
                again.opening.mending = again.opening.mending?.after(opening.mending)
                return again
            } catch {
                throw error.telling(opening.mending)
            }
        }
    }

    /// What happens to the spool is an event like those of meters, on disk when this returns.
    ///
    /// - Parameter now: when it happened, on this boot's clock and by the wall clock; nil stands for the newest reading's
    ///   instant.
    public func note(
        _ word: String, _ text: String, at now: (instant: Instant, time: Timestamp)? = nil
    ) throws(SpoolError) {
        var (boot, instant) = (state.boot.number, now?.instant.nanoseconds ?? 0)
        // The number of a boot without readings may be given again.
        if now == nil || !state.bootIsStored, let place = try archive.place(of: now?.time) { (boot, instant) = place }
        try commit { () throws(SpoolError) in
            let id = (try connection.integer("SELECT max(id) FROM event") ?? 0) + 1
            try connection.write(
                [.integer(id), .integer(boot), .integer(instant), .text("spool"), .text(word), .text(text)], to: .event)
        }
    }

    // MARK: - Beside

    /// Writes the sidecar: how far the spool is, and the totals of pulses. Once a minute, and at a clean end.
    ///
    /// - Parameter waits: whether it has to be on the disk when this returns.
    public func noteBeside(waits: Bool) {
        let since = state.nextSequence - sidecar.next
        sidecar.version += 1
        sidecar.next = state.nextSequence
        // At a clean end no number is given any more.
        sidecar.ceiling = waits ? sidecar.next : sidecar.next + max(Self.leastReserve, 2 * since)
        sidecar.undelivered = undelivered.values.max() ?? 0
        (sidecar.boot, sidecar.offset) = (state.boot.number, state.boot.isKnown ? state.boot.offset : 0)
        if let totals = try? archive.totals() { sidecar.totals = totals }
        sidecar.write(in: directory, waits: waits)
    }

    /// Sequence numbers that may be given before the sidecar is written anew, at least.
    private static let leastReserve: Int64 = 10_000

    /// Sees to it that no number is given that the sidecar does not know of.
    func reserve(_ count: Int) {
        if state.nextSequence + Int64(count) > sidecar.ceiling { noteBeside(waits: false) }
        // A single append may be larger than all before.
        if state.nextSequence + Int64(count) > sidecar.ceiling {
            sidecar.ceiling = state.nextSequence + 2 * Int64(count)
            sidecar.version += 1
            sidecar.write(in: directory, waits: false)
        }
    }

    /// The readings that can be taken: of points in the dictionary, with a finite value and a possible instant.
    func fit(_ readings: [Reading]) -> [Reading] {
        state.fit(readings)
    }

    /// Whether marks or settlements wait for a commit.
    public var hasPending: Bool {
        state.hasPending
    }

    /// The version of the SQLite in use.
    public static var libraryVersion: String { String(cString: sqlite3_libversion()) }

    /// The number of every point that was ever identified, by its key.
    public var dictionary: [String: PointID] { state.points }

    /// The key of a point, or nil when the dictionary has no such number.
    public func key(of point: PointID) -> String? {
        let index = Int(point.rawValue) - 1
        return state.keys.indices.contains(index) ? state.keys[index] : nil
    }

    /// The numbers of points, in the order of their keys here. New keys, and notes that are new, are in the dictionary on
    /// disk before this returns.
    ///
    /// - Parameter notes: by key, a text that says what the point is. A key without one keeps what it has.
    public func identify(_ keys: [String], notes: [String: String] = [:]) throws(SpoolError) -> [PointID] {
        var seen: Set<String> = []
        let unknown = keys.filter { state.points[$0] == nil && seen.insert($0).inserted }
        if !unknown.isEmpty || !notes.isEmpty {
            guard state.keys.count + unknown.count <= Self.maximumPoints else {
                throw failure(.tooMany, "identify points", "a spool has room for \(Self.maximumPoints) points")
            }
            try commit { () throws(SpoolError) in
                for key in unknown {
                    state.add(key)
                    try connection.write([.integer(Int64(state.keys.count)), .text(key), .null], to: .point)
                }
                try write(notes)
            }
            // What a new configuration brings is copied into the file now, or some later commit would wait for it. If it
            // does not work now, that commit does it.
            try? connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        }
        return keys.compactMap { state.points[$0] }
    }

    private func write(_ notes: [String: String]) throws(SpoolError) {
        for (key, note) in notes {
            // A row that says the same already is not written: nothing is, at nearly every start.
            guard let id = state.points[key],
                let row = try connection.row(.point, "WHERE id = ?", Int64(id.rawValue)), row[2] != .text(note)
            else { continue }
            try connection.write([row[0], row[1], .text(note)], to: .point)
        }
    }

    /// Runs `body` as one transaction; when it throws, memory is as before too.
    func commit(_ body: () throws(SpoolError) -> Void) throws(SpoolError) {
        let before = state
        do throws(SpoolError) {
            try connection.transaction(body)
        } catch {
            state = before
            throw error
        }
        if state.keys.count != before.keys.count || state.shapes.shapes.count != before.shapes.shapes.count {
            addSpares()
        }
    }

    private func addSpares() {
        spares.add(
            points: state.keys,
            shapes: { number in
                self.state.shapes.shape(Int(number)).flatMap { $0.columns.isEmpty ? nil : $0.sealed(number: number) }
            },
            through: Int64(state.shapes.shapes.count), of: state.row.id, in: directory)
    }

    func failure(_ code: SpoolError.Code, _ operation: String, _ detail: String) -> SpoolError {
        SpoolError(code, operation: operation, path: connection.path, detail: detail)
    }

    func makeLease() -> LeaseID {
        defer { nextLease += 1 }
        return LeaseID(rawValue: nextLease)
    }

    /// Counts this opening, which shows at once whether the file can be written; returns the first lease's number.
    private static func beginRun(_ connection: Connection) throws(SpoolError) -> Int64 {
        var row = try SpoolRow.read(from: connection)
        row.run += 1
        let new = row
        try connection.transaction { () throws(SpoolError) in try new.write(to: connection) }
        return row.run << 32 | 1
    }
}
