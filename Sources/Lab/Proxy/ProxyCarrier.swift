internal import Glibc
internal import Metering

/// Carries the bytes of one connection both ways until an end, a cut or the stop signal.
struct ProxyCarrier {
    private let client: Int32
    private let server: Int32
    private let stop: Int32
    private let delay: Duration
    private var up: Way
    private var down: Way

    /// One direction: what it may still carry, and what comes then.
    private struct Way {
        enum Limit { case none, cut(Int), stall(Int) }
        var limit: Limit
        var isOpen = true
        var isStalled: Bool { if case .stall(0) = limit { true } else { false } }
    }

    private enum End: Error { case reset }

    init(client: Int32, server: Int32, stop: Int32, fault: ProxyFault?) {
        self.client = client
        self.server = server
        self.stop = stop
        up = Way(limit: .none)
        down = Way(limit: .none)
        var delay = Duration.zero
        switch fault {
        case .cutUp(let count): up.limit = .cut(count)
        case .cutDown(let count): down.limit = .cut(count)
        case .stallUp(let count): up.limit = .stall(count)
        case .stallDown(let count): down.limit = .stall(count)
        case .delay(let duration): delay = duration
        case nil, .refuse, .cutSomewhere: break
        }
        self.delay = delay
    }

    mutating func run() {
        do {
            while up.isOpen || down.isOpen {
                // A stalled way is not read: the sender's window fills up, as behind a dead link.
                var watched = [
                    pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: up.isOpen && !up.isStalled ? client : -1, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: down.isOpen && !down.isStalled ? server : -1, events: Int16(POLLIN), revents: 0),
                ]
                guard poll(&watched, 3, -1) >= 0 || errno == EINTR else { throw End.reset }
                if watched[0].revents != 0 { throw End.reset }
                if watched[1].revents != 0 { try carry(&up, from: client, to: server) }
                if watched[2].revents != 0 { try carry(&down, from: server, to: client) }
            }
            close(client)
            close(server)
        } catch {
            Loopback.reset(client)
            Loopback.reset(server)
        }
    }

    private func carry(_ way: inout Way, from source: Int32, to sink: Int32) throws(End) {
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = recv(source, &bytes, bytes.count, 0)
        if count < 0 {
            if errno == EINTR { return }
            throw .reset
        }
        if count == 0 {
            // One side has ended its half; the other may still send.
            way.isOpen = false
            shutdown(sink, Int32(SHUT_WR))
            return
        }
        if delay > .zero { usleep(UInt32(clamping: delay.wholeNanoseconds / 1000)) }
        var piece = bytes.prefix(count)
        switch way.limit {
        case .none: break
        case .cut(let rest):
            piece = piece.prefix(rest)
            way.limit = .cut(rest - piece.count)
        case .stall(let rest):
            piece = piece.prefix(rest)
            way.limit = .stall(rest - piece.count)
        }
        guard Loopback.send(piece, to: sink) else { throw .reset }
        if case .cut(0) = way.limit {
            // What has been carried is to arrive before the reset overtakes it.
            usleep(5000)
            throw .reset
        }
    }
}
