import Configuration
import Metering
import Posix
import Synchronization
import Testing

@testable import Fieldbus
@testable import Lab

/// Meters on an emulated line, the agent's own bus on top, and a judge who knows what the meters really answered.
final class LineRig: Sendable {
    let line: EmulatedLine
    let bus: ModbusBus
    let intake = Intake(capacity: 1_000_000)
    private let points: [PointID: (unit: UInt8, name: String)]
    private let task = Mutex<Task<Void, Never>?>(nil)
    private let taken = Mutex(Intake.Content())
    private let log: Log

    /// What the bus told its log.
    private final class Log: Sendable {
        let events = Mutex<[ModbusBus.Event]>([])
    }

    /// One meter for each of `units`, polled every `interval`; `extra` points are the first unit's, and are not among
    /// what it has. Every other point is polled every `slow`, if given.
    init(
        _ model: String = "eastron-sdm230", units: [UInt8] = [1, 2, 3], baud: Int = 115_200,
        interval: Duration = .milliseconds(100), timing: Timing = Timing(), faults: [String] = [],
        turnaround: Duration = .milliseconds(2), extra: [PointDefinition] = [], isConverter: Bool = false,
        slow: Duration? = nil, memory: [String: String] = [:], seed: UInt64 = 1
    ) throws {
        SignalQueue.ignorePipe()
        let definition = try #require(try Catalogue(share: nil).definition(model: model))
        line = try EmulatedLine(
            units.map { EmulatedLine.Unit(id: $0, definition: definition, turnaround: turnaround) },
            line: SerialLine(baud: baud), faults: try faults.map { try LineFault($0) }, seed: seed,
            converter: isConverter ? 0 : nil, keepsRecords: true)
        var names: [PointID: (unit: UInt8, name: String)] = [:]
        var ids: [String: PointID] = [:]
        var meters: [Meter] = []
        for unit in units {
            let points = (definition.points + (unit == units[0] ? extra : [])).enumerated().map {
                Point(
                    meter: "m\(unit)", definition: $1, interval: $0 % 2 == 0 ? interval : slow ?? interval)
            }
            for point in points {
                let id = PointID(rawValue: UInt32(ids.count + 1))
                ids[point.key] = id
                names[id] = (unit, point.definition.name)
            }
            meters.append(
                Meter(
                    id: "m\(unit)", bus: "b", unit: unit, definition: definition, points: points,
                    location: Location(latitude: .zero, longitude: .zero)))
        }
        points = names
        let log = Log()
        self.log = log
        let endpoint: BusSettings.Endpoint =
            line.converterPort.map { .rtuOverTCP(host: "127.0.0.1", port: $0) } ?? .serial(path: line.path)
        bus = ModbusBus(
            settings: BusSettings(id: "b", endpoint: endpoint, line: SerialLine(baud: baud), timing: timing),
            meters: meters, ids: ids, memory: memory, intake: intake
        ) { event in log.events.withLock { $0.append(event) } }
    }

    deinit {
        bus.stop()
        line.stop()
    }

    func start() {
        let bus = bus
        task.withLock { $0 = Task.detached(executorPreference: bus.thread) { await bus.run() } }
    }

    /// Ends the bus, and the line once everything on it is over.
    func stop() async throws {
        bus.stop()
        await task.withLock { $0 }?.value
        try await Task.sleep(for: .milliseconds(200))
        line.stop()
    }

    /// All readings handed over so far.
    var readings: [Reading] { content.readings }
    /// What the bus told its log so far.
    var told: [ModbusBus.Event] { log.events.withLock { $0 } }
    /// All events.
    var events: [MeterEvent] { content.events }
    /// What is to be remembered.
    var memory: [String: String] { content.memory }

    private var content: Intake.Content {
        taken.withLock { taken in
            let new = intake.take()
            taken.readings += new.readings
            taken.events += new.events
            taken.memory.merge(new.memory) { _, new in new }
            return taken
        }
    }

    /// How many readings there are of `unit`, since `begin`.
    func count(of unit: UInt8, since begin: Instant = Instant(nanoseconds: 0)) -> Int {
        readings.count { points[$0.point]?.unit == unit && $0.instant > begin }
    }

    /// The point that `reading` is of; nil where it is not one of `unit`.
    func name(of reading: Reading, unit: UInt8) -> String? {
        points[reading.point].flatMap { $0.unit == unit ? $0.name : nil }
    }

    func status(of unit: UInt8) throws -> MeterStatus {
        try #require(bus.status.meters.first { $0.unit == unit })
    }

    /// Waits, at most two minutes, for `condition`.
    func wait(until condition: () throws -> Bool) async throws -> Bool {
        try await AgentHarness.wait(120, until: condition)
    }

    /// Holds every reading against the truth log: its value must be what the unit that was asked last before it arrived
    /// answered to that very request, for that very point. Call after `stop`. Returns the readings that are not so, but for those
    /// of one unit.
    func untrue(but exempt: UInt8? = nil) -> [String] {
        let records = line.records
        let requests = records.filter { $0.what == .request }.sorted { $0.begin < $1.begin }
        var answers: [Instant: LineRecord] = [:]
        for record in records where record.what == .answer {
            if let asked = record.asked { answers[asked] = record }
        }
        return readings.compactMap { reading in
            guard let (unit, name) = points[reading.point] else { return "a reading of no point" }
            guard unit != exempt else { return nil }
            let place = "\(name) of unit \(unit) at \(reading.instant.nanoseconds)"
            guard let request = requests.last(where: { $0.begin <= reading.instant }) else {
                return "\(place): nothing had been asked"
            }
            guard let answer = answers[request.begin], answer.isWhole, answer.unit == unit else {
                return "\(place): \(Frame.text(request.bytes)) was not answered rightly"
            }
            let truth = answer.values.first { $0.point == name }?.value
            return truth == .value(reading.value)
                ? nil : "\(place): \(reading.value), in truth \(String(describing: truth))"
        }
    }
}

extension LineRecord {
    /// Whether the unit's answer was on the wire as it formed it, whatever became of noise before it.
    var isWhole: Bool {
        guard verdict != .lost, let span else { return false }
        return Frame.isWhole(Array(bytes.suffix(5 + span.dataLength)))
    }
}
