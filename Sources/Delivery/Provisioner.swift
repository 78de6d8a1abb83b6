internal import Metering

/// Finds or makes the entities that points need on the platform, and keeps their ids for the life of the uplink.
///
/// Each entity is looked up by its name and made only if it is not there; if that ends unclear, the next attempt looks
/// again. Nothing is inserted deeply but a Thing with its Location, because a repeated deep insert makes copies. Ids are
/// not kept on disk: the platform alone knows them, and asking anew costs two requests a meter after a restart, while a
/// stale id could put readings into somebody else's Datastream.
struct Provisioner {
    /// The Datastream of each point that has been found or made.
    private(set) var datastreams: [PointID: EntityID] = [:]

    private let platform: Platform
    private let plan: DeliveryPlan
    private var gateway: GatewaySettings { plan.gateway }
    /// By point number: where the configuration has the point. (Copies of the points would be the largest thing that an
    /// idle agent holds.)
    private let places: [Place?]
    private var things: [String: EntityID] = [:]
    private var sensors: [String: EntityID] = [:]
    private var properties: [Quantity: EntityID] = [:]

    /// Most pages of a Thing's Datastreams that are read; the rest is looked up by name.
    private static let mostPages = 50

    /// A point of a meter, by their places in the plan.
    private struct Place {
        var meter: UInt32
        var point: UInt32
    }

    /// A refusal that concerns some points only.
    private struct Refused: Error {
        var reason: String
    }

    init(_ plan: DeliveryPlan, platform: Platform) {
        self.platform = platform
        self.plan = plan
        var places = [Place?](repeating: nil, count: Int(plan.ids.values.map(\.rawValue).max() ?? 0) + 1)
        for (index, meter) in plan.meters.enumerated() {
            for (place, point) in meter.points.enumerated() {
                guard let id = plan.ids[point.key] else { continue }
                places[Int(id.rawValue)] = Place(meter: UInt32(index), point: UInt32(place))
            }
        }
        self.places = places
    }

    /// Forgets every id: the platform no longer has one of them, so all are in doubt.
    mutating func forget() {
        datastreams = [:]
        forgetReferences()
    }

    /// Finds or makes the Datastreams of points, and returns those that get none. Throws what concerns all of them.
    mutating func provision(_ points: [PointID]) throws(DeliveryFailure) -> [DeliveryMachine.MissingDatastream] {
        var isClean = false
        // After a failure the ids of what Datastreams refer to are in doubt as well.
        defer { if !isClean { forgetReferences() } }
        let missing = try provisionAll(points)
        isClean = missing.isEmpty
        return missing
    }

    private mutating func forgetReferences() {
        things = [:]
        sensors = [:]
        properties = [:]
    }

    private mutating func provisionAll(
        _ points: [PointID]
    ) throws(DeliveryFailure) -> [DeliveryMachine.MissingDatastream] {
        var missing: [DeliveryMachine.MissingDatastream] = []
        var byMeter: [String: (meter: Meter, points: [(id: PointID, point: Point)])] = [:]
        let wanted = points.filter { datastreams[$0] == nil }
        let former = try formerPoints(wanted.filter { place(of: $0) == nil })
        for id in wanted {
            if let (meter, point) = configuredPoint(id) ?? former[id]?.known {
                // Another model may have taken its place, and its name.
                byMeter[meter.id + " " + meter.definition.model, default: (meter, [])].points.append((id, point))
            } else if let key = former[id]?.key {
                let name = Entities.datastreamName(key, gateway: gateway)
                if let found = try find("Datastreams", name: name) {
                    datastreams[id] = found
                } else {
                    let reason = "\(key) is no longer configured, and the platform has no Datastream \(name)"
                    missing.append(.init(point: id, reason: reason, isCertain: true))
                }
            } else {
                let reason = "the spool's dictionary has no point \(id.rawValue)"
                missing.append(.init(point: id, reason: reason, isCertain: true))
            }
        }
        for (_, (meter, points)) in byMeter.sorted(by: { $0.key < $1.key }) {
            missing += try provision(points, of: meter)
        }
        return missing
    }

    private func place(of id: PointID) -> Place? {
        places.indices.contains(Int(id.rawValue)) ? places[Int(id.rawValue)] : nil
    }

    private func configuredPoint(_ id: PointID) -> (Meter, Point)? {
        guard let place = place(of: id) else { return nil }
        let meter = plan.meters[Int(place.meter)]
        return (meter, meter.points[Int(place.point)])
    }

    /// The keys of points that are no longer configured, and what they were where that is known.
    private func formerPoints(
        _ ids: [PointID]
    ) throws(DeliveryFailure) -> [PointID: (key: String, known: (Meter, Point)?)] {
        guard !ids.isEmpty else { return [:] }
        let asked = Set(ids)
        let keys = plan.ids.filter { asked.contains($0.value) }
        let meters: [String: Meter]
        do {
            meters = try plan.former(Array(keys.keys))
        } catch {
            throw DeliveryFailure(.spool, "the spool: \(error)", hint: "see the spool's line of the status")
        }
        var result: [PointID: (key: String, known: (Meter, Point)?)] = [:]
        for (key, id) in keys {
            result[id] = (key, meters[key].flatMap { meter in meter.points.first.map { (meter, $0) } })
        }
        return result
    }

