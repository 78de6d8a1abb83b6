/// What went wrong in the lab: which part, what it tried, and what to do about it.
public struct LabError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kinds of failure.
    public enum Code: String, Hashable, Sendable {
        /// An address is taken or may not be used.
        case cannotListen
        /// A file cannot be opened, read or written.
        case file
        /// The platform's database refused.
        case database
        /// A text is not what it should be: a fault plan, an answer of the platform.
        case format
        /// Something is asked of a part that has been stopped.
        case stopped
        /// The platform did not answer, or not as it should.
        case platform
        /// The system refused a thread or a socket.
        case system
    }

    /// The kind of failure.
    public var code: Code
    /// What was tried and why it failed.
    public var context: String
    /// What to do next.
    public var hint: String

    /// A failure with every property given.
    public init(_ code: Code, _ context: String, hint: String = "") {
        self.code = code
        self.context = context
        self.hint = hint
    }

    /// `cannot listen on 127.0.0.1:8080: Address already in use (choose another port, or 0 for a free one)`.
    public var description: String {
        hint.isEmpty ? context : "\(context) (\(hint))"
    }
}
