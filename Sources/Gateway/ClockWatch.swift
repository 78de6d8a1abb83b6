internal import Logging
internal import Metering
internal import Posix

/// Watches the wall clock on the agent's main thread: performs what `WallClock` decides.
struct ClockWatch {
    private(set) var clock: WallClock
    /// When to look again.
    private(set) var next = Instant(nanoseconds: 0)
    /// Nil where the kernel gives none: then a step is noticed with the next look.
    private let alarm: ClockAlarm?
    private let log: Logger

    /// A watch that has not looked yet; `history` and `floor` are the spool's.
    init(history: ClockHistory, floor: Timestamp?, patience: Duration, log: Logger) {
        clock = WallClock(history: history, floor: floor, made: PartheVersion.made, patience: patience)
        self.log = log
        do {
            alarm = try ClockAlarm()
        } catch {
            alarm = nil
            log.warning("\(error): that the clock was set is noticed within a minute only")
        }
    }

    /// Becomes readable when the clock was set.
    var descriptor: Int32? { alarm?.descriptor }

    /// How long readings may wait for time from the network.
    var patience: Duration {
        get { clock.patience }
        set { clock.patience = newValue }
    }

    /// Looks at the clock, and returns what is known of it now where that has changed.
    mutating func look() -> KnownTime? {
        // Armed before the look: no step comes between the two.
        do { try alarm?.rearm() } catch {
            log.warning("\(error): that the clock was set is noticed within a minute only")
        }
        let now = BootClock.now
        guard let sighting = KernelClock.look() else {
            next = now + .seconds(1)
            return nil
        }
        let isFirst = clock.last == nil
        let action = clock.event(sighting, at: now)
        next = action.look
        if action.isNews { note(clock.known.history) }
        if isFirst, sighting.isSynchronised == nil {
            log.notice("clock: the kernel may not be asked whether the clock is right (a sandbox with ProtectClock?)")
        }
        return action.tells ? clock.known : nil
    }

    private func note(_ history: ClockHistory) {
        guard let new = history.newest, let best = history.best else { return }
        let time = new.offset.timestamp(of: BootClock.now)
        if history.entries.count > 1 {
            let step = new.offset - history.entries[history.entries.count - 2].offset
            if max(step, .zero - step) >= ClockHistory.tolerance {
                log.notice("clock: set \(StatusReport.Clock.words(ofStep: step)), to \(time)")
            }
        }
        let words = StatusReport.Clock.words(best.standing, best.source)
        if best != new {
            log.warning("clock: readings keep the time from before: \(words)")
        } else if new.standing == .unknown {
            log.warning("clock: \(words): \(time); readings wait for it")
        } else {
            log.notice("clock: \(words): \(time)")
        }
    }
}
