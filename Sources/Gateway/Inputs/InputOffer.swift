internal import Configuration
internal import Glibc
internal import Metering
internal import Posix

/// A new input as a file in `inputs/` beside the configuration.
public struct InputOffer: Sendable {
    /// What it counts, or what its states are called.
    public enum Use: Sendable {
        /// Pulses for one unit.
        case pulses(per: String, unit: String)
        /// The names of the active and the other state.
        case contact(active: String, inactive: String)
    }

    /// The file's path.
    public let path: String
    /// Its text.
    public let text: String

    /// Makes the file of an input `id` at `line`: a terminal, a line's name, or `CHIP:OFFSET`. Whatever is wrong with the
    /// configuration afterwards is told, and the file taken away again.
    public init(
        _ id: String, line: String, use: Use, more: [String], options: Agent.Options
    ) throws(AgentError) {
        let before = try AgentConfiguration(checked: options)
        let isTerminal = before.gateway.board?.lines.contains { $0.terminal == line } ?? false
        var lines = ["id: \(id)"]
        switch (isTerminal, LineChoice.place(line)) {
        case (true, _): lines.append("terminal: \"\(line)\"")
        case (false, .name(let name)): lines.append("line: \"\(name)\"")
        case (false, .chip(let label, let offset)): lines.append("line: {chip: \"\(label)\", offset: \(offset)}")
        }
        switch use {
        case .pulses(let perUnit, let unit): lines += ["pulses_per: \(perUnit)", "unit: \"\(unit)\""]
        case .contact(let active, let inactive):
            lines.append("contact: {active: \"\(active)\", inactive: \"\(inactive)\"}")
        }
        text = (lines + more).joined(separator: "\n") + "\n"
        let slash = options.configuration.lastIndex(of: "/")
        let folder = (slash.map { String(options.configuration[..<$0]) } ?? ".") + "/inputs"
        path = "\(folder)/\(id).yaml"
        do throws(PosixError) {
            try File.makeFolder(folder, mode: 0o755)
            try File.create(path, Array(text.utf8))
        } catch {
            throw AgentError(
                code: .spool, message: "\(error)",
                hint: error.code == EEXIST
                    ? "it is left as it is: choose another name, or change the file"
                    : "write as a user who may, or write it yourself:\n\(text)")
        }
        do throws(AgentError) {
            _ = try AgentConfiguration(checked: options)
        } catch {
            unlink(path)
            throw error
        }
    }
}
