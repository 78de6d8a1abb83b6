internal import CModbus
public import Metering
internal import Posix

/// One connection to a bus: connects, asks, checks, tells what went wrong. Speaks Modbus TCP, RTU on a serial port and
/// RTU through a serial-to-Ethernet converter.
///
/// Blocking, and for one thread at a time: an actor with a thread of its own holds it, or a command that does nothing
/// else. It never connects twice for one request: the caller decides when to try again.
///
/// On a line it keeps 3.5 characters of silence before each request (libmodbus #494, mqmgateway #40: without it the next
/// unit does not hear), waits for answers until their last byte and no longer, swallows the echo of 2-wire adapters,
/// passes over frames of others without touching the port (neuron #2148), and never takes a late answer for the answer
/// to another request (grid-x/modbus #78).
public struct ModbusLink: ~Copyable {
    /// Words of the last answer, one a register or a bit; valid until the next request.
    public private(set) var words: [UInt16] = []
    /// What was counted since the link was made.
    public internal(set) var counters = LinkCounters()
    /// For how long the link was busy since it was made: from the wish to send, with the line's silence before the
    /// request, to the end of its answer or of the waiting for it.
    public internal(set) var wireTime = Duration.zero
    /// What was heard when the last request failed; nil when it did not.
    public internal(set) var lastEvidence: LinkEvidence?
    /// Gets every frame that is sent or heard. Costs nothing while nil.
    public var trace: ((FrameTrace) -> Void)?
    /// When whatever the link does has to be over, complete or not; nil for no limit but the timeouts. A request for
    /// whose answer there would be no time is not sent.
    public var deadline: Instant?

