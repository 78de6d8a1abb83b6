/// Why a command cannot do what it was asked: what, and what to do.
public struct AgentError: Error, Sendable, CustomStringConvertible {
    /// What kind of obstacle; the raw value is the exit code (sysexits.h).
    public enum Code: Int32, Sendable {
        /// An argument names what there is not (EX_USAGE).
        case usage = 64
        /// The spool is damaged (EX_DATAERR).
        case damaged = 65
        /// There is no spool, or this user may not read it (EX_NOINPUT).
        case noInput = 66
        /// The configuration is wrong (EX_CONFIG).
        case configuration = 78
        /// The spool cannot be opened, or did not take what was read (EX_CANTCREAT).
        case spool = 73
        /// The control socket or the signals cannot be had (EX_OSERR).
        case system = 71
        /// What a command needs is not there: a line, a chip (EX_UNAVAILABLE).
        case unavailable = 69
    }

    /// What kind of obstacle.
    public var code: Code
    /// What happened and where.
    public var message: String
    /// What to do next.
    public var hint: String?

    /// The message and the hint.
    public var description: String {
        hint.map { "\(message)\n  → \($0)" } ?? message
    }
}
