import Metering

/// What a spool has to do, in memory and without cleverness: one row per reading, one state per chunk and uplink.
struct Model {
    struct Row {
        var reading: Reading
        var boot: Int
        /// The clock's offset that its time was frozen with.
        var offset: ClockOffset?
        /// Thinned away, or dropped.
        var isGone = false

        var time: Timestamp? { offset?.timestamp(of: reading.instant) }
    }

    enum State: Equatable {
        case free, settled
        case taken(LeaseID, isUnclear: Bool, isDurable: Bool)
        case waiting(LeaseID)
    }

    var rows: [Row] = []
    /// Ranges of indices into `rows`, one per append; what was thinned together is one.
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
        rows += readings.map { Row(reading: $0, boot: boot) }
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
    func next(
        _ uplink: String, maximum: Int, from end: LeaseEnd = .oldest
    ) -> (chunks: Range<Int>, unclear: LeaseID?)? {
        let states = uplinks[uplink]!
        for (index, state) in states.enumerated() {
            if case .waiting(let id) = state { return (index..<index + states.count { $0 == state }, id) }
        }
        let starts = states.indices.filter { states[$0] == .free && ($0 == 0 || states[$0 - 1] != .free) }
        guard var first = end == .oldest ? starts.first : starts.last else { return nil }
        if end == .newest, starts.count < Self.maximumRuns { return (newest(states, maximum), nil) }
        let start = first
        var count = 0
        repeat {
            count += held(chunks[first])
            first += 1
        } while first < states.count && states[first] == .free && count + held(chunks[first]) <= maximum
        return (start..<first, nil)
    }

    /// From so many runs of free chunks on no further one is made.
    static let maximumRuns = 16

    private func newest(_ states: [State], _ maximum: Int) -> Range<Int> {
        let last = states.lastIndex(of: .free)!
        var first = last
        var count = held(chunks[last])
        while first > 0, states[first - 1] == .free, boot(first - 1) == boot(last),
            count + held(chunks[first - 1]) <= maximum
        {
            first -= 1
            count += held(chunks[first])
        }
        return first..<last + 1
    }

    private func boot(_ chunk: Int) -> Int { rows[chunks[chunk].lowerBound].boot }

    /// What is older than a chunk gets its times before it.
    mutating func freezeOlder(than chunk: Int, boot: Int, offset: ClockOffset) {
        for index in 0..<chunks[chunk].lowerBound where !rows[index].isGone && rows[index].offset == nil {
            rows[index].offset = known(rows[index].boot, boot, offset)
        }
    }

    mutating func lease(
        _ range: Range<Int>, _ uplink: String, as id: LeaseID, unclear: Bool, boot: Int, offset: ClockOffset
    )
        -> [SpooledReading]
    {
        for index in range { uplinks[uplink]![index] = .taken(id, isUnclear: unclear, isDurable: unclear) }
        return (chunks[range.lowerBound].lowerBound..<chunks[range.upperBound - 1].upperBound).compactMap { index in
            let row = rows[index]
            guard !row.isGone else { return nil }
            rows[index].offset = row.offset ?? known(row.boot, boot, offset)
            return SpooledReading(
                sequence: SequenceNumber(rawValue: Int64(index + 1)), point: row.reading.point,
                phenomenonTime: rows[index].time!, value: row.reading.value, quality: row.reading.quality,
                parameters: parameters(of: rows[index]))
        }
    }

    /// A remark as it is delivered.
    private func parameters(of row: Row) -> ReadingParameters? {
        row.reading.remark.map { remark in
            func time(_ instant: Instant) -> Timestamp { row.offset!.timestamp(of: instant) }
            return .members(remark.members, from: (remark.period?.from).map(time), to: (remark.period?.to).map(time))
        }
    }

    /// The clock's offset in a boot, as it is known in `now`.
    private func known(_ boot: Int, _ now: Int, _ offset: ClockOffset) -> ClockOffset {
        boot == now ? offset : bootOffsets[boot]!
    }

    private func held(_ chunk: Range<Int>) -> Int {
        chunk.count { !rows[$0].isGone }
    }

    // MARK: Room

    /// The chunks that a relief names; nil when these are not whole chunks.
    func chunks(_ first: SequenceNumber, _ last: SequenceNumber) -> Range<Int>? {
        guard let start = chunks.firstIndex(where: { $0.lowerBound == Int(first.rawValue) - 1 }),
            let end = chunks.firstIndex(where: { $0.upperBound == Int(last.rawValue) }), start <= end
        else { return nil }
        return start..<end + 1
    }

    /// Whether no uplink has leased or settled a chunk.
    func isFree(_ chunk: Int) -> Bool {
        uplinks.values.allSatisfy { $0[chunk] == .free }
    }

    /// Whether no uplink has it out, and some uplink lacks it.
    func isDroppable(_ chunk: Int) -> Bool {
        let states = uplinks.values.map { $0[chunk] }
        return states.allSatisfy { $0 == .free || $0 == .settled } && states.contains(.free)
    }

    mutating func thin(
        _ range: Range<Int>, to level: ThinningLevel, by rules: ThinningRules, boot: Int, offset: ClockOffset
    ) {
        let numbers = chunks[range.lowerBound].lowerBound..<chunks[range.upperBound - 1].upperBound
        let first = rows[numbers.lowerBound]
        var kept: [Reading] = []
        var thinning = Thinning(to: level, by: rules, offset: known(first.boot, boot, offset))
        for index in numbers where !rows[index].isGone { thinning.take(rows[index].reading) { kept.append($0) } }
        thinning.finish { kept.append($0) }
        kept.sort { ($0.instant, $0.point) < ($1.instant, $1.point) }
        for (place, index) in numbers.enumerated() {
            rows[index].isGone = place >= kept.count
            if place < kept.count { (rows[index].reading, rows[index].offset) = (kept[place], first.offset) }
        }
        chunks.replaceSubrange(range, with: [numbers])
        for name in uplinks.keys { uplinks[name]!.replaceSubrange(range, with: [.free]) }
    }

    mutating func drop(_ range: Range<Int>) {
        for chunk in range {
            for index in chunks[chunk] { rows[index].isGone = true }
            for name in uplinks.keys { uplinks[name]![chunk] = .settled }
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
        Int64(zip(chunks, uplinks[uplink]!).reduce(0) { $0 + ($1.1 == .settled ? 0 : held($1.0)) })
    }
}
