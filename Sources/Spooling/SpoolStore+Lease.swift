public import Metering

extension SpoolStore {
    /// The next window of readings for an uplink, or nil when nothing waits for it.
    ///
    /// Windows that may have been sent by an earlier run come first, exactly as they were, and are unclear. Then follow
    /// whole chunks, from the oldest on or from the newest back, up to `maximumReadings` readings but at least one chunk.
    /// Their phenomenon times, and those of what is older, are frozen with what their boot knew of the time (`know(_:)`);
    /// chunks whose time may still come are passed over. Send nothing before `isDurable(_:)`.
    public func lease(
        uplink name: String, maximumReadings: Int, from end: LeaseEnd = .oldest
    ) throws(SpoolError) -> Lease? {
        guard let index = state.uplinks.firstIndex(where: { $0.name == name }) else {
            throw failure(.unknownUplink, "lease readings", "uplink \(name) is not one of this spool's")
        }
        guard state.uplinks[index].openLeases < Self.maximumOpenLeases else {
            throw failure(.tooMany, "lease readings", "uplink \(name) has \(Self.maximumOpenLeases) leases open")
        }
        while let span = state.uplinks[index].waiting {
            let readings = try read(span.first, through: span.last)
            state.uplinks[index].retake(span.lease)
            if !readings.isEmpty { return Lease(id: span.lease, uplink: name, readings: readings, isUnclear: true) }
            state.uplinks[index].settle(span.lease)
        }
        let limit = Int64(min(max(1, maximumReadings), Self.maximumLeaseReadings))
        while let window = try nextWindow(of: state.uplinks[index], from: end, limit: limit) {
            // Those that are listed as missing already are listed once.
            state.gaps += window.holes
            let readings = try read(window.first, through: window.last)
            guard !readings.isEmpty else {
                state.uplinks[index].skip(window.first, through: window.last)
                continue
            }
            let id = makeLease()
            state.uplinks[index].take(window.first, through: window.last, as: id)
            let isDoubtful = window.first <= state.uplinks[index].doubtful
            return Lease(id: id, uplink: name, readings: readings, isUnclear: isDoubtful)
        }
        return nil
    }

    /// Whether a lease's mark is committed: only then may its readings be sent, because only then does a restart know
    /// that they may have been.
    public func isDurable(_ lease: LeaseID) -> Bool {
        switch find(lease)?.span.state {
        case .taken(_, let isDurable): isDurable
        default: false
        }
    }

    /// Ends a lease: the uplink has all of its readings, but for those that the platform refuses for good; these go into
    /// the quarantine table, each with its reason. It is on disk with the next append.
    ///
    /// - Throws: `.notHeld` when the lease is settled or released already, or a refused reading is not in it.
    public func settle(_ lease: LeaseID, rejected: [Rejection]) throws(SpoolError) {
        guard let (index, span) = find(lease) else { throw notHeld(lease, "settle") }
        if !rejected.isEmpty {
            let readings = try read(span.first, through: span.last)
            let bySequence = Dictionary(readings.map { ($0.sequence, $0) }, uniquingKeysWith: { first, _ in first })
            for rejection in rejected where bySequence[rejection.sequence] == nil {
                throw failure(
                    .notHeld, "settle", "reading \(rejection.sequence.rawValue) is not in lease \(lease.rawValue)")
            }
            for rejection in rejected {
                guard let reading = bySequence[rejection.sequence] else { continue }
                let reason = String(rejection.reason.prefix(Self.maximumReason))
                state.quarantine.append(
                    Quarantined(uplink: state.uplinks[index].name, reading: reading, reason: reason))
            }
        }
        state.uplinks[index].settle(lease)
    }

    /// Ends a lease whose readings were not sent after all: they can be leased again at once.
    ///
    /// - Parameter unclear: whether they may have been sent: then the same window comes again, as unclear, as it does
    ///   anyhow when the lease was unclear before.
    /// - Throws: `.notHeld` when the lease is settled or released already.
    public func release(_ lease: LeaseID, unclear: Bool = false) throws(SpoolError) {
        guard let (index, _) = find(lease) else { throw notHeld(lease, "release") }
        state.uplinks[index].release(lease, isUnclear: unclear)
    }

    /// Gives back every lease that is open, as a restart would: those that may have been sent come again as unclear.
    public func forsakeLeases() {
        for index in state.uplinks.indices { state.uplinks[index].forsakeLeases() }
    }

    /// Most characters of a platform's reason that are kept.
    private static let maximumReason = 500

    private func find(_ lease: LeaseID) -> (uplink: Int, span: Progress.Span)? {
        for (index, uplink) in state.uplinks.enumerated() {
            if let span = uplink.span(of: lease) { return (index, span) }
        }
        return nil
    }

    private func notHeld(_ lease: LeaseID, _ operation: String) -> SpoolError {
        failure(.notHeld, operation, "lease \(lease.rawValue) is not held: it was settled or released, or never given")
    }

    /// The readings of the chunks in a range, with their frozen times. A damaged chunk is left out and counted.
    private func read(_ first: Int64, through last: Int64) throws(SpoolError) -> [SpooledReading] {
        var headers: [ChunkHeader] = []
        try archive.wholeHeaders(from: first) { (header) throws(SpoolError) in
            guard header.last <= last else { return false }
            headers.append(header)
            return true
        }
        var readings: [SpooledReading] = []
        readings.reserveCapacity(Int(headers.reduce(0) { $0 + $1.count }))
        for header in headers {
            guard let range = try range(of: header.sequence) else {
                throw archive.damaged("chunk \(header.sequence) is leased, but its times are not frozen")
            }
            let start = readings.count
            var sequence = header.sequence
            let fault = try archive.decode(header, book: state.shapes, pointCount: state.keys.count) { reading in
                let isDoubtful = range.doubt != .none
                readings.append(
                    SpooledReading(
                        sequence: SequenceNumber(rawValue: sequence), point: reading.point,
                        phenomenonTime: range.timestamp(of: reading.instant), value: reading.value,
                        quality: isDoubtful && reading.quality == .good ? .uncertain : reading.quality,
                        parameters: range.parameters(
                            of: reading.instant, reading.remark?.members, from: reading.remark?.period?.from,
                            to: reading.remark?.period?.to)))
                sequence += 1
            }
            if let fault {
                readings.removeSubrange(start...)
                state.gaps.append(gap(of: header, fault, range))
            }
        }
        try addRemarks(to: &readings)
        return readings
    }

    /// The gap that a chunk leaves which cannot be read back, though its checksum fits.
    func gap(of chunk: ChunkHeader, _ fault: ChunkFault, _ range: FrozenRange?) -> Gap {
        Gap(
            first: chunk.sequence, last: chunk.last, count: chunk.count,
            earliest: range?.timestamp(of: Instant(nanoseconds: chunk.earliest)).milliseconds,
            latest: range?.timestamp(of: Instant(nanoseconds: chunk.latest)).milliseconds,
            reason: "damaged: \(fault)", noted: state.now)
    }
}
