internal import Metering
internal import Synchronization

/// What a column of a data array, or a member of an Observation, is.
enum ObservationComponent: Hashable {
    case phenomenonTime, resultTime, result, featureID, feature
    /// resultQuality, validTime and parameters: kept as they came.
    case extra(String)
    /// The server gives the ids (FROST's default, ServerGeneratedOnly); a client's is ignored.
    case ignored

    /// The component of that name; nil when there is none.
    init?(_ name: String) {
        switch name {
        case "phenomenonTime": self = .phenomenonTime
        case "resultTime": self = .resultTime
        case "result": self = .result
        case "FeatureOfInterest/id": self = .featureID
        case "FeatureOfInterest": self = .feature
        case "resultQuality", "validTime", "parameters": self = .extra(name)
        case "@iot.id", "id": self = .ignored
        default: return nil
        }
    }
}

/// An Observation before it is stored. The result keeps the characters it arrived with.
struct NewObservation {
    var time: Int64?
    var timeEnd: Int64?
    var resultTime: Int64?
    var result: String?
    var feature: JSON?
    var extra: [JSON.Member] = []

    /// Takes the value of one component; `times` remembers the last time that was read.
    mutating func take(
        _ component: ObservationComponent, _ value: JSON, _ times: inout TimeReader
    ) throws(RequestError) {
        switch component {
        case .phenomenonTime:
            if value != .null { (time, timeEnd) = try times.read(value) }
        case .resultTime:
            if value != .null { (resultTime, _) = try times.read(value) }
        case .result:
            if case .number(let token) = value {
                result = token
            } else {
                result = String(decoding: value.bytes, as: UTF8.self)
            }
        case .featureID: feature = .object([JSON.Member(name: "@iot.id", value: value)])
        case .feature: feature = value
        case .extra(let name):
            if value != .null { extra.append(JSON.Member(name: name, value: value)) }
        case .ignored: break
        }
    }
}

/// Reads times and intervals. Rows often repeat the time before: the last one is remembered.
struct TimeReader {
    private var text = ""
    private var start: Int64 = 0
    private var end: Int64?

    /// The start of a time or interval in milliseconds, and the end of an interval.
    mutating func read(_ value: JSON) throws(RequestError) -> (start: Int64, end: Int64?) {
        guard let text = value.text else { throw Self.failure(value) }
        if text == self.text, !text.isEmpty { return (start, end) }
        guard let start = Timestamp(iso8601: text) else { throw Self.failure(value) }
        var end: Int64?
        if let slash = text.utf8.firstIndex(of: UInt8(ascii: "/")) {
            guard let last = Timestamp(iso8601: text[slash...].dropFirst()) else { throw Self.failure(value) }
            end = last.milliseconds
        }
        (self.text, self.start, self.end) = (text, start.milliseconds, end)
        return (start.milliseconds, end)
    }

    private static func failure(_ value: JSON) -> RequestError {
        RequestError(400, "Not a time: \(String(decoding: value.bytes.prefix(80), as: UTF8.self))")
    }
}

extension Store {
    /// Stores an Observation and gives its id. Without phenomenonTime it happened `now`.
    func insert(
        _ observation: NewObservation, datastream: Int64, now: Timestamp, into database: Database
    ) throws -> Int64 {
        guard let result = observation.result else { throw RequestError(400, "Missing required property 'result'") }
        let feature = try feature(of: observation, datastream, database)
        let statement = try insertion(database)
        statement.bind(1, datastream)
        statement.bind(2, observation.time ?? now.milliseconds)
        statement.bind(3, observation.timeEnd)
        statement.bind(4, observation.resultTime)
        statement.bind(5, result)
        statement.bind(6, feature)
        if !observation.extra.isEmpty {
            var text: [UInt8] = []
            JSON.append(observation.extra, to: &text)
            statement.bind(7, String(decoding: text, as: UTF8.self))
        }
        try statement.run()
        delays.withLock { $0?.append(now.milliseconds - (observation.time ?? now.milliseconds)) }
        return database.lastID
    }

    /// The statement that every row needs, found without a look into the database's book of statements.
    private func insertion(_ database: Database) throws -> Statement {
        if let known = insertObservation {
            known.reset()
            return known
        }
        let made = try database.statement(
            """
            INSERT INTO observations(datastream, time, time_end, result_time, result, feature, extra)
            VALUES(?, ?, ?, ?, ?, ?, ?)
            """)
        insertObservation = made
        return made
    }

    /// Deletes an Observation; false when there is none with that id.
    func deleteObservation(_ id: Int64) throws -> Bool {
        try transaction { database in
            let statement = try database.statement("DELETE FROM observations WHERE id = ?")
            statement.bind(1, id)
            try statement.run()
            return database.changes > 0
        }
    }

    private func feature(of observation: NewObservation, _ datastream: Int64, _ database: Database) throws -> Int64 {
        if let given = observation.feature {
            guard try exists(.datastreams, datastream, database) else { throw Self.noDatastream(datastream) }
            guard given.members?.count == 1, let id = given["@iot.id"] else {
                return try insert(.featuresOfInterest, given, into: database)
            }
            guard let number = id.integer, try exists(.featuresOfInterest, number, database) else {
                let text = String(decoding: id.bytes.prefix(40), as: UTF8.self)
                throw RequestError(400, "No such entity 'FeatureOfInterest' with id [\(text)]")
            }
            return number
        }
        if let known = features[datastream] { return known }
        let feature = try featureOfLocation(of: datastream, database)
        features[datastream] = feature
        return feature
    }

    /// The FeatureOfInterest made from the Location of the Datastream's Thing; made once (OGC 18-088, section 10.2.2).
    private func featureOfLocation(of datastream: Int64, _ database: Database) throws -> Int64 {
        let find = try database.statement(
            """
            SELECT locations.id, locations.body, (SELECT min(features.id) FROM features WHERE location = locations.id)
            FROM datastreams JOIN things_locations USING(thing) JOIN locations ON locations.id = location
            WHERE datastreams.id = ? ORDER BY locations.id DESC LIMIT 1
            """)
        find.bind(1, datastream)
        var found: (location: Int64, body: String, feature: Int64?)?
        while try find.step() { found = (find.integer(0), find.text(1), find.optionalInteger(2)) }
        guard let found else {
            guard try exists(.datastreams, datastream, database) else {
                throw Self.noDatastream(datastream)
            }
            throw DataViolatesConstraints()
        }
        if let feature = found.feature { return feature }
        let location = try JSONParser.parse(Array("{\(found.body)}".utf8))
        var body: [UInt8] = []
        var members: [JSON.Member] = []
        for name in ["name", "description", "encodingType"] {
            members.append(JSON.Member(name: name, value: location[name] ?? .null))
        }
        members.append(JSON.Member(name: "feature", value: location["location"] ?? .null))
        JSON.append(members, to: &body)
        let make = try database.statement("INSERT INTO features(name, body, location) VALUES(?, ?, ?)")
        make.bind(1, location["name"]?.text)
        make.bind(2, String(decoding: body, as: UTF8.self))
        make.bind(3, found.location)
        try make.run()
        return database.lastID
    }
}

extension Store {
    static func noDatastream(_ id: Int64) -> RequestError {
        RequestError(404, "No such entity 'Datastream' with id [\(id)]")
    }
}

/// A row that a constraint of the database forbids: on FROST an Observation of a Thing without Location.
struct DataViolatesConstraints: Error {}
