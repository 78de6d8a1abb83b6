internal import CPosix
internal import Glibc

/// SIGTERM, SIGINT and SIGHUP as a queue to read, so that nothing runs inside a signal handler.
///
/// Open it on the main thread before any other thread starts: threads inherit that these signals are blocked.
/// SIGPIPE is ignored process-wide from then on: a closed peer is an error of a write, not an end of the process.
public struct SignalQueue: ~Copyable {
    /// The signals that are told apart.
    public enum Signal: Sendable {
        /// SIGTERM or SIGINT: finish and end.
        case terminate
        /// SIGHUP: read the configuration again.
        case hangUp
    }

    /// Becomes readable when a signal waits.
    public let descriptor: Int32

    /// Blocks the signals for this thread and all that it starts from now on.
    public init() throws(PosixError) {
        let opened = cposix_open_signals()
        guard opened >= 0 else { throw PosixError("open", "signalfd", code: errno) }
        descriptor = opened
    }

    deinit {
        close(descriptor)
    }

    /// The next signal that waits, if any.
    public func next() -> Signal? {
        switch cposix_next_signal(descriptor) {
        case 0: nil
        case SIGHUP: .hangUp
        default: .terminate
        }
    }

    /// Ignores SIGPIPE for a command that has no queue of its own.
    public static func ignorePipe() {
        signal(SIGPIPE, SIG_IGN)
    }
}

/// Waits for several descriptors at once.
public enum Poller {
    /// The descriptors among `descriptors` that can be read, after at most `milliseconds`.
    public static func readable(_ descriptors: [Int32], within milliseconds: Int32) -> [Int32] {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        guard poll(&entries, nfds_t(entries.count), milliseconds) > 0 else { return [] }
        return entries.filter { $0.revents != 0 }.map(\.fd)
    }
}
