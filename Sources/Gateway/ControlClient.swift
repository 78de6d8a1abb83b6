internal import Glibc
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
                code: .system, message: "no agent answers at \(path): \(words(for: error.code))",
                hint: hint(for: error.code))
        }
        guard let report = StatusReport(json: answer) else {
            throw AgentError(
                code: .system, message: "what answers at \(path) is no agent of this version",
                hint: "restart the agent after an upgrade")
        }
        return report
    }

    private static func words(for code: Int32) -> String {
        switch code {
        case ECONNREFUSED: "nobody listens there; it is no socket, or its agent is gone"
        case EAGAIN: "it does not say anything for five seconds"
        default: PosixError.text(code)
        }
    }

    private static func hint(for code: Int32) -> String {
        switch code {
        case EACCES: "ask as the agent's user, as one of its group, or with sudo"
        case EAGAIN: "look at the agent's log; its disk may hang"
        case ENAMETOOLONG: "a socket's path has 107 bytes at most"
        default: "start it with `parthe run`, or name its socket with --socket"
        }
    }
}
