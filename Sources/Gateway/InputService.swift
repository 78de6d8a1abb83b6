internal import DigitalInputs
internal import Dispatch
internal import Logging
internal import Metering
internal import Posix

/// The digital inputs at work: from the first configuration that has one until the agent ends. Used by the main thread.
final class InputService {
    let inputs: DigitalInputs
    private let running = DispatchGroup()
    private var isStarted = false

    /// Nil where `settings` has none.
    init?(
        _ settings: [InputSettings], ids: [String: PointID], memory: [String: String], intake: Intake, log: Logger
    ) throws(PosixError) {
        guard !settings.isEmpty else { return nil }
        inputs = try DigitalInputs(settings, ids: ids, memory: memory, intake: intake) { event in
            switch event {
            case .failing(let input, let error): log.warning("input \(input): \(error); \(error.hint)")
            case .recovered(let input, let after): log.notice("input \(input): watched again after \(after.rounded)")
            case .happened(let event): log.notice("\(event.subject) \(event.kind.text)")
            }
        }
    }

    /// Starts watching, if that has not happened yet.
    func start() {
        guard !isStarted else { return }
        isStarted = true
        running.enter()
        Task.detached(executorPreference: inputs.thread) { [inputs, running] in
            await inputs.run()
            running.leave()
        }
    }

    /// Stops watching; returns whether what was counted is handed over in time.
    func end(within limit: DispatchTimeInterval) -> Bool {
        inputs.stop()
        return !isStarted || running.wait(timeout: .now() + limit) == .success
    }
}
