/// How fast a point's value moves: a meter may be read often for what needs it, and seldom for the rest.
public enum IntervalClass: String, Hashable, Sendable, CaseIterable {
    /// Powers, currents, flows and contacts.
    case fast
    /// Voltages, frequencies and whatever else has no reason to be faster or slower.
    case normal
    /// Counters, which miss nothing in between, and what hardly moves in a minute: temperatures, distortions, averages.
    case slow

    /// The class of a point about which its definition says nothing.
    init(of quantity: Quantity, _ kind: PointKind) {
        switch kind {
        case .counter: self = .slow
        case .state: self = .fast
        case .gauge:
            switch quantity {
            case .current, .activePower, .reactivePower, .apparentPower, .thermalPower, .flow, .massFlow: self = .fast
            case .voltageDistortion, .currentDistortion, .temperature, .humidity, .carbonDioxide, .organicCompounds,
                .duration, .volume, .activeEnergy, .reactiveEnergy, .apparentEnergy, .thermalEnergy, .mass, .count,
                .acidity, .conductivity, .massConcentration, .moisture:
                self = .slow
            case .voltage, .frequency, .powerFactor, .phaseAngle, .pressure, .ratio, .speed, .soundLevel, .illuminance,
                .state:
                self = .normal
            }
        }
    }
}
