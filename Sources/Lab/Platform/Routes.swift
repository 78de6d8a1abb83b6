internal import Metering
internal import Posix

/// The platform's answers: from a request with its body to a status, headers and a body.
struct Routes: Sendable {
    var store: Store
    var persona: Persona
    /// The service root: `http://127.0.0.1:8080/v1.1`.
    var root: String

    /// The path of the service root.
    static let base = "/v1.1"

    /// Serves one request; failures become the persona's error answers.
    func serve(_ request: HTTPRequest) -> HTTPResponse {
        let isArray = request.path.hasSuffix("/CreateObservations")
        do {
            return try route(request)
        } catch {
            let wrong = persona.requestError(of: error, rows: isArray)
            return HTTPResponse(status: wrong.status, headers: Self.json, body: persona.body(of: wrong))
        }
    }

    private static let json = [("Content-Type", "application/json;charset=UTF-8")]

    private func route(_ request: HTTPRequest) throws -> HTTPResponse {
        guard request.path.hasPrefix(Self.base) else { throw RequestError(404, "Not a valid path: \(request.path)") }
        let path = request.path.dropFirst(Self.base.count).split(separator: "/")
        let last = path.last ?? ""
        switch (request.method, path.count) {
        case ("GET", 0): return index()
        case ("POST", 1) where last == "CreateObservations": return try createObservations(request)
        case ("GET", 1...4): return try read(path, request)
        case ("POST", 1...3): return try create(path, request)
        case ("DELETE", 1): return try delete(last)
        default: throw RequestError(405, "\(request.method) is not allowed on \(request.path)")
        }
    }

    private func index() -> HTTPResponse {
        let sets = EntitySet.allCases.map { set -> JSON in
            ["name": .string(set.rawValue), "url": .string("\(root)/\(set.rawValue)")]
        }
        let answer: JSON = [
            "value": .array(sets),
            "serverSettings": ["conformance": .array(persona.conformance.map { .string($0) })],
        ]
        return HTTPResponse(status: 200, headers: Self.json, body: answer.bytes)
    }

    // MARK: - Reading

    private func read(_ path: [Substring], _ request: HTTPRequest) throws -> HTTPResponse {
        let renderer = Renderer(root: root)
        var (set, id) = try Self.element(path[0])
        var body: [UInt8] = []
        var scope: (condition: String, id: Int64)?
        for part in path.dropFirst() {
            guard let start = id else { throw RequestError(404, "Not a valid path: \(request.path)") }
            let (name, next) = try Self.split(part)
            guard let relation = set.relation(name) else {
                throw RequestError(404, "Not a valid path: \(request.path)")
            }
            guard try store.locked({ try store.exists(set, start, $0) }) else { throw Self.nothingFound }
            set = relation.target
            scope = (relation.condition, start)
            id = next
            if id == nil, !relation.isCollection {
                // The one entity a navigation property leads to has an id of its own: the path goes on from there.
                id = try store.locked { database in
                    let statement = try database.statement("SELECT id FROM \(set.table) WHERE \(relation.condition)")
                    statement.bind(1, start)
                    var found: Int64?
                    while try statement.step() { found = statement.integer(0) }
                    return found
                }
                if id == nil { throw Self.nothingFound }
            }
        }
        var query = try Query(request.options, on: set)
        if let id {
            query.conditions.append("id = ?")
            query.arguments.append(.integer(id))
        }
        if let scope, id == nil {
            query.conditions.append(scope.condition)
            query.arguments.append(.integer(scope.id))
        }
        try store.locked { database in
            if id == nil {
                try renderer.append(set, query, link: { next(request, skip: $0) }, from: database, to: &body)
            } else {
                guard let row = try renderer.rows(of: set, query, from: database).first else { throw Self.nothingFound }
                try renderer.append(row, of: set, query, from: database, to: &body)
            }
        }
        return HTTPResponse(status: 200, headers: Self.json, body: body)
    }

    private static let nothingFound = RequestError(404, "Nothing found.")

    /// The link to the page that starts at `skip`: the request's own options with another `$skip`.
    private func next(_ request: HTTPRequest, skip: Int) -> String {
        let options = request.options.filter { $0.name != "$skip" } + [("$skip", String(skip))]
        let query = options.map { "\($0.name)=\(Self.escaped($0.value))" }.joined(separator: "&")
        return root + request.path.dropFirst(Self.base.count) + "?" + query
    }

