internal import CPosix
internal import Glibc
internal import Metering
internal import Synchronization

/// Asks the resolver for the addresses of a host, on a thread of its own: the C library waits for a dead name server as
/// long as it likes (30 s with three of them), and cannot be told to give up.
public final class NameQuery: Sendable {
    /// What the resolver says.
    public enum Answer: Hashable, Sendable {
        /// The host's addresses in digits, the best first.
        case addresses([String])
        /// It has none; the words say why.
        case unknown(String)
    }

    private let host: String
    private let answer = Mutex<Answer?>(nil)
    private let waker: Waker

    /// Begins to ask for `host`.
    public init(_ host: String) throws(PosixError) {
        self.host = host
        waker = try Waker()
        // The thread holds the query until it has its answer.
        let retained = Unmanaged.passRetained(self)
        var thread: UInt = 0
        let error = cposix_spawn_thread(
            { Unmanaged<NameQuery>.fromOpaque($0!).takeRetainedValue().run() }, retained.toOpaque(), 512 << 10, &thread)
        guard error == 0 else {
            retained.release()
            throw PosixError("start", "a thread", code: error)
        }
        pthread_detach(thread)
    }

    /// The answer, once it is there; nil when it is not after `time`. May be called again.
    public func answer(within time: Duration) -> Answer? {
        let limit = BootClock.now + time
        while true {
            if let answer = answer.withLock({ $0 }) { return answer }
            let now = BootClock.now
            guard now < limit else { return nil }
            _ = Poller.isReadable(waker.descriptor, within: limit - now)
        }
    }

    /// The addresses that `host` stands for by itself: it is one, in digits. Asks nobody; nil for a name.
    public static func digits(_ host: String) -> [String]? {
        if case .addresses(let addresses) = resolve(host, AI_NUMERICHOST) { addresses } else { nil }
    }

    private func run() {
        cposix_name_thread("resolver")
        let found = Self.resolve(host, 0)
        answer.withLock { $0 = found }
        waker.wake()
    }

    private static func resolve(_ host: String, _ flags: Int32) -> Answer {
        var hints = addrinfo()
        hints.ai_flags = flags
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &found)
        guard code == 0 else { return .unknown(String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(found) }
        var addresses: [String] = []
        var next = found
        while let entry = next?.pointee {
            var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let isText = getnameinfo(
                entry.ai_addr, entry.ai_addrlen, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST)
            if isText == 0 {
                addresses.append(String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            next = entry.ai_next
        }
        return .addresses(addresses)
    }
}
