internal import Metering
internal import Synchronization

/// What the platform holds: entities and Observations in SQLite, behind one lock.
///
/// A request takes the lock once and sees and makes a consistent state. Entities keep their properties as the text of
/// JSON members, so that an answer is put together without reading them again.
final class Store: @unchecked Sendable {
    // SAFETY: everything below the lock is touched inside `locked` only.
    private let lock = Mutex<Void>(())
    private var database: Database?
    /// FeatureOfInterest of a Datastream, once looked up; forgotten when a transaction is undone.
    var features: [Int64: Int64] = [:]
    /// See `insert(_:datastream:now:into:)`.
    var insertObservation: Statement?

    /// How long after its phenomenon time each Observation was stored, in milliseconds; nil while nobody asks.
    let delays = Mutex<[Int64]?>(nil)

    /// Opens or makes `file`; nil is a store that vanishes with `close`.
    init(file: String?) throws(LabError) {
        let database = try Database(file: file)
        try database.run(EntitySet.schema)
        self.database = database
    }

    /// Closes the file; every later use throws.
    func close() {
        lock.withLock { _ in
            insertObservation = nil
            database = nil
        }
    }

    /// Runs `body` alone with the database.
    func locked<Result: Sendable>(_ body: (Database) throws -> Result) throws -> Result {
        try lock.withLock { _ in
            guard let database else { throw LabError(.stopped, "the platform has been stopped") }
            return try body(database)
        }
    }

    /// Runs `body` alone as one transaction; everything is undone when it throws.
    func transaction<Result: Sendable>(_ body: (Database) throws -> Result) throws -> Result {
        try locked { database in
            do {
                return try database.transaction { try body(database) }
            } catch {
                features.removeAll()
                throw error
            }
        }
    }
}

// MARK: - Making entities

extension Store {
    /// Stores an entity with those nested in it and gives its id.
    ///
    /// `parent` names the entity whose collection it was posted to, as column or link.
    func insert(_ set: EntitySet, _ entity: JSON, parent: Parent? = nil, into database: Database) throws -> Int64 {
        let (name, body) = try Self.properties(of: entity, in: set)
        switch set {
        case .observations:
            throw RequestError(400, "Observations are stored on a way of their own.")
        case .things:
            let id = try insert(into: set, name, body, [:], database)
            let locations = try nested("Locations", .locations, in: entity, database)
            for location in locations { try link(thing: id, location: location, database) }
            if case .location(let location) = parent { try link(thing: id, location: location, database) }
            for datastream in entity["Datastreams"]?.elements ?? [] {
                _ = try insert(.datastreams, datastream, parent: .thing(id), into: database)
            }
            return id
        case .locations:
            let id = try insert(into: set, name, body, [:], database)
            if case .thing(let thing) = parent { try link(thing: thing, location: id, database) }
            return id
        case .datastreams:
            var thing: Int64
            if case .thing(let id) = parent {
                thing = id
            } else {
                thing = try reference("Thing", .things, entity, database)
            }
            let sensor = try reference("Sensor", .sensors, entity, database)
            let property = try reference("ObservedProperty", .observedProperties, entity, database)
            return try insert(
                into: set, name, body, ["thing": thing, "sensor": sensor, "property": property], database)
        case .sensors, .observedProperties, .featuresOfInterest:
            return try insert(into: set, name, body, [:], database)
        }
    }

    /// The entity to whose collection another is posted.
    enum Parent {
        case thing(Int64)
        case location(Int64)
    }

    private func insert(
        into set: EntitySet, _ name: String, _ body: String, _ references: KeyValuePairs<String, Int64>,
        _ database: Database
    ) throws -> Int64 {
        let columns = ["name", "body"] + references.map(\.key)
        let marks = columns.map { _ in "?" }.joined(separator: ",")
        let sql = "INSERT INTO \(set.table)(\(columns.joined(separator: ","))) VALUES(\(marks))"
        let statement = try database.statement(sql)
        statement.bind([.text(name), .text(body)] + references.map { .integer($0.value) })
        try statement.run()
        return database.lastID
    }

    private func link(thing: Int64, location: Int64, _ database: Database) throws {
        // A Thing has one place: a new Location replaces the old one, and with it the feature of coming Observations.
        let statement = try database.statement("INSERT OR IGNORE INTO things_locations(thing, location) VALUES(?, ?)")
        statement.bind([.integer(thing), .integer(location)])
        try statement.run()
        features.removeAll()
    }

    private func nested(_ name: String, _ set: EntitySet, in entity: JSON, _ database: Database) throws -> [Int64] {
        guard let value = entity[name] else { return [] }
        guard let elements = value.elements else { throw RequestError(400, "\(name) must be an array.") }
        return try elements.map { try referenceOrNew(name, set, $0, database) }
    }

    private func reference(_ name: String, _ set: EntitySet, _ entity: JSON, _ database: Database) throws -> Int64 {
        guard let value = entity[name] else { throw RequestError(400, "Missing required property '\(name)'") }
        return try referenceOrNew(name, set, value, database)
    }

    private func referenceOrNew(_ name: String, _ set: EntitySet, _ value: JSON, _ database: Database) throws -> Int64 {
        guard let members = value.members else { throw RequestError(400, "\(name) must be an object.") }
        // An object with nothing but an id refers to an entity; anything more is a new one (its own id is ignored).
        guard members.count == 1, let id = value["@iot.id"] else { return try insert(set, value, into: database) }
        guard let number = id.integer, try exists(set, number, database) else {
            throw RequestError(
                400, "No such entity '\(set.singular)' with id [\(String(decoding: id.bytes, as: UTF8.self))]")
        }
        return number
    }

    func exists(_ set: EntitySet, _ id: Int64, _ database: Database) throws -> Bool {
        let statement = try database.statement("SELECT count(*) FROM \(set.table) WHERE id = ?")
        statement.bind(1, id)
        var found = false
        while try statement.step() { found = statement.integer(0) > 0 }
        return found
    }

    /// An entity's name and the text of its own members; wrong members are refused.
    private static func properties(of entity: JSON, in set: EntitySet) throws(RequestError) -> (String, String) {
        guard let members = entity.members else { throw RequestError(400, "An object is expected.") }
        let (required, optional) = set.properties
        for property in required where (entity[property] ?? .null) == .null {
            throw RequestError(400, "Missing required property '\(property)'")
        }
        guard let name = entity["name"]?.text else { throw RequestError(400, "name must be a string.") }
        var own: [JSON.Member] = []
        for member in members {
            if required.contains(member.name) || optional.contains(member.name) {
                own.append(member)
            } else if !member.name.contains("@iot."), set.relation(member.name) == nil {
                throw RequestError(400, "Unknown property '\(member.name)' on \(set.singular)")
            }
        }
        var text: [UInt8] = []
        JSON.append(own, to: &text)
        return (name, String(decoding: text, as: UTF8.self))
    }
}
