internal import Glibc
internal import Metering

/// The listening end of a Unix socket for short questions and answers: one line in, any text out, then closed.
public struct UnixListener: ~Copyable {
    /// Becomes readable when someone asks.
    public let descriptor: Int32
    private let path: String

    /// Longest question, in bytes.
    private static let longestQuestion = 4096

    /// Listens at `path` (mode 0660). A socket left by a dead process is replaced; a living one is an error
    /// (EADDRINUSE).
    public init(path: String) throws(PosixError) {
        descriptor = try Self.open(path)
        self.path = path
    }

    deinit {
        unlink(path)
        close(descriptor)
    }

    private static func open(_ path: String) throws(PosixError) -> Int32 {
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try File.makeFolder(String(path[..<slash]))
        }
        if File.exists(path) { try removeDeadSocket(path) }
        let descriptor = try UnixSocket.make(path)
        var address = UnixSocket.address(path)
        // The file never has more rights than the socket, and fewer only by umask, which is left alone: it is all threads'.
        guard fchmod(descriptor, 0o660) == 0, UnixSocket.withAddress(&address, { bind(descriptor, $0, $1) }) == 0,
            chmod(path, 0o660) == 0, listen(descriptor, 8) == 0
        else {
            let code = errno
            close(descriptor)
            throw PosixError("listen", path, code: code)
        }
        return descriptor
    }

    /// Removes what a dead process left; anything else that stands there is not ours to remove.
    private static func removeDeadSocket(_ path: String) throws(PosixError) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
            throw PosixError("listen", path, code: EEXIST)
        }
        do {
            close(try UnixSocket.connect(path))
        } catch {
            guard error.code == ECONNREFUSED else { throw error }
            unlink(path)
            return
        }
        throw PosixError("listen", path, code: EADDRINUSE)
    }

    /// Takes one waiting question to `answer`, who may keep the asker and reply later, from any thread. A peer that says
    /// nothing for a second is dropped.
    public func serve(_ answer: (String, UnixAsker) -> Void) {
        let peer = accept(descriptor, nil, nil)
        guard peer >= 0 else { return }
        _ = fcntl(peer, F_SETFD, FD_CLOEXEC)
        let asker = UnixAsker(peer)
        guard let question = UnixSocket.readLine(peer, limit: Self.longestQuestion, within: .seconds(1)) else { return }
        // One second for each part of the answer that its socket buffer does not take.
        UnixSocket.limitWaits(of: peer, seconds: 1)
        answer(question, asker)
    }
}

/// Who asked a question at a Unix socket, and waits for the answer. Closed when nobody holds it any more.
public final class UnixAsker: Sendable {
    let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// Sends a part of the answer; false when it is not taken within a second, or the asker is gone.
    public func send(_ bytes: [UInt8]) -> Bool {
        UnixSocket.writeAll(bytes, to: descriptor)
    }

    /// What becomes of a part that is offered.
    public enum Offer: Sendable {
        /// It is on its way.
        case taken
        /// The asker reads too slowly: so much waits already that this part was not sent.
        case full
        /// The asker is gone.
        case gone
    }

    /// So much may wait for an asker: half of what the kernel holds for a socket, so that a last word still fits.
    private static let backlog = 100_000

    /// Sends a part of the answer without ever waiting.
    public func offer(_ bytes: [UInt8]) -> Offer {
        var queued: Int32 = 0
        if ioctl(descriptor, UInt(TIOCOUTQ), &queued) == 0, queued > Self.backlog { return .full }
        return push(bytes) ? .taken : errno == EAGAIN ? .full : .gone
    }

    /// Sends a last word without waiting, however much waits; false when it did not fit or the asker is gone.
    @discardableResult
    public func push(_ bytes: [UInt8]) -> Bool {
        errno = EAGAIN
        return Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) == bytes.count
    }

    /// Whether the asker still waits.
    public var isThere: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) < 0 && errno == EAGAIN
    }
}

/// An answer that goes on: parts come until the other end closes.
public final class UnixConversation: Sendable {
    /// Becomes readable when a part is there, or the end.
    public let descriptor: Int32

    fileprivate init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// The next part; nil at the end. Waits for it.
    public func receive() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            return count > 0 ? Array(buffer[..<count]) : nil
        }
    }
}

/// The asking end of a Unix socket.
public enum UnixSocket {
    /// Sends one line to `path` and returns all that comes back. Waits at most `seconds` for each part.
    public static func ask(_ question: String, at path: String, seconds: Int = 5) throws(PosixError) -> [UInt8] {
        var answer: [UInt8] = []
        try ask(question, at: path, seconds: seconds) { answer.append(contentsOf: $0) }
        return answer
    }

    /// Sends one line to `path` and gives what comes back to `take`, part by part, until the other end closes. Waits at
    /// most `seconds` for each part.
    public static func ask(
        _ question: String, at path: String, seconds: Int, take: (ArraySlice<UInt8>) -> Void
    ) throws(PosixError) {
        let peer = try connect(path)
        defer { close(peer) }
        limitWaits(of: peer, seconds: seconds)
        guard writeAll(Array((question + "\n").utf8), to: peer) else { throw PosixError("ask", path, code: errno) }
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(peer, &buffer, buffer.count)
            if count == 0 { return }
            if count < 0 {
                if errno == EINTR { continue }
                throw PosixError("ask", path, code: errno)
            }
            take(buffer[..<count])
        }
    }

    /// Sends one line to `path` and leaves the conversation open.
    public static func converse(_ question: String, at path: String) throws(PosixError) -> UnixConversation {
        let peer = try connect(path)
        guard writeAll(Array((question + "\n").utf8), to: peer) else {
            let code = errno
            close(peer)
            throw PosixError("ask", path, code: code)
        }
        return UnixConversation(peer)
    }

    fileprivate static func make(_ path: String) throws(PosixError) -> Int32 {
        // sockaddr_un holds 108 bytes with the closing zero (unix(7)).
        guard path.utf8.count < 108 else { throw PosixError("open", path, code: ENAMETOOLONG) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw PosixError("open", path, code: errno) }
        return descriptor
    }

    fileprivate static func connect(_ path: String) throws(PosixError) -> Int32 {
        let descriptor = try make(path)
        var address = address(path)
        guard withAddress(&address, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
            let code = errno
            close(descriptor)
            throw PosixError("connect to", path, code: code)
        }
        return descriptor
    }

    fileprivate static func address(_ path: String) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return address
    }

    fileprivate static func withAddress(
        _ address: inout sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }

    fileprivate static func limitWaits(of descriptor: Int32, seconds: Int) {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
    }

    fileprivate static func readLine(_ descriptor: Int32, limit: Int, within time: Duration) -> String? {
        let deadline = BootClock.now + time
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.count < limit {
            let rest = (deadline - BootClock.now).wholeMilliseconds
            guard rest > 0, !Poller.readable([descriptor], within: Int32(rest)).isEmpty,
                read(descriptor, &byte, 1) == 1
            else { return nil }
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        return nil
    }

    fileprivate static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
