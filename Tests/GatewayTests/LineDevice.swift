import Glibc
import Posix
import Synchronization

@testable import Fieldbus
@testable import Lab

/// The far end of a serial line or of a converter: gets each RTU request and sends what the script makes of it.
final class LineDevice: Sendable {
    /// A request and the speed that the port had when it came.
    struct Request: Sendable {
        var bytes: [UInt8]
        /// In baud; 0 where there is no port.
        var baud: Int
        var unit: UInt8 { bytes[0] }
        var function: UInt8 { bytes[1] }
        var address: Int { Int(bytes[2]) << 8 | Int(bytes[3]) }
        var count: Int { Int(bytes[4]) << 8 | Int(bytes[5]) }
    }

    /// What is sent for a request, after so many milliseconds; nothing for silence.
    typealias Script = @Sendable (Request) -> (bytes: [UInt8], milliseconds: UInt32)?

    /// The BUS argument for it.
    let place: String
    private let isStopping = Atomic(false)
    private let thread = Mutex<WorkerThread?>(nil)
    private let functions = Mutex<Set<UInt8>>([])
    private let unasked = Mutex<[UInt8]>([])

    /// Every function code that came.
    var functionCodes: Set<UInt8> { functions.withLock { $0 } }

    /// A serial port.
    static func port(_ script: @escaping Script) throws -> LineDevice {
        // Raw from the beginning: whoever has the port open sets it back at the end, and then it must not echo.
        let (master, path) = try PseudoTerminal.open()
        let device = LineDevice(path)
        try device.start { device in
            while !device.isStopping.load(ordering: .acquiring) { device.converse(on: master, script) }
            close(master)
        }
        return device
    }

    /// A converter that passes RTU frames on.
    static func converter(_ script: @escaping Script) throws -> LineDevice {
        let listener = try Loopback.listen(on: 0)
        let device = LineDevice("rtu_over_tcp:127.0.0.1:\(Loopback.port(of: listener))")
        try device.start { device in
            defer { close(listener) }
            while !device.isStopping.load(ordering: .acquiring) {
                guard !Poller.readable([listener], within: 5).isEmpty else { continue }
                let connection = Loopback.accept(on: listener)
                guard connection >= 0 else { continue }
                _ = fcntl(connection, F_SETFL, O_NONBLOCK)
                Loopback.sendAtOnce(connection)
                device.converse(on: connection, script)
                close(connection)
            }
        }
        return device
    }

    private init(_ place: String) {
        self.place = place
    }

    private func start(_ body: @escaping @Sendable (LineDevice) -> Void) throws {
        SignalQueue.ignorePipe()
        let worker = try WorkerThread { [self] in body(self) }
        thread.withLock { $0 = worker }
    }

    /// Hangs up and waits for the end of the thread.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        thread.withLock { $0 }?.join()
    }

    /// Sends bytes that nobody asked for: another master's, or noise.
    func say(_ bytes: [UInt8]) {
        unasked.withLock { $0 += bytes }
    }

    private func converse(on descriptor: Int32, _ script: Script) {
        var waiting: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 256)
        while !isStopping.load(ordering: .acquiring) {
            let extra = unasked.withLock { bytes in
                defer { bytes = [] }
                return bytes
            }
            if !extra.isEmpty { _ = write(descriptor, extra, extra.count) }
            guard !Poller.readable([descriptor], within: 5).isEmpty else { continue }
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { return }
            guard count > 0 else {
                // A pseudo-terminal that nobody has opened says EIO, at once and for ever.
                usleep(1000)
                waiting = []
                continue
            }
            waiting += buffer[..<count]
            while waiting.count >= 2 {
                let length = waiting[1] == 17 ? 4 : waiting[1] == 43 ? 7 : 8
                guard waiting.count >= length else { break }
                let request = Request(bytes: Array(waiting.prefix(length)), baud: speed(of: descriptor))
                waiting.removeFirst(length)
                functions.withLock { _ = $0.insert(request.function) }
                guard let (bytes, milliseconds) = script(request) else { continue }
                usleep(milliseconds * 1000)
                _ = write(descriptor, bytes, bytes.count)
            }
        }
    }

    /// Both ends of a pseudo-terminal see the settings of the port.
    private func speed(of descriptor: Int32) -> Int {
        var settings = termios()
        guard tcgetattr(descriptor, &settings) == 0 else { return 0 }
        let speeds: [speed_t: Int] = [
            speed_t(B1200): 1200, speed_t(B2400): 2400, speed_t(B4800): 4800, speed_t(B9600): 9600,
            speed_t(B19200): 19_200, speed_t(B38400): 38_400, speed_t(B57600): 57_600, speed_t(B115200): 115_200,
        ]
        return speeds[cfgetospeed(&settings)] ?? 0
    }
}

/// RTU frames that devices send.
enum Frame {
    static func rtu(_ unit: UInt8, _ pdu: [UInt8]) -> [UInt8] {
        let body = [unit] + pdu
        let crc = RTUFrame.crc(body, 0..<body.count)
        return body + [UInt8(truncatingIfNeeded: crc), UInt8(crc >> 8)]
    }

    /// The answer of an SDM-like meter: input registers 0…79 with 230 V as f32 at 0, 2, 4 and 50 Hz at 70; all else is
    /// refused.
    static func meter(_ request: LineDevice.Request, as unit: UInt8? = nil) -> [UInt8] {
        let unit = unit ?? request.unit
        guard request.function == 4, request.address + request.count <= 80 else {
            return rtu(unit, [request.function | 0x80, request.function == 4 || request.function == 3 ? 2 : 1])
        }
        let data = (request.address..<request.address + request.count).flatMap { address -> [UInt8] in
            switch address {
            case 0, 2, 4: [0x43, 0x66]
            case 70: [0x42, 0x48]
            default: [0, 0]
            }
        }
        return rtu(unit, [4, UInt8(data.count)] + data)
    }
}
