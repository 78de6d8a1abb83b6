internal import Delivery
internal import Logging
internal import Metering
internal import Synchronization

/// Says in the log when an uplink gets into trouble and when it is out of it, not each step of its daily work.
final class UplinkLog: Sendable {
    private let log: Logger
    private let trouble = Mutex<DeliveryFailure?>(nil)

    init(log: Logger) {
        self.log = log
    }

    /// Takes a new status.
    func note(_ status: UplinkStatus) {
        let before = trouble.withLock { known in
            let before = known
            known = status.trouble
            return before
        }
        guard before?.code != status.trouble?.code else { return }
        if let failure = status.trouble {
            log.warning("uplink \(status.id): \(failure)")
        } else {
            log.notice("uplink \(status.id): works again")
        }
    }
}
