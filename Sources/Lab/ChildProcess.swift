internal import CPosix
internal import Glibc
internal import Metering
public import Posix

/// A program that runs beside the lab: the agent, above all. Ended by its own id, never by name.
public final class ChildProcess: @unchecked Sendable {
    // SAFETY: `ended` is touched on the thread that starts and waits only; signals need the id alone.
    /// Its process id.
    public let id: Int32
    private var ended: Int32?

    /// Starts `program` with `arguments`; standard output and error go to the file `log`, appended.
    public init(_ program: String, _ arguments: [String], log: String) throws(PosixError) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        // A connection of this process that the child had as well would not end when it is closed here.
        cposix_keep_no_descriptors(&actions)
        // The child starts with no signal blocked or ignored, whatever this process did with its own.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        sigfillset(&all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var child: pid_t = 0
        let code = posix_spawnp(&child, program, &actions, &attributes, words, environ)
        guard code == 0 else { throw PosixError("start", program, code: code) }
        id = child
    }

    /// Sends SIGKILL and waits for the end: what a power cut is to a process.
    public func kill() {
        signal(SIGKILL)
        wait()
    }

    /// Sends SIGTERM and waits at most `seconds`; returns the exit code, nil when it had to be killed.
    public func terminate(within seconds: Double = 30) -> Int32? {
        signal(SIGTERM)
        let deadline = BootClock.now + .seconds(seconds)
        while BootClock.now < deadline {
            if let code = exitCode() { return code }
            usleep(10_000)
        }
        kill()
        return nil
    }

    /// Sends a signal, if the process still runs.
    public func signal(_ number: Int32) {
        guard exitCode() == nil else { return }
        Glibc.kill(id, number)
    }

    /// The exit code once it has ended (128 + the signal's number when one ended it), nil while it runs.
    public func exitCode() -> Int32? {
        if let ended { return ended }
        var status: Int32 = 0
        guard waitpid(id, &status, WNOHANG) == id else { return nil }
        return remember(status)
    }

    /// Waits for the end.
    @discardableResult
    public func wait() -> Int32 {
        if let ended { return ended }
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0, errno == EINTR {}
        return remember(status)
    }

    private func remember(_ status: Int32) -> Int32 {
        let signal = status & 0x7F
        let code = signal == 0 ? (status >> 8) & 0xFF : 128 + signal
        ended = code
        return code
    }
}
