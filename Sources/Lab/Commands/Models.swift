internal import Configuration
internal import Metering

/// Where the lab gets meter definitions from.
enum Models {
    /// The definition of `model` in the catalogue.
    static func definition(named model: String, share: String?) throws -> MeterDefinition {
        throw LabError(.file, "there is no model '\(model)'", hint: "the catalogue is not there yet")
    }
}
