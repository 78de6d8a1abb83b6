internal import Glibc

/// TCP on 127.0.0.1.
enum Loopback {
    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func withAddress<Result>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result)
        -> Result
    {
        withUnsafePointer(to: address(port)) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    private static func newSocket() throws(LabError) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw LabError(.system, "no socket: \(String(cString: strerror(errno)))") }
        return descriptor
    }

    /// Listens on a port; 0 takes a free one.
    static func listen(on port: UInt16) throws(LabError) -> Int32 {
        let descriptor = try hold(port)
        guard Glibc.listen(descriptor, 64) == 0 else { throw cannotListen(on: port, descriptor) }
        return descriptor
    }

    /// Keeps a port for one that listens on it later, or again: who connects is refused until then, and whoever asks for
    /// any free port gets another one. 0 takes a free one.
    static func hold(_ port: UInt16) throws(LabError) -> Int32 {
        let descriptor = try newSocket()
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard withAddress(port, { bind(descriptor, $0, $1) }) == 0 else { throw cannotListen(on: port, descriptor) }
        return descriptor
    }

    private static func cannotListen(on port: UInt16, _ descriptor: Int32) -> LabError {
        let reason = String(cString: strerror(errno))
        close(descriptor)
        return LabError(
            .cannotListen, "cannot listen on 127.0.0.1:\(port): \(reason)",
            hint: "choose another port, or 0 for a free one")
    }

    /// Takes a connection that waits; negative when there is none. No child inherits it: one that did would keep it from
    /// ending.
    static func accept(on listener: Int32) -> Int32 {
        let descriptor = Glibc.accept(listener, nil, nil)
        if descriptor >= 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        return descriptor
    }

    /// Connects to a port.
    static func connect(to port: UInt16) throws(LabError) -> Int32 {
        let descriptor = try newSocket()
        guard withAddress(port, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw LabError(.platform, "127.0.0.1:\(port) does not answer: \(reason)")
        }
        sendAtOnce(descriptor)
        return descriptor
    }

    /// The port a socket is bound to; 0 when it is not.
    static func port(of descriptor: Int32) -> UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return result == 0 ? UInt16(bigEndian: address.sin_port) : 0
    }

    /// Sends each piece when it is written, not when more has gathered.
    static func sendAtOnce(_ descriptor: Int32) {
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Closes so that the other side sees a reset instead of an end.
    static func reset(_ descriptor: Int32) {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        close(descriptor)
    }

    /// Gives reads and writes a limit in time.
    static func limit(_ descriptor: Int32, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// Writes everything; false when the other side is gone.
    static func send(_ bytes: some Sequence<UInt8>, to descriptor: Int32) -> Bool {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
