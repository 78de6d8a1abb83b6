/// How much of a bus's time its polls need, worked out before anything was measured.
public enum BusNeed {
    /// Seconds of every second that the polls of `meters` on `bus` take; nil for Modbus TCP, where the wire says nothing
    /// about it.
    public static func share(of meters: [Meter], on bus: BusSettings) -> Double? {
        bus.line == nil ? nil : meters.reduce(0) { $0 + share(of: $1, on: bus) }
    }

    /// The part of one meter.
    public static func share(of meter: Meter, on bus: BusSettings) -> Double {
        let cost = RequestCost(of: meter, on: bus)
        var share = 0.0
        for (interval, points) in meter.pointsByInterval {
            let requests = RequestPlanner.requests(
                for: points.map(\.definition), limits: meter.definition.limits, cost: cost)
            share += requests.reduce(Duration.zero) { $0 + cost.duration(of: $1.span) } / interval
        }
        return share
    }
}

extension Meter {
    /// The points that are read together: those with the same interval, the shortest interval first.
    public var pointsByInterval: [(interval: Duration, points: [Point])] {
        let intervals = Set(points.map(\.interval)).sorted()
        // The usual meter has one interval, and shares its points with the configuration.
        if intervals.count == 1 { return [(intervals[0], points)] }
        return intervals.map { interval in (interval, points.filter { $0.interval == interval }) }
    }
}
