/// How long a request keeps the wire: from its first character until the next request may begin.
public struct RequestCost: Hashable, Sendable {
    /// What every request costs, however little it reads.
    public var request: Duration
    /// What every byte of data in the answer adds: two a register, one for eight bits.
    public var byte: Duration

    /// A unit's turnaround where nobody has measured it: what common meters take.
    public static let usualTurnaround = Duration.milliseconds(5)

    /// Modbus TCP: a request is a round trip and the meter's own work, some milliseconds at best; the two bytes of a
    /// register ride in the same packet. So a request is worth more registers than an answer can carry.
    public static let tcp = RequestCost(request: .milliseconds(2), byte: .nanoseconds(500))

    /// A cost with every property given.
    public init(request: Duration, byte: Duration) {
        self.request = request
        self.byte = byte
    }

    /// The cost of RTU frames on `line`, also behind a converter.
    ///
    /// Modbus over Serial Line V1.02, section 2.5.1: a request has 8 characters, an answer 5 besides its data, and a
    /// silence of 3.5 characters follows each. `turnaround` is the unit's time from the end of a request to its answer,
    /// `pause` the rest it needs before the next request, beyond that silence.
    public init(line: SerialLine, turnaround: Duration, pause: Duration) {
        let switching = line.direction.map { $0.delayBefore + $0.delayAfter } ?? .zero
        request = line.duration(ofCharacters: 8 + 5) + line.silence * 2 + switching + turnaround + pause
        byte = line.duration(ofCharacters: 1)
    }

    /// The cost of requests to `meter` on `bus`.
    public init(of meter: Meter, on bus: BusSettings) {
        guard let line = bus.line else {
            self = .tcp
            return
        }
        let pause = meter.timing.or(bus.timing).pause ?? .zero
        self.init(line: line, turnaround: Self.usualTurnaround, pause: pause)
    }

    /// The time of one request for `span`, with its answer.
    public func duration(of span: RegisterSpan) -> Duration {
        duration(of: span.function, count: span.count)
    }

    func duration(of function: RegisterFunction, count: Int) -> Duration {
        request + byte * (function.readsBits ? (count + 7) / 8 : 2 * count)
    }
}
