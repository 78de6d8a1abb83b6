import Configuration
import Lab
import Metering
import Spooling
import Testing

@testable import Gateway

@Suite struct ThinningRulesTests {
    private static let place = Location(latitude: .zero, longitude: .zero)

    private static func meter(_ id: String, _ points: [(String, PointKind, ThinningPolicy)]) -> Meter {
        let definitions = points.map { name, kind, _ in
            PointDefinition(name: name, quantity: .ratio, unit: Unit(ucum: "1")!, kind: kind)
        }
        let definition = MeterDefinition(
            model: "x", manufacturer: "x", product: "x", status: .own, sources: [], points: definitions)
        return Meter(
            id: id, bus: "b", unit: 1, definition: definition,
            points: points.indices.map {
                Point(
                    meter: id, model: definitions, place: $0, interval: .seconds(1), thin: points[$0].2)
            }, location: place)
    }

    private static func configuration(_ meters: [Meter]) -> AgentConfiguration {
        AgentConfiguration(
            gateway: GatewaySettings(id: "g", location: place), buses: [], meters: meters, uplinks: [],
            spool: SpoolSettings())
    }

    /// Readings of a meter that was taken away still wait: what it was, and whether it may be thinned, is noted with it.
    @Test func pointsThatAreGoneKeepTheirRules() throws {
        let folder = try LabFile.temporaryFolder("parthe-rules")
        defer { LabFile.remove(folder: folder) }
        let old = Self.configuration([
            Self.meter("gone", [("energy", .counter, .forbidden), ("power", .gauge, .allowed)]),
            Self.meter("main", [("power", .gauge, .preferred), ("level", .gauge, .forbidden)]),
        ])
        let new = Self.configuration([Self.meter("main", [("power", .gauge, .allowed), ("door", .state, .preferred)])])
        let store = try SpoolStore(directory: folder, settings: SpoolSettings(), uplinks: [], bootID: "boot")
        for configuration in [old, new] {
            let keys = configuration.things.flatMap(\.points).map(\.key)
            _ = try store.identify(keys, notes: PointNote.all(of: configuration))
        }
        _ = try store.identify(["unknown/point"])
        let ids = store.dictionary
        let rules = try PointNote.thinningRules(of: new, ids: ids, directory: folder)
        let found = ids.compactMapValues { rules[$0] }
        let expected: [String: ThinningRules.Rule] = [
            "gone/energy": .init(kind: .counter, policy: .forbidden), "gone/power": .init(kind: .gauge),
            "main/level": .init(kind: .gauge, policy: .forbidden), "main/power": .init(kind: .gauge),
            "main/door": .init(kind: .state, policy: .preferred),
        ]
        #expect(found == expected)
        #expect(rules.hasPreferred)
    }

    /// A point without a rule of its own has the note that it always had: no start rewrites it.
    @Test func anOrdinaryNoteSaysNothingOfThinning() throws {
        let notes = PointNote.all(
            of: Self.configuration([Self.meter("m", [("a", .gauge, .allowed), ("b", .gauge, .forbidden)])]))
        #expect(notes["m/a"]?.contains("thin") == false)
        #expect(notes["m/b"]?.contains(#""thin":"forbidden""#) == true)
    }
}
