internal import Metering

/// The meters of the demonstration: every first definition of the catalogue, two of them on one endpoint.
struct DemoTown {
    /// A meter of the town.
    struct Place {
        var id: String
        var model: String
        /// The points the table shows: a voltage, a power, an energy.
        var shown = ["voltage-l1", "active-power", "active-energy-import"]
    }

    static let shared = [
        Place(id: "school", model: "eastron-sdm630"),
        Place(id: "gym", model: "eastron-sdm630"),
    ]
    static let single = [
        Place(id: "kitchen", model: "eastron-sdm230", shown: ["voltage", "active-power", "active-energy-import"]),
        Place(id: "library", model: "janitza-umg96rm"),
        Place(id: "pumps", model: "abb-b23"),
        Place(id: "station", model: "carlo-gavazzi-em340"),
    ]

    /// The symbol of each point's unit, by `METER/POINT`.
    let units: [String: String]
    let sharedMeters: SimulatedMeters
    let singleMeters: SimulatedMeters

    /// Starts the meters; what they serve goes to the two truth logs.
    init(truth: [String], share: String?) throws {
        let shared = try Self.specifications(Self.shared, share)
        let single = try Self.specifications(Self.single, share)
        var units: [String: String] = [:]
        for meter in shared + single {
            for point in meter.definition.points { units["\(meter.name)/\(point.name)"] = point.unit.symbol }
        }
        self.units = units
        sharedMeters = try SimulatedMeters(shared, layout: .units, seed: 1, truth: truth[0])
        singleMeters = try SimulatedMeters(single, seed: 2, truth: truth[1])
    }

    private static func specifications(_ places: [Place], _ share: String?) throws -> [SimulatedMeters.Specification] {
        try places.enumerated().map { index, place in
            SimulatedMeters.Specification(
                name: place.id, definition: try Models.definition(named: place.model, share: share),
                unit: UInt8(index + 1))
        }
    }

    /// The configuration of the agent that reads them, every second.
    func configuration(platform: String) -> String {
        var text = """
            gateway:
              id: demo
              location: {latitude: 51.3397, longitude: 12.3731, name: Leipzig}
            uplinks:
              - id: city
                sensorthings: \(platform)
                timeout: 5s
            spool: {clock_wait: 0s}
            buses:
              - {id: hall, tcp: "127.0.0.1:\(sharedMeters.ports[0])"}

            """
        for (place, port) in zip(Self.single, singleMeters.ports) {
            text += "  - {id: \(place.id), tcp: \"127.0.0.1:\(port)\"}\n"
        }
        text += "meters:\n"
        for (index, place) in Self.shared.enumerated() {
            text += "  - {id: \(place.id), bus: hall, unit: \(index + 1), model: \(place.model), interval: 1s}\n"
        }
        for place in Self.single {
            text += "  - {id: \(place.id), bus: \(place.id), unit: 1, model: \(place.model), interval: 1s}\n"
        }
        return text
    }

    func stop() {
        sharedMeters.stop()
        singleMeters.stop()
    }
}
