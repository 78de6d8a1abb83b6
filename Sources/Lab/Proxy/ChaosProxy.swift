internal import Glibc
internal import Synchronization

/// A TCP proxy on loopback that stands in front of anything, a platform or a meter, and breaks connections by plan.
///
/// A thread accepts, and each connection has a thread that carries its bytes. Cuts are resets (RST): the other side
/// learns of them as of a lost network, not as of a polite end. `suspend` makes the port refuse, as when the machine
/// behind it is gone; `resume` opens it again.
public final class ChaosProxy: Sendable {
    private struct State {
        var source: ProxyFaultSource
        var listener: Int32 = -1
        /// Told to end by their own signals, one a connection.
        var connections: [Int: (signal: StopSignal, thread: WorkerThread?)] = [:]
        var serial = 0
        var accepted = 0
        var acceptor: (signal: StopSignal, thread: WorkerThread)?
        var isStopped = false
    }

    /// Where it listens.
    public var port: UInt16 { held.number }
    private let held: HeldPort
    private let target: UInt16
    private let state: Mutex<State>

    /// Listens on 127.0.0.1:`port` (0 takes a free port) and carries everything to 127.0.0.1:`target`.
    public init(target: UInt16, port: UInt16 = 0, plan: ProxyPlan = ProxyPlan()) throws(LabError) {
        self.target = target
        held = try HeldPort(port)
        state = Mutex(State(source: ProxyFaultSource(plan)))
        try open(try Loopback.listen(on: held.number))
    }

    /// What happens to connections from now on; those that stand are left alone.
    public func setPlan(_ plan: ProxyPlan) {
        state.withLock { $0.source = ProxyFaultSource(plan) }
    }

    /// How many connections have been accepted.
    public var acceptedConnections: Int {
        state.withLock { $0.accepted }
    }

    /// How often each fault has happened since the plan was set, by name.
    public var faultCounts: [String: Int] {
        state.withLock { $0.source.counts }
    }

    /// Resets every connection that stands; new ones are accepted.
    public func dropConnections() {
        let standing = state.withLock { $0.connections.values.map(\.signal) }
        for signal in standing { signal.give() }
    }

    /// Closes the port and resets every connection: whoever comes is refused.
    public func suspend() {
        let acceptor = state.withLock { state in
            defer { state.acceptor = nil }
            return state.acceptor
        }
        acceptor?.signal.give()
        acceptor?.thread.join()
        dropConnections()
    }

    /// Opens the port again after `suspend`.
    public func resume() throws(LabError) {
        guard state.withLock({ $0.acceptor == nil && !$0.isStopped }) else { return }
        try open(try Loopback.listen(on: port))
    }

    /// Ends everything and waits for its threads. A second call does nothing.
    public func stop() {
        state.withLock { $0.isStopped = true }
        suspend()
        while let thread = state.withLock({ $0.connections.values.lazy.compactMap(\.thread).first }) {
            thread.join()
            state.withLock { state in
                if let key = state.connections.first(where: { $0.value.thread === thread })?.key {
                    state.connections[key] = nil
                }
            }
        }
    }

    deinit {
        stop()
    }

    // MARK: - Accepting

    private func open(_ listener: Int32) throws(LabError) {
        let signal = try StopSignal()
        let descriptor = signal.descriptor
        // The thread holds the proxy weakly: a proxy that is forgotten stops itself.
        let thread = try WorkerThread { [weak self] in
            while true {
                var watched = [
                    pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
                ]
                guard poll(&watched, 2, -1) >= 0 || errno == EINTR else { break }
                if watched[0].revents != 0 { break }
                let client = Loopback.accept(on: listener)
                guard client >= 0 else { continue }
                guard let self else {
                    close(client)
                    break
                }
                begin(client)
            }
            close(listener)
        }
        state.withLock { $0.acceptor = (signal, thread) }
    }

    private func begin(_ client: Int32) {
        Loopback.sendAtOnce(client)
        let fault = state.withLock { state in
            state.accepted += 1
            return state.source.next()
        }
        let target = target
        guard fault != .refuse, let server = try? Loopback.connect(to: target) else {
            // A target that is away refuses; the client of a proxy learns it by a reset.
            Loopback.reset(client)
            return
        }
        do {
            let signal = try StopSignal()
            let serial = state.withLock { state in
                state.serial += 1
                state.connections[state.serial] = (signal, nil)
                return state.serial
            }
            let descriptor = signal.descriptor
            let thread = try WorkerThread { [weak self] in
                var carrier = ProxyCarrier(client: client, server: server, stop: descriptor, fault: fault)
                carrier.run()
                self?.state.withLock { $0.connections[serial] = nil }
            }
            state.withLock { state in
                if state.connections[serial] != nil { state.connections[serial] = (signal, thread) }
            }
        } catch {
            Loopback.reset(client)
            Loopback.reset(server)
        }
    }
}
