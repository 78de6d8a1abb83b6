/// The time that a platform gave in an answer: the HTTP header `Date` (RFC 9110, 6.6.1), which knows whole seconds.
public struct PlatformTime: Hashable, Sendable {
    /// What it said: the second in which it made the answer.
    public var date: Timestamp
    /// When the request was begun and when the answer was there; it was made in between.
    public var sent: Instant
    /// When the answer was there.
    public var received: Instant

    /// A difference of clocks above this is a matter for a person.
    public static let tolerance = Duration.seconds(5)
    /// A request that took longer says nothing about clocks.
    public static let longestRoundTrip = Duration.seconds(2)

    /// The time in an answer to a request; nil when the request took too long to know when it was made.
    public init?(date: Timestamp, sent: Instant, received: Instant) {
        guard received - sent <= Self.longestRoundTrip else { return nil }
        self.date = date
        self.sent = sent
        self.received = received
    }

    /// By how much the platform's clock is ahead of one that is `offset` off the boot clock, at least and at most.
    public func lead(over offset: ClockOffset) -> ClosedRange<Duration> {
        let date = date.milliseconds
        let least = date - offset.timestamp(of: received).milliseconds - 1
        let most = date + 1000 - offset.timestamp(of: sent).milliseconds
        return .milliseconds(least) ... .milliseconds(most)
    }

    /// By how much the platform's clock is ahead, where that is more than the tolerance for sure; nil where it is not.
    public func discrepancy(from offset: ClockOffset) -> Duration? {
        let lead = lead(over: offset)
        guard lead.lowerBound > Self.tolerance || lead.upperBound < .zero - Self.tolerance else { return nil }
        return (lead.lowerBound + lead.upperBound) / 2
    }
}
