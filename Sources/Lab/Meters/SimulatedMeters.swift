internal import Glibc
public import Metering
internal import Synchronization

/// Meters on loopback TCP, answered by libmodbus' server side: any definition, any number.
///
/// One thread serves all connections. Each request lets the building behind its meter live on (`Building`), so values
/// move on every poll and counters only rise. Function codes 3 and 4 are answered; every other one is refused with
/// exception 1 and counted: a test can show that nothing else ever arrives. What each meter does wrong can be changed
/// while it runs.
public final class SimulatedMeters: Sendable {
    /// How meters are reached.
    public enum Layout: Hashable, Sendable {
        /// Each at a port of its own, where it answers to any unit id.
        case endpoints
        /// All behind one port; the unit id of the request chooses. Unknown units are answered with exception 11
        /// (gateway target device failed to respond).
        case units
    }

    /// One meter to be simulated.
    public struct Specification: Hashable, Sendable {
        /// Its name in the truth log.
        public var name: String
        /// Its model.
        public var definition: MeterDefinition
        /// Its unit id behind a shared port.
        public var unit: UInt8

        /// A meter with every property given.
        public init(name: String, definition: MeterDefinition, unit: UInt8 = 1) {
            self.name = name
            self.definition = definition
            self.unit = unit
        }
    }

    /// A request as it arrived.
    public struct Request: Hashable, Sendable {
        /// The meter's index; nil for a unit that nobody has.
        public var meter: Int?
        /// The unit id.
        public var unit: UInt8
        /// The function code.
        public var function: UInt8
        /// The first register; 0 where the request has none.
        public var address: UInt16
        /// How many registers; 0 where the request has none.
        public var count: UInt16
    }

    /// What the loop and its owner share.
    struct Shared {
        var misbehaviours: [Int: (kind: Misbehaviour, times: Int?)] = [:]
        /// By meter and point.
        var texts: [Int: [String: String]] = [:]
        var functionCounts: [UInt8: Int] = [:]
        var requestCounts: [Int]
        var recent: [Request] = []
        var connections = 0
    }

    /// The ports, one a meter, or the one that all share.
    public let ports: [UInt16]
    private let shared: MeterShared
    private let thread: WorkerThread
    private let stopSignal: StopSignal

    /// Starts the meters.
    ///
    /// - Parameters:
    ///   - meters: the meters; behind one port their unit ids must differ.
    ///   - layout: how they are reached.
    ///   - port: the first port; others follow. 0 takes free ports; see `ports`.
    ///   - seed: gives the buildings.
    ///   - truth: a file that gets a line for each point served.
    public init(
        _ meters: [Specification], layout: Layout = .endpoints, port: UInt16 = 0, seed: UInt64 = 1,
        truth: String? = nil
    ) throws(LabError) {
        if layout == .units, Set(meters.map(\.unit)).count != meters.count {
            throw LabError(.format, "two meters have the same unit id", hint: "behind one port unit ids must differ")
        }
        guard meters.count <= 500 else {
            throw LabError(.format, "\(meters.count) meters are too many", hint: "one process simulates at most 500")
        }
        shared = MeterShared(Shared(requestCounts: Array(repeating: 0, count: meters.count)))
        stopSignal = try StopSignal()
        let loop = try MeterLoop(
            meters, layout: layout, port: port, seed: seed, truth: truth, shared: shared, stop: stopSignal.descriptor)
        ports = loop.ports
        thread = try WorkerThread { loop.run() }
    }

    /// `count` meters of one model, named `meter-1` …, with unit ids from 1.
    public convenience init(
        _ definition: MeterDefinition, count: Int, layout: Layout = .endpoints, port: UInt16 = 0, seed: UInt64 = 1,
        truth: String? = nil
    ) throws(LabError) {
        guard layout == .endpoints || count <= 247 else {
            throw LabError(.format, "one endpoint has room for 247 units, not \(count)", hint: "use endpoints")
        }
        let meters = (0..<count).map { index in
            let unit = layout == .units ? UInt8(index + 1) : 1
            return Specification(name: "meter-\(index + 1)", definition: definition, unit: unit)
        }
        try self.init(meters, layout: layout, port: port, seed: seed, truth: truth)
    }

    /// Makes the meter at `index` misbehave, for the next `times` requests or until told otherwise; nil cures it.
    public func setMisbehaviour(_ misbehaviour: Misbehaviour?, of index: Int, times: Int? = nil) {
        shared.withLock { $0.misbehaviours[index] = misbehaviour.map { ($0, times) } }
    }

    /// Gives a point that is a text another one, from the next request on; without one it says a number. What does not
    /// fit is cut off.
    public func setText(_ text: String, of point: String, of index: Int) {
        shared.withLock { $0.texts[index, default: [:]][point] = text }
    }

    /// How often each function code has arrived, from any client.
    public var functionCounts: [UInt8: Int] {
        shared.withLock { $0.functionCounts }
    }

    /// How many requests have arrived that were not reads of registers (function codes 3 and 4).
    public var refusedRequests: Int {
        functionCounts.reduce(0) { $0 + ($1.key == 3 || $1.key == 4 ? 0 : $1.value) }
    }

    /// How many requests the meter at `index` has got.
    public func requestCount(of index: Int) -> Int {
        shared.withLock { $0.requestCounts.indices.contains(index) ? $0.requestCounts[index] : 0 }
    }

    /// The last requests, oldest first, at most 1000.
    public var recentRequests: [Request] {
        shared.withLock { $0.recent }
    }

    /// How many connections are open.
    public var connectionCount: Int {
        shared.withLock { $0.connections }
    }

    /// Closes every connection and port. A second call does nothing.
    public func stop() {
        stopSignal.give()
        thread.join()
    }

    deinit {
        stop()
    }
}

/// The shared state behind its lock.
final class MeterShared: Sendable {
    private let state: Mutex<SimulatedMeters.Shared>

    init(_ shared: sending SimulatedMeters.Shared) {
        state = Mutex(shared)
    }

    func withLock<Result: Sendable>(_ body: (inout SimulatedMeters.Shared) -> Result) -> Result {
        state.withLock { body(&$0) }
    }

    /// Notes a request and tells how the meter is to misbehave.
    func note(_ request: SimulatedMeters.Request) -> Misbehaviour? {
        withLock { shared in
            shared.functionCounts[request.function, default: 0] += 1
            // Dropping 500 at once keeps the cost of the limit away from each single request.
            if shared.recent.count >= 1000 { shared.recent.removeFirst(500) }
            shared.recent.append(request)
            guard let meter = request.meter else { return nil }
            shared.requestCounts[meter] += 1
            guard let (kind, times) = shared.misbehaviours[meter] else { return nil }
            if let times {
                shared.misbehaviours[meter] = times > 1 ? (kind, times - 1) : nil
                if times < 1 { return nil }
            }
            return kind
        }
    }
}
