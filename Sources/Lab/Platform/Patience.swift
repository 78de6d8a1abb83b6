internal import Glibc
internal import Metering

/// Waiting on behalf of a client: ends with the time, with the client, or with the server.
struct Patience {
    var socket: Int32
    var stop: Int32

    /// Why a wait ended.
    enum End {
        case elapsed, clientGone, stopped
    }

    /// Waits for `duration`, for ever where that is nil; with `untilClientLeaves` a closed connection ends it too.
    func wait(_ duration: Duration?, untilClientLeaves: Bool) -> End {
        let deadline = duration.map { Self.milliseconds() + $0.wholeMilliseconds }
        while true {
            let rest = deadline.map { max(0, $0 - Self.milliseconds()) } ?? -1
            var watched = [pollfd(fd: stop, events: Int16(POLLIN), revents: 0)]
            // POLLRDHUP (0x2000): the client has closed its side; its data, if any, is of no interest.
            if untilClientLeaves { watched.append(pollfd(fd: socket, events: 0x2000, revents: 0)) }
            let count = poll(&watched, nfds_t(watched.count), Int32(clamping: rest))
            if count < 0, errno != EINTR { return .stopped }
            if count > 0 { return watched[0].revents != 0 ? .stopped : .clientGone }
            if count == 0, let deadline, Self.milliseconds() >= deadline { return .elapsed }
        }
    }

    private static func milliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}
