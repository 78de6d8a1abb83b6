internal import Glibc
internal import Metering

/// Where a point's value comes from in a building. The words of the point's name say which phase and direction.
struct PointSource {
    private let quantity: Quantity
    private let factor: Double
    private let shift: Double
    private let words: Words
    /// The phase, 0…2, where the name has one; the pair of a line voltage.
    private let phase: Int?
    private let pair: (Int, Int)?

    /// The words that change what a quantity means. Looked for once: values are made with every poll.
    private struct Words: OptionSet {
        let rawValue: Int
        static let export = Words(rawValue: 1)
        static let sum = Words(rawValue: 2)
        static let net = Words(rawValue: 4)
        static let demand = Words(rawValue: 8)
        static let maximum = Words(rawValue: 16)
        static let neutral = Words(rawValue: 32)
        static let line = Words(rawValue: 64)

        static let names: [Substring: Words] = [
            "export": .export, "capacitive": .export, "sum": .sum, "net": .net, "demand": .demand,
            "maximum": .maximum, "neutral": .neutral, "line": .line,
        ]
    }

    init(_ point: PointDefinition) {
        quantity = point.quantity
        factor = Self.factors[point.unit.ucum] ?? 1
        shift = point.unit.ucum == "K" ? 273.15 : 0
        let parts = point.name.split(separator: "-")
        words = Words(parts.compactMap { Words.names[$0] })
        let named = parts.compactMap { ["l1": 0, "l2": 1, "l3": 2][$0] }
        phase = named.count == 1 ? named[0] : nil
        pair = named.count == 2 ? (named[0], named[1]) : nil
    }

    /// Whether the definition's names speak of phases.
    static func phases(of definition: MeterDefinition) -> Int {
        definition.points.contains { $0.name.split(separator: "-").contains("l2") } ? 3 : 1
    }

    /// The point's value in its own unit.
    func value(in building: Building, phases: Int) -> Double {
        base(building, phases) / factor + shift
    }

    private func base(_ building: Building, _ phases: Int) -> Double {
        switch quantity {
        case .voltage: voltage(building, phases)
        case .current: current(building, phases)
        case .frequency: building.frequency.value
        case .activePower: power(\.active, building)
        case .reactivePower: power(\.reactive, building)
        case .apparentPower: power(\.apparent, building)
        case .powerFactor: powerFactor(building)
        case .phaseAngle: acos(powerFactor(building)) * 180 / .pi
        case .activeEnergy: energy(\.active, building)
        case .reactiveEnergy: energy(\.reactive, building)
        case .apparentEnergy: energy(\.apparent, building)
        case .voltageDistortion: building.voltageDistortion[phase ?? 0].value
        case .currentDistortion: building.currentDistortion[phase ?? 0].value
        case .thermalEnergy: building.heat
        case .thermalPower: building.thermalPower.value
        case .volume: building.volume
        case .flow: building.flow.value
        case .temperature: building.temperature.value
        case .humidity: building.humidity.value
        case .pressure: building.pressure.value
        case .carbonDioxide: building.carbonDioxide.value
        case .duration: building.seconds
        case .count: (building.imported.reduce(0) { $0 + $1.active }).rounded(.down)
        case .ratio, .moisture: building.humidity.value
        case .organicCompounds: building.carbonDioxide.value / 10
        case .mass: building.volume * 1000
        case .massFlow: building.flow.value * 1000
        case .speed: building.flow.value
        case .soundLevel: building.humidity.value
        case .illuminance: building.carbonDioxide.value
        case .acidity: 7 + (building.temperature.value - 21) / 10
        case .conductivity: building.carbonDioxide.value
        case .massConcentration: building.carbonDioxide.value / 50
        case .state: (building.seconds / 60).rounded(.down).truncatingRemainder(dividingBy: 2)
        }
    }

    private func voltage(_ building: Building, _ phases: Int) -> Double {
        func line(_ a: Int, _ b: Int) -> Double {
            let (u, v) = (building.voltage[a].value, building.voltage[b].value)
            return (u * u + v * v + u * v).squareRoot()
        }
        if let pair { return line(pair.0, pair.1) }
        if let phase { return building.voltage[phase].value }
        if words.contains(.line) { return (line(0, 1) + line(1, 2) + line(2, 0)) / 3 }
        return building.voltage.prefix(phases).reduce(0) { $0 + $1.value } / Double(phases)
    }

    private func current(_ building: Building, _ phases: Int) -> Double {
        let current = building.current
        if let phase { return current[phase] }
        let sum = current.reduce(0, +)
        if words.contains(.neutral) {
            // Three currents 120° apart do not cancel where the phases are loaded unevenly.
            let square = current[0] * current[0] + current[1] * current[1] + current[2] * current[2]
            let mixed = current[0] * current[1] + current[1] * current[2] + current[2] * current[0]
            return max(0, square - mixed).squareRoot()
        }
        if words.contains(.demand) {
            let demand = words.contains(.maximum) ? building.demandMaximum : building.demand
            return demand.apparent / 230
        }
        return words.contains(.sum) ? sum : sum / Double(phases)
    }

    private func power(_ kind: KeyPath<Building.Powers, Double>, _ building: Building) -> Double {
        if words.contains(.export) { return 0 }
        if let phase { return building.power[phase][keyPath: kind] }
        if words.contains(.maximum) { return building.demandMaximum[keyPath: kind] }
        return words.contains(.demand) ? building.demand[keyPath: kind] : building.total[keyPath: kind]
    }

    private func powerFactor(_ building: Building) -> Double {
        if let phase { return building.powerFactor[phase].value }
        let total = building.total
        return total.apparent > 0 ? min(1, total.active / total.apparent) : 1
    }

    private func energy(_ kind: KeyPath<Building.Powers, Double>, _ building: Building) -> Double {
        let imported =
            phase.map { building.imported[$0] } ?? building.imported[0] + building.imported[1] + building.imported[2]
        let exported = building.exported[keyPath: kind] * (phase == nil ? 1 : 1.0 / 3)
        if words.contains(.export) { return exported }
        if words.contains(.sum) { return imported[keyPath: kind] + exported }
        if words.contains(.net) { return imported[keyPath: kind] - exported }
        return imported[keyPath: kind]
    }

    /// How many of the building's own units one of these is.
    private static let factors: [String: Double] = [
        "mV": 1e-3, "kV": 1e3, "mA": 1e-3, "kW": 1e3, "MW": 1e6, "kV.A": 1e3, "kV.A{reactive}": 1e3, "kW.h": 1e3,
        "MW.h": 1e6, "kV.A.h": 1e3, "kV.A.h{reactive}": 1e3, "bar": 1e5, "l": 1e-3, "l/h": 1e-3, "J": 1 / 3600.0,
        "GJ": 1e9 / 3600, "h": 3600,
    ]
}
