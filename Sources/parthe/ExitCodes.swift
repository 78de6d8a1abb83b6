import ArgumentParser
import Gateway

extension ExitCode {
    /// It works in part.
    static let partly = ExitCode(1)
    /// Nobody answers (EX_UNAVAILABLE).
    static let unavailable = ExitCode(69)
}

/// Runs `body`; an obstacle is told in plain words on standard error and ends with its exit code.
func withExitCodes(_ body: () throws -> Void) throws {
    do {
        try body()
    } catch let error as AgentError {
        Terminal.complain(error.description)
        throw ExitCode(error.code.rawValue)
    }
}
