internal import Metering

/// What is history.
enum History {
    /// Runs of sequence numbers that every uplink has settled and whose readings are still there, the oldest first. The
    /// newest chunk is never one of them. Without uplinks nothing waits for delivery.
    static func runs(
        from oldest: ChunkHeader, before newest: ChunkHeader, uplinks: [Progress], _ vacancies: Vacancies
    ) -> [ClosedRange<Int64>] {
        guard oldest.sequence < newest.sequence else { return [] }
        var runs = [oldest.sequence...newest.sequence - 1]
        for uplink in uplinks where !runs.isEmpty {
            let settled = uplink.settled
            runs = runs.flatMap { run in settled.filter(run.overlaps).map { $0.clamped(to: run) } }
        }
        return withoutEmptied(runs, vacancies)
    }

    /// What of runs of numbers no emptied chunk stands for.
    static func withoutEmptied(
        _ runs: [ClosedRange<Int64>], _ vacancies: Vacancies
    ) -> [ClosedRange<Int64>] {
        var rest = NumberSet(runs)
        for emptied in vacancies.emptied.ranges { rest.remove(emptied) }
        return rest.ranges
    }
}

extension Archive {
    /// Bytes of the chunks in runs of numbers.
    func bytes(of runs: [ClosedRange<Int64>]) throws(SpoolError) -> Int64 {
        var sum: Int64 = 0
        for run in runs {
            guard let first = try header(from: run.lowerBound), let last = try header(through: run.upperBound),
                first.sequence <= last.sequence
            else { continue }
            sum += max(0, last.stored - first.stored) + (try bytes(of: first.sequence))
        }
        return sum
    }

    /// Bytes of a chunk's body.
    func bytes(of sequence: Int64) throws(SpoolError) -> Int64 {
        let row = try connection.statement("SELECT length(body) FROM chunk WHERE sequence = ?")
        row.bind(sequence)
        defer { row.reset() }
        return try row.step() ? row.integer(0) : 0
    }
}
