/// One request of a poll, and where in its answer each point's registers stand.
public struct PlannedRequest: Hashable, Sendable {
    /// A point's place in the answer.
    public struct Slot: Hashable, Sendable {
        /// The point's index in the list that was planned.
        public var point: Int
        /// The place of its first register in the answer, in registers.
        public var offset: Int

        /// The point `point` at `offset`.
        public init(point: Int, offset: Int) {
            self.point = point
            self.offset = offset
        }
    }

    /// What the request reads.
    public var span: RegisterSpan
    /// The points that its answer holds.
    public var slots: [Slot]

    /// A request with every property given.
    public init(span: RegisterSpan, slots: [Slot]) {
        self.span = span
        self.slots = slots
    }
}

/// Chooses the requests that read a set of points.
///
/// Points in address order are put into one request as long as the meter's limit of registers and the width of unused
/// gaps allow it. On TCP a request costs far more than the registers that are read along, so the fewest requests are
/// the cheapest.
public enum RequestPlanner {
    /// The requests for `points`, function code by function code, in address order.
    ///
    /// Each point is in exactly one request, and every request keeps to `limits`. Points that share registers are read
    /// once.
    public static func requests(for points: [PointDefinition], limits: RequestLimits) -> [PlannedRequest] {
        let limit = min(limits.registers, RegisterSpan.maximumCount)
        var requests: [PlannedRequest] = []
        let order = points.indices.sorted { a, b in
            (points[a].function.rawValue, points[a].neededSpan.address, a)
                < (points[b].function.rawValue, points[b].neededSpan.address, b)
        }
        for index in order {
            let span = points[index].neededSpan
            precondition(span.count <= limit, "a limit of \(limit) registers is narrower than \(points[index].name)")
            if var last = requests.last, last.span.function == span.function {
                let end = max(last.span.addresses.upperBound, span.addresses.upperBound)
                let count = end - Int(last.span.address)
                let gap = span.addresses.lowerBound - last.span.addresses.upperBound
                if count <= limit, gap <= limits.gap {
                    last.span.count = count
                    last.slots.append(.init(point: index, offset: Int(points[index].address - last.span.address)))
                    requests[requests.count - 1] = last
                    continue
                }
            }
            requests.append(
                PlannedRequest(
                    span: span, slots: [.init(point: index, offset: Int(points[index].address - span.address))]))
        }
        return requests
    }
}
