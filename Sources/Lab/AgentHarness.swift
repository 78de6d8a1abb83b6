public import Gateway
internal import Glibc
internal import Metering
internal import Posix

/// A real agent in a process of its own, in a folder of its own: started, asked, killed and ended by demonstrations,
/// benchmarks and tests.
public final class AgentHarness {
    /// The folder that holds configuration, spool, socket and log.
    public let folder: String
    /// The program `parthe`.
    public let program: String
    private var process: ChildProcess?

    /// An agent in `folder`, not started. `program` is taken from the folder of the running program by default: the
    /// build puts both there.
    public init(folder: String, program: String? = nil, configuration: String) throws {
        self.folder = folder
        self.program = program ?? Self.siblingProgram("parthe")
        try File.makeFolder(folder)
        try configure(configuration)
    }

    /// Its configuration file.
    public var configurationFile: String { folder + "/parthe.yaml" }
    /// The folder of its spool.
    public var spoolFolder: String { folder + "/state" }
    /// Its control socket.
    public var socket: String { folder + "/parthe.sock" }
    /// What it logged.
    public var log: String {
        (try? File.read(folder + "/agent.log", limit: 64 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
    /// Its process id while it runs.
    public var processID: Int32? { process?.exitCode() == nil ? process?.id : nil }
    /// How it ended; nil while it runs or was never started.
    public var exitCode: Int32? { process?.exitCode() }

    /// Replaces the configuration file.
    public func configure(_ text: String) throws {
        try LabFile.write(Array(text.utf8), to: configurationFile)
    }

    /// Starts the agent; it may take a moment to answer.
    public func start() throws {
        precondition(processID == nil, "the agent runs already")
        process = try ChildProcess(
            program, ["run", "--config", configurationFile, "--state", spoolFolder, "--socket", socket],
            log: folder + "/agent.log")
    }

    /// Ends it as a power cut would.
    public func kill() {
        process?.kill()
    }

    /// Ends it in order; nil when it did not end within 30 s, and had to be killed. It promises 5 s, which a busy machine
    /// may not give it.
    public func terminate() -> Int32? {
        process?.terminate()
    }

    /// Sends it SIGHUP.
    public func reload() {
        process?.signal(SIGHUP)
    }

    /// What it says of itself; nil when it does not answer.
    public var status: StatusReport? {
        try? StatusReport.ask(at: socket)
    }

    /// Asks `condition` every 20 ms; false when it does not hold within `seconds`.
    public static func wait(_ seconds: Double, until condition: () throws -> Bool) rethrows -> Bool {
        let deadline = BootClock.now + .seconds(seconds)
        repeat {
            if try condition() { return true }
            usleep(20_000)
        } while BootClock.now < deadline
        return try condition()
    }

    /// The same without holding a thread: for tests, which share few.
    public static func wait(_ seconds: Double, until condition: () throws -> Bool) async throws -> Bool {
        let deadline = BootClock.now + .seconds(seconds)
        repeat {
            if try condition() { return true }
            try await Task.sleep(for: .milliseconds(20))
        } while BootClock.now < deadline
        return try condition()
    }

    /// Ends it in order, without holding a thread; nil when it did not end within `seconds`, and had to be killed.
    public func terminate(within seconds: Double = 30) async throws -> Int32? {
        process?.signal(SIGTERM)
        if try await Self.wait(seconds, until: { exitCode != nil }) { return exitCode }
        process?.kill()
        return nil
    }

    /// A program in the folder of the one that runs.
    public static func siblingProgram(_ name: String) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { bytes in
            readlink("/proc/self/exe", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        let own = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        return own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex) + "/" + name
    }
}
