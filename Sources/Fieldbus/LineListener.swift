public import Metering
internal import Posix

/// Listens on a line without ever sending: what other masters ask and what their meters answer.
///
/// Frames are told apart by lengths and checksums alone, so the first bytes after the opening may belong to none.
/// Blocking, and for one thread.
public struct LineListener: ~Copyable {
    private let bus: BusSettings
    private let line: SerialLine
    private var wire: Wire
    private var sorter = RTUSorter()
    private var chunk = [UInt8](repeating: 0, count: 512)
    private var lastByte = Instant(nanoseconds: 0)

    /// After the line's silence and as long as adapters and converters take between two packets, bytes from which no
    /// frame came are given up.
    private static let packetGap = Duration.milliseconds(50)

    /// A listener on `bus`, which is no Modbus TCP; nothing is opened yet.
    public init(_ bus: BusSettings) {
        self.bus = bus
        line = bus.line ?? SerialLine()
        wire = Wire(bus.endpoint, line)
    }

    /// Opens the port or the connection.
    public mutating func open() throws(ModbusError) {
        do throws(ModbusError.Code) {
            try wire.open(
                within: bus.timing.responseTimeout ?? TimeoutEstimator.initial, until: BootClock.now + .seconds(10))
        } catch {
            throw failure(error)
        }
    }

    /// Listens for at most `time` and gives what ended meanwhile to `take`; returns early when something came.
    public mutating func listen(within time: Duration, take: (FrameTrace) -> Void) throws(ModbusError) {
        let limit = sorter.isPending ? min(time, line.silence + Self.packetGap) : time
        var count = 0
        if wire.isReadable(within: limit) {
            do throws(ModbusError.Code) {
                count = try wire.receive(into: &chunk)
            } catch {
                wire.close()
                throw failure(error)
            }
        }
        let now = BootClock.now
        if count > 0 {
            sorter.append(chunk, count: count)
            lastByte = now
        }
        while let finding = sorter.next() { note(.foreign, finding.range, now, take) }
        guard sorter.isPending, now - lastByte >= line.silence + Self.packetGap else {
            if !sorter.isPending { sorter.listen() }
            return
        }
        switch sorter.finishBurst() {
        case .nothing: break
        case .noise(let bytes): note(.noise, bytes, lastByte, take)
        case .garbled(let bytes, _), .cut(let bytes, _): note(.crcError, bytes, lastByte, take)
        }
        sorter.listen()
    }

    private func note(
        _ verdict: FrameTrace.Verdict, _ bytes: Range<Int>, _ now: Instant, _ take: (FrameTrace) -> Void
    ) {
        take(FrameTrace(verdict: verdict, bytes: Array(sorter.bytes[bytes]), instant: now))
    }

    private func failure(_ code: ModbusError.Code) -> ModbusError {
        ModbusError(code: code, endpoint: bus.endpoint.description, transport: wire.transport, unit: 0)
    }
}
