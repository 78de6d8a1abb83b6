public import Metering

// What is kept beside the readings: remarks on single readings, what the agent has to remember over a restart, and what
// happened to meters. All of it is written in the transaction of the readings that it belongs to.

/// Something that happened to a meter, as the spool has it.
public struct SpooledEvent: Hashable, Sendable {
    /// The meter's name, or the key of its point.
    public var subject: String
    /// What happened, in a word: `reset`.
    public var kind: String
    /// What happened, in words.
    public var text: String
    /// When, on the clock of its boot.
    public var instant: Instant
    /// The clock offset of that boot; nil when it is this one, whose offset may still change.
    public var offset: ClockOffset?

    /// When it was, where this boot's clock is `current` off.
    public func time(_ current: ClockOffset) -> Timestamp {
        (offset ?? current).timestamp(of: instant)
    }
}

extension SpoolStore {
    /// Rows kept in the table of events; older ones go.
    public static let maximumEvents: Int64 = 10_000

    /// What the agent has to remember over a restart, by name.
    public func memory() throws(SpoolError) -> [String: String] {
        try archive.memory()
    }

    /// The newest gaps, the newest first.
    public func gaps(atMost count: Int) throws(SpoolError) -> [Gap] {
        try archive.gaps(atMost: count)
    }

    /// The newest events, the newest first.
    public func events(atMost count: Int) throws(SpoolError) -> [SpooledEvent] {
        var events: [SpooledEvent] = []
        try connection.rows(.event, "ORDER BY id DESC LIMIT ?", Int64(count)) { (row) throws(SpoolError) in
            let boot = row[1].integer
            // A boot whose chunks are all gone has no row any more; then this one's offset is the best guess.
            let known = boot == state.boot.number ? nil : try archive.boot(boot)
            events.append(
                SpooledEvent(
                    subject: row[3].text, kind: row[4].text, text: row[5].text,
                    instant: Instant(nanoseconds: row[2].integer),
                    offset: known?.likely.map(ClockOffset.init(nanoseconds:))))
            return true
        }
        return events
    }

    func write(memory: [String: String]) throws(SpoolError) {
        for (name, value) in memory {
            state.stamp += 1
            try connection.write([.text(name), .text(value), .integer(state.stamp)], to: .memory)
        }
    }

    func write(events: [MeterEvent]) throws(SpoolError) {
        guard !events.isEmpty else { return }
        var id = try connection.integer("SELECT max(id) FROM event") ?? 0
        for event in events {
            id += 1
            try connection.write(
                [
                    .integer(id), .integer(state.boot.number), .integer(event.instant.nanoseconds),
                    .text(event.subject), .text(event.kind.word), .text(event.kind.text),
                ], to: .event)
        }
        let delete = try connection.statement("DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?")
        delete.bind(Self.maximumEvents)
        try delete.run("note events")
    }

    /// Writes the remarks on the readings of the chunk that begins with `sequence`.
    func writeRemarks(on readings: ArraySlice<Reading>, from sequence: Int64) throws(SpoolError) {
        guard readings.contains(where: { $0.remark != nil }) else { return }
        for (index, reading) in readings.enumerated() {
            // Aggregates are in the chunk itself.
            guard let remark = reading.remark, !AggregateCodec.packs(reading) else { continue }
            try connection.write(
                [
                    .integer(sequence + Int64(index)), Cell(remark.period?.from.nanoseconds),
                    Cell(remark.period?.to.nanoseconds), .text(remark.members),
                ], to: .remark)
        }
    }

    /// Gives the readings of a window what is delivered beside their values.
    func addRemarks(to readings: inout [SpooledReading]) throws(SpoolError) {
        guard let first = readings.first?.sequence.rawValue, let last = readings.last?.sequence.rawValue else { return }
        var position = 0
        try connection.rows(
            .remark, "WHERE sequence BETWEEN ? AND ? ORDER BY sequence", first, last
        ) { (row) throws(SpoolError) in
            let sequence = row[0].integer
            while position < readings.count, readings[position].sequence.rawValue < sequence { position += 1 }
            // The reading of a damaged chunk is gone.
            guard position < readings.count, readings[position].sequence.rawValue == sequence else { return true }
            let range = row[1] == .null ? nil : try range(of: sequence)
            var members = row[3].text
            // Why its time is in doubt, where it is.
            if case .members(let clock, _, _) = readings[position].parameters { members += "," + clock }
            readings[position].parameters = .members(
                members, from: range?.timestamp(of: Instant(nanoseconds: row[1].integer)),
                to: range?.timestamp(of: Instant(nanoseconds: row[2].integer)))
            return true
        }
    }
}
