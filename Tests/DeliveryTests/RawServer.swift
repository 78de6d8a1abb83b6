import Glibc
import Metering
import Posix
import Synchronization

/// A TCP server that answers with whatever bytes a test wants: for what no HTTP library would send.
final class RawServer: Sendable {
    /// What to do with one request.
    enum Reaction: Sendable {
        /// Sends bytes and waits for the next request on the connection.
        case send([UInt8])
        /// Sends bytes and closes.
        case sendAndClose([UInt8])
        /// Sends bytes one by one, with pauses, and closes.
        case drip([UInt8], pause: Duration)
        /// Never answers.
        case silence
        /// Closes as soon as the head is there, before the body is read.
        case closeBeforeBody
    }

    struct Request: Sendable {
        var connection: Int
        var head: String
        var body: [UInt8]
        var line: String { String(head.prefix { $0 != "\r" && $0 != "\r\n" }) }
    }

    let port: UInt16
    private let listener: Int32
    private let react: @Sendable (Request) -> Reaction
    private let log = Mutex<[Request]>([])
    private let open = Mutex<Set<Int32>>([])
    private let isStopped = Atomic<Bool>(false)

    var url: String { "http://127.0.0.1:\(port)/v1.1" }
    var requests: [Request] { log.withLock { $0 } }
    /// Whether a connection has not been closed from this side yet.
    var hasConnections: Bool { open.withLock { !$0.isEmpty } }

    /// Listens on a free port. `react` is asked for every request, on the connection's thread.
    init(_ react: @escaping @Sendable (Request) -> Reaction) {
        SignalQueue.ignorePipe()
        self.react = react
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        precondition(result, "no listener: \(PosixError.text(errno))")
        port = UInt16(bigEndian: address.sin_port)
        Self.thread { [self] in accept() }
    }

    /// Ends all connections.
    func stop() {
        isStopped.store(true, ordering: .sequentiallyConsistent)
        shutdown(listener, Int32(SHUT_RDWR))
        open.withLock { for descriptor in $0 { shutdown(descriptor, Int32(SHUT_RDWR)) } }
    }

    private func accept() {
        var number = 0
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            if descriptor < 0 || isStopped.load(ordering: .sequentiallyConsistent) { break }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            number += 1
            let connection = number
            _ = open.withLock { $0.insert(descriptor) }
            Self.thread { [self] in
                serve(descriptor, connection)
                open.withLock {
                    $0.remove(descriptor)
                    close(descriptor)
                }
            }
        }
        close(listener)
    }

    private func serve(_ descriptor: Int32, _ connection: Int) {
        var buffer: [UInt8] = []
        while let (head, length) = readHead(descriptor, &buffer) {
            if case .closeBeforeBody = react(Request(connection: connection, head: head, body: [])) { return }
            while buffer.count < length { if !readMore(descriptor, &buffer) { return } }
            let request = Request(connection: connection, head: head, body: Array(buffer[..<length]))
            buffer.removeFirst(length)
            log.withLock { $0.append(request) }
            switch react(request) {
            case .send(let bytes): write(descriptor, bytes)
            case .sendAndClose(let bytes):
                write(descriptor, bytes)
                return
            case .drip(let bytes, let pause):
                for byte in bytes {
                    if write(descriptor, [byte]) <= 0 { return }
                    usleep(UInt32(pause.wholeNanoseconds / 1000))
                }
                return
            case .silence: while readMore(descriptor, &buffer) {}
            case .closeBeforeBody: return
            }
        }
    }

    private func readHead(_ descriptor: Int32, _ buffer: inout [UInt8]) -> (head: String, length: Int)? {
        let end = Array("\r\n\r\n".utf8)
        while true {
            for index in 0..<max(0, buffer.count - 3) where Array(buffer[index..<index + 4]) == end {
                let head = String(decoding: buffer[..<index], as: UTF8.self)
                buffer.removeFirst(index + 4)
                let line = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
                let length = line.flatMap { Int($0.drop { $0 != ":" }.dropFirst().filter { $0 != " " }) } ?? 0
                return (head, length)
            }
            if !readMore(descriptor, &buffer) { return nil }
        }
    }

    private func readMore(_ descriptor: Int32, _ buffer: inout [UInt8]) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = read(descriptor, &chunk, chunk.count)
        guard count > 0 else { return false }
        buffer += chunk[..<count]
        return true
    }

    @discardableResult
    private func write(_ descriptor: Int32, _ bytes: [UInt8]) -> Int {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return count }
            sent += count
        }
        return sent
    }

    private static func thread(_ body: @escaping @Sendable () -> Void) {
        final class Box: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Box(body)).toOpaque()
        pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Box>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, box)
        pthread_detach(thread)
    }
}

extension RawServer {
    /// A whole answer.
    static func answer(_ status: String, _ body: String = "", headers: String = "") -> [UInt8] {
        Array("HTTP/1.1 \(status)\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
    }
}
