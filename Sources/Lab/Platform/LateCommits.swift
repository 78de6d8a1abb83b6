internal import Glibc
internal import Metering
internal import Synchronization

/// Deeds that wait on a thread of their own: what a server commits after its client has gone.
final class LateCommits: Sendable {
    private struct State {
        var isStopping = false
        var threads: [Int: WorkerThread] = [:]
        var serial = 0
    }

    private let state = Mutex(State())

    /// Runs `deed` after `delay`, unless `stop` comes first.
    func add(after delay: Duration, _ deed: @escaping @Sendable () -> Void) {
        state.withLock { state in
            guard !state.isStopping else { return }
            state.serial += 1
            let serial = state.serial
            do {
                let thread = try WorkerThread { [self] in
                    var rest = delay.wholeMilliseconds
                    while rest > 0 {
                        let step = min(rest, 20)
                        usleep(UInt32(step * 1000))
                        rest -= step
                        if isStopping { return }
                    }
                    deed()
                    // Its end is nobody's business any more, unless `stop` waits for it.
                    self.state.withLock { $0.threads[serial] = nil }
                }
                state.threads[serial] = thread
            } catch {
                // Without a thread the commit is not late: it is still made, which is what the plan asks for.
                deed()
            }
        }
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Drops what waits and lets what has begun end.
    func stop() {
        let threads = state.withLock { state in
            state.isStopping = true
            defer { state.threads = [:] }
            return Array(state.threads.values)
        }
        for thread in threads { thread.join() }
    }
}
