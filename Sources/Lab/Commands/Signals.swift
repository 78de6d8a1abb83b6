internal import Glibc

/// The signals that end a server. They are blocked for every thread, and taken by the one that waits.
enum Signals {
    private static func ending() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGINT)
        return set
    }

    /// To be called before any thread is started. A closed connection is an error of write, not a signal.
    static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        var set = ending()
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for SIGTERM or SIGINT.
    static func waitForEnd() {
        var set = ending()
        var received: Int32 = 0
        sigwait(&set, &received)
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
