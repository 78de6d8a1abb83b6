import Metering

/// What a spool has to do, in memory and without cleverness: one row per reading, one state per chunk and uplink.
struct Model {
    struct Row {
        var reading: Reading
        var boot: Int
        var time: Timestamp?
    }

    enum State: Equatable {
        case free, settled
        case taken(LeaseID, isUnclear: Bool, isDurable: Bool)
        case waiting(LeaseID)
    }

    var rows: [Row] = []
    /// Ranges of indices into `rows`, one per append.
    var chunks: [Range<Int>] = []
    var uplinks: [String: [State]]
    var bootOffsets: [Int: ClockOffset] = [:]

    init(uplinks: [String]) {
        self.uplinks = Dictionary(uniqueKeysWithValues: uplinks.map { ($0, []) })
    }

    mutating func append(_ readings: [Reading], boot: Int, offset: ClockOffset) {
        commitMarks()
        if !readings.isEmpty {
            for name in uplinks.keys { uplinks[name]!.append(.free) }
        }
        bootOffsets[boot] = offset
        guard !readings.isEmpty else { return }
        chunks.append(rows.count..<rows.count + readings.count)
        rows += readings.map { Row(reading: $0, boot: boot, time: nil) }
    }

    /// Whatever is leased is on the disk as that.
    mutating func commitMarks() {
        for name in uplinks.keys {
            uplinks[name]! = uplinks[name]!.map {
                guard case .taken(let id, let isUnclear, _) = $0 else { return $0 }
                return .taken(id, isUnclear: isUnclear, isDurable: true)
            }
        }
    }

    /// The chunks of the next lease, and the number it has already if it is an unclear one.
    func next(_ uplink: String, maximum: Int) -> (chunks: Range<Int>, unclear: LeaseID?)? {
        let states = uplinks[uplink]!
        for (index, state) in states.enumerated() {
            if case .waiting(let id) = state { return (index..<index + states.count { $0 == state }, id) }
        }
        guard let first = states.firstIndex(of: .free) else { return nil }
        var end = first + 1
        while end < states.count, states[end] == .free, chunks[end].upperBound - chunks[first].lowerBound <= maximum {
            end += 1
        }
        return (first..<end, nil)
    }

    mutating func lease(
        _ range: Range<Int>, _ uplink: String, as id: LeaseID, unclear: Bool, boot: Int, offset: ClockOffset
    )
        -> [SpooledReading]
    {
        for index in range { uplinks[uplink]![index] = .taken(id, isUnclear: unclear, isDurable: unclear) }
        return (chunks[range.lowerBound].lowerBound..<chunks[range.upperBound - 1].upperBound).map { index in
            let row = rows[index]
            let known = row.boot == boot ? offset : bootOffsets[row.boot]!
            rows[index].time = row.time ?? known.timestamp(of: row.reading.instant)
            return SpooledReading(
                sequence: SequenceNumber(rawValue: Int64(index + 1)), point: row.reading.point,
                phenomenonTime: rows[index].time!, value: row.reading.value, quality: row.reading.quality,
                parameters: parameters(of: rows[index]))
        }
    }

    /// A remark as it is delivered. Its instants are whole milliseconds in these tests.
    private func parameters(of row: Row) -> ReadingParameters? {
        func time(_ instant: Instant) -> Timestamp {
            Timestamp(milliseconds: row.time!.milliseconds - (row.reading.instant - instant).wholeMilliseconds)
        }
        return row.reading.remark.map {
            .members($0.members, from: ($0.period?.from).map(time), to: ($0.period?.to).map(time))
        }
    }

    func open(_ uplink: String) -> [LeaseID] {
        var ids: [LeaseID] = []
        for case .taken(let id, _, _) in uplinks[uplink]! where !ids.contains(id) { ids.append(id) }
        return ids
    }

    mutating func end(_ id: LeaseID, _ uplink: String, settled: Bool, unclear: Bool = false) {
        uplinks[uplink]! = uplinks[uplink]!.map { state in
            guard case .taken(id, let wasUnclear, let isDurable) = state else { return state }
            if settled { return .settled }
            return isDurable && (unclear || wasUnclear) ? .waiting(id) : .free
        }
    }

    /// What is left of the last committed state when the agent starts again.
    mutating func restart() {
        for name in uplinks.keys {
            uplinks[name]! = uplinks[name]!.map { if case .taken(let id, _, _) = $0 { .waiting(id) } else { $0 } }
        }
    }

    func undelivered(_ uplink: String) -> Int64 {
        Int64(zip(chunks, uplinks[uplink]!).reduce(0) { $0 + ($1.1 == .settled ? 0 : $1.0.count) })
    }
}
