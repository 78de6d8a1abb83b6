internal import Glibc

/// The signals that a server listens to. They are blocked for every thread, and taken by the one that waits.
enum Signals {
    /// What a signal asks for.
    enum Wish {
        /// SIGTERM, SIGINT.
        case end
        /// SIGHUP.
        case dropConnections
        /// SIGUSR1.
        case toggle
    }

    private static func all() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1] { sigaddset(&set, signal) }
        return set
    }

    /// To be called before any thread is started. A closed connection is an error of write, not a signal.
    static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        var set = all()
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Whether SIGTERM or SIGINT was given since the last look; the other two are taken and mean nothing.
    static var endWasGiven: Bool {
        var set = all()
        var now = timespec()
        let received = sigtimedwait(&set, nil, &now)
        return received == SIGTERM || received == SIGINT
    }

    /// Waits for the next signal.
    static func next() -> Wish {
        var set = all()
        var received: Int32 = 0
        sigwait(&set, &received)
        switch received {
        case SIGHUP: return .dropConnections
        case SIGUSR1: return .toggle
        default: return .end
        }
    }

    /// Waits for SIGTERM or SIGINT; other signals mean nothing to the server.
    static func waitForEnd() {
        while next() != .end {}
    }
}

/// Writes to standard output and standard error without a buffer: whoever started the program waits for the line.
enum Output {
    static func line(_ text: String) {
        write(text + "\n", to: STDOUT_FILENO)
    }

    static func error(_ text: String) {
        write("parthe-lab: " + text + "\n", to: STDERR_FILENO)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // Nobody reads any more: there is nobody to tell.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
