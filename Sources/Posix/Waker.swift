internal import Glibc

/// Wakes a thread that waits in `Poller`, from any other thread.
public final class Waker: Sendable {
    /// Becomes readable when someone wakes.
    public let descriptor: Int32
    private let other: Int32

    /// Throws when the process has no descriptors left.
    public init() throws(PosixError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw PosixError("open", "a pipe", code: errno) }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (descriptor, other) = (ends[0], ends[1])
    }

    deinit {
        close(descriptor)
        close(other)
    }

    /// Wakes; once is enough however often it is called.
    public func wake() {
        var byte: UInt8 = 0
        // A full pipe wakes as well.
        _ = write(other, &byte, 1)
    }

    /// Takes the wake-ups so far.
    public func drain() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(descriptor, &bytes, bytes.count) > 0 {}
    }
}
