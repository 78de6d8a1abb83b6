internal import Glibc
internal import Synchronization

/// Tells threads that wait in poll(2) to end: `descriptor` becomes readable and stays so.
final class StopSignal: Sendable {
    /// To be polled for POLLIN.
    let descriptor: Int32
    private let writeEnd: Int32
    private let isGiven = Atomic(false)

    init() throws(LabError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw LabError(.system, "no pipe: \(String(cString: strerror(errno)))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        descriptor = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(descriptor)
        close(writeEnd)
    }

    /// Gives the signal; a second time does nothing.
    func give() {
        guard !isGiven.exchange(true, ordering: .relaxed) else { return }
        var byte: UInt8 = 1
        _ = write(writeEnd, &byte, 1)
    }
}
