internal import Metering

/// The bodies of the entities that are made on the platform (OGC 18-088, section 8; names as in DESIGN: Words).
enum Entities {
    /// Thing with its Location, in one request: a Thing without a Location makes FROST refuse every Observation.
    static func thing(_ meter: Meter, gateway: GatewaySettings) -> [UInt8] {
        let name = thingName(meter.id, gateway: gateway)
        return JSONText.object {
            $0.member("name", name)
            $0.member("description", product(meter.definition))
            $0.member("properties") {
                $0.member("gateway", gateway.id)
                $0.member("meter", meter.id)
                $0.member("model", meter.definition.model)
            }
            $0.list("Locations") {
                $0.member("name", meter.location.name ?? name)
                $0.member("description", meter.location.name ?? "where \(name) stands")
                $0.member("encodingType", "application/geo+json")
                $0.member("location") {
                    $0.member("type", "Point")
                    // GeoJSON (RFC 7946, section 3.1.1): longitude first.
                    $0.member(
                        "coordinates",
                        json: Array("[\(meter.location.longitude),\(meter.location.latitude)]".utf8))
                }
            }
        }
    }

    /// Sensor: one for each meter model, shared by its meters.
    static func sensor(_ definition: MeterDefinition) -> [UInt8] {
        let source = definition.sources.first ?? definition.model
        return JSONText.object {
            $0.member("name", sensorName(definition))
            $0.member("description", product(definition))
            // The standard knows three encodings; some servers refuse all others.
            $0.member("encodingType", source.hasSuffix(".pdf") ? "application/pdf" : "text/html")
            $0.member("metadata", source)
            $0.member("properties") {
                $0.member("manufacturer", definition.manufacturer)
                $0.member("product", definition.product)
            }
        }
    }

    /// ObservedProperty: one for each quantity, shared by all meters.
    static func observedProperty(_ quantity: Quantity) -> [UInt8] {
        JSONText.object {
            $0.member("name", quantity.title)
            $0.member("definition", quantity.definition)
            $0.member("description", quantity.title)
        }
    }

    /// Datastream, with references to the three others.
    static func datastream(
        _ point: Point, name: String, thing: EntityID, sensor: EntityID, observedProperty: EntityID
    ) -> [UInt8] {
        let definition = point.definition
        return JSONText.object {
            $0.member("name", name)
            $0.member("description", "\(definition.quantity.title): \(definition.name)")
            // OGC 18-088, table 12: the result of an OM_Measurement is a number, that of an OM_Observation anything.
            $0.member(
                "observationType",
                "http://www.opengis.net/def/observationType/OGC-OM/2.0/"
                    + (definition.isText ? "OM_Observation" : "OM_Measurement"))
            $0.member("unitOfMeasurement") {
                guard !definition.isText else {
                    // Section 8.2.4: where there is no unit, all three are null.
                    for name in ["name", "symbol", "definition"] { $0.member(name, json: Array("null".utf8)) }
                    return
                }
                $0.member("name", definition.unit.name)
                $0.member("symbol", definition.unit.symbol)
                $0.member("definition", definition.unit.qudt ?? "https://ucum.org/#" + definition.unit.ucum)
            }
            $0.member("properties") {
                $0.member("ucum", definition.isText ? nil : definition.unit.ucum)
                $0.member("obis", definition.obis)
                $0.member("kind", definition.kind.rawValue)
                $0.member("point", point.key)
                if !definition.states.isEmpty {
                    $0.member("states") { states in
                        for (value, name) in definition.states.enumerated() { states.member("\(value)", name) }
                    }
                }
            }
            $0.member("Thing") { $0.member("@iot.id", json: thing.json) }
            $0.member("Sensor") { $0.member("@iot.id", json: sensor.json) }
            $0.member("ObservedProperty") { $0.member("@iot.id", json: observedProperty.json) }
        }
    }

    /// `<gateway>/<meter>`.
    static func thingName(_ meter: String, gateway: GatewaySettings) -> String {
        gateway.id + "/" + meter
    }

    /// `<gateway>/<meter>/<point>`.
    static func datastreamName(_ key: String, gateway: GatewaySettings) -> String {
        gateway.id + "/" + key
    }

    /// The model as configurations call it.
    static func sensorName(_ definition: MeterDefinition) -> String {
        definition.model
    }

    private static func product(_ definition: MeterDefinition) -> String {
        "\(definition.manufacturer) \(definition.product)"
    }
}