    private mutating func provision(
        _ points: [(id: PointID, point: Point)], of meter: Meter
    ) throws(DeliveryFailure) -> [DeliveryMachine.MissingDatastream] {
        let thing: EntityID
        let listed: (ids: [String: EntityID], isComplete: Bool)
        switch try Self.attempt({ try self.thing(meter) }) {
        case .failure(let refused): return points.map { .init(point: $0.id, reason: refused.reason) }
        case .success(let found):
            thing = found.id
            // A Thing made just now has no Datastreams.
            listed = found.isNew ? ([:], true) : try list(of: found.id)
        }
        var missing: [DeliveryMachine.MissingDatastream] = []
        for (id, point) in points {
            let name = Entities.datastreamName(point.key, gateway: gateway)
            if let found = listed.ids[name] {
                datastreams[id] = found
                continue
            }
            let result = try Self.attempt {
                if !listed.isComplete, let found = try find("Datastreams", name: name) { return found }
                return try create(
                    "Datastreams", name: name,
                    Entities.datastream(
                        point, name: name, thing: thing, sensor: try sensor(meter.definition),
                        observedProperty: try observedProperty(point.definition.quantity)))
            }
            switch result {
            case .success(let made): datastreams[id] = made
            case .failure(let refused): missing.append(.init(point: id, reason: refused.reason))
            }
        }
        return missing
    }

    private mutating func thing(_ meter: Meter) throws -> (id: EntityID, isNew: Bool) {
        if let known = things[meter.id] { return (known, false) }
        let name = Entities.thingName(meter.id, gateway: gateway)
        if let found = try find("Things", name: name) {
            things[meter.id] = found
            return (found, false)
        }
        let made = try create("Things", name: name, Entities.thing(meter, gateway: gateway))
        things[meter.id] = made
        return (made, true)
    }

    private mutating func sensor(_ definition: MeterDefinition) throws -> EntityID {
        if let known = sensors[definition.model] { return known }
        let name = Entities.sensorName(definition)
        let id = try find("Sensors", name: name) ?? create("Sensors", name: name, Entities.sensor(definition))
        sensors[definition.model] = id
        return id
    }

    private mutating func observedProperty(_ quantity: Quantity) throws -> EntityID {
        if let known = properties[quantity] { return known }
        let name = quantity.title
        let id =
            try find("ObservedProperties", name: name)
            ?? create("ObservedProperties", name: name, Entities.observedProperty(quantity))
        properties[quantity] = id
        return id
    }

    /// The Datastreams of a Thing by name, and whether these are all.
    private func list(of thing: EntityID) throws(DeliveryFailure) -> (ids: [String: EntityID], isComplete: Bool) {
        var ids: [String: EntityID] = [:]
        var query = "$select=id,name&$top=\(Platform.pageSize)"
        for pageNumber in 0..<Self.mostPages {
            let page = try Replies.page(lookUp("Things(\(thing.path))/Datastreams?\(query)"), of: "Datastreams")
            for entity in page.entities {
                guard let name = entity["name"]?.string, let id = EntityID(of: entity) else { continue }
                if let known = ids[name], known.precedes(id) { continue }
                ids[name] = id
            }
            // Pages without a stable order may miss entities: only a single page is the whole truth.
            guard let next = page.nextQuery else {
                return (ids, pageNumber == 0 && page.entities.count < Platform.pageSize)
            }
            guard !next.isEmpty, next != query else { return (ids, false) }
            query = next
        }
        return (ids, false)
    }

    /// The oldest entity of a set with this name.
    private func find(_ set: String, name: String) throws(DeliveryFailure) -> EntityID? {
        // A quote inside an OData string is doubled (OData 4.0 ABNF, SQUOTE-in-string).
        let quoted = name.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
        let filter = URLText.encoded("name eq '\(quoted)'")
        let path = "\(set)?$filter=\(filter)&$select=id,name&$top=\(Platform.pageSize)"
        var oldest: EntityID?
        for entity in try Replies.page(lookUp(path), of: set).entities where entity["name"]?.string == name {
            guard let id = EntityID(of: entity) else { continue }
            if let known = oldest, known.precedes(id) { continue }
            oldest = id
        }
        return oldest
    }

    private func lookUp(_ path: String) throws(DeliveryFailure) -> [UInt8] {
        do {
            return try platform.get(path)
        } catch {
            switch error.code {
            case .missing, .badRequest, .conflict, .tooLarge:
                throw DeliveryFailure(
                    .misdirected, error.summary,
                    hint:
                        "no SensorThings service answers there: the uplink's `sensorthings` must be the service root, …/v1.1"
                )
            default: throw error
            }
        }
    }

    /// Makes an entity. When one of that name appears meanwhile, that one is taken.
    private func create(_ set: String, name: String, _ body: [UInt8]) throws -> EntityID {
        do {
            let answer = try platform.post(set, body)
            if let id = answer.headers.location.flatMap(EntityID.init(location:)) { return id }
            if let json = try? JSON(answer.body), let id = EntityID(of: json) { return id }
            if let found = try find(set, name: name) { return found }
            throw DeliveryFailure(.unclear, "the platform says it has made \(name) in \(set), but it is not there")
        } catch let failure as DeliveryFailure {
            switch failure.code {
            case .conflict:
                if let found = try find(set, name: name) { return found }
                throw Refused(reason: failure.summary)
            case .badRequest, .tooLarge: throw Refused(reason: failure.summary)
            default: throw failure
            }
        }
    }

    /// Runs a step whose refusal concerns some points only; what concerns all is thrown.
    private static func attempt<T>(_ step: () throws -> T) throws(DeliveryFailure) -> Result<T, Refused> {
        do {
            return .success(try step())
        } catch let refused as Refused {
            return .failure(refused)
        } catch let failure as DeliveryFailure {
            throw failure
        } catch {
            throw DeliveryFailure(.unclear, "\(error)")
        }
    }
}
