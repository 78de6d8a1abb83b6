internal import Configuration
internal import Fieldbus
internal import Metering

/// What `parthe check` finds: everything that is wrong in all files, and what was understood.
public struct CheckReport: Encodable, Sendable {
    /// One thing that is wrong or doubtful.
    public struct Finding: Encodable, Sendable {
        /// `error` or `warning`.
        public var severity: String
        /// The file it stands in.
        public var file: String
        /// The line, from 1.
        public var line: Int
        /// The column, from 1.
        public var column: Int
        /// The place in the configuration: `meters[0].unit`.
        public var path: String
        /// What is wrong.
        public var message: String
        /// What to do.
        public var hint: String?
        /// The whole as one text: `file:line:column: path: what`, and the hint.
        public var text: String
    }

    /// Whether the agent would start with it.
    public var isValid: Bool
    /// Everything that is wrong or doubtful, file by file.
    public var findings: [Finding]
    /// What was understood; absent when it is wrong.
    public var summary: String?

    /// Reads all files of the configuration.
    public init(_ options: Agent.Options) {
        let (configuration, problems) = ConfigurationReader(share: options.share).read(file: options.configuration)
        isValid = configuration != nil
        findings = problems.map {
            Finding(
                severity: $0.severity == .error ? "error" : "warning", file: $0.file, line: $0.line, column: $0.column,
                path: $0.path, message: $0.message, hint: $0.hint, text: $0.description)
        }
        summary = configuration.map { Configuration.summary(of: $0) }
    }

    /// The report as JSON.
    public var json: [UInt8] { jsonBytes(self) }
}

extension AgentConfiguration {
    /// The configuration of `options`, or every error of it as one.
    init(checked options: Agent.Options) throws(AgentError) {
        let (configuration, problems) = ConfigurationReader(share: options.share).read(file: options.configuration)
        guard let configuration else {
            throw AgentError(
                code: .configuration, message: problems.map(\.description).joined(separator: "\n"),
                hint: "`parthe check --config \(options.configuration)` says the same without starting anything")
        }
        self = configuration
    }
}
