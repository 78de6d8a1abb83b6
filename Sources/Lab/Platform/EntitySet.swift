/// The entity sets of SensorThings 1.1 that the platform serves (OGC 18-088, section 8).
enum EntitySet: String, CaseIterable {
    case things = "Things"
    case locations = "Locations"
    case sensors = "Sensors"
    case observedProperties = "ObservedProperties"
    case datastreams = "Datastreams"
    case observations = "Observations"
    case featuresOfInterest = "FeaturesOfInterest"

    /// The table that holds them.
    var table: String {
        switch self {
        case .things: "things"
        case .locations: "locations"
        case .sensors: "sensors"
        case .observedProperties: "observed_properties"
        case .datastreams: "datastreams"
        case .observations: "observations"
        case .featuresOfInterest: "features"
        }
    }

    /// The name of one of them: `Thing`.
    var singular: String {
        switch self {
        case .observedProperties: "ObservedProperty"
        case .featuresOfInterest: "FeatureOfInterest"
        default: String(rawValue.dropLast())
        }
    }

    /// The properties that must be given, and those that may be (OGC 18-088, tables 2 to 20).
    var properties: (required: [String], optional: [String]) {
        switch self {
        case .things: (["name", "description"], ["properties"])
        case .locations: (["name", "description", "encodingType", "location"], ["properties"])
        case .sensors: (["name", "description", "encodingType", "metadata"], ["properties"])
        case .observedProperties: (["name", "definition", "description"], ["properties"])
        case .datastreams:
            (
                ["name", "description", "observationType", "unitOfMeasurement"],
                ["observedArea", "phenomenonTime", "resultTime", "properties"]
            )
        case .observations: (["result"], ["phenomenonTime", "resultTime", "resultQuality", "validTime", "parameters"])
        case .featuresOfInterest: (["name", "description", "encodingType", "feature"], ["properties"])
        }
    }

    /// Where a navigation property leads.
    var relations: [Relation] {
        switch self {
        case .things:
            [
                Relation("Datastreams", .datastreams, "thing = ?"),
                Relation("Locations", .locations, "id IN (SELECT location FROM things_locations WHERE thing = ?)"),
            ]
        case .locations:
            [Relation("Things", .things, "id IN (SELECT thing FROM things_locations WHERE location = ?)")]
        case .sensors: [Relation("Datastreams", .datastreams, "sensor = ?")]
        case .observedProperties: [Relation("Datastreams", .datastreams, "property = ?")]
        case .datastreams:
            [
                Relation("Thing", .things, "id = (SELECT thing FROM datastreams WHERE id = ?)"),
                Relation("Sensor", .sensors, "id = (SELECT sensor FROM datastreams WHERE id = ?)"),
                Relation(
                    "ObservedProperty", .observedProperties, "id = (SELECT property FROM datastreams WHERE id = ?)"),
                Relation("Observations", .observations, "datastream = ?"),
            ]
        case .observations:
            [
                Relation("Datastream", .datastreams, "id = (SELECT datastream FROM observations WHERE id = ?)"),
                Relation(
                    "FeatureOfInterest", .featuresOfInterest, "id = (SELECT feature FROM observations WHERE id = ?)"),
            ]
        case .featuresOfInterest: [Relation("Observations", .observations, "feature = ?")]
        }
    }

    /// The relation of that name.
    func relation(_ name: some StringProtocol) -> Relation? {
        relations.first { $0.name == name }
    }

    /// The column that a property may be filtered and ordered by.
    func column(_ property: some StringProtocol) -> Column? {
        switch (self, String(property)) {
        case (_, "id"), (_, "@iot.id"): Column("id", .integer)
        case (.observations, "phenomenonTime"): Column("time", .time)
        case (.observations, "resultTime"): Column("result_time", .time)
        case (.observations, "Datastream/id"), (.observations, "Datastream/@iot.id"): Column("datastream", .integer)
        case (.datastreams, "Thing/id"), (.datastreams, "Thing/@iot.id"): Column("thing", .integer)
        case (.observations, _): nil
        case (_, "name"): Column("name", .text)
        default: nil
        }
    }

    /// A column and what is compared with it.
    struct Column {
        enum Kind { case integer, text, time }
        var name: String
        var kind: Kind

        init(_ name: String, _ kind: Kind) {
            self.name = name
            self.kind = kind
        }
    }

    /// A navigation property: `condition` finds the targets in their table, its argument is the id one starts from.
    struct Relation {
        var name: String
        var target: EntitySet
        var condition: String

        init(_ name: String, _ target: EntitySet, _ condition: String) {
            self.name = name
            self.target = target
            self.condition = condition
        }

        /// Whether it leads to a collection.
        var isCollection: Bool { target.rawValue == name }
    }

    /// The tables, made when they are missing.
    static let schema = """
        CREATE TABLE IF NOT EXISTS things(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS locations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS things_locations(thing INTEGER NOT NULL, location INTEGER NOT NULL,
            PRIMARY KEY(thing, location)) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS sensors(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS observed_properties(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,
            body TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS datastreams(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, body TEXT NOT NULL,
            thing INTEGER NOT NULL, sensor INTEGER NOT NULL, property INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS features(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, body TEXT NOT NULL,
            location INTEGER);
        CREATE TABLE IF NOT EXISTS observations(id INTEGER PRIMARY KEY AUTOINCREMENT, datastream INTEGER NOT NULL,
            time INTEGER NOT NULL, time_end INTEGER, result_time INTEGER, result TEXT NOT NULL, feature INTEGER NOT NULL,
            extra TEXT);
        CREATE INDEX IF NOT EXISTS observations_by_time ON observations(datastream, time);
        CREATE INDEX IF NOT EXISTS datastreams_by_name ON datastreams(name);
        CREATE INDEX IF NOT EXISTS datastreams_by_thing ON datastreams(thing);
        CREATE INDEX IF NOT EXISTS things_by_name ON things(name);
        """
}
