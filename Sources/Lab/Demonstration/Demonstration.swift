internal import Gateway
internal import Glibc
internal import Metering
internal import Posix
internal import Spooling

/// The whole job on one machine: meters on real sockets, a platform, the agent as a process of its own; the platform
/// goes away, the agent is killed, both come back, and an audit judges.
///
///      0 s        12 s            22 s    24 s        32 s         44 s
///      │ all well │ platform away │ kill -9 │ restarted │ platform back │ backlog gone ▸ SIGTERM ▸ audit
final class Demonstration {
    private let folder: String
    private let town: DemoTown
    private let agent: AgentHarness
    private var platform: ReferencePlatform?
    private let port: UInt16
    private let url: String
    private var truth: [TruthTail]
    private var screen = Screen()
    private let began = BootClock.now
    private var news = "everything is running"
    private var platformAudit = PlatformAudit(lines: [])

    /// The moments at which things happen, in seconds after the start.
    private static let outage = 12.0..<32.0
    private static let death = 22.0..<24.0
    private static let calmAgain = 44.0
    /// How long the backlog may take before the demonstration calls it a failure.
    private static let patience = 120.0

    init(folder: String) throws {
        self.folder = folder
        let logs = [folder + "/truth-shared.log", folder + "/truth-single.log"]
        town = try DemoTown(truth: logs, share: nil)
        truth = logs.map(TruthTail.init(path:))
        let platform = try ReferencePlatform(file: folder + "/platform.db")
        self.platform = platform
        port = platform.port
        url = platform.url
        agent = try AgentHarness(folder: folder + "/gateway", configuration: town.configuration(platform: url))
    }

    /// Runs to the end; returns whether nothing is missing and nothing is there twice.
    func run(keep: Bool) throws -> Bool {
        screen.say("meters    6 on 127.0.0.1, five models, every point once a second")
        screen.say("platform  \(url), persona frost")
        screen.say("agent     \(agent.program) run --config \(agent.configurationFile)")
        screen.say("")
        try agent.start()
        defer {
            _ = agent.terminate()
            platform?.stop()
            town.stop()
        }
        try play(until: Self.outage.lowerBound)
        try takePlatformAway()
        try play(until: Self.death.lowerBound)
        killAfterAPoll()
        announce("the agent is killed with kill -9, after a poll and before its commit")
        try play(until: Self.death.upperBound)
        try agent.start()
        announce("the agent starts again: its spool has every committed reading")
        try play(until: Self.outage.upperBound)
        try bringPlatformBack()
        try play(until: Self.calmAgain)
        if keep { try keepRunning() }
        town.stop()
        announce("the meters stop, so that the last reading can arrive")
        guard try drain() else {
            announce("the backlog is not gone after \(Int(Self.patience)) s; the agent's log is in \(agent.folder)")
            return false
        }
        guard let code = agent.terminate(), code == 0 else {
            announce("the agent did not end in order")
            return false
        }
        announce("the agent has ended in order (SIGTERM)")
        return try judge()
    }

    /// Kills the agent when it has just been served values that it cannot have committed yet.
    private func killAfterAPoll() {
        for index in truth.indices { truth[index].follow() }
        let before = served
        _ = AgentHarness.wait(5) {
            for index in truth.indices { truth[index].follow() }
            return served > before
        }
        agent.kill()
    }

    private func takePlatformAway() throws {
        platformAudit = try platform?.audit() ?? platformAudit
        platform?.stop()
        platform = nil
        announce("the platform is taken away for 20 s; the agent keeps reading")
    }

    private func bringPlatformBack() throws {
        platform = try ReferencePlatform(file: folder + "/platform.db", port: port)
        announce("the platform is back; the agent asks what it has and delivers the rest")
    }

    /// Waits until everything is delivered.
    private func drain() throws -> Bool {
        let deadline = elapsed + Self.patience
        while elapsed < deadline {
            // A poll that was under way has ended when every meter has failed.
            if let status = agent.status, status.meters.allSatisfy({ $0.error != nil }), status.spool.undelivered == 0,
                status.spool.waiting == 0
            {
                return true
            }
            try play(until: elapsed + 0.5)
        }
        return false
    }

    private func keepRunning() throws {
        announce("everything keeps running until Ctrl-C; try, in another terminal:")
        screen.say("  \(agent.program) status --socket \(agent.socket)")
        screen.say("  \(agent.program) read school --config \(agent.configurationFile)")
        screen.say("  curl -s '\(url)/Datastreams?$top=3'")
        do {
            while true { try play(until: elapsed + 1) }
        } catch is Interruption {}
    }

    private func announce(_ what: String) {
        news = what
        screen.say("\(clock)  \(what)")
    }

    /// Shows what happens until `moment`, in seconds after the start; throws when Ctrl-C ends it.
    private func play(until moment: Double) throws {
        while elapsed < moment {
            for index in truth.indices { truth[index].follow() }
            if let platform { platformAudit = try platform.audit() }
            screen.show(page)
            usleep(500_000)
            if Signals.endWasGiven { throw Interruption() }
        }
    }

    /// Ctrl-C or SIGTERM.
    struct Interruption: Error {}

    private var elapsed: Double { Double((BootClock.now - began).wholeMilliseconds) / 1000 }

    private var clock: String {
        let seconds = Int(elapsed)
        return "\(seconds / 60):\(seconds % 60 < 10 ? "0" : "")\(seconds % 60)"
    }

    private var served: Int { truth.reduce(0) { $0 + $1.served } }

    private var page: [String] {
        DemoPage(
            clock: clock, news: news, values: truth.reduce(into: [:]) { $0.merge($1.newest) { $1 } },
            units: town.units, served: served, agent: agent,
            committed: (try? SpoolStore.openForReading(directory: agent.spoolFolder).statistics())?.committed ?? 0,
            platform: platformAudit, isPlatformHere: platform != nil
        ).lines
    }

    /// Compares what the spool committed with what the platform holds.
    private func judge() throws -> Bool {
        for index in truth.indices { truth[index].follow() }
        let spool = try SpoolStore.openForReading(directory: agent.spoolFolder).audit()
        let audit = try platform?.audit() ?? platformAudit
        let comparison = AuditComparison(spool: spool, platform: audit, gateway: "demo")
        let committed = comparison.committed
        screen.say("")
        screen.say(
            "AUDIT  what the spool committed against the platform's distinct rows: count and hash of every point")
        screen.say("  meters served     \(served) values")
        screen.say(
            "  agent committed   \(committed) readings; \(served - committed) were served but not yet committed at the kill"
        )
        screen.say("  " + comparison.summary)
        screen.say(comparison.isClean ? "  nothing is missing, nothing is there twice" : "  THE PROMISE IS BROKEN")
        return comparison.isClean
    }
}
