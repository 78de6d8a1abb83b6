/// The waits of a delivery. The defaults are for the field; tests shorten them.
public struct DeliveryTiming: Hashable, Sendable {
    /// Waits after failures that time heals: the platform is away, busy or broken.
    public var backoff = Backoff.Limits(first: .seconds(1), largest: .seconds(300), sustained: .seconds(60))
    /// Waits after failures that a person must heal: refused credentials, a wrong address.
    public var pause = Backoff.Limits(first: .seconds(30), largest: .seconds(900), sustained: .seconds(60))
    /// Least wait between an unclear end and the question what the platform has, and between two such questions: a
    /// request may still be committed after its connection is gone.
    public var settle = Duration.seconds(3)
    /// How long an idle uplink waits for a notice before it looks into the spool all the same.
    public var idle = Duration.seconds(30)
    /// How often to look whether the wall clock has been set.
    public var clockCheck = Duration.seconds(1)
    /// After how long a platform that had no CreateObservations is tried with it again.
    public var arraysAgain = Duration.seconds(600)

    /// The waits for the field.
    public init() {}
}
