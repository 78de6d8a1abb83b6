internal import Metering

extension SpoolStore {
    /// A reading on its way into the quarantine table.
    struct Quarantined: Hashable {
        var uplink: String
        var reading: SpooledReading
        var reason: String
    }

    /// What the store knows about its file, and what waits to be written. Its size depends on points, shapes and open
    /// leases, not on readings.
    struct State {
        /// The row of the spool, and as the file has it.
        var row: SpoolRow
        var storedRow: SpoolRow
        /// The stamp of what was remembered last: the higher, the later.
        var stamp: Int64 = 0
        /// What the wall clock showed last, in ms since 1970.
        var now: Int64 = 0
        /// Keys by point number − 1.
        var keys: [String] = []
        var points: [String: PointID] = [:]
        var shapes = ShapeBook()
        /// By point number − 1: the instant of the point's last reading in this boot.
        var lastInstants: [Int64] = []
        /// What a point without a reading in this run counts as last.
        var instantFloor: Int64 = -FrozenTimes.minimumStep
        /// This boot; in the file once `bootIsStored`.
        var boot: Boot
        var bootIsStored: Bool
        /// Numbers from the oldest chunk on that have no reading.
        var vacancies = Vacancies()
        /// What the store was told of this boot's clock.
        var time = KnownTime()
        /// Whether the file does not have its history yet.
        var isTimeDirty = false
        /// Whether the file does not have this boot's row yet as it is.
        var isBootDirty = false
        var oldest: ChunkHeader?
        var newest: ChunkHeader?
        var uplinks: [Progress] = []
        /// What uplinks have leased or settled that the configuration does not name now: they may come back.
        var absent: [Progress.Span] = []
        /// The range given last.
        var lastRange: FrozenRange?
        /// Ranges that are not in the file yet, or not so.
        var pendingRanges: [FrozenRange] = []
        /// Boots whose row changed by a freeze.
        var pendingBoots: [Int64: Boot] = [:]
        var quarantine: [Quarantined] = []
        /// What was found missing since the last commit.
        var gaps: [Gap] = []
        var commits: Int64 = 0
        /// Bytes that the files may grow by without anybody looking at them: see History.
        var room: Int64 = 0

        var nextSequence: Int64 { max((newest?.last ?? 0) + 1, row.next) }
        var oldestSequence: Int64 { oldest?.sequence ?? nextSequence }

        var hasPending: Bool {
            !pendingRanges.isEmpty || !quarantine.isEmpty || !gaps.isEmpty || !pendingBoots.isEmpty
                || bootIsStored && (isTimeDirty || isBootDirty) || uplinks.contains(where: \.isDirty)
                || row != storedRow
        }

        mutating func add(_ key: String) {
            keys.append(key)
            points[key] = PointID(rawValue: UInt32(keys.count))
            lastInstants.append(instantFloor)
        }

        /// The first reading that cannot be taken: its point is not in the dictionary, its value not finite or its instant
        /// impossible.
        func firstUnfit(_ readings: [Reading]) -> Reading? {
            readings.first { reading in
                !keys.indices.contains(Int(reading.point.rawValue) - 1) || !reading.value.isFinite
                    || !(0...ChunkHeader.limit / 2).contains(reading.instant.nanoseconds)
            }
        }

        /// The readings that can be taken.
        func fit(_ readings: [Reading]) -> [Reading] {
            readings.filter { firstUnfit([$0]) == nil }
        }

        /// Puts the readings of each point at least 1 ms apart and remembers the last of each.
        mutating func order(_ readings: inout [Reading]) {
            for index in readings.indices {
                let point = Int(readings[index].point.rawValue) - 1
                let instant = readings[index].instant.nanoseconds
                let least = lastInstants[point] + FrozenTimes.minimumStep
                if instant < least { readings[index].instant = Instant(nanoseconds: least) }
                lastInstants[point] = max(instant, least)
            }
        }

        /// Everything that waited is in the file now.
        mutating func didCommit() {
            pendingRanges.removeAll(keepingCapacity: true)
            pendingBoots.removeAll(keepingCapacity: true)
            if bootIsStored { (isTimeDirty, isBootDirty) = (false, false) }
            quarantine.removeAll()
            gaps.removeAll()
            storedRow = row
            commits += 1
            for index in uplinks.indices { uplinks[index].didCommit() }
        }
    }

