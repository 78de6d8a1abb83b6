import Configuration
import Gateway
import Lab
import Metering
import Posix
import Spooling
import Testing

/// A folder with meters, a platform and an agent in a process of its own; everything ends with it.
final class Rig {
    let folder: String
    let meters: SimulatedMeters
    let agent: AgentHarness
    private let port: HeldPort
    let url: String
    private(set) var platform: ReferencePlatform?

    /// How long the agent waits for an answer: long enough for a machine that is busy with other tests.
    let timeout: String

    /// `count` meters of `model` as units behind one port, read every `interval`.
    /// With a `definition` the meters are of that one, which the catalogue need not have.
    init(
        count: Int = 2, model: String = "eastron-sdm230", interval: String = "200ms", timeout: String = "2s",
        more: String = "", definition own: MeterDefinition? = nil
    ) throws {
        self.timeout = timeout
        SignalQueue.ignorePipe()
        folder = try LabFile.temporaryFolder("parthe-test")
        let definition = try #require(try own ?? Self.definition(model))
        meters = try SimulatedMeters(definition, count: count, layout: .units, truth: folder + "/truth.log")
        port = try HeldPort()
        let platform = try ReferencePlatform(file: folder + "/platform.db", port: port.number)
        self.platform = platform
        url = platform.url
        agent = try AgentHarness(folder: folder + "/gateway", configuration: "")
        try agent.configure(configuration(meters: count, model: model, interval: interval) + more)
    }

    /// A model of the catalogue.
    static func definition(_ model: String) throws -> MeterDefinition? {
        try Catalogue(share: nil).definition(model: model)
    }

    deinit {
        agent.kill()
        platform?.stop()
        meters.stop()
        LabFile.remove(folder: folder)
    }

    /// The configuration of `count` meters; commits are as frequent as they may be.
    func configuration(meters count: Int, model: String = "eastron-sdm230", interval: String = "200ms") -> String {
        var text = """
            gateway:
              id: test
              location: {latitude: 51.3397, longitude: 12.3731}
            uplinks:
              - {id: city, sensorthings: "\(url)", timeout: 3s}
            spool: {commit_interval: 100ms, clock_wait: 0s}
            buses:
              - {id: hall, tcp: "127.0.0.1:\(meters.ports[0])", timeout: \(timeout)}
            meters:

            """
        for unit in 1...count {
            text += "  - {id: meter-\(unit), bus: hall, unit: \(unit), model: \(model), interval: \(interval)}\n"
        }
        return text
    }

    func stopPlatform() {
        platform?.stop()
        platform = nil
    }

    func startPlatform() throws {
        guard platform == nil else { return }
        platform = try ReferencePlatform(file: folder + "/platform.db", port: port.number)
    }

    /// Waits until the agent's status fulfils `condition`.
    func status(
        within seconds: Double = 30, _ comment: Comment? = nil, location: SourceLocation = #_sourceLocation,
        where condition: (StatusReport) -> Bool
    ) async throws -> StatusReport {
        var last: StatusReport?
        _ = try await AgentHarness.wait(seconds) {
            last = agent.status
            return last.map(condition) ?? false
        }
        let report = try #require(last, "no agent answers; its log:\n\(agent.log)", sourceLocation: location)
        #expect(
            condition(report), comment ?? "not within \(seconds) s: \(report)\n\(agent.log)", sourceLocation: location)
        return report
    }

    /// The size that files of the running agent may have: one that the spool has passed already, but not the log, is a
    /// disk that fails.
    func limitFiles(to size: String) throws {
        let process = try #require(agent.processID)
        let child = try ChildProcess("prlimit", ["--pid", "\(process)", "--fsize=\(size):unlimited"], log: "/dev/null")
        #expect(child.wait() == 0, "prlimit (util-linux) does not work")
    }

    /// Stops the meters, lets the agent deliver everything, ends it in order, and compares spool and platform.
    func settle(within seconds: Double = 60) async throws -> AuditComparison {
        meters.stop()
        // A poll that was under way has ended when every meter has failed; what it brought is delivered then.
        _ = try await status(within: seconds) { report in
            report.meters.allSatisfy { $0.error != nil } && report.spool.undelivered == 0 && report.spool.waiting == 0
        }
        #expect(try await agent.terminate() == 0, "the agent did not end in order:\n\(agent.log)")
        let spool = try SpoolStore.openForReading(directory: agent.spoolFolder).audit()
        let audit = try #require(try platform?.audit())
        return AuditComparison(spool: spool, platform: audit, gateway: "test")
    }
}

/// What a program printed, and how it ended.
struct Outcome {
    var code: Int32
    var text: String

    /// Runs a program of the build, or any by its path, with `arguments` to its end.
    init(_ arguments: String..., program: String = "parthe") async throws {
        try await self.init(list: arguments, program: program)
    }

    /// The same with arguments as a list.
    init(list arguments: [String], program: String = "parthe") async throws {
        let folder = try LabFile.temporaryFolder("parthe-run")
        defer { LabFile.remove(folder: folder) }
        let path = program.hasPrefix("/") ? program : AgentHarness.siblingProgram(program)
        let child = try ChildProcess(path, arguments, log: folder + "/out")
        while child.exitCode() == nil { try await Task.sleep(for: .milliseconds(10)) }
        code = child.wait()
        text = String(decoding: try File.read(folder + "/out"), as: UTF8.self)
    }
}
