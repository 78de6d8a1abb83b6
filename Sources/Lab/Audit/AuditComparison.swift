internal import Metering
public import Spooling

/// What a gateway committed against what the platform holds, point by point.
///
/// The gateway's side is count and hash of everything its spool ever committed; the platform's side is counted in its
/// database. A point `METER/NAME` is the Datastream `<gateway>/METER/NAME`.
public struct AuditComparison: Hashable, Sendable {
    /// One point.
    public struct Point: Hashable, Sendable {
        /// `METER/NAME`; for Datastreams that no point stands for, their whole name.
        public var key: String
        /// Readings committed on the gateway.
        public var committed: Int
        /// Those of them that were never sent: their times are still open.
        public var waiting: Int
        /// Committed readings that the platform has.
        public var delivered: Int
        /// Committed readings that were sent, or are under way, and that the platform has not.
        public var missing: Int
        /// Copies on the platform: Observations of a time that another has too.
        public var twice: Int
        /// Readings of the platform that were never committed here.
        public var unknown: Int
        /// Whether both sides have the same readings; nil where the counts differ anyway.
        public var isHashEqual: Bool?
        /// How many Datastreams have the point's name: 1 when all is well, 0 when there is none.
        public var datastreams: Int

        /// Whether the platform has every reading once and none else.
        public var isClean: Bool { missing == 0 && waiting == 0 && twice == 0 && unknown == 0 && isHashEqual != false }
    }

    /// The points in the order of their keys.
    public var points: [Point]

    /// Compares a spool's audit with a platform's. `gateway` nil takes the Datastreams of every gateway, which fits a
    /// platform that has one only; with a gateway, its Datastreams without a point are listed too.
    public init(spool: [AuditLine], platform: PlatformAudit, gateway: String?) {
        var streams: [String: [PlatformAudit.Line]] = [:]
        for line in platform.lines {
            if let key = Self.key(of: line.name, gateway) { streams[key, default: []].append(line) }
        }
        points = spool.map { Self.compare($0, streams.removeValue(forKey: $0.key) ?? []) }
        // What is left was never committed here.
        points += streams.map { Self.compare(AuditLine(key: $0.key), $0.value) }
        points.sort { $0.key < $1.key }
    }

    /// The point's key within a Datastream's name: what follows the gateway, or its last two parts.
    private static func key(of name: String, _ gateway: String?) -> String? {
        if let gateway { return name.hasPrefix(gateway + "/") ? String(name.dropFirst(gateway.count + 1)) : nil }
        return name.split(separator: "/").suffix(2).joined(separator: "/")
    }

    private static func compare(_ line: AuditLine, _ streams: [PlatformAudit.Line]) -> Point {
        let committed = Int(clamping: line.digest.count) + Int(clamping: line.unfrozen)
        let distinct = streams.reduce(0) { $0 + $1.distinct }
        let delivered = min(distinct, committed)
        let waiting = min(Int(clamping: line.unfrozen), committed - delivered)
        let hash = streams.reduce(0) { $0 &+ $1.hash }
        return Point(
            key: line.key, committed: committed, waiting: waiting, delivered: delivered,
            missing: committed - delivered - waiting, twice: streams.reduce(0) { $0 + $1.copies },
            unknown: distinct - delivered,
            isHashEqual: distinct == Int(clamping: line.digest.count) ? hash == line.digest.hash : nil,
            datastreams: streams.count)
    }

    /// Readings committed on the gateway.
    public var committed: Int { points.reduce(0) { $0 + $1.committed } }
    /// Committed readings that the platform has.
    public var delivered: Int { points.reduce(0) { $0 + $1.delivered } }
    /// Committed readings that were sent, or are under way, and that the platform has not.
    public var missing: Int { points.reduce(0) { $0 + $1.missing } }
    /// Copies on the platform.
    public var twice: Int { points.reduce(0) { $0 + $1.twice } }
    /// Readings of the platform that were never committed here.
    public var unknown: Int { points.reduce(0) { $0 + $1.unknown } }
    /// Committed readings that were never sent.
    public var waiting: Int { points.reduce(0) { $0 + $1.waiting } }
    /// Points with the right number of readings that are not the same readings.
    public var mismatches: Int { points.count { $0.isHashEqual == false } }

    /// Whether the platform has every committed reading once and none else.
    public var isClean: Bool { points.allSatisfy(\.isClean) }

    /// The totals in one line: `committed 1200  delivered 1200  missing 0  twice 0`.
    public var summary: String {
        var text = "committed \(committed)  delivered \(delivered)  missing \(missing)  twice \(twice)"
        if waiting > 0 { text += "  not sent yet \(waiting)" }
        if unknown > 0 { text += "  unknown \(unknown)" }
        if mismatches > 0 { text += "  points with other values \(mismatches)" }
        return text
    }

    /// The points that are not clean, the worst first.
    public var offenders: [Point] {
        points.filter { !$0.isClean }.sorted {
            ($0.missing + $0.twice + $0.unknown, $0.waiting, $1.key)
                > ($1.missing + $1.twice + $1.unknown, $1.waiting, $0.key)
        }
    }
}

extension AuditComparison.Point: CustomStringConvertible {
    /// `m1/voltage-l1: committed 12, delivered 11, missing 1, not sent yet 2`.
    public var description: String {
        var text = "\(key): committed \(committed), delivered \(delivered)"
        if missing > 0 { text += ", missing \(missing)" }
        if waiting > 0 { text += ", not sent yet \(waiting)" }
        if twice > 0 { text += ", twice \(twice)" }
        if unknown > 0 { text += ", never committed here \(unknown)" }
        if isHashEqual == false { text += ", values or times differ" }
        if datastreams == 0 { text += ", no Datastream" }
        if datastreams > 1 { text += ", in \(datastreams) Datastreams" }
        return text
    }
}

extension AuditComparison {
    /// The comparison as JSON, every point in it.
    var json: JSON {
        let points = points.map { point -> JSON in
            [
                "point": .string(point.key), "committed": .integer(point.committed),
                "waiting": .integer(point.waiting), "delivered": .integer(point.delivered),
                "missing": .integer(point.missing), "twice": .integer(point.twice),
                "unknown": .integer(point.unknown), "hashEqual": point.isHashEqual.map { .bool($0) } ?? .null,
                "datastreams": .integer(point.datastreams),
            ]
        }
        return [
            "clean": .bool(isClean), "committed": .integer(committed), "delivered": .integer(delivered),
            "missing": .integer(missing), "twice": .integer(twice), "unknown": .integer(unknown),
            "waiting": .integer(waiting), "mismatches": .integer(mismatches), "points": .array(points),
        ]
    }
}

extension PlatformAudit {
    /// Asks a platform of the lab; `url` is its service root, `http://127.0.0.1:PORT/v1.1`.
    public static func fetch(from url: String) throws(LabError) -> PlatformAudit {
        let root = url.hasSuffix("/v1.1") ? String(url.dropLast(5)) : url
        let answer = try PlainHTTP.request("GET", root + "/_audit")
        guard answer.status == 200 else {
            throw LabError(.platform, "\(root)/_audit answers \(answer.status)", hint: "is this a parthe-lab platform?")
        }
        return try PlatformAudit(json: answer.text)
    }
}
