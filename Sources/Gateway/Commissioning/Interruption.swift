internal import Metering
internal import Posix

/// Ctrl-C and SIGTERM, for commands that take their time and end in order. Make it before anything else runs.
public final class Interruption {
    private let signals: SignalQueue
    private var wasAsked = false

    /// Takes the signals over from now on.
    public init() throws(AgentError) {
        do {
            signals = try SignalQueue()
        } catch {
            throw AgentError(code: .system, message: "\(error)", hint: nil)
        }
    }

    /// Becomes readable when a signal waits.
    var descriptor: Int32 { signals.descriptor }

    /// Whether the command was asked to end. Never waits.
    public var isAsked: Bool {
        if !wasAsked, signals.next() != nil { wasAsked = true }
        return wasAsked
    }

    /// Waits for at most `time`; ends early when the command is asked to end.
    func wait(_ time: Duration) {
        guard !isAsked, time > .zero else { return }
        _ = Poller.readable([descriptor], within: Int32(clamping: time.wholeMilliseconds + 1))
    }
}
