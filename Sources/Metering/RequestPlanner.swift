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

/// Chooses the requests that read a set of points in the least time on the wire.
///
/// How far apart two points may be to share a request is a matter of the wire: at 9600 baud a request is worth about
/// twelve registers, on TCP more than an answer can carry.
public enum RequestPlanner {
    /// The requests for `points`, function code by function code, in address order.
    ///
    /// Every point is in exactly one request, with its scale's register. A request keeps to `limits`: it is not too
    /// long, bridges no wide run of registers that no point needs, and no hole. Among the ways to do that it is the one
    /// that costs least, and of these one with the fewest requests. A point that is wider than the limit itself has a
    /// request of its own.
    public static func requests(
        for points: [PointDefinition], limits: RequestLimits, cost: RequestCost
    ) -> [PlannedRequest] {
        let places = points.map(PointPlace.init)
        return requests(for: places, at: places.indices, rules: RequestRules(limits: limits, cost: cost))
    }

    /// The requests for those of `places` that `indices` name.
    static func requests(
        for places: [PointPlace], at indices: some Sequence<Int>, rules: RequestRules
    ) -> [PlannedRequest] {
        // The widest first where several begin together, so that what lies within another comes after it.
        let order = indices.sorted { a, b in
            let (one, other) = (places[a].needed, places[b].needed)
            return (one.function.rawValue, one.address, other.count, a)
                < (other.function.rawValue, other.address, one.count, b)
        }
        var requests: [PlannedRequest] = []
        var rest = order[...]
        while let first = rest.first {
            let function = places[first].needed.function
            let group = rest.prefix { places[$0].needed.function == function }
            requests += Self.requests(ofOneFunction: group, of: places, rules: rules)
            rest = rest[group.endIndex...]
        }
        return requests
    }

    private static func requests(
        ofOneFunction order: ArraySlice<Int>, of places: [PointPlace], rules: RequestRules
    ) -> [PlannedRequest] {
        let isLone = { (index: Int) in rules.standsAlone(places[index].needed) }
        let together = order.filter { !isLone($0) }
        var requests = RequestPartition.spans(reading: together.map { places[$0].needed }, rules: rules)
            .map { PlannedRequest(span: $0, slots: []) }
        // The last request that begins early enough holds the point: both ends of the requests ascend.
        var last = 0
        for index in together {
            let address = places[index].needed.address
            while last + 1 < requests.count, requests[last + 1].span.address <= address { last += 1 }
            requests[last].add(index, places[index])
        }
        if together.count < order.count {
            requests += loneRequests(for: order.filter(isLone), of: places)
            requests.sort { ($0.span.address, $0.span.count) < ($1.span.address, $1.span.count) }
        }
        return requests
    }

    /// Only points that need the very same registers share a request here.
    private static func loneRequests(for order: [Int], of places: [PointPlace]) -> [PlannedRequest] {
        var requests: [PlannedRequest] = []
        for index in order {
            if requests.last?.span != places[index].needed {
                requests.append(PlannedRequest(span: places[index].needed, slots: []))
            }
            requests[requests.count - 1].add(index, places[index])
        }
        return requests
    }
}

/// What planning needs of a point; small, for a gateway has thousands.
struct PointPlace: Hashable, Sendable {
    /// The registers that must be in one answer.
    var needed: RegisterSpan
    /// The first of the point's own.
    var address: UInt16

    init(_ point: PointDefinition) {
        needed = point.neededSpan
        address = point.address
    }
}

/// What requests keep to.
struct RequestRules {
    var limits: RequestLimits
    var cost: RequestCost
    /// Needed spans that are read by themselves.
    var alone: Set<RegisterSpan> = []
    /// Spans that no request may contain, though each point in them can be read.
    var refused: [RegisterSpan] = []

    var longest: Int { min(limits.registers, RegisterSpan.maximumCount) }

    func standsAlone(_ needed: RegisterSpan) -> Bool {
        needed.count > longest || !alone.isEmpty && alone.contains(needed)
    }
}

extension PlannedRequest {
    fileprivate mutating func add(_ point: Int, _ place: PointPlace) {
        slots.append(Slot(point: point, offset: Int(place.address) - Int(span.address)))
    }
}

extension RegisterSpan {
    /// Whether every register of `other` is in this span.
    func contains(_ other: RegisterSpan) -> Bool {
        function == other.function && address <= other.address
            && addresses.upperBound >= other.addresses.upperBound
    }
}
