internal import Configuration
internal import Metering

/// Where the lab gets meter definitions from.
enum Models {
    /// The definition of `model` in the catalogue that the agent uses too.
    static func definition(named model: String, share: String?) throws -> MeterDefinition {
        let catalogue = Catalogue(share: share)
        if let definition = try catalogue.definition(model: model) { return definition }
        let known = catalogue.models().map(\.name).joined(separator: ", ")
        throw LabError(
            .file, "there is no model '\(model)'", hint: known.isEmpty ? "no catalogue found" : "known: \(known)")
    }
}
