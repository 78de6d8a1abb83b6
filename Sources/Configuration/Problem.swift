/// One thing that is wrong or doubtful in a file: where it stands, what is wrong, and what to do next.
public struct Problem: Hashable, Sendable, CustomStringConvertible {
    /// How bad it is.
    public enum Severity: String, Hashable, Sendable {
        /// The agent does not start with it.
        case error
        /// The agent starts, but somebody should look.
        case warning
    }

    /// How bad it is.
    public var severity: Severity
    /// The file, as it was named to the reader.
    public var file: String
    /// The line, from 1.
    public var line: Int
    /// The column in characters, from 1.
    public var column: Int
    /// The way to the value: `meters[0].points[1].register`; empty for the file as a whole.
    public var path: String
    /// What is wrong.
    public var message: String
    /// What to do next.
    public var hint: String?

    /// A problem with every property given.
    public init(
        severity: Severity, file: String, line: Int, column: Int, path: String, message: String, hint: String? = nil
    ) {
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.message = message
        self.hint = hint
    }

    /// `parthe.yaml:7:5: meters[0].intervall: unknown key`, and the hint on a line of its own.
    public var description: String {
        var text = "\(file):\(line):\(column): "
        if severity == .warning { text += "warning: " }
        if !path.isEmpty { text += path + ": " }
        text += message
        if let hint { text += "\n  hint: " + hint }
        return text
    }
}

/// What made a definition or a configuration unusable: every problem of its files, in file and line order.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// At least one of them is an error.
    public var problems: [Problem]

    /// The failure that `problems` describe.
    public init(problems: [Problem]) {
        self.problems = problems
    }

    /// What to do next, from the first error that says so.
    public var hint: String? {
        problems.lazy.filter { $0.severity == .error }.compactMap(\.hint).first
    }

    /// The problems, one after the other.
    public var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}
