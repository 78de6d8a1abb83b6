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
        func duration(_ points: [Point]) -> Duration {
            RequestPlanner.requests(for: points.map(\.definition), limits: meter.definition.limits, cost: cost)
                .reduce(.zero) { $0 + cost.duration(of: $1.span) }
        }
        let groups = meter.pointsByInterval
        guard groups.indices.dropFirst().allSatisfy({ groups[$0].interval.isMultiple(of: groups[$0 - 1].interval) })
        else { return groups.reduce(0) { $0 + duration($1.points) / $1.interval } }
        // Whenever the longer interval begins, the shorter ones do as well, and share its requests.
        var share = 0.0
        var together: [Point] = []
        for (index, group) in groups.enumerated() {
            together += group.points
            let rate = 1 / (group.interval / .seconds(1))
            let next = index + 1 < groups.count ? 1 / (groups[index + 1].interval / .seconds(1)) : 0
            share += duration(together) / .seconds(1) * (rate - next)
        }
        return share
    }
}

extension Duration {
    fileprivate func isMultiple(of other: Duration) -> Bool {
        let (long, short) = (wholeMilliseconds, other.wholeMilliseconds)
        return short > 0 && long % short == 0
    }
}

extension Meter {
    /// The intervals of its points, the shortest first.
    public var intervals: [Duration] { Set(points.map(\.interval)).sorted() }

    /// The points that are read together: those with the same interval, the shortest interval first.
    public var pointsByInterval: [(interval: Duration, points: [Point])] {
        let intervals = intervals
        // The usual meter has one interval, and shares its points with the configuration.
        if intervals.count == 1 { return [(intervals[0], points)] }
        return intervals.map { interval in (interval, points.filter { $0.interval == interval }) }
    }
}
