public import Metering
internal import Posix
internal import Synchronization

extension Spool {
    /// The next window for `uplink` once its in-flight mark is durable, so that it may be sent; nil when there is
    /// nothing to deliver, the spool is ending or the caller no longer wants it. That is asked after each commit, and
    /// after `endWaits()`. From which `end` makes a difference where more waits than one window takes.
    public func lease(
        uplink: String, maximumReadings: Int, from end: LeaseEnd = .oldest, isWanted: @Sendable () -> Bool = { true }
    ) async throws(SpoolError) -> Lease? {
        if let lease = ready.removeValue(forKey: uplink) { return lease }
        guard let lease = try take(uplink, maximumReadings, from: end) else {
            idle[uplink] = LeaseRequest(maximumReadings: maximumReadings, from: end)
            return nil
        }
        let generation = generation
        // The store is looked up anew after each wait: it may have been closed for new settings meanwhile, and the
        // lease then comes back as an unclear one.
        while generation == self.generation, !isStopping.load(ordering: .acquiring), isWanted() {
            if store?.isDurable(lease.id) ?? false { return lease }
            await withUnsafeContinuation { waiters.append($0) }
        }
        if generation == self.generation { try store?.release(lease.id) }
        return nil
    }

    /// Lets everyone who waits in `lease` look whether the lease is still wanted.
    public func endWaits() {
        for waiter in waiters { waiter.resume() }
        waiters = []
    }

    /// Takes the next window, and sees to it that its mark is committed soon.
    private func take(
        _ uplink: String, _ maximumReadings: Int, from end: LeaseEnd
    ) throws(SpoolError) -> Lease? {
        let store = try opened()
        let found: Lease?
        do throws(SpoolError) {
            try store.know(knownTime)
            found = try store.lease(uplink: uplink, maximumReadings: maximumReadings, from: end)
        } catch {
            distrust(error)
            throw error
        }
        guard let lease = found else { return nil }
        if !store.isDurable(lease.id) {
            let undelivered = store.undelivered[uplink] ?? 0
            let isBacklog = undelivered > Int64(maximumReadings)
            if isBacklog ? pacing.hasten(to: BootClock.now) : pacing.hurry() { executor.wake() }
        }
        return lease
    }

    /// Ends a lease: every reading of it is on the platform, but for those `rejected`. Durable with the next commit.
    public func settle(_ lease: LeaseID, rejected: [Rejection]) throws(SpoolError) {
        let store = try opened()
        do throws(SpoolError) {
            try store.settle(lease, rejected: rejected)
        } catch {
            distrust(error)
            throw error
        }
        // What was delivered is no longer shown as undelivered, though the disk learns of it with the next commit.
        let undelivered = store.undelivered
        shared.withLock { $0.statistics.undelivered = undelivered }
    }
}
