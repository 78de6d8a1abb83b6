/// The response times of the newest requests, for "how long may the platform still be working on one?".
public struct ResponseTimes: Hashable, Sendable {
    /// How many requests are remembered: the slowest of 64 stands for the 99th percentile.
    public static let capacity = 64

    private var recent: [Duration] = []
    private var next = 0

    /// No request yet.
    public init() {}

    /// Adds the response time of one request.
    public mutating func add(_ time: Duration) {
        if recent.count < Self.capacity {
            recent.append(time)
        } else {
            recent[next] = time
        }
        next = (next + 1) % Self.capacity
    }

    /// The slowest of the remembered requests; zero before the first.
    public var slowest: Duration {
        recent.max() ?? .zero
    }
}
