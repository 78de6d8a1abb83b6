public import Metering

extension SpoolStore {
    /// Commits readings, and the marks and settlements that wait, in one transaction: on disk when this returns.
    ///
    /// `readings` may be empty when only marks and settlements wait. Two readings of one point that are less than 1 ms
    /// apart, or not in order, are put 1 ms apart: the platform knows a reading by its point and its millisecond.
    ///
    /// - Throws: `.full` when there is no room: nothing is taken, but what waited is written; `.invalidReading` for a
    ///   point without dictionary entry, a value that is not finite or an instant before 0 or beyond 36 years.
    ///   After any error the store is as before and the call can be repeated.
    public func append(_ readings: [Reading]) throws(SpoolError) {
        try append(Intake.Content(readings: readings))
    }

    /// The same with what has to be remembered and what happened; a full spool takes these all the same.
    ///
    /// - Parameter wanted: what the uplinks want that wait for readings. They get them in the same transaction: a mark that
    ///   goes with its readings costs no commit of its own.
    /// - Returns: their leases, of which each is durable.
    @discardableResult
    public func append(
        _ content: Intake.Content, leasing wanted: [String: LeaseRequest] = [:]
    ) throws(SpoolError) -> [Lease] {
        let readings = content.readings
        try check(readings)
        guard !content.isEmpty || hasPending else { return [] }
        if let last = readings.last { state.now = likelyOffset.timestamp(of: last.instant).milliseconds }
        reserve(readings.count)
        var hasRoom = true
        var leases: [Lease] = []
        try commit { () throws(SpoolError) in
            try writePending()
            if !readings.isEmpty {
                try noteBoot(first: readings)
                hasRoom = try write(readings)
                try forgetHistory()
                if hasRoom, !wanted.isEmpty { leases = try leaseAhead(wanted) }
            }
            try write(memory: content.memory)
            try write(events: content.events)
            if state.row != state.storedRow { try state.row.write(to: connection) }
            state.didCommit()
        }
        guard hasRoom else {
            throw failure(
                .full, "append readings",
                "the spool has reached its limit of \(settings.maximumBytes) bytes with readings that wait for delivery"
            )
        }
        return leases
    }

    /// Leases what has just been written, with marks and times in the same transaction.
    private func leaseAhead(_ wanted: [String: LeaseRequest]) throws(SpoolError) -> [Lease] {
        // An uplink whose lease fails asks for it itself, and learns why; the readings are committed all the same.
        let leases = wanted.sorted { $0.key < $1.key }.compactMap { name, request in
            try? lease(uplink: name, maximumReadings: request.maximumReadings, from: request.end)
        }
        for uplink in state.uplinks where uplink.isDirty { try write(uplink) }
        try writeTimes()
        // What was found missing on the way.
        for gap in state.gaps { try write(gap) }
        return leases
    }

    private func check(_ readings: [Reading]) throws(SpoolError) {
        guard let unfit = state.firstUnfit(readings) else { return }
        let point = key(of: unfit.point) ?? "point \(unfit.point.rawValue), which is not in the dictionary"
        throw failure(
            .invalidReading, "append readings",
            "\(point): value \(unfit.value) at instant \(unfit.instant.nanoseconds) ns")
    }

    // MARK: What waits

    /// What waited for a commit; with it `state.didCommit()` is due.
    func writePending() throws(SpoolError) {
        for uplink in state.uplinks where uplink.isDirty { try write(uplink) }
        try writeTimes()
        if !state.quarantine.isEmpty { try writeQuarantine() }
        for gap in state.gaps { try write(gap) }
    }

    /// Lists a gap and counts its readings, once: what of it is listed already is left out.
    func write(_ gap: Gap) throws(SpoolError) {
        var listed: [Gap] = []
        try connection.rows(.gap, "WHERE first <= ? AND last >= ? ORDER BY first", gap.last, gap.first) {
            (row) throws(SpoolError) in
            listed.append(Gap(row))
            return true
        }
        state.vacancies.add(gap)
        for part in gap.parts(beside: listed) {
            try part.write(to: connection)
            state.row.damaged += part.count
        }
        let delete = try connection.statement(
            "DELETE FROM gap WHERE first <= (SELECT first FROM gap ORDER BY first DESC LIMIT 1 OFFSET ?)")
        delete.bind(Self.maximumQuarantined)
        try delete.run("list gaps")
    }

