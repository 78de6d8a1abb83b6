public import Metering

extension SpoolStore {
    /// Commits readings, and the marks and settlements that wait, in one transaction: on disk when this returns.
    ///
    /// `readings` may be empty when only marks and settlements wait. Two readings of one point that are less than 1 ms
    /// apart, or not in order, are put 1 ms apart: the platform knows a reading by its point and its millisecond.
    ///
    /// - Parameter offset: UTC minus boot clock as known now. It gives the times of readings that a reboot overtakes
    ///   before they are leased.
    /// - Throws: `.full` when there is no room: nothing is taken, but what waited is written; `.invalidReading` for a
    ///   point without dictionary entry, a value that is not finite or an instant before 0 or beyond 36 years.
    ///   After any error the store is as before and the call can be repeated.
    public func append(_ readings: [Reading], offset: ClockOffset) throws(SpoolError) {
        try append(Intake.Content(readings: readings), offset: offset)
    }

    /// The same with what has to be remembered and what happened; a full spool takes these all the same.
    public func append(_ content: Intake.Content, offset: ClockOffset) throws(SpoolError) {
        let readings = content.readings
        try check(readings, offset)
        guard !content.isEmpty || hasPending else { return }
        var hasRoom = true
        try commit { () throws(SpoolError) in
            try writePending()
            if !readings.isEmpty {
                try noteBoot(offset, first: readings)
                hasRoom = try write(readings)
                try forgetHistory()
            }
            try write(memory: content.memory)
            try write(events: content.events)
            state.didCommit()
        }
        guard hasRoom else {
            throw failure(
                .full, "append readings",
                "the spool has reached its limit of \(settings.maximumBytes) bytes with readings that wait for delivery"
            )
        }
    }

    private func check(_ readings: [Reading], _ offset: ClockOffset) throws(SpoolError) {
        try check(offset)
        guard let unfit = state.firstUnfit(readings) else { return }
        let point = key(of: unfit.point) ?? "point \(unfit.point.rawValue), which is not in the dictionary"
        throw failure(
            .invalidReading, "append readings",
            "\(point): value \(unfit.value) at instant \(unfit.instant.nanoseconds) ns")
    }

    func check(_ offset: ClockOffset) throws(SpoolError) {
        guard (-ChunkHeader.offsetLimit...ChunkHeader.offsetLimit).contains(offset.nanoseconds) else {
            throw failure(.invalidReading, "use the clock", "an offset of \(offset.nanoseconds) ns is beyond 146 years")
        }
    }

    // MARK: What waits

    private func writePending() throws(SpoolError) {
        for uplink in state.uplinks where uplink.isDirty { try write(uplink) }
        try writeTimes()
        if !state.quarantine.isEmpty { try writeQuarantine() }
        for damage in state.damage { try write(damage) }
    }

    /// Writes the times that were frozen since the last commit.
    func writeTimes() throws(SpoolError) {
        for range in state.pendingRanges { try write(range) }
        for boot in state.pendingBoots.values { try write(boot) }
    }

    /// Lists a damaged chunk and counts its readings, once.
    func write(_ damage: Damage) throws(SpoolError) {
        let insert = try connection.statement("INSERT OR IGNORE INTO damage (sequence, count, reason) VALUES (?, ?, ?)")
        insert.bind(damage.chunk.sequence, damage.chunk.count)
        insert.bind("\(damage.fault)", at: 3)
        try insert.run("list damage")
        guard connection.changes > 0 else { return }
        let count = try connection.statement("UPDATE spool SET damaged = damaged + ?")
        count.bind(damage.chunk.count)
        try count.run("list damage")
        let delete = try connection.statement(
            "DELETE FROM damage WHERE sequence <= (SELECT sequence FROM damage ORDER BY sequence DESC LIMIT 1 OFFSET ?)"
        )
        delete.bind(Self.maximumQuarantined)
        try delete.run("list damage")
    }

    /// Writes an uplink's spans anew: they are a few rows of one page.
    private func write(_ uplink: Progress) throws(SpoolError) {
        let delete = try connection.statement("DELETE FROM delivery WHERE uplink = ?")
        delete.bind(uplink.id)
        try delete.run("mark leases")
        let insert = try connection.statement(
            "INSERT INTO delivery (uplink, first, last, lease, settled) VALUES (?, ?, ?, ?, ?)")
        for span in uplink.spans {
            insert.bind(uplink.id, span.first, span.last, span.lease.rawValue, span.state == .settled ? 1 : 0)
            try insert.run("mark leases")
        }
    }

