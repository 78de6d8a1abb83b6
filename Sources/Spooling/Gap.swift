internal import Metering

/// Readings that were taken and are not there any more, with the reason.
public struct Gap: Hashable, Sendable {
    /// The first sequence number that is missing; below 1 where even that is not known.
    public var first: Int64
    /// The last.
    public var last: Int64
    /// How many readings are missing, at least.
    public var count: Int64
    /// How many, at most: as many where every number is known to have been given.
    public var most: Int64
    /// No missing reading is older, in ms since 1970; nil where that is not known.
    public var earliest: Int64?
    /// No missing reading is younger.
    public var latest: Int64?
    /// Why they are missing, in words.
    public var reason: String
    /// When that was noticed, in ms since 1970.
    public var noted: Int64

    init(
        first: Int64, last: Int64, count: Int64, most: Int64? = nil, earliest: Int64? = nil, latest: Int64? = nil,
        reason: String, noted: Int64
    ) {
        self.first = first
        self.last = last
        self.count = count
        self.most = most ?? count
        self.earliest = earliest
        self.latest = latest
        self.reason = reason
        self.noted = noted
    }

    init(_ cells: [Cell]) {
        self.init(
            first: cells[0].integer, last: cells[1].integer, count: cells[2].integer, most: cells[3].integer,
            earliest: cells[4].optional, latest: cells[5].optional, reason: cells[7].text, noted: cells[6].integer)
    }

    var cells: [Cell] {
        [
            .integer(first), .integer(last), .integer(count), .integer(most), Cell(earliest), Cell(latest),
            .integer(noted), .text(reason),
        ]
    }

    /// What of it is not listed yet.
    ///
    /// - Parameter listed: gaps in the order of their first numbers.
    func parts(beside listed: [Gap]) -> [Gap] {
        var parts: [Gap] = []
        var next = first
        for other in listed where other.first <= last && other.last >= first {
            if let part = part(next, through: other.first - 1) { parts.append(part) }
            next = max(next, other.last + 1)
        }
        if let part = part(next, through: last) { parts.append(part) }
        return parts
    }

    /// The gap of some of its numbers; nil where there are none.
    private func part(_ first: Int64, through last: Int64) -> Gap? {
        guard first <= last else { return nil }
        var part = self
        (part.first, part.last) = (first, last)
        part.count = min(count, last - first + 1)
        part.most = min(most, last - first + 1)
        return part
    }

    func write(to connection: Connection) throws(SpoolError) {
        try connection.write(cells, to: .gap)
    }

    /// `1200 readings, numbers 8001 to 9200, from 2026-11-27T06:12:00.000Z to …: damaged: checksum`.
    public var text: String {
        let number = count == most ? "\(count)" : "\(count) to \(most)"
        func time(_ milliseconds: Int64?) -> String {
            milliseconds.map { Timestamp(milliseconds: $0).description } ?? "?"
        }
        let numbers = first < 1 ? "" : ", numbers \(first) to \(last),"
        return "\(number) readings\(numbers) from \(time(earliest)) to \(time(latest)): \(reason)"
    }
}
