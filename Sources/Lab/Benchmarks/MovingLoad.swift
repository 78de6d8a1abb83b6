internal import Fieldbus
internal import Metering
internal import Spooling

/// What meters of the lab bring, second by second, without meters: the readings that polls of so many SDM630 would hand to
/// the store of the spool. Their values move as those of the simulated buildings do; the readings of one answer share its instant.
struct MovingLoad {
    /// The points' keys in the spool, meter by meter.
    let keys: [String]
    private let sources: [PointSource]
    /// By point: which of the poll's requests brings it.
    private let requestOf: [Int]
    private let perMeter: Int
    private var buildings: [Building]
    private var random = SplitMix(seed: 630)
    /// Seconds since the first poll.
    private(set) var second: Int64 = 0

    /// `meters` meters with the first `perMeter` of the 40 points that `PollBench` reads.
    init(meters: Int, perMeter: Int) throws {
        let definition = try Models.definition(named: "eastron-sdm630", share: nil)
        let chosen = Array(definition.points.filter(PollBench.isChosen).prefix(perMeter))
        let points = chosen.map { Point(meter: "m", definition: $0, interval: .seconds(1)) }
        let place = Location(latitude: .zero, longitude: .zero)
        let plan = MeterPoll(
            meter: Meter(id: "m", bus: "b", unit: 1, definition: definition, points: points, location: place),
            points: points, on: BusSettings(id: "b", endpoint: .tcp(host: "127.0.0.1", port: 502))
        ).plan
        let spans = plan.requests.map(\.span.addresses)
        requestOf = chosen.map { point in spans.firstIndex { $0.contains(Int(point.address)) } ?? 0 }
        sources = chosen.map(PointSource.init)
        self.perMeter = perMeter
        keys = (0..<meters).flatMap { meter in chosen.map { "meter-\(meter + 1)/\($0.name)" } }
        buildings = (0..<meters).map { Building(phases: 3, seed: UInt64($0 + 1)) }
    }

    /// The moment of the last poll's slot.
    var slot: Instant { Instant(nanoseconds: (1000 + second) * 1_000_000_000) }

    /// The readings of the next second; `points` are the numbers of `keys`.
    mutating func poll(_ points: [PointID], into readings: inout [Reading]) {
        second += 1
        for meter in buildings.indices {
            buildings[meter].advance(by: 1, hour: Double(second % 86_400) / 3600)
            var arrived = slot
            var request = -1
            for index in 0..<perMeter {
                if requestOf[index] != request {
                    request = requestOf[index]
                    // A meter answers within some milliseconds, never twice in the same time.
                    arrived = arrived + .nanoseconds(2_000_000 + Int64(random.next() >> 44))
                }
                readings.append(
                    Reading(
                        point: points[meter * perMeter + index], instant: arrived.floored(to: Spool.resolution),
                        value: .float(Float(sources[index].value(in: buildings[meter], phases: 3)))))
            }
        }
    }
}