    private func write(_ range: FrozenRange) throws(SpoolError) {
        let statement = try connection.statement("INSERT OR REPLACE INTO frozen VALUES (?, ?, ?, ?, ?, ?)")
        statement.bind(range.first, range.last, range.boot, range.offset, range.isRaised ? 1 : 0, range.latest)
        try statement.run("freeze times")
    }

    private func write(_ boot: Boot) throws(SpoolError) {
        let statement = try connection.statement(
            "INSERT OR REPLACE INTO boot (number, age, \"offset\", highest, id) VALUES (?, ?, ?, ?, ?)")
        statement.bind(boot.number, boot.age, boot.offset, boot.highest)
        statement.bind(boot.id, at: 5)
        try statement.run("note the boot")
    }

    private func writeQuarantine() throws(SpoolError) {
        let insert = try connection.statement(
            "INSERT INTO quarantine (sequence, point, time, uplink, value, reason) VALUES (?, ?, ?, ?, ?, ?)")
        for row in state.quarantine {
            insert.bind(
                row.reading.sequence.rawValue, Int64(row.reading.point.rawValue),
                row.reading.phenomenonTime.milliseconds)
            insert.bind(row.uplink, at: 4)
            insert.bind(row.reading.value.description, at: 5)
            insert.bind(row.reason, at: 6)
            try insert.run("quarantine readings")
        }
        let delete = try connection.statement(
            "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?")
        delete.bind(Self.maximumQuarantined)
        try delete.run("quarantine readings")
        let count = try connection.statement("UPDATE spool SET quarantined = quarantined + ?")
        count.bind(Int64(state.quarantine.count))
        try count.run("quarantine readings")
    }

    // MARK: Readings

    /// Writes this boot's row when it is new or its clock was set.
    private func noteBoot(_ offset: ClockOffset, first readings: [Reading]) throws(SpoolError) {
        if !state.bootIsStored {
            let earliest = readings.reduce(Int64.max) { min($0, $1.instant.nanoseconds) }
            // The spool's running time goes on where the boot before left it: see History.
            if let newest = state.newest, let before = try archive.boot(newest.boot) {
                state.boot.age = before.age + newest.latest - earliest
            }
            // No reading of this boot may count as earlier than the first: FrozenTimes relies on it.
            state.instantFloor = earliest - FrozenTimes.minimumStep
            for index in state.lastInstants.indices { state.lastInstants[index] = state.instantFloor }
        } else if abs(offset.nanoseconds - state.boot.offset) < FrozenTimes.tolerance {
            return
        }
        state.boot.offset = offset.nanoseconds
        state.bootIsStored = true
        try write(state.boot)
    }

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
        if encoder.hasTexts, state.version < Schema.versionWithTexts {
            try connection.execute("PRAGMA user_version = \(Schema.versionWithTexts)", operation: "append readings")
            state.version = Schema.versionWithTexts
        }
        let header = ChunkHeader(
            sequence: state.nextSequence, count: Int64(readings.count), boot: state.boot.number, earliest: earliest,
            latest: latest, stored: (state.newest?.stored ?? 0) + Int64(encoder.writer.bytes.count) + 4)
        encoder.seal(header)
        let insert = try connection.statement("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?)")
        insert.bind(header.sequence, header.count, header.boot, header.earliest, header.latest, header.stored)
        try Self.run(insert, blob: encoder.writer.bytes, at: 7)
        try writeRemarks(on: readings, from: header.sequence)
        state.newest = header
        if state.oldest == nil { state.oldest = header }
    }

    private func writeShape(_ number: Int) throws(SpoolError) {
        guard let shape = state.shapes.shape(number) else { return }
        var writer = ByteWriter()
        shape.write(to: &writer)
        let crc = writer.bytes.withUnsafeBytes { CRC32C.checksum(words: [Int64(number)], $0) }
        writer.little(UInt64(crc), count: 4)
        let insert = try connection.statement("INSERT INTO shape VALUES (?, ?)")
        insert.bind(Int64(number))
        try Self.run(insert, blob: writer.bytes, at: 2)
    }

    /// Array.withUnsafeBytes carries no typed error in Swift 6.2; it is carried by hand.
    private static func run(_ statement: Statement, blob: [UInt8], at index: Int32) throws(SpoolError) {
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
