internal import Configuration
internal import Glibc
internal import Metering

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
        path = try NewEntry.write(
            text, as: id, in: NewEntry.folder("inputs", beside: options.configuration))
        do throws(AgentError) {
            _ = try AgentConfiguration(checked: options)
        } catch {
            unlink(path)
            throw error
        }
    }
}
