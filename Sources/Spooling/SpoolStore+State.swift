internal import Metering

extension SpoolStore {
    /// A reading on its way into the quarantine table.
    struct Quarantined: Hashable {
        var uplink: String
        var reading: SpooledReading
        var reason: String
    }

    /// A chunk that could not be read back.
    struct Damage: Hashable {
        var chunk: ChunkHeader
        var fault: ChunkFault
    }

    /// What the store knows about its file, and what waits to be written. Its size depends on points, shapes and open
    /// leases, not on readings.
    struct State {
        /// The version of the file's format.
        var version = Schema.version
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
        var oldest: ChunkHeader?
        var newest: ChunkHeader?
        var uplinks: [Progress] = []
        /// The range given last.
        var lastRange: FrozenRange?
        /// Ranges that are not in the file yet, or not so.
        var pendingRanges: [FrozenRange] = []
        /// Boots whose row changed by a freeze.
        var pendingBoots: [Int64: Boot] = [:]
        var quarantine: [Quarantined] = []
        var damage: [Damage] = []
        var commits: Int64 = 0
        /// Bytes that the files may grow by without anybody looking at them: see History.
        var room: Int64 = 0

        var nextSequence: Int64 { (newest?.last ?? 0) + 1 }
        var oldestSequence: Int64 { oldest?.sequence ?? nextSequence }

        var hasPending: Bool {
            !pendingRanges.isEmpty || !quarantine.isEmpty || !damage.isEmpty || !pendingBoots.isEmpty
                || uplinks.contains(where: \.isDirty)
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
            quarantine.removeAll()
            damage.removeAll()
            commits += 1
            for index in uplinks.indices { uplinks[index].didCommit() }
        }
    }

    /// Reads what the file says.
    static func load(_ archive: Archive, uplinks: [String], bootID: String) throws(SpoolError) -> State {
        let last = try archive.lastBoot()
        // Two boots whose names are not known may be different ones: then each opening counts as a boot.
        let isSameBoot = last?.id == bootID && bootID != "unknown" && !bootID.isEmpty
        let fresh = Boot(number: (last?.number ?? 0) + 1, id: bootID, age: 0, offset: 0, highest: nil)
        var state = State(boot: isSameBoot ? last ?? fresh : fresh, bootIsStored: isSameBoot)
        state.version = try archive.connection.integer("PRAGMA user_version") ?? Schema.version
        state.oldest = try archive.header(from: 0)
        state.newest = try archive.header(through: .max)
        if isSameBoot, let newest = state.newest, newest.boot == state.boot.number {
            state.instantFloor = newest.latest
        }
        for key in try archive.pointKeys() { state.add(key) }
        state.shapes = try archive.shapes(pointCount: state.keys.count)
        state.lastRange = try archive.frozenRange(through: .max)
        state.uplinks = try loadUplinks(
            archive, names: uplinks, oldest: state.oldestSequence, newest: state.nextSequence - 1)
        return state
    }

    private static func loadUplinks(
        _ archive: Archive, names: [String], oldest: Int64, newest: Int64
    ) throws(SpoolError) -> [Progress] {
        let connection = archive.connection
        try connection.transaction { () throws(SpoolError) in
            try connection.statement("UPDATE uplink SET active = 0").run("name uplinks")
            // What is held when a name appears may be on its platform already: the name may be all that is new.
            let name = try connection.statement(
                """
                INSERT INTO uplink (name, active, doubtful) VALUES (?, 1, ?)
                ON CONFLICT (name) DO UPDATE SET active = 1
                """)
            for uplink in names {
                name.bind(uplink, at: 1)
                name.bind(newest, at: 2)
                try name.run("name uplinks")
            }
            // Of an uplink that left long ago nothing is held any more: coming back, it would start with the oldest
            // reading anyhow.
            let rest = try connection.statement(
                """
                DELETE FROM uplink WHERE active = 0
                AND NOT EXISTS (SELECT 1 FROM delivery WHERE uplink = uplink.id AND last >= ?)
                """)
            rest.bind(oldest)
            try rest.run("name uplinks")
            try connection.statement("DELETE FROM delivery WHERE uplink NOT IN (SELECT id FROM uplink)")
                .run("name uplinks")
        }
        var result: [Progress] = []
        for name in names where !result.contains(where: { $0.name == name }) {
            let row = try connection.statement("SELECT id, doubtful FROM uplink WHERE name = ?")
            row.bind(name, at: 1)
            defer { row.reset() }
            guard try row.step() else { throw archive.damaged("the row of uplink \(name) is missing") }
            result.append(
                Progress(
                    id: row.integer(0), name: name, doubtful: row.integer(1),
                    spans: try archive.spans(of: row.integer(0), from: oldest)))
        }
        return result
    }
}

extension Archive {
    /// An uplink's settled ranges and, as waiting, its windows in flight. Of a window whose oldest chunks are gone (its
    /// uplink had left the configuration) the rest remains.
    func spans(of uplink: Int64, from oldest: Int64) throws(SpoolError) -> [Progress.Span] {
        let statement = try connection.statement(
            "SELECT first, last, lease, settled FROM delivery WHERE uplink = ? ORDER BY first")
        statement.bind(uplink)
        defer { statement.reset() }
        var spans: [Progress.Span] = []
        while try statement.step() {
            var span = Progress.Span(
                first: statement.integer(0), last: statement.integer(1), lease: LeaseID(rawValue: statement.integer(2)),
                state: statement.integer(3) != 0 ? .settled : .waiting)
            guard span.first > spans.last?.last ?? 0, span.first <= span.last, span.last <= ChunkHeader.limit else {
                throw damaged("impossible numbers in the delivery rows of uplink \(uplink)")
            }
            if span.state == .waiting {
                guard span.last >= oldest else { continue }
                span.first = max(span.first, oldest)
            }
            spans.append(span)
        }
        return spans
    }
}
