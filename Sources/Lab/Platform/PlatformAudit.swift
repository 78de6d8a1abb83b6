public import Metering

/// What the platform truly holds, counted in its database and not by paging: the judge of every delivery test.
public struct PlatformAudit: Hashable, Sendable {
    /// One Datastream.
    public struct Line: Hashable, Sendable {
        /// Its id.
        public var id: Int64
        /// Its name: `<gateway>/<METER/NAME>`.
        public var name: String
        /// Observations.
        public var rows: Int
        /// Observations with different phenomenon times.
        public var distinct: Int
        /// Observations whose phenomenon time another has too.
        public var copies: Int
        /// Copies with another value than the first of their time.
        public var conflicts: Int
        /// Results that are neither a number (of no more digits than an exact decimal holds) nor a text that a meter can
        /// have: they are in no hash.
        public var notNumbers: Int
        /// The wrapping sum of `ReadingDigest.member` over the first Observation of every phenomenon time.
        public var hash: UInt64
        /// The earliest phenomenon time.
        public var first: Timestamp?
        /// The latest phenomenon time.
        public var last: Timestamp?

        /// The digest of its distinct readings.
        public var digest: ReadingDigest { ReadingDigest(count: UInt64(distinct), hash: hash) }
    }

    /// The Datastreams in the order of their ids.
    public var lines: [Line]

    /// An audit with these lines.
    public init(lines: [Line]) {
        self.lines = lines
    }

    /// All Observations.
    public var rows: Int { lines.reduce(0) { $0 + $1.rows } }
    /// All Observations that are no copies.
    public var distinct: Int { lines.reduce(0) { $0 + $1.distinct } }
    /// All copies.
    public var copies: Int { lines.reduce(0) { $0 + $1.copies } }
    /// All copies with another value.
    public var conflicts: Int { lines.reduce(0) { $0 + $1.conflicts } }

    /// The Datastream of that name; the one with the smallest id where there are several.
    public subscript(name: String) -> Line? {
        lines.first { $0.name == name }
    }
}

extension Store {
    /// Counts what is stored.
    func audit() throws -> PlatformAudit {
        try locked { database in
            var lines: [PlatformAudit.Line] = []
            let streams = try database.statement("SELECT id, name FROM datastreams ORDER BY id")
            while try streams.step() {
                lines.append(
                    PlatformAudit.Line(
                        id: streams.integer(0), name: streams.text(1), rows: 0, distinct: 0, copies: 0, conflicts: 0,
                        notNumbers: 0, hash: 0))
            }
            for index in lines.indices { try count(&lines[index], database) }
            return PlatformAudit(lines: lines)
        }
    }

    private func count(_ line: inout PlatformAudit.Line, _ database: Database) throws {
        let statement = try database.statement(
            "SELECT time, result FROM observations WHERE datastream = ? ORDER BY time, id")
        statement.bind(1, line.id)
        var previous: (time: Int64, value: Value?, text: String)?
        while try statement.step() {
            let time = Timestamp(milliseconds: statement.integer(0))
            let text = statement.text(1)
            let value = Self.value(of: text)
            line.rows += 1
            if let previous, previous.time == time.milliseconds {
                line.copies += 1
                let isSame: Bool? = if let value, let first = previous.value { value.isSame(as: first) } else { nil }
                if !(isSame ?? text.utf8.elementsEqual(previous.text.utf8)) { line.conflicts += 1 }
                continue
            }
            line.distinct += 1
            if let value {
                var digest = ReadingDigest()
                digest.add(time, value)
                line.hash &+= digest.hash
            } else {
                line.notNumbers += 1
            }
            line.first = line.first ?? time
            line.last = time
            previous = (time.milliseconds, value, text)
        }
    }

    /// What a result says, which is stored as the JSON it came as.
    private static func value(of result: String) -> Value? {
        if let number = ExactDecimal(ascii: result.utf8) { return .decimal(number) }
        guard result.first == "\"", let text = (try? JSONParser.parse(Array(result.utf8)))?.text else { return nil }
        return ExactText(text).map { .text($0) }
    }
}

// MARK: - On the wire: GET /_audit

extension PlatformAudit {
    /// `{"datastreams":[{"id":1,"name":"…","rows":3,…,"hash":"00f1…"}],"totals":{…}}`
    var json: JSON {
        let streams = lines.map { line -> JSON in
            [
                "id": .integer(line.id), "name": .string(line.name), "rows": .integer(line.rows),
                "distinct": .integer(line.distinct), "copies": .integer(line.copies),
                "conflicts": .integer(line.conflicts), "notNumbers": .integer(line.notNumbers),
                "hash": .string(Self.text(of: line.hash)),
                "first": line.first.map { .string($0.description) } ?? .null,
                "last": line.last.map { .string($0.description) } ?? .null,
            ]
        }
        return [
            "datastreams": .array(streams),
            "totals": [
                "datastreams": .integer(lines.count), "rows": .integer(rows), "distinct": .integer(distinct),
                "copies": .integer(copies), "conflicts": .integer(conflicts),
            ],
        ]
    }

    /// Reads the answer of `GET /_audit`.
    public init(json text: String) throws(LabError) {
        do {
            let streams = try JSONParser.parse(Array(text.utf8))["datastreams"]?.elements
            guard let streams else { throw LabError(.format, "'datastreams' is missing") }
            lines = try streams.map { try Line(json: $0) }
        } catch {
            throw LabError(
                .format, "the platform's audit is not readable: \(error)", hint: "is this a parthe-lab platform?")
        }
    }

    /// A hash as 16 hexadecimal digits.
    static func text(of hash: UInt64) -> String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension PlatformAudit.Line {
    fileprivate init(json: JSON) throws(LabError) {
        func number(_ name: String) throws(LabError) -> Int {
            guard let number = json[name]?.integer else { throw LabError(.format, "'\(name)' is not a number") }
            return Int(number)
        }
        guard let name = json["name"]?.text else { throw LabError(.format, "'name' is missing") }
        guard let hash = json["hash"]?.text.flatMap({ UInt64($0, radix: 16) }) else {
            throw LabError(.format, "'hash' is not a hexadecimal number")
        }
        self.init(
            id: Int64(try number("id")), name: name, rows: try number("rows"), distinct: try number("distinct"),
            copies: try number("copies"), conflicts: try number("conflicts"), notNumbers: try number("notNumbers"),
            hash: hash, first: json["first"]?.text.flatMap { Timestamp(iso8601: $0) },
            last: json["last"]?.text.flatMap { Timestamp(iso8601: $0) })
    }
}