    let bus: BusSettings
    let line: SerialLine
    var wire: Wire
    var units: [UnitState] = []
    /// The PDU of the last answer.
    var answer: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 512)
    /// Timeouts in a row.
    var silences = 0
    var connectedAt = Instant(nanoseconds: 0)
    /// Where the unit stands that answered last.
    var lastToAnswer: Int?
    /// Whether it was asked since, and silent.
    var isLastSilent = false
    /// When the port was last closed because nobody answered.
    var reopenedAt: Instant?

    // Of a line.
    var sorter = RTUSorter()
    /// When the line became quiet, as far as is known.
    var quietSince = Instant(nanoseconds: 0)
    /// Until when the line is listened to before the next request, because a late answer of this unit may come.
    var suspicion: (unit: UInt8, until: Instant)?

    // Of Modbus TCP.
    var request: [UInt8] = []
    /// Bytes that were not judged yet.
    var stream: [UInt8] = []
    var transaction = UInt16.random(in: 0...UInt16.max)

    /// A connection may be half dead without telling: after this many timeouts in a row it is made anew.
    private static let silencesBeforeReconnect = 3
    /// A port may be dead without telling as well (home-assistant #59744): after this many timeouts in a row, among them
    /// one of the unit that answered last and with no byte heard meanwhile, it is opened anew.
    static let silencesBeforeReopening = 5
    /// But not more often than so: the line may be without power for long.
    static let reopeningInterval = Duration.seconds(60)
    /// Characters of a request for registers.
    private static let requestLength = 8
    /// A connection that was not used for so long is looked at before it is used.
    private static let idleTime = Duration.seconds(1)

    /// The version of the libmodbus in use.
    public static var libraryVersion: String {
        "\(libmodbus_version_major).\(libmodbus_version_minor).\(libmodbus_version_micro)"
    }

    /// A link to `bus`, not connected yet.
    public init(_ bus: BusSettings) {
        self.bus = bus
        line = bus.line ?? SerialLine()
        wire = Wire(bus.endpoint, line)
    }

    /// Whether there is a connection, or the port is open, as far as is known.
    public var isConnected: Bool { wire.isOpen }

    /// What became of the serial port's settings when it was last opened; nil before that, and where there is no port.
    public var portReport: PortReport? { wire.report }

    /// From the end of a request to the first byte of the answer: what `unit` typically takes, learnt from its last
    /// answers; nil before the first.
    public func turnaround(of unit: UInt8) -> Duration? {
        units.first { $0.unit == unit }?.estimator.typical
    }

    /// How long `unit` is waited for: what was stated at its last request, else what was learnt.
    public func timeout(of unit: UInt8) -> Duration {
        units.first { $0.unit == unit }?.timeout(wire.transport) ?? bus.timing.responseTimeout
            ?? TimeoutEstimator.initial
    }

    /// Closes the connection or the port; the next `connect` opens it anew, by its name.
    public mutating func close() {
        wire.close()
        silences = 0
    }

    /// Closes a connection that the far end has closed, or a port whose adapter is gone, and tells whether it did. Asks
    /// nobody and never waits: for the time between two polls, because an adapter that comes back while its old port is
    /// still held gets another number (modbus-relay #7, nuttx #3430).
    @discardableResult
    public mutating func noticeHangUp() -> Bool {
        guard wire.isOpen, wire.isHungUp else { return false }
        close()
        return true
    }

    /// Takes over which late answers may still come, for whom the line is listened to, and since when units rest, from a
    /// link that was used on the same line before this one. What was learnt of the units is not taken over: it holds for
    /// that link's settings.
    public mutating func inherit(from other: borrowing ModbusLink) {
        for state in other.units {
            let place = place(of: state.unit)
            units[place].unanswered = state.unanswered
            units[place].lastAnswer = [units[place].lastAnswer, state.lastAnswer].compactMap(\.self).max()
        }
        suspicion = other.suspicion
    }

    /// Connects, or opens the port, waiting at most the bus's response timeout or 1 s for each address of the endpoint,
    /// and for all of them, the look-up of a name included, no longer than `limit`. Does nothing on a link that is
    /// connected.
    public mutating func connect(within limit: Duration = .seconds(10)) throws(ModbusError) {
        guard !wire.isOpen else { return }
        do throws(ModbusError.Code) {
            try wire.open(
                within: bus.timing.responseTimeout ?? TimeoutEstimator.initial, until: min(BootClock.now + limit, end))
        } catch {
            throw failure(error, 0, nil)
        }
        counters.connects += 1
        silences = 0
        stream.removeAll(keepingCapacity: true)
        connectedAt = BootClock.now
        // What was on the line before is not known.
        quietSince = connectedAt
    }

    /// Reads `span` of `unit` into `words`. Returns when the last byte of the answer arrived. `timing` is the meter's
    /// own and goes before the bus's.
    ///
    /// Connects first if need be. Closes the connection when it is lost or the stream of frames cannot be trusted.
    @discardableResult
    public mutating func read(
        _ span: RegisterSpan, unit: UInt8, timing: Timing = Timing()
    ) throws(ModbusError) -> Instant {
        let arrived = try ask(.registers(span), unit, timing)
        takeWords(of: span)
        return arrived
    }

    /// What `unit` tells of itself by Read Device Identification (function 43, MEI type 14): the objects of the basic
    /// category and, where it has them, of the regular one. Text that is no UTF-8 is taken for Latin-1. After `deadline`
    /// no more of it is asked for.
    public mutating func deviceIdentification(
        unit: UInt8, timing: Timing = Timing(), until deadline: Instant = Instant(nanoseconds: .max)
    ) throws(ModbusError) -> [UInt8: String] {
        var objects: [UInt8: String] = [:]
        let conformity = try identify(.basic, from: 0, unit, timing, until: deadline, into: &objects)
        // The low bits of the conformity level name the highest category.
        guard conformity & 0x7F >= ReadRequest.Category.regular.rawValue, BootClock.now < deadline else {
            return objects
        }
        do throws(ModbusError) {
            _ = try identify(.regular, from: 3, unit, timing, until: deadline, into: &objects)
        } catch {
            // Some units claim more than they have; what they have is worth more than the refusal.
            if case .exception = error.code { return objects }
            guard error.code == .outOfTime else { throw error }
        }
        return objects
    }

    /// What `unit` answers to Report Server ID (function 17): its data, which each maker defines for itself.
    public mutating func serverID(unit: UInt8, timing: Timing = Timing()) throws(ModbusError) -> [UInt8] {
        try ask(.serverID, unit, timing)
        return Array(answer.dropFirst(2))
    }

    // MARK: - One request

    @discardableResult
    private mutating func ask(
        _ request: ReadRequest, _ unit: UInt8, _ timing: Timing
    ) throws(ModbusError) -> Instant {
        var begin = BootClock.now
        closeIfLost(at: begin)
        if !wire.isOpen {
            try connect()
            begin = BootClock.now
        }
        let timing = timing.or(bus.timing)
        let place = place(of: unit)
        units[place].stated = timing.responseTimeout
        lastEvidence = nil
        do throws(ModbusError) {
            let isTCP = wire.transport == .tcp
            let arrived =
                isTCP
                ? try askOverTCP(request, place, timing, at: begin) : try askOnLine(request, place, timing)
            wireTime += arrived - begin
            return arrived
        } catch {
            wireTime += BootClock.now - begin
            throw error
        }
    }

    /// A device may close a connection that nobody uses; that is no failure of the next request.
    private mutating func closeIfLost(at now: Instant) {
        guard wire.isOpen, wire.transport != .serial, now - quietSince > Self.idleTime, wire.isHungUp else { return }
        close()
    }

    private mutating func place(of unit: UInt8) -> Int {
        if let place = units.firstIndex(where: { $0.unit == unit }) { return place }
        units.append(UnitState(unit))
        return units.count - 1
    }

    private mutating func takeWords(of span: RegisterSpan) {
        words.removeAll(keepingCapacity: true)
        if span.function.readsBits {
            // The first bit is the lowest of the first byte.
            for index in 0..<span.count { words.append(UInt16(answer[2 + index / 8] >> (index % 8) & 1)) }
        } else {
            for index in 0..<span.count {
                words.append(UInt16(answer[2 + 2 * index]) << 8 | UInt16(answer[3 + 2 * index]))
            }
        }
    }

    /// Reads a category of objects, page by page. Returns the conformity level.
    private mutating func identify(
        _ category: ReadRequest.Category, from first: UInt8, _ unit: UInt8, _ timing: Timing, until deadline: Instant,
        into objects: inout [UInt8: String]
    ) throws(ModbusError) -> UInt8 {
        var next = first
        while true {
            try ask(.identification(category, from: next), unit, timing)
            // Function, MEI type, category, conformity, more follows, next object, number of objects.
            let (conformity, more, following) = (answer[3], answer[4], answer[5])
            var start = 7
            for _ in 0..<answer[6] {
                let end = start + 2 + Int(answer[start + 1])
                objects[answer[start]] = Self.text(answer[start + 2..<end])
                start = end
            }
            // The next object's id must grow: a unit that begins anew would never end.
            guard more == 0xFF, following > next, BootClock.now < deadline else { return conformity }
            next = following
        }
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        let text =
            String(validating: bytes, as: UTF8.self)
            ?? String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        // Makers fill up with zeros or spaces.
        var trimmed = text[...]
        while let last = trimmed.last, last == "\0" || last == " " { trimmed.removeLast() }
        return String(trimmed)
    }

    // MARK: - The link's own deadline

    /// When the link has to be done.
    var end: Instant { deadline ?? Instant(nanoseconds: .max) }

    /// Whether the answer to a request of the unit at `place` that is sent at `now` can be waited for.
    func hasTime(for asked: ReadRequest, _ place: Int, at now: Instant) -> Bool {
        guard let deadline else { return true }
        var need = min(units[place].timeout(wire.transport), TimeoutEstimator.shortest)
        if wire.transport != .tcp {
            // What the answer has at most is known of registers alone.
            let answer = asked.dataLength == nil ? 0 : asked.longestAnswer + RTUFrame.overhead
            need += line.duration(ofCharacters: Self.requestLength + answer)
        }
        return deadline - now >= need
    }

    /// Whether a unit that did not answer within `waited` was waited for as long as one has to that is said to be
    /// silent.
    func isWaitedFor(_ place: Int, _ waited: Duration) -> Bool {
        let enough = min(units[place].estimator.timeout, TimeoutEstimator.initial)
        return waited >= min(units[place].timeout(wire.transport), enough)
    }

    // MARK: - Results of both kinds

    /// Books an answer of the unit at `place`, or its refusal.
    mutating func bookAnswer(_ place: Int, after turnaround: Duration, at arrived: Instant) {
        units[place].estimator.answered(after: turnaround)
        units[place].lastAnswer = arrived
        silences = 0
        (lastToAnswer, isLastSilent) = (place, false)
    }

    /// Books a silence. A connection, or a port, with too many of them is closed.
    mutating func bookSilence(_ place: Int) {
        units[place].estimator.timedOut()
        counters.timeouts += 1
        silences += 1
        if place == lastToAnswer { isLastSilent = true }
        if wire.transport == .serial {
            closeIfDead(at: BootClock.now)
        } else if silences >= Self.silencesBeforeReconnect {
            close()
        }
    }

    /// Closes a port that seems dead. Units that never answer say nothing against it, nor do those that answer seldom.
    private mutating func closeIfDead(at now: Instant) {
        guard silences >= Self.silencesBeforeReopening, lastToAnswer == nil || isLastSilent else { return }
        if let reopenedAt, now - reopenedAt < Self.reopeningInterval { return }
        reopenedAt = now
        close()
    }

    /// What the unit at `place` still needs before it is asked again: its own pause, and the bus's after a connection.
    func restEnd(_ place: Int, _ timing: Timing) -> Instant? {
        let afterConnect = timing.afterConnect.map { connectedAt + $0 }
        guard let pause = timing.pause, let last = units[place].lastAnswer else { return afterConnect }
        return max(last + pause, afterConnect ?? last)
    }

    /// The words for what went wrong.
    func failure(_ code: ModbusError.Code, _ unit: UInt8, _ request: ReadRequest?) -> ModbusError {
        ModbusError(
            code: code, endpoint: bus.endpoint.description, transport: wire.transport, unit: unit,
            span: request?.span, function: request?.function)
    }
}

extension BusSettings.Endpoint {
    /// `192.168.1.20:502`; `[fd00::1]:502`; `/dev/ttyS1`.
    public var description: String {
        switch self {
        case .tcp(let host, let port), .rtuOverTCP(let host, let port):
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .serial(let path): path
        }
    }
}
