/// What `parthe bus why` found.
public struct WhyReport: Encodable, Sendable {
    /// One thing that was tried.
    public struct Step: Encodable, Sendable {
        /// What.
        public var name: String
        /// `ok`, `failed` or `unknown`.
        public var result: String
        /// What came.
        public var evidence: String
        /// The frame that was sent, in hexadecimal.
        public var sent: String?
        /// What came back, in hexadecimal, at most 64 bytes.
        public var received: String?
        /// How long it took.
        public var milliseconds: Double
        /// What is tried next; absent after the last.
        public var next: String?
    }

    /// The bus, or its place.
    public var bus: String
    /// The unit id.
    public var unit: UInt8
    /// The meter of the configuration with this unit id.
    public var meter: String?
    /// Its model.
    public var model: String?
    /// Whether the running agent lent its bus.
    public var isLent = false
    /// What was tried, in order.
    public var steps: [Step] = []
    /// `ok`: all is well; `failed`: the cause is found; `unknown`: it is not proven.
    public var result = "unknown"
    /// Whether the unit answered as it is configured, in time or not, if only to refuse.
    public var isAnsweringAsConfigured = false
    /// The verdict in words.
    public var verdict = ""
    /// What to do next.
    public var next: String?
    /// The line of the configuration to change, where that is it.
    public var change: String?
    /// What that line belongs to: `bus hall`, `meter main`.
    public var changeAt: String?
    /// Whether it was ended before its verdict.
    public var isComplete = true

    /// The report as JSON.
    public var json: [UInt8] { jsonBytes(self) }
}