    /// Reads what the file says.
    static func load(_ archive: Archive, uplinks: [String], bootID: String) throws(SpoolError) -> State {
        let last = try archive.lastBoot()
        // Two boots whose names are not known may be different ones: then each opening counts as a boot.
        let isSameBoot = last?.id == bootID && bootID != "unknown" && !bootID.isEmpty
        let fresh = Boot(
            number: (last?.number ?? 0) + 1, id: bootID, age: 0, offset: 0, low: try archive.leastOffsetOfNextBoot())
        let storedRow = try SpoolRow.read(from: archive.connection)
        var row = storedRow
        row.format = Schema.version
        var state = State(
            row: row, storedRow: storedRow, boot: isSameBoot ? last ?? fresh : fresh, bootIsStored: isSameBoot)
        if isSameBoot { state.time.history = try archive.clockHistory(of: state.boot) }
        state.stamp = try archive.connection.integer("SELECT max(stamp) FROM memory") ?? 0
        state.oldest = try archive.header(from: 0)
        state.newest = try archive.header(through: .max)
        if isSameBoot, let newest = state.newest, newest.boot == state.boot.number {
            state.instantFloor = newest.latest
        }
        for key in try archive.pointKeys() { state.add(key) }
        state.shapes = try archive.shapes(pointCount: state.keys.count)
        state.lastRange = try archive.frozenRange(through: .max)
        state.vacancies = try archive.vacancies(from: state.oldestSequence)
        (state.uplinks, state.absent) = try loadUplinks(
            archive, names: uplinks, oldest: state.oldestSequence, newest: state.nextSequence - 1)
        return state
    }

    private static func loadUplinks(
        _ archive: Archive, names: [String], oldest: Int64, newest: Int64
    ) throws(SpoolError) -> (uplinks: [Progress], absent: [Progress.Span]) {
        let connection = archive.connection
        var known: [[Cell]] = []
        try connection.rows(.uplink, "ORDER BY id") { (row) throws(SpoolError) in
            known.append(row)
            return true
        }
        let rows = try plan(known, names: names, oldest: oldest, newest: newest, archive)
        if rows != known {
            try connection.transaction { () throws(SpoolError) in
                try connection.statement("DELETE FROM uplink").run("name uplinks")
                for row in rows { try connection.write(row, to: .uplink) }
                try connection.statement("DELETE FROM delivery WHERE uplink NOT IN (SELECT id FROM uplink)")
                    .run("name uplinks")
            }
        }
        var result: [Progress] = []
        for name in names where !result.contains(where: { $0.name == name }) {
            guard let row = rows.first(where: { $0[1].text == name }) else { continue }
            result.append(
                Progress(
                    id: row[0].integer, name: name, doubtful: row[3].integer,
                    spans: try archive.spans(of: row[0].integer, from: oldest)))
        }
        var absent: [Progress.Span] = []
        for row in rows where !names.contains(row[1].text) {
            absent += try archive.spans(of: row[0].integer, from: oldest)
        }
        return (result, absent)
    }

    /// The rows of the table `uplink` when the uplinks are those of `names`.
    private static func plan(
        _ known: [[Cell]], names: [String], oldest: Int64, newest: Int64, _ archive: Archive
    ) throws(SpoolError) -> [[Cell]] {
        var rows: [[Cell]] = []
        var lastID: Int64 = 0
        for var row in known {
            let isActive = names.contains(row[1].text)
            row[2] = .integer(isActive ? 1 : 0)
            lastID = max(lastID, row[0].integer)
            // Of an uplink that left long ago nothing is held any more: coming back, it would start with the oldest
            // reading anyhow.
            var isHeld = false
            if !isActive {
                let held = try archive.connection.row(
                    .delivery, "WHERE uplink = ? AND last >= ? LIMIT 1", row[0].integer, oldest)
                isHeld = held != nil
            }
            if isActive || isHeld { rows.append(row) }
        }
        for name in names where !rows.contains(where: { $0[1].text == name }) {
            lastID += 1
            // What is held when a name appears may be on its platform already: the name may be all that is new.
            rows.append([.integer(lastID), .text(name), .integer(1), .integer(newest)])
        }
        return rows
    }
}

extension Archive {
    /// An uplink's settled ranges and, as waiting, its windows in flight. Of a window whose oldest chunks are gone (its
    /// uplink had left the configuration) the rest remains.
    func spans(of uplink: Int64, from oldest: Int64) throws(SpoolError) -> [Progress.Span] {
        var spans: [Progress.Span] = []
        try connection.rows(.delivery, "WHERE uplink = ? ORDER BY first", uplink) { (row) throws(SpoolError) in
            var span = Progress.Span(
                first: row[1].integer, last: row[2].integer, lease: LeaseID(rawValue: row[3].integer),
                state: row[4].integer != 0 ? .settled : .waiting)
            guard span.first > spans.last?.last ?? 0, span.first <= span.last, span.last <= ChunkHeader.limit else {
                throw damaged("impossible numbers in the delivery rows of uplink \(uplink)")
            }
            if span.state == .waiting {
                guard span.last >= oldest else { return true }
                span.first = max(span.first, oldest)
            }
            spans.append(span)
            return true
        }
        return spans
    }
}