    private static func escaped(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: ","), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ":"):
                result.append(byte)
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result.append(contentsOf: "%\(digits.count == 1 ? "0" : "")\(digits)".utf8)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// `Things(3)` or `Things`.
    private static func element(_ part: Substring) throws -> (EntitySet, Int64?) {
        let (name, id) = try split(part)
        guard let set = EntitySet(rawValue: String(name)) else { throw RequestError(404, "Not a valid path: \(part)") }
        return (set, id)
    }

    private static func split(_ part: Substring) throws -> (Substring, Int64?) {
        guard let open = part.firstIndex(of: "(") else { return (part, nil) }
        guard part.last == ")", let id = Int64(part[part.index(after: open)...].dropLast()) else {
            throw RequestError(404, "Not an id: \(part)")
        }
        return (part[..<open], id)
    }

    // MARK: - Writing

    private func create(_ path: [Substring], _ request: HTTPRequest) throws -> HTTPResponse {
        var (set, id) = try Self.element(path[0])
        var parent: (set: EntitySet, id: Int64)?
        if path.count == 2 {
            guard let start = id, let relation = set.relation(path[1]), relation.isCollection else {
                throw RequestError(404, "Not a valid path: \(request.path)")
            }
            guard try store.locked({ try store.exists(set, start, $0) }) else { throw Self.nothingFound }
            parent = (set, start)
            set = relation.target
            id = nil
        }
        guard id == nil, path.count < 3 else { throw RequestError(405, "POST is not allowed on \(request.path)") }
        let entity = try Self.parsed(request)
        let made = try set == .observations ? observation(entity, parent) : plain(set, entity, parent)
        return HTTPResponse(status: 201, headers: Self.json + [("Location", "\(root)/\(set.rawValue)(\(made))")])
    }

    private func plain(_ set: EntitySet, _ entity: JSON, _ parent: (set: EntitySet, id: Int64)?) throws -> Int64 {
        try store.transaction { database in
            switch parent?.set {
            case .things: try store.insert(set, entity, parent: parent.map { .thing($0.id) }, into: database)
            case .locations: try store.insert(set, entity, parent: parent.map { .location($0.id) }, into: database)
            case nil: try store.insert(set, entity, into: database)
            default: throw RequestError(405, "POST is not allowed here: use \(set.rawValue)")
            }
        }
    }

    private func observation(_ entity: JSON, _ parent: (set: EntitySet, id: Int64)?) throws -> Int64 {
        guard let members = entity.members else { throw RequestError(400, "An object is expected.") }
        var observation = NewObservation()
        var datastream = parent?.set == .datastreams ? parent?.id : nil
        var times = TimeReader()
        for member in members where member.name != "Datastream" {
            guard let component = ObservationComponent(member.name), component != .featureID else {
                throw RequestError(400, "Unknown property '\(member.name)' on Observation")
            }
            try observation.take(component, member.value, &times)
        }
        if let reference = entity["Datastream"]?["@iot.id"] {
            guard let id = reference.integer else {
                throw RequestError(
                    400, "No such entity 'Datastream' with id [\(String(decoding: reference.bytes, as: UTF8.self))]")
            }
            datastream = datastream ?? id
        }
        guard let datastream else { throw RequestError(400, "Missing required property 'Datastream'") }
        do {
            return try store.transaction {
                try store.insert(observation, datastream: datastream, now: Self.now, into: $0)
            }
        } catch let error as RequestError where error.status == 404 {
            throw RequestError(400, error.message)
        }
    }

    private func createObservations(_ request: HTTPRequest) throws -> HTTPResponse {
        let arrays = try CreateObservations(Self.parsed(request))
        var failEvery: Int?
        if case .rowErrors(let every) = request.fault { failEvery = every }
        let results = try arrays.store(in: store, now: Self.now, failEvery: failEvery)
        let prefix = "\"\(root)/Observations("
        var body: [UInt8] = [UInt8(ascii: "[")]
        body.reserveCapacity(results.count * (prefix.utf8.count + 16))
        for (index, result) in results.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            switch result {
            case .success(let id):
                body.append(contentsOf: prefix.utf8)
                body.append(contentsOf: String(id).utf8)
                body.append(contentsOf: ")\"".utf8)
            case .failure(let error):
                JSONString(persona.row(of: error)).append(to: &body)
            }
        }
        body.append(UInt8(ascii: "]"))
        return HTTPResponse(status: 201, headers: Self.json, body: body)
    }

    private func delete(_ part: Substring) throws -> HTTPResponse {
        guard case (.observations, let id?) = try Self.element(part) else {
            throw RequestError(405, "Only Observations can be deleted.")
        }
        guard try store.deleteObservation(id) else { throw Self.nothingFound }
        return HTTPResponse(status: 200)
    }

    private static func parsed(_ request: HTTPRequest) throws -> JSON {
        // FROST's releases do not read compressed bodies (FROST-Server issue 2318).
        guard request.contentEncoding == nil || request.contentEncoding == "identity" else {
            throw RequestError(400, "Failed to parse the body: it is encoded as \(request.contentEncoding ?? "")")
        }
        return try JSONParser.parse(request.body)
    }

    private static var now: Timestamp {
        BootClock.offset.timestamp(of: BootClock.now)
    }
}
