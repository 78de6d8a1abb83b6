/// Why a request to the platform, or to the spool, did not do what it was for.
///
/// The code alone decides what happens next (PLATFORM: outcome table); the text is for people.
public struct DeliveryFailure: Error, Hashable, Sendable {
    /// What is known about the request's effect.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        /// The request did not leave the gateway whole: nothing is stored.
        case notSent
        /// The request was sent whole and the answer does not say what became of it: cut, 5xx, 408, garbage.
        case unclear
        /// Like `unclear`, and the platform may be at work on the request still.
        case timedOut
        /// 400 and 422, and other refusals of this request's content: nothing is stored.
        case badRequest
        /// 413, and 414 or 431: the request is too long; nothing is stored.
        case tooLarge
        /// 409: something of that name or time is there already, or the platform's rules are broken.
        case conflict
        /// 404, 405, 410 and 501: no such path or entity; nothing is stored.
        case missing
        /// 401, 403, and a secret that cannot be read: nothing is stored.
        case credentials
        /// 429: nothing is stored; later.
        case busy
        /// A redirect, or a service that is not what the configuration says: only a person can help.
        case misdirected
        /// The spool refused a lease or a settlement.
        case spool
        /// The uplink is being stopped.
        case stopped
    }

    /// What to do about a failure, as every module of parthe says it.
    public enum Disposition: Hashable, Sendable {
        /// The same again, after a growing wait.
        case retry
        /// The same again, not before the platform's own time.
        case retryAfter(Duration)
        /// Never the same again.
        case reject
        /// Not before somebody has changed something.
        case fatal
    }

    /// What is known about the request's effect.
    public var code: Code
    /// What happened and where: `503 Service Unavailable (POST http://…/CreateObservations)`.
    public var summary: String
    /// What the technician can do.
    public var hint: String?
    /// The platform's own wish for the time of the next attempt.
    public var retryAfter: Duration?

    /// A failure with every property given.
    public init(_ code: Code, _ summary: String, hint: String? = nil, retryAfter: Duration? = nil) {
        self.code = code
        self.summary = summary
        self.hint = hint
        self.retryAfter = retryAfter
    }

    /// What to do about it.
    public var disposition: Disposition {
        switch code {
        case .notSent, .unclear, .timedOut, .busy, .spool: retryAfter.map { .retryAfter($0) } ?? .retry
        case .badRequest, .tooLarge, .conflict, .missing: .reject
        case .credentials, .misdirected, .stopped: .fatal
        }
    }
}

extension DeliveryFailure: CustomStringConvertible {
    /// The summary, and the hint after a dash.
    public var description: String {
        hint.map { "\(summary) – \($0)" } ?? summary
    }
}
