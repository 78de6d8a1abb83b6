public import Metering
internal import Posix

/// The meter definitions on this machine, one file a model: `<model>.yaml`. Read when asked for, never before.
///
/// Folders are searched in order and the first file wins, so that `/etc/parthe/meters.d` adds models and overrides
/// shipped ones.
public struct Catalogue: Sendable {
    /// The folders that are searched.
    public let folders: [String]

    /// The catalogue of the installation, or the one in `share`/meters where `share` is given.
    public init(share: String?) {
        folders = Self.folders(share: share)
    }

    /// A catalogue of just these folders.
    public init(folders: [String]) {
        self.folders = folders
    }

    /// Where definitions are looked for: `/etc/parthe/meters.d`, then `share`/meters; without `share`
    /// `/usr/share/parthe/meters`, or the source checkout that the program was built in.
    public static func folders(share: String?) -> [String] {
        ShippedFiles.folders("meters", checkout: "Sources/Configuration/Meters", share: share)
    }

    /// A model that the catalogue has.
    public struct Model: Hashable, Sendable {
        /// Its name in configurations.
        public var name: String
        /// The file with its definition.
        public var file: String
    }

    /// Every model, by name. The files are not read.
    public func models() -> [Model] {
        var models: [String: Model] = [:]
        for folder in folders {
            guard let names = try? File.names(in: folder) else { continue }
            for name in names where name.hasSuffix(".yaml") {
                let model = String(name.dropLast(5))
                guard models[model] == nil, Name.proper(model) == model else { continue }
                models[model] = Model(name: model, file: folder + "/" + name)
            }
        }
        return models.values.sorted { $0.name < $1.name }
    }

    /// The file that defines `model`, or nil when there is none.
    public func file(of model: String) -> String? {
        // Only proper names become paths: a model named "../../etc/passwd" does not.
        guard Name.proper(model) == model else { return nil }
        return folders.lazy.map { "\($0)/\(model).yaml" }.first { File.exists($0) }
    }

    /// The definition of `model`; nil when no folder has it. Throws every problem of its file when that is wrong.
    public func definition(model: String) throws(ConfigurationError) -> MeterDefinition? {
        let (definition, problems) = read(model: model)
        if definition == nil, !problems.isEmpty { throw ConfigurationError(problems: problems) }
        return definition
    }

    /// The definition of `model` and what is doubtful in its file.
    func read(model: String) -> (definition: MeterDefinition?, problems: [Problem]) {
        guard let file = file(of: model) else { return (nil, []) }
        let findings = Findings()
        let definition = DefinitionReader.read(file: file, model: model, findings: findings)
        return (findings.hasErrors ? nil : definition, findings.problems)
    }
}
