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
        let rows = try connection.statement("SELECT name, value FROM memory")
        defer { rows.reset() }
        var memory: [String: String] = [:]
        while try rows.step() { memory[rows.text(0)] = rows.text(1) }
        return memory
    }

    /// The newest events, the newest first.
    public func events(atMost count: Int) throws(SpoolError) -> [SpooledEvent] {
        let rows = try connection.statement(
            "SELECT boot, instant, subject, kind, text FROM event ORDER BY id DESC LIMIT ?")
        rows.bind(Int64(count), at: 1)
        defer { rows.reset() }
        var events: [SpooledEvent] = []
        while try rows.step() {
            let boot = rows.integer(0)
            // A boot whose chunks are all gone has no row any more; then this one's offset is the best guess.
            let offset = boot == state.boot.number ? nil : try archive.boot(boot)?.offset
            events.append(
                SpooledEvent(
                    subject: rows.text(2), kind: rows.text(3), text: rows.text(4),
                    instant: Instant(nanoseconds: rows.integer(1)), offset: offset.map(ClockOffset.init(nanoseconds:))))
        }
        return events
    }

    func write(memory: [String: String]) throws(SpoolError) {
        let upsert = try connection.statement("INSERT OR REPLACE INTO memory (name, value) VALUES (?, ?)")
        for (name, value) in memory {
            upsert.bind(name, at: 1)
            upsert.bind(value, at: 2)
            try upsert.run("remember")
        }
    }

    func write(events: [MeterEvent]) throws(SpoolError) {
        guard !events.isEmpty else { return }
        let insert = try connection.statement(
            "INSERT INTO event (boot, instant, subject, kind, text) VALUES (?, ?, ?, ?, ?)")
        for event in events {
            insert.bind(state.boot.number, event.instant.nanoseconds)
            insert.bind(event.subject, at: 3)
            insert.bind(event.kind.word, at: 4)
            insert.bind(event.kind.text, at: 5)
            try insert.run("note events")
        }
        let delete = try connection.statement("DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?")
        delete.bind(Self.maximumEvents)
        try delete.run("note events")
    }

    /// Writes the remarks on the readings of the chunk that begins with `sequence`.
    func writeRemarks(on readings: ArraySlice<Reading>, from sequence: Int64) throws(SpoolError) {
        guard readings.contains(where: { $0.remark != nil }) else { return }
        let insert = try connection.statement(
            "INSERT INTO remark (sequence, \"from\", \"to\", members) VALUES (?, ?, ?, ?)")
        for (index, reading) in readings.enumerated() {
            guard let remark = reading.remark else { continue }
            insert.bind(sequence + Int64(index), remark.period?.from.nanoseconds, remark.period?.to.nanoseconds)
            insert.bind(remark.members, at: 4)
            try insert.run("append remarks")
        }
    }

    /// Gives the readings of a window what is delivered beside their values.
    func addRemarks(to readings: inout [SpooledReading]) throws(SpoolError) {
        guard let first = readings.first?.sequence.rawValue, let last = readings.last?.sequence.rawValue else { return }
        let rows = try connection.statement(
            "SELECT sequence, \"from\", \"to\", members FROM remark WHERE sequence BETWEEN ? AND ? ORDER BY sequence")
        rows.bind(first, last)
        defer { rows.reset() }
        var position = 0
        while try rows.step() {
            let sequence = rows.integer(0)
            while position < readings.count, readings[position].sequence.rawValue < sequence { position += 1 }
            // The reading of a damaged chunk is gone.
            guard position < readings.count, readings[position].sequence.rawValue == sequence else { continue }
            let range = rows.isNull(1) ? nil : try range(of: sequence)
            readings[position].parameters = .members(
                rows.text(3), from: range?.timestamp(of: Instant(nanoseconds: rows.integer(1))),
                to: range?.timestamp(of: Instant(nanoseconds: rows.integer(2))))
        }
    }
}
