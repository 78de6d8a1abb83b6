/// What a point measures: an ObservedProperty of the platform, shared by all meters.
///
/// The raw value is the word used in definitions and configurations.
public enum Quantity: String, Hashable, Sendable, CaseIterable {
    case voltage
    case current
    case frequency
    case activePower = "active-power"
    case reactivePower = "reactive-power"
    case apparentPower = "apparent-power"
    case powerFactor = "power-factor"
    case phaseAngle = "phase-angle"
    case activeEnergy = "active-energy"
    case reactiveEnergy = "reactive-energy"
    case apparentEnergy = "apparent-energy"
    case voltageDistortion = "voltage-distortion"
    case currentDistortion = "current-distortion"
    case thermalEnergy = "thermal-energy"
    case thermalPower = "thermal-power"
    case volume
    case flow
    case temperature
    case humidity
    case pressure
    case carbonDioxide = "carbon-dioxide"
    case duration
    case count
    case ratio
    case organicCompounds = "organic-compounds"
    case mass
    case massFlow = "mass-flow"
    case speed
    case soundLevel = "sound-level"
    case illuminance
    case acidity
    case conductivity
    case massConcentration = "mass-concentration"
    case moisture
    case state

    /// The name of the ObservedProperty.
    public var title: String {
        switch self {
        case .voltageDistortion: "total harmonic distortion of voltage"
        case .currentDistortion: "total harmonic distortion of current"
        case .carbonDioxide: "carbon dioxide concentration"
        case .humidity: "relative humidity"
        case .flow: "volume flow rate"
        case .organicCompounds: "volatile organic compounds"
        case .massFlow: "mass flow rate"
        case .soundLevel: "sound pressure level"
        case .conductivity: "electric conductivity"
        default: String(rawValue.map { $0 == "-" ? " " : $0 })
        }
    }

    /// The QUDT quantity kind that defines it (http://qudt.org/vocab/quantitykind/).
    public var definition: String {
        let kind =
            switch self {
            case .voltage: "Voltage"
            case .current: "ElectricCurrent"
            case .frequency: "Frequency"
            case .activePower: "ActivePower"
            case .reactivePower: "ReactivePower"
            case .apparentPower: "ApparentPower"
            case .powerFactor: "PowerFactor"
            case .phaseAngle: "PlaneAngle"
            case .activeEnergy: "ActiveEnergy"
            case .reactiveEnergy: "ReactiveEnergy"
            case .apparentEnergy: "ApparentEnergy"
            case .voltageDistortion, .currentDistortion: "TotalHarmonicDistortion"
            case .thermalEnergy: "ThermalEnergy"
            case .thermalPower: "HeatFlowRate"
            case .volume: "Volume"
            case .flow: "VolumeFlowRate"
            case .temperature: "Temperature"
            case .humidity: "RelativeHumidity"
            case .pressure: "Pressure"
            case .carbonDioxide: "AmountOfSubstanceFraction"
            case .duration: "Time"
            case .count: "Count"
            case .ratio: "DimensionlessRatio"
            case .organicCompounds: "AmountOfSubstanceFraction"
            case .mass: "Mass"
            case .massFlow: "MassFlowRate"
            case .speed: "Speed"
            case .soundLevel: "SoundPressureLevel"
            case .illuminance: "Illuminance"
            case .acidity: "Acidity"
            case .conductivity: "ElectricConductivity"
            case .massConcentration: "MassConcentration"
            case .moisture: "MoistureContent"
            case .state: "Dimensionless"
            }
        return "http://qudt.org/vocab/quantitykind/" + kind
    }
}
