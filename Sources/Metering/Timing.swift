/// How long to wait for a meter and how long to leave it in peace; nil where nothing is stated.
public struct Timing: Hashable, Sendable {
    /// From the end of a request to the first byte of its answer. Where nothing is stated it is learnt from answers.
    public var responseTimeout: Duration?
    /// The longest silence within an answer.
    public var byteTimeout: Duration?
    /// From the end of an answer to the next request to the same meter, beyond the line's own silence.
    public var pause: Duration?
    /// From the connection to the first request.
    public var afterConnect: Duration?

    /// A timing with every property given.
    public init(
        responseTimeout: Duration? = nil, byteTimeout: Duration? = nil, pause: Duration? = nil,
        afterConnect: Duration? = nil
    ) {
        self.responseTimeout = responseTimeout
        self.byteTimeout = byteTimeout
        self.pause = pause
        self.afterConnect = afterConnect
    }

    /// This timing where it states something, else `other`.
    public func or(_ other: Timing) -> Timing {
        Timing(
            responseTimeout: responseTimeout ?? other.responseTimeout, byteTimeout: byteTimeout ?? other.byteTimeout,
            pause: pause ?? other.pause, afterConnect: afterConnect ?? other.afterConnect)
    }
}
