internal import Configuration
internal import FoundationEssentials
internal import Metering
internal import Spooling

/// What the spool's dictionary notes of a point, as JSON: enough to make its Datastream on a platform, and to understand
/// its readings, when the configuration no longer has it. A meter may be renamed or taken away while its readings wait.
struct PointNote: Codable, Hashable {
    var meter: String
    var point: String
    var quantity: String
    var unit: String
    var kind: String
    /// `text` where its values are texts, else nothing.
    var type: String?
    /// Whether its readings may be thinned; nil where nothing else holds than for others.
    var thin: String?
    var obis: String?
    /// What the values 0, 1 … are called.
    var states: [String]?
    var model: String
    var manufacturer: String
    var product: String
    var source: String?
    var latitude: String
    var longitude: String
    var place: String?

    init(_ point: Point, of meter: Meter) {
        self.meter = meter.id
        self.point = point.definition.name
        quantity = point.definition.quantity.rawValue
        unit = point.definition.unit.ucum
        kind = point.definition.kind.rawValue
        type = point.definition.isText ? RegisterType.text.rawValue : nil
        thin = point.thin == .allowed ? nil : point.thin.rawValue
        obis = point.definition.obis
        states = point.definition.states.isEmpty ? nil : point.definition.states
        model = meter.definition.model
        manufacturer = meter.definition.manufacturer
        product = meter.definition.product
        source = meter.definition.sources.first
        latitude = meter.location.latitude.description
        longitude = meter.location.longitude.description
        place = meter.location.name
    }

    /// The notes of every point of a configuration, or of one of its meters, by key.
    static func all(of configuration: AgentConfiguration, only meter: Meter? = nil) -> [String: String] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var notes: [String: String] = [:]
        for meter in meter.map({ [$0] }) ?? configuration.things {
            for point in meter.points {
                // Strings can always be encoded.
                guard let data = try? encoder.encode(PointNote(point, of: meter)) else { continue }
                notes[point.key] = String(decoding: data, as: UTF8.self)
            }
        }
        return notes
    }

    /// What is noted of points in the spool in `directory`: by key the meter with this one point.
    static func meters(of keys: [String], directory: String) throws -> [String: Meter] {
        let reader = try SpoolStore.openForReading(directory: directory)
        let decoder = JSONDecoder()
        var meters: [String: Meter] = [:]
        for key in keys {
            guard let text = try reader.note(of: key) else { continue }
            meters[key] = (try? decoder.decode(PointNote.self, from: Data(text.utf8)))?.formerMeter
        }
        return meters
    }

    /// What thinning has to know of all points in the spool in `directory`, whose numbers are `ids`: from `configuration`,
    /// and of those that it no longer has from their notes.
    static func thinningRules(
        of configuration: AgentConfiguration, ids: [String: PointID], directory: String
    ) throws -> ThinningRules {
        let points = configuration.things.flatMap(\.points)
        let known = Set(points.map(\.key))
        let former = try meters(of: ids.keys.filter { !known.contains($0) }, directory: directory)
        return ThinningRules(points + former.values.flatMap(\.points), ids: ids)
    }

    /// Where it was and how it was read is not noted: nobody reads it any more.
    var formerMeter: Meter? {
        guard let quantity = Quantity(rawValue: quantity), let unit = Unit(ucum: unit),
            let kind = PointKind(rawValue: kind), let latitude = ExactDecimal(latitude),
            let longitude = ExactDecimal(longitude)
        else { return nil }
        let point = PointDefinition(
            name: point, quantity: quantity, unit: unit, kind: kind, type: type.flatMap(RegisterType.init) ?? .bit,
            obis: obis, states: states ?? [])
        let definition = MeterDefinition(
            model: model, manufacturer: manufacturer, product: product, status: .own,
            sources: source.map { [$0] } ?? [],
            points: [point])
        return Meter(
            id: meter, bus: "", unit: 0, definition: definition,
            points: [
                Point(
                    meter: meter, definition: point, interval: .zero,
                    thin: thin.flatMap(ThinningPolicy.init) ?? .allowed)
            ],
            location: Location(latitude: latitude, longitude: longitude, name: place))
    }
}
