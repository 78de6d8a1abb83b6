internal import Metering
internal import Spooling

/// What `parthe spool quarantine` tells: readings that platforms refused for good, with their reasons.
public struct QuarantineList: Codable, Sendable {
    /// A reading.
    public struct Row: Codable, Hashable, Sendable {
        /// The uplink whose platform refused it.
        public var uplink: String
        /// Its number in the spool.
        public var sequence: Int64
        /// Its point.
        public var point: String
        /// Its phenomenon time.
        public var time: String
        /// Its value, as it was sent.
        public var value: String
        /// Why, in the platform's words.
        public var reason: String
    }

    /// How many were ever refused.
    public var ever: Int64
    /// How many are kept: the newest.
    public var kept: Int64
    /// The newest of these, the newest first.
    public var rows: [Row]

    /// Lists at most `count` of the spool in the folder `state`.
    public init(state: String, count: Int) throws(AgentError) {
        do throws(SpoolError) {
            let reader = try SpoolStore.openForReading(directory: state)
            let counts = try reader.quarantineCounts()
            (ever, kept) = (counts.ever, counts.kept)
            rows = try reader.quarantine(atMost: count).map {
                Row(
                    uplink: $0.uplink, sequence: $0.sequence, point: $0.key, time: $0.time.description, value: $0.value,
                    reason: $0.reason)
            }
        } catch {
            throw AgentError(error)
        }
    }

    /// The list as JSON.
    public var json: [UInt8] { jsonBytes(self) }
}
