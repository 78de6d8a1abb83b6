extension Quantity {
    /// What is most likely counted in `unit`; nil where that is not plain.
    public static func counted(in unit: Unit) -> Quantity? {
        switch unit.ucum {
        case "W.h", "kW.h", "MW.h": .activeEnergy
        case "V.A.h{reactive}", "kV.A.h{reactive}": .reactiveEnergy
        case "V.A.h", "kV.A.h": .apparentEnergy
        case "GJ", "J": .thermalEnergy
        case "m3", "l", "ml": .volume
        case "kg", "t": .mass
        case "1": .count
        default: nil
        }
    }

    /// What flows while this is counted in `unit`, and the unit in which an hour of it gives one `unit`; nil where that
    /// has no name here.
    public func rate(of unit: Unit) -> (quantity: Quantity, unit: Unit)? {
        let rates: [Quantity: Quantity] = [
            .activeEnergy: .activePower, .reactiveEnergy: .reactivePower, .apparentEnergy: .apparentPower,
            .thermalEnergy: .thermalPower, .volume: .flow, .mass: .massFlow,
        ]
        let units = [
            "W.h": "W", "kW.h": "kW", "MW.h": "MW", "V.A.h{reactive}": "V.A{reactive}",
            "kV.A.h{reactive}": "kV.A{reactive}", "V.A.h": "V.A", "kV.A.h": "kV.A", "m3": "m3/h", "l": "l/h",
            "kg": "kg/h", "t": "t/h",
        ]
        guard let quantity = rates[self], let unit = units[unit.ucum].flatMap({ Unit(ucum: $0) }) else { return nil }
        return (quantity, unit)
    }
}
