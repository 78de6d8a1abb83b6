public import Metering

/// What an uplink delivers: which point is which Datastream.
public struct DeliveryPlan: Sendable {
    /// The gateway, whose id begins every name on the platform.
    public var gateway: GatewaySettings
    /// The configured meters.
    public var meters: [Meter]
    /// The spool's whole dictionary, point key (`METER/NAME`) → number: also of points that are no longer configured,
    /// whose readings may still wait in the spool.
    public var ids: [String: PointID]
    /// What is known of points that are no longer configured, by key: each one's meter as it was, with this one point. A
    /// point that is not in the answer gets the Datastream that the platform has under its name; without one its
    /// readings are rejected.
    public var former: @Sendable (_ keys: [String]) throws -> [String: Meter]

    /// A plan with every property given.
    public init(
        gateway: GatewaySettings, meters: [Meter], ids: [String: PointID],
        former: @escaping @Sendable (_ keys: [String]) throws -> [String: Meter] = { _ in [:] }
    ) {
        self.gateway = gateway
        self.meters = meters
        self.ids = ids
        self.former = former
    }
}

/// Where an uplink gets its readings: the spool, as the gateway hands it out.
public protocol ReadingSource: Sendable {
    /// Leases the next readings, at most `maximumReadings`. Returns once it is durable that they are in flight; nil when
    /// nothing waits. A lease that an earlier run left unsettled comes first, and is marked unclear.
    func lease(uplink: String, maximumReadings: Int) async throws -> Lease?

    /// Settles a lease: all its readings are delivered but the rejected ones. Called once for each lease, and again only
    /// if it threw.
    func settle(_ lease: LeaseID, rejected: [Rejection]) async throws
}
