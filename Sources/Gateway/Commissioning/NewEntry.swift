internal import Configuration
internal import Glibc
internal import Posix

/// A meter or an input as a new file in a folder beside the configuration. Nothing is ever overwritten.
enum NewEntry {
    /// The folder `name` beside the file `configuration`.
    static func folder(_ name: String, beside configuration: String) -> String {
        let slash = configuration.lastIndex(of: "/")
        return (slash.map { String(configuration[..<$0]) } ?? ".") + "/" + name
    }

    /// Writes `text` as the file of `id` in `folder` and returns its path. Only a proper name becomes a path.
    static func write(_ text: String, as id: String, in folder: String) throws(AgentError) -> String {
        guard Configuration.isName(id) else {
            throw AgentError(
                code: .usage, message: "'\(id)' is no name",
                hint: "a–z, 0–9 and hyphens between them, at most 63: gas-meter")
        }
        let path = "\(folder)/\(id).yaml"
        do throws(PosixError) {
            try File.makeFolder(folder, mode: 0o755)
            try File.create(path, Array(text.utf8))
        } catch {
            throw AgentError(
                code: .spool, message: "\(error)",
                hint: error.code == EEXIST
                    ? "it is left as it is: change the file, or choose another name"
                    : "write as a user who may, or write it yourself:\n\(text)")
        }
        return path
    }
}
