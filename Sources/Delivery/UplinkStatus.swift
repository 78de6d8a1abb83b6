public import Metering

/// How an uplink is doing, for `parthe status`.
public struct UplinkStatus: Hashable, Sendable {
    /// What it is doing, in one word each.
    public enum Condition: String, Hashable, Sendable, CaseIterable {
        /// Everything committed is delivered.
        case idle
        /// Readings are on their way.
        case delivering
        /// Datastreams are looked up or made.
        case provisioning
        /// The platform is asked what it has.
        case asking
        /// Waiting after a failure that time heals, or for a request that ended unclear.
        case waiting
        /// Waiting for a person: refused credentials, a wrong address, a clock that is not set.
        case paused
        /// Not running.
        case stopped
    }

    /// The uplink's name.
    public var id: String
    /// The service root.
    public var url: String
    /// What it is doing.
    public var condition: Condition
    /// The same in a few words: `the platform is asked what it has`.
    public var words: String
    /// Since when, on the boot clock.
    public var since: Instant
    /// When it goes on, where it waits.
    public var until: Instant?
    /// Readings delivered, rejected and asked for since the start.
    public var counts: DeliveryMachine.Counts
    /// Requests made since the start.
    public var requests: Int
    /// Datastreams known on the platform.
    public var datastreams: Int
    /// When the platform last did what it was asked, on the boot clock.
    public var lastSuccess: Instant?
    /// The newest response time of a request with readings.
    public var lastResponseTime: Duration?
    /// The newest time that the platform gave.
    public var platformTime: PlatformTime?
    /// The failure that has not been made good, with a hint; nil while all is well.
    public var trouble: DeliveryFailure?
    /// The newest failure, also when it is over.
    public var lastFailure: DeliveryFailure?
    /// Whether readings go one by one, because the platform has no CreateObservations.
    public var usesSingles: Bool

    init(_ settings: UplinkSettings, at now: Instant) {
        id = settings.id
        url = settings.url
        condition = .stopped
        words = "not started"
        since = now
        counts = DeliveryMachine.Counts()
        requests = 0
        datastreams = 0
        usesSingles = false
    }

    /// Takes over what a machine has come to. Returns whether the condition, its words or the trouble have changed.
    mutating func update(
        from machine: DeliveryMachine, requests: Int, datastreams: Int, platformTime: PlatformTime?, at now: Instant
    ) -> Bool {
        // A look into the spool is no news.
        let isQuiet = machine.state == .leasing && self.condition == .idle
        let (condition, words, until) = isQuiet ? (self.condition, self.words, nil) : Self.describe(machine)
        let isNew = condition != self.condition || words != self.words
        let hasNews = isNew || trouble?.code != machine.trouble?.code
        if isNew {
            since = now
            self.condition = condition
            self.words = words
        }
        self.until = until
        self.requests = requests
        self.datastreams = datastreams
        self.platformTime = platformTime
        counts = machine.counts
        lastSuccess = machine.lastSuccess
        lastResponseTime = machine.lastResponseTime
        trouble = machine.trouble
        lastFailure = machine.lastFailure
        usesSingles = machine.singlesUntil.map { now < $0 } ?? false
        return hasNews
    }

    private static func describe(_ machine: DeliveryMachine) -> (Condition, String, Instant?) {
        switch machine.state {
        case .idle: (.idle, "everything is delivered", nil)
        case .leasing, .posting, .trying, .settling: (.delivering, "readings are being delivered", nil)
        case .checking, .asking: (.asking, "the platform is asked what it has", nil)
        case .provisioning: (.provisioning, "Datastreams are looked up or made", nil)
        case .stopped: (.stopped, "stopped", nil)
        case .resting(let rest):
            switch rest.reason {
            case .backoff: (.waiting, "tries again", rest.until)
            case .unclear: (.waiting, "asks what became of earlier requests", rest.until)
            case .paused: (.paused, "somebody must mend this; looks again", rest.until)
            case .clock: (.paused, "waits for the clock to be set; looks again", rest.until)
            }
        }
    }
}
