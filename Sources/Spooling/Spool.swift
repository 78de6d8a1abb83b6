public import Metering
internal import Posix
internal import Synchronization

/// The spool at work: commits what the intake holds when `CommitPacing` says so, and hands out leases.
///
/// An actor on a thread of its own over the synchronous `SpoolStore`. An uplink that asked in vain gets its next window
/// with the commit that brings it: readings and mark are one transaction. Other marks, and settlements, ride in the next
/// append; the commit is brought forward only while a backlog drains, and to at most a second after the last one when
/// an uplink waits for its mark. A commit that fails gives its readings back to the intake: they stay in memory, up to
/// the intake's limit, until the disk takes them; then polls are skipped.
public actor Spool {
    /// The executor that the actor runs on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// The thread that `run()` should be started on.
    public nonisolated var thread: any TaskExecutor { executor }

    nonisolated let executor: ThreadExecutor
    private let directory: String
    private let intake: Intake
    private var settings: SpoolSettings
    private var uplinks: [String]
    /// Nil at the end, and while a spool that was closed for new settings cannot be opened again.
    var store: SpoolStore?
    private let onEvent: @Sendable (Event) -> Void
    private var onCommit: @Sendable () -> Void = {}
    var pacing: CommitPacing
    /// What the uplinks want that asked for a lease in vain.
    var idle: [String: LeaseRequest] = [:]
    /// What they got since, with the commit that brought it.
    var ready: [String: Lease] = [:]
    private var failingSince: Instant?
    /// Whether something happened to the spool that its list of events has and the status has not.
    private var hasNoted = false
    /// How often the store was closed: for new settings, or because its disk failed.
    var generation = 0
    /// What was wrong with the files when the store was given up.
    private var suspicion: SpoolError?
    /// What was mended by a try to open it that failed afterwards.
    private var untold: SpoolMending?
    /// After a commit that failed on a disk that failed: where it began, and how many readings it had. Whether they are
    /// in the file is seen when it is opened again.
    private var unsure: (next: Int64, count: Int)?
    private var numbers = PointNumbers()
    /// Why the spool could not be opened, and when that is tried again.
    private var refusal: (error: SpoolError, until: Instant)?
    /// Why a file that was removed while it is open could not be copied, and when that is tried again.
    private var lacksPlace: (error: SpoolError, until: Instant)?
    /// When it was told last that readings are dropped before the measure says so.
    private var lastDrop: Instant?
    private var lastSidecar = Instant(nanoseconds: 0)
    private var admission = SpoolAdmission()
    private var rules = ThinningRules()
    private var lastMeasurement = Instant(nanoseconds: 0)
    var waiters: [UnsafeContinuation<Void, Never>] = []
    /// Whether `run()` has ended: the file is closed and stays so.
    private var hasEnded = false
    nonisolated let shared: Mutex<Status>
    private nonisolated let time: Mutex<KnownTime>
    nonisolated let isStopping = Atomic(false)
    /// Whether something waits that has to be committed within a second.
    private nonisolated let isUrgent = Atomic(false)

    /// How finely the moments of readings are kept: finer than they are delivered, which is in milliseconds. What the boot
    /// clock has beyond that is noise, and would take two bytes a poll.
    public static let resolution = Duration.microseconds(100)

    /// How many events the status has.
    private static let shownEvents = 20
    /// How often it is measured how full the spool is, as long as nothing is done about it.
    private static let measurementInterval = Duration.seconds(5)
    /// Runs that are thinned or chunks that are dropped between two commits, at most: uplinks wait meanwhile.
    private static let reliefsPerCommit = 4
    /// Chunks that are dropped for one commit where there is no room at all.
    private static let reliefsForRoom = 256
    /// How often the sidecar is written.
    private static let sidecarInterval = Duration.seconds(60)
    /// How long a disk is left alone on which a spool had no room to be opened: mending one writes as much as there is.
    private static let fullInterval = Duration.seconds(10)
    /// How long a spool that could not be opened otherwise is left alone.
    private static let reopenInterval = Duration.seconds(1)

    /// Opens or makes the spool in `directory` for the readings of `intake`. What is damaged is mended; a disk that fails
    /// or is full is waited for. Throws where a person has to act: another agent has it, its format is newer, this user
    /// may not.
    public init(
        directory: String, settings: SpoolSettings, uplinks: [String], intake: Intake,
        onEvent: @escaping @Sendable (Event) -> Void
    ) throws(SpoolError) {
        var status = Status(statistics: SpoolStatistics())
        var known = KnownTime()
        var before: Timestamp?
        do throws(SpoolError) {
            let store = try SpoolStore(
                directory: directory, settings: settings, uplinks: uplinks, bootID: BootClock.bootID, at: Self.now)
            numbers.known = store.dictionary
            status.statistics = try store.statistics()
            status.events = try store.events(atMost: Self.shownEvents)
            status.mending = store.mending
            (status.damagedBefore, status.droppedBefore) = (status.statistics.damaged, status.statistics.dropped)
            if let mending = store.mending { onEvent(.mended(mending)) }
            (known, before) = (store.knownTime, store.timeBeforeBoot)
            self.store = store
        } catch {
            guard error.isOfDisk else { throw error }
            status.error = error
            untold = error.mending
            if let held = try? SpoolStore.openForReading(directory: directory).statistics() { status.statistics = held }
            failingSince = BootClock.now
            onEvent(.failing(error))
        }
        pacing = CommitPacing(fixed: settings.commitInterval, at: BootClock.now, offset: BootClock.offset)
        status.commitInterval = pacing.interval
        shared = Mutex(status)
        time = Mutex(known)
        timeBeforeBoot = before
        self.directory = directory
        self.settings = settings
        self.uplinks = uplinks
        self.intake = intake
        self.onEvent = onEvent
        executor = ThreadExecutor(name: "spool")
    }

    /// What the spool is doing. Never waits for the disk.
    public nonisolated var status: Status {
        shared.withLock { $0 }
    }

    /// The newest time known from before this boot; nil when nothing is.
    public nonisolated let timeBeforeBoot: Timestamp?

    /// What is known of this boot's clock; at first what an earlier run knew.
    public nonisolated var knownTime: KnownTime {
        time.withLock { $0 }
    }

    /// Takes what is known of this boot's clock from now on.
    public nonisolated func know(_ new: KnownTime) {
        time.withLock { $0 = new }
    }

    /// Calls `body` after each commit that brought readings.
    public func onCommit(_ body: @escaping @Sendable () -> Void) {
        onCommit = body
    }

    /// Takes new settings and uplinks: commits, closes and opens again.
    ///
    /// Leases that are open come back as unclear ones, so whoever holds one must have stopped before; that is so when it
    /// throws, too. It throws, and leaves settings and uplinks as they were, when the disk does not take the commit or the
    /// file cannot be opened again.
    public func configure(_ settings: SpoolSettings, uplinks: [String]) throws(SpoolError) {
        generation += 1
        giveBack()
        // A full spool has written what it owes, and more room may be just what is being configured.
        if let error = commit(), error.code != .full {
            store?.forsakeLeases()
            throw error
        }
        keepInPlace()
        let before = (self.settings, self.uplinks)
        (self.settings, self.uplinks) = (settings, uplinks)
        (store, refusal) = (nil, nil)
        do throws(SpoolError) {
            _ = try opened()
        } catch {
            (self.settings, self.uplinks) = before
            throw error
        }
        pace()
        executor.wake()
    }

    /// Begins to pace commits.
    private func pace() {
        pacing = CommitPacing(fixed: settings.commitInterval, at: BootClock.now, offset: BootClock.offset)
        shared.withLock { $0.commitInterval = pacing.interval }
    }

    /// Gives back what was leased for uplinks that have not come for it.
    private func giveBack() {
        for lease in ready.values { try? store?.release(lease.id) }
        (ready, idle) = ([:], [:])
    }

    /// Gives points their numbers and notes, durable where they are new, and returns the whole dictionary.
    ///
    /// While the spool cannot be opened, points that are not known get numbers that hold until it is: see `Event.opened`.
    public func identify(_ keys: [String], notes: [String: String] = [:]) throws(SpoolError) -> [String: PointID] {
        do throws(SpoolError) {
            let store = try opened()
            _ = try store.identify(keys, notes: notes)
            numbers.known = store.dictionary
            return numbers.known
        } catch {
            guard error.isOfDisk else { throw error }
            // It is open, but does not take the new ones: it is opened again when it does.
            if store != nil { close() }
            let known = (try? SpoolStore.openForReading(directory: directory).dictionary()) ?? [:]
            return numbers.provide(keys, beside: known)
        }
    }

    /// What the agent has to remember over a restart, by name: what is committed, and what waits for it.
    public func memory() throws(SpoolError) -> [String: String] {
        do throws(SpoolError) {
            return try opened().memory().merging(intake.memory) { _, new in new }
        } catch {
            guard error.isOfDisk, store == nil else { throw error }
            let known =
                (try? SpoolStore.openForReading(directory: directory).memory())
                ?? Sidecar.read(in: directory)?.totals.mapValues(\.value) ?? [:]
            return known.merging(intake.memory) { _, new in new }
        }
    }

    /// What is known of points when readings have to be thinned.
    public func thin(by rules: ThinningRules) {
        self.rules = rules
    }

    /// Commits until `stop()`, then once more. Call once.
    public func run() async {
        pace()
        intake.onUrgency { [weak self] in self?.hurry() }
        while !isStopping.load(ordering: .acquiring) {
            if isUrgent.load(ordering: .acquiring) { pacing.hurry() }
            if BootClock.now >= pacing.next {
                commit()
                // Commits that take longer than their interval must not keep everyone else from the actor.
                await Task.yield()
            } else {
                await executor.sleep(until: pacing.next)
            }
        }
        giveBack()
        commit()
        keepInPlace()
        // What was copied is put in its place by the next opening.
        if store == nil { _ = try? opened() }
        store?.noteBeside(waits: true)
        store = nil
        hasEnded = true
        // It may hold on to what holds on to this spool.
        onCommit = {}
    }

    deinit {
        // Not earlier: whoever waited for a lease comes back to this thread to learn that there is none.
        executor.stop()
    }

    /// Ends `run()` after a last commit.
    public nonisolated func stop() {
        isStopping.store(true, ordering: .releasing)
        executor.wake()
    }

    /// Commits within a second of the last commit.
    private nonisolated func hurry() {
        if isUrgent.exchange(true, ordering: .acquiringAndReleasing) { return }
        executor.wake()
    }

    /// Now, on the boot clock and by the wall clock.
    private static var now: (instant: Instant, time: Timestamp) {
        let now = BootClock.now
        return (now, BootClock.offset.timestamp(of: now))
    }

    /// The store, opened anew where it was closed.
    func opened() throws(SpoolError) -> SpoolStore {
        if let store { return store }
        guard !hasEnded else {
            throw SpoolError(.closed, operation: "use", path: directory, detail: "the spool has ended")
        }
        if let refusal, BootClock.now < refusal.until { throw refusal.error }
        let new: SpoolStore
        let isChanged: Bool
        do throws(SpoolError) {
            new = try SpoolStore(
                directory: directory, settings: settings, uplinks: uplinks, bootID: BootClock.bootID,
                suspicion: suspicion, untold: untold, at: Self.now)
            untold = new.mending ?? untold
            isChanged = try numbers.settle(in: new)
        } catch {
            untold = error.mending?.after(untold) ?? untold
            refusal = (error, BootClock.now + (error.code == .noSpace ? Self.fullInterval : Self.reopenInterval))
            throw error
        }
        refusal = nil
        store = new
        suspicion = nil
        untold = nil
        if status.damagedBefore == nil {
            let (damaged, dropped) = (new.state.row.damaged, new.state.row.dropped)
            shared.withLock { ($0.damagedBefore, $0.droppedBefore) = (damaged, dropped) }
        }
        if let mending = new.mending {
            shared.withLock { $0.mending = mending }
            hasNoted = true
            onEvent(.mended(mending))
        }
        if isChanged { onEvent(.opened) }
        return new
    }

    /// Gives the store up where its disk or its file can no longer be trusted: what failed on a descriptor once may seem
    /// to work on it the next time. Leases come back as unclear ones.
    func distrust(_ error: SpoolError) {
        switch error.code {
        case .inputOutput, .readOnly: break
        case .damaged, .foreign:
            suspicion = error
            // Here it is known how far it was: nothing else has to be guessed when it is mended.
            store?.noteBeside(waits: true)
        default: return
        }
        close()
    }

    /// Closes the store until it is needed again.
    private func close() {
        (store, ready) = (nil, [:])
        generation += 1
    }

    /// Commits what waits; returns why it did not work.
    @discardableResult
    private func commit() -> SpoolError? {
        // Whatever is handed over from here on asks for the next commit; until then it is asked for once.
        isUrgent.store(false, ordering: .releasing)
        let content = intake.take()
        let failure = write(content)
        if failure == nil {
            pacing.committed(content.readings.count, at: BootClock.now, offset: BootClock.offset)
        } else {
            pacing.failed(at: BootClock.now, offset: BootClock.offset)
        }
        publish(failure ?? lacksPlace?.error, hasNewEvents: hasNoted || !content.events.isEmpty)
        // Not before: nobody is to see a moment in which they are neither here nor there.
        if failure == nil { intake.didCommit() }
        if let failure, failingSince == nil {
            failingSince = pacing.last
            onEvent(.failing(failure))
        } else if failure == nil, let since = failingSince {
            failingSince = nil
            onEvent(.recovered(after: pacing.last - since))
        }
        if failure == nil, !content.readings.isEmpty { onCommit() }
        endWaits()
        return failure
    }

    /// Appends what the intake held, or gives it back.
    private func write(_ new: Intake.Content) -> SpoolError? {
        var content = new
        for index in content.readings.indices {
            content.readings[index].instant = content.readings[index].instant.floored(to: Self.resolution)
            if let remark = content.readings[index].remark {
                content.readings[index].remark = remark.floored(to: Self.resolution)
            }
        }
        var next: Int64?
        do throws(SpoolError) {
            let isDue = admission.step != .normal || pacing.last - lastMeasurement >= Self.measurementInterval
            if isDue { keepInPlace() }
            let store = try opened()
            numbers.translate(&content.readings)
            next = store.state.nextSequence
            if let unsure {
                // A commit is in the file as a whole or not at all.
                if next == unsure.next + Int64(unsure.count) {
                    content.readings.removeFirst(min(unsure.count, content.readings.count))
                }
                self.unsure = nil
            }
            try store.know(knownTime)
            if isDue { try makeRoom(in: store) }
            if !content.isEmpty || store.hasPending { try append(content, to: store) }
            if pacing.last - lastSidecar >= Self.sidecarInterval {
                lastSidecar = pacing.last
                store.noteBeside(waits: false)
            }
            return nil
        } catch {
            if let next, error.code == .inputOutput || error.code == .readOnly {
                unsure = (next, content.readings.count)
            }
            var rest = content
            // A reading that can never be stored must not hold up the others for ever: it goes, and the log tells.
            if error.code == .invalidReading, let store { rest.readings = store.fit(content.readings) }
            // A full spool has taken the rest.
            if error.code == .full { rest = Intake.Content(readings: rest.readings) }
            intake.putBack(rest)
            distrust(error)
            return error
        }
    }

    /// Tells of readings that are dropped before the measure says so; at most once an hour.
    private func tellDrop(in store: SpoolStore) throws(SpoolError) {
        guard admission.step < .drop, lastDrop.map({ BootClock.now - $0 >= .seconds(3600) }) ?? true else { return }
        lastDrop = BootClock.now
        onEvent(.dropping)
        try store.note("spool-drop", Event.dropText, at: Self.now)
        hasNoted = true
    }

    /// Makes the file anew where somebody removed it, or put another in its place, while it was open.
    /// Where it cannot be copied, it goes on to be used as it is, and that is told.
    private func keepInPlace() {
        guard let store, !store.isInPlace() else {
            lacksPlace = nil
            return
        }
        if let lacksPlace, BootClock.now < lacksPlace.until { return }
        do throws(SpoolError) {
            try store.saveFromNowhere()
            lacksPlace = nil
            close()
        } catch {
            if lacksPlace == nil { onEvent(.homeless(error)) }
            lacksPlace = (error, BootClock.now + Self.sidecarInterval)
        }
    }

    /// Appends, and keeps what idle uplinks get with it; where there is no room at all, what waits longest goes.
    private func append(_ content: Intake.Content, to store: SpoolStore) throws(SpoolError) {
        var reliefs = 0
        while true {
            do throws(SpoolError) {
                for lease in try store.append(content, leasing: idle) {
                    idle[lease.uplink] = nil
                    ready[lease.uplink] = lease
                }
                return
            } catch {
                guard error.code == .full, reliefs < Self.reliefsForRoom else { throw error }
                guard let relief = try store.relieve(at: .drop, by: rules) else { throw error }
                if case .drop = relief { try tellDrop(in: store) }
                reliefs += 1
            }
        }
    }

    /// Sees how full the spool is, and does what the plan for that says.
    private func makeRoom(in store: SpoolStore) throws(SpoolError) {
        lastMeasurement = BootClock.now
        for _ in 0..<Self.reliefsPerCommit {
            if let change = admission.measure(try store.fill(), at: lastMeasurement) {
                intake.pace = change.after.pace
                shared.withLock { $0.step = change.after }
                onEvent(.admission(change))
                try store.note(change.word, change.text, at: Self.now)
                hasNoted = true
            }
            guard admission.step != .normal, try store.relieve(at: admission.step, by: rules) != nil else { return }
        }
    }

    private func publish(_ error: SpoolError?, hasNewEvents: Bool) {
        // Figures that cannot be read now stay as they were; the error tells why.
        let before = shared.withLock { $0 }
        var statistics = (try? store?.statistics()) ?? before.statistics
        statistics.lastCommit = error == nil ? BootClock.now : before.statistics.lastCommit
        let events = hasNewEvents ? try? store?.events(atMost: Self.shownEvents) : nil
        if events != nil { hasNoted = false }
        shared.withLock {
            ($0.statistics, $0.error, $0.events) = (statistics, error, events ?? before.events)
            $0.commitInterval = pacing.interval
        }
    }
}
