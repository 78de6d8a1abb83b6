internal import Metering

/// Chunks of one boot in a row that get their times together. However many they are, a few of them at either end tell all
/// that is needed for that.
struct Stretch {
    /// The sequence number of the first reading.
    var first: Int64
    /// The sequence number of the last reading.
    var last: Int64
    /// The earliest instant of a reading, in ns.
    var earliest: Int64
    /// The latest instant of a reading, in ns.
    var latest: Int64

    var numbers: ClosedRange<Int64> { first...last }

    /// Chunks that are known already, at least one.
    init(_ chunks: ArraySlice<ChunkHeader>) {
        guard let first = chunks.first, let last = chunks.last else { preconditionFailure("a stretch of no chunks") }
        (self.first, self.last) = (first.sequence, last.last)
        (earliest, latest) = (first.earliest, first.latest)
        for chunk in chunks {
            earliest = min(earliest, chunk.earliest)
            latest = max(latest, chunk.latest)
        }
    }

    /// Those of `numbers`, from what is at their ends.
    fileprivate init(_ numbers: ClosedRange<Int64>, earliest: Int64, latest: Int64) {
        (first, last) = (numbers.lowerBound, numbers.upperBound)
        (self.earliest, self.latest) = (earliest, latest)
    }
}

extension SpoolStore {
    /// How many chunks at either end are looked at. A reading of a slow bus comes after others that were taken later, by a
    /// commit or two; only a mean whose meter fell silent comes later, with the end of its interval. That matters where an
    /// offset falls: see `earliest(in:)`.
    private static let edge = 64
    /// So many chunks of a stretch that has to wait for a clock get one offset, as if they were leased together.
    private static let longestRaised = 256

    /// The stretch of the chunks in a range of numbers; nil where none is whole.
    func stretch(from first: Int64, through last: Int64) throws(SpoolError) -> Stretch? {
        var (earliest, latest) = (Int64.max, Int64.min)
        var count = 0
        try archive.wholeHeaders(from: first) { (chunk) throws(SpoolError) in
            guard chunk.last <= last else { return false }
            earliest = min(earliest, chunk.earliest)
            count += 1
            return count < Self.edge
        }
        guard count > 0 else { return nil }
        count = 0
        try archive.wholeHeaders(backFrom: last) { (chunk) throws(SpoolError) in
            guard chunk.sequence >= first else { return false }
            latest = max(latest, chunk.latest)
            count += 1
            return count < Self.edge
        }
        return Stretch(first...last, earliest: earliest, latest: latest)
    }

    /// The parts of a stretch before and from a sequence number on, where it is not the first.
    func split(_ stretch: Stretch, at sequence: Int64?) throws(SpoolError) -> (Stretch, Stretch?) {
        guard let sequence, sequence > stretch.first,
            let before = try self.stretch(from: stretch.first, through: sequence - 1),
            let rest = try self.stretch(from: sequence, through: stretch.last)
        else { return (stretch, nil) }
        return (before, rest)
    }

    /// The earliest instant of a reading in a range of numbers, by a look at every chunk.
    func earliest(in numbers: ClosedRange<Int64>) throws(SpoolError) -> Int64? {
        let row = try connection.statement("SELECT min(earliest) FROM chunk WHERE sequence BETWEEN ? AND ?")
        row.bind(numbers.lowerBound, numbers.upperBound)
        defer { row.reset() }
        return try row.step() ? row.optional(0) : nil
    }

    /// Where the next offset is due in a stretch whose own is raised: at the first chunk that begins more than `pause`, in
    /// ns, after the latest reading before it, or after some hundred chunks.
    func endOfRaised(in stretch: Stretch, pause: Int64) throws(SpoolError) -> Int64? {
        var latest: Int64?
        var count = 0
        var found: Int64?
        try archive.wholeHeaders(from: stretch.first) { (chunk) throws(SpoolError) in
            guard chunk.last <= stretch.last else { return false }
            if let latest, chunk.earliest - latest > pause || count == Self.longestRaised {
                found = chunk.sequence
                return false
            }
            latest = max(latest ?? .min, chunk.latest)
            count += 1
            return true
        }
        return found
    }
}
