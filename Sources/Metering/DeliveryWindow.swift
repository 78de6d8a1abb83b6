/// The readings of one lease in the order they are sent, and what has become of each.
///
/// Ordered by point, then by time: readings of one Datastream stand together, their times strictly increasing. Parts of
/// a window are named by ranges of positions in this order, so a post is a range, its halves are ranges, and sending
/// what is left of a range means its open readings.
public struct DeliveryWindow: Hashable, Sendable {
    /// What has become of a reading.
    public enum Verdict: UInt8, Hashable, Sendable {
        /// To be sent. Becomes accepted, doubtful or refused.
        case open
        /// Sent, but whether it was stored must be asked. Becomes accepted or open.
        case doubtful
        /// The platform has it.
        case accepted
        /// The platform refuses it, or it cannot be sent at all; a refusal may be taken back (then open).
        case refused
    }

    /// Readings before this moment (2020-01-01) were taken while the clock was not set.
    public static let earliestTime = Timestamp(milliseconds: 1_577_836_800_000)
    /// Readings from this moment on (2100-01-01) were taken with a clock that is wrong.
    public static let latestTime = Timestamp(milliseconds: 4_102_444_800_000)

    /// The readings by point, time and sequence number.
    public let readings: [SpooledReading]
    /// What has become of the reading at the same position.
    public private(set) var verdicts: [Verdict]
    /// Readings that can never be sent, found before the first request: an impossible time, or another reading of the
    /// same point and time. That pair is a reading's identity on the platform, so only the first can be stored.
    public private(set) var unsendable: [Rejection] = []

    /// Orders the readings of a lease; all are open but those that can never be sent.
    public init(_ leased: [SpooledReading]) {
        readings = Self.inOrder(leased) ? leased : leased.sorted(by: Self.precedes)
        verdicts = [Verdict](repeating: .open, count: readings.count)
        for position in readings.indices {
            let reading = readings[position]
            if reading.phenomenonTime < Self.earliestTime || reading.phenomenonTime >= Self.latestTime {
                // In seconds: a time that cannot be may have no calendar date either.
                let seconds = reading.phenomenonTime.milliseconds / 1000
                refuse(position, "its time, \(seconds) s after 1970, cannot be: the gateway's clock was not set")
            } else if position > 0, readings[position - 1].point == reading.point,
                readings[position - 1].phenomenonTime == reading.phenomenonTime
            {
                let first = readings[firstTwin(of: position)]
                if first.value.isSame(as: reading.value) {
                    verdicts[position] = .accepted
                } else {
                    refuse(
                        position, "reading \(first.sequence.rawValue) has the same point and time, value \(first.value)"
                    )
                }
            }
        }
    }

    /// Sets the verdict of one reading.
    public mutating func mark(_ position: Int, _ verdict: Verdict) {
        verdicts[position] = verdict
    }

    /// Turns every reading of a range that has one verdict to another, and returns how many did.
    @discardableResult
    public mutating func turn(_ range: Range<Int>, from old: Verdict, to new: Verdict) -> Int {
        var count = 0
        for position in range where verdicts[position] == old {
            verdicts[position] = new
            count += 1
        }
        return count
    }

    /// The positions in a range that have a verdict, in order.
    public func positions(in range: Range<Int>, _ verdict: Verdict) -> [Int] {
        range.filter { verdicts[$0] == verdict }
    }

    /// How many readings in a range have a verdict.
    public func count(in range: Range<Int>, _ verdict: Verdict) -> Int {
        range.reduce(0) { $0 + (verdicts[$1] == verdict ? 1 : 0) }
    }

    /// The whole window divided into posts of at most `rows` readings, in order.
    public func posts(of rows: Int) -> [Range<Int>] {
        stride(from: 0, to: readings.count, by: max(1, rows)).map { $0..<min($0 + max(1, rows), readings.count) }
    }

    /// The points of the window, ascending.
    public var points: [PointID] {
        var points: [PointID] = []
        for reading in readings where points.last != reading.point { points.append(reading.point) }
        return points
    }

    /// The positions of one point's readings.
    public func positions(of point: PointID) -> Range<Int> {
        let start = readings.firstPosition { $0.point >= point }
        let end = readings.firstPosition { $0.point > point }
        return start..<end
    }

    /// The position in a range of one point's readings that has this time, the first of twins.
    public func position(of time: Timestamp, in range: Range<Int>) -> Int? {
        let found = readings[range].firstPosition { $0.phenomenonTime >= time }
        return found < range.upperBound && readings[found].phenomenonTime == time ? found : nil
    }

    private mutating func refuse(_ position: Int, _ reason: String) {
        verdicts[position] = .refused
        unsendable.append(Rejection(sequence: readings[position].sequence, reason: reason))
    }

    private func firstTwin(of position: Int) -> Int {
        var first = position
        while first > 0, readings[first - 1].point == readings[position].point,
            readings[first - 1].phenomenonTime == readings[position].phenomenonTime
        {
            first -= 1
        }
        return first
    }

    private static func precedes(_ a: SpooledReading, _ b: SpooledReading) -> Bool {
        if a.point != b.point { return a.point < b.point }
        if a.phenomenonTime != b.phenomenonTime { return a.phenomenonTime < b.phenomenonTime }
        return a.sequence < b.sequence
    }

    private static func inOrder(_ readings: [SpooledReading]) -> Bool {
        for position in readings.indices.dropFirst() where precedes(readings[position], readings[position - 1]) {
            return false
        }
        return true
    }
}

extension RandomAccessCollection {
    /// The first index whose element fulfils a condition that all later elements fulfil too; `endIndex` when none does.
    fileprivate func firstPosition(where isAtOrAfter: (Element) -> Bool) -> Index {
        var start = startIndex
        var length = count
        while length > 0 {
            let half = length / 2
            let middle = index(start, offsetBy: half)
            if isAtOrAfter(self[middle]) {
                length = half
            } else {
                start = index(after: middle)
                length -= half + 1
            }
        }
        return start
    }
}
