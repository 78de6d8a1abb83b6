internal import Glibc

/// A thread for blocking work in the lab: accept loops, connections, delayed commits.
final class WorkerThread: @unchecked Sendable {
    // SAFETY: `handle` is written once before the object is shared; `join` is called by the owner, once.
    private var handle = pthread_t()
    private var isJoined = false

    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }

    /// Starts a thread that runs `body`.
    init(_ body: @escaping @Sendable () -> Void) throws(LabError) {
        let retained = Unmanaged.passRetained(Body(body))
        let error = pthread_create(
            &handle, nil,
            { context in
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, retained.toOpaque())
        guard error == 0 else {
            retained.release()
            throw LabError(.system, "no thread: \(String(cString: strerror(error)))")
        }
    }

    deinit {
        if !isJoined { pthread_detach(handle) }
    }

    /// Waits for the end of the thread.
    func join() {
        guard !isJoined else { return }
        isJoined = true
        pthread_join(handle, nil)
    }
}