    /// Writes an uplink's spans anew: they are a few rows of one page.
    func write(_ uplink: Progress) throws(SpoolError) {
        let delete = try connection.statement("DELETE FROM delivery WHERE uplink = ?")
        delete.bind(uplink.id)
        try delete.run("mark leases")
        for span in uplink.spans {
            try connection.write(
                [
                    .integer(uplink.id), .integer(span.first), .integer(span.last), .integer(span.lease.rawValue),
                    .integer(span.state == .settled ? 1 : 0),
                ], to: .delivery)
        }
    }

    private func writeQuarantine() throws(SpoolError) {
        var id = try connection.integer("SELECT max(id) FROM quarantine") ?? 0
        for row in state.quarantine {
            id += 1
            try connection.write(
                [
                    .integer(id), .text(row.uplink), .integer(row.reading.sequence.rawValue),
                    .integer(Int64(row.reading.point.rawValue)), .integer(row.reading.phenomenonTime.milliseconds),
                    .text(row.reading.value.description), .text(row.reason),
                ], to: .quarantine)
        }
        let delete = try connection.statement(
            "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?")
        delete.bind(Self.maximumQuarantined)
        try delete.run("quarantine readings")
        state.row.quarantined += Int64(state.quarantine.count)
    }

    // MARK: Readings

    /// Writes the readings as chunks; false when there is no room.
    private func write(_ readings: [Reading]) throws(SpoolError) -> Bool {
        // A generous guess; the codec's worst case is 13 bytes a number and more only for shapes that repeat nothing.
        let texts = readings.reduce(Int64(0)) { sum, reading in
            if case .text(let text) = reading.value { sum + Int64(text.utf8.count) } else { sum }
        }
        let needed = Int64(readings.count) * 16 + texts + 4096
        guard try makeRoom(for: needed) else { return false }
        var ordered = readings
        state.order(&ordered)
        var start = 0
        while start < ordered.count {
            let end = min(ordered.count, start + ChunkHeader.maximumReadings)
            try writeChunk(ordered[start..<end])
            start = end
        }
        return true
    }

    private func writeChunk(_ readings: ArraySlice<Reading>) throws(SpoolError) {
        var earliest = Int64.max
        var latest = Int64.min
        for reading in readings {
            earliest = min(earliest, reading.instant.nanoseconds)
            latest = max(latest, reading.instant.nanoseconds)
        }
        encoder.encode(readings, earliest: earliest, book: &state.shapes)
        for number in encoder.newShapes { try writeShape(number) }
        let header = ChunkHeader(
            sequence: state.nextSequence, counts: Int64(readings.count), boot: state.boot.number, earliest: earliest,
            latest: latest, stored: (state.newest?.stored ?? 0) + Int64(encoder.writer.bytes.count) + 4)
        encoder.seal(header)
        try insert(header, encoder.writer.bytes)
        try writeRemarks(on: readings, from: header.sequence)
        state.newest = header
        if state.oldest == nil { state.oldest = header }
    }

    /// Writes a chunk's row.
    func insert(_ header: ChunkHeader, _ sealed: [UInt8]) throws(SpoolError) {
        let insert = try connection.statement("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?)")
        insert.bind(header.sequence, header.counts, header.boot, header.earliest, header.latest, header.stored)
        try Self.run(insert, blob: sealed, at: 7)
    }

    func writeShape(_ number: Int) throws(SpoolError) {
        guard let shape = state.shapes.shape(number) else { return }
        let insert = try connection.statement("INSERT INTO shape VALUES (?, ?)")
        insert.bind(Int64(number))
        try Self.run(insert, blob: shape.sealed(number: Int64(number)), at: 2)
    }

    /// Array.withUnsafeBytes carries no typed error in Swift 6.2; it is carried by hand.
    static func run(_ statement: Statement, blob: [UInt8], at index: Int32) throws(SpoolError) {
        var failure: SpoolError?
        blob.withUnsafeBytes { bytes in
            do throws(SpoolError) {
                try statement.run("append readings", blob: bytes, at: index)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
