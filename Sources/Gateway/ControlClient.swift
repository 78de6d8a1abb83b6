internal import Metering
internal import Posix

extension StatusReport {
    /// Asks the agent behind the control socket at `path`.
    public static func ask(at path: String) throws(AgentError) -> StatusReport {
        let answer: [UInt8]
        do throws(PosixError) {
            answer = try UnixSocket.ask("status", at: path)
        } catch {
            throw AgentError(
                code: .system, message: "no agent answers at \(path): \(PosixError.text(error.code))",
                hint: "start it with `parthe run`, or name its socket with --socket")
        }
        guard let report = StatusReport(json: answer) else {
            throw AgentError(
                code: .system, message: "what answers at \(path) is no agent of this version",
                hint: "restart the agent after an upgrade")
        }
        return report
    }
}
