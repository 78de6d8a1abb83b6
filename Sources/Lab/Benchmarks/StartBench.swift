internal import Gateway
internal import Glibc
internal import Metering
internal import Posix
internal import Spooling

/// The agent's start with nothing, with a million and with fifty million readings that wait for delivery: the time from
/// exec to the first request that a meter sees, and the memory it then takes.
///
/// The spool is made beforehand, as an outage of the lab's load would leave it, and is not in the kernel's memory when the
/// agent starts. The platform stays away. Meters are in this process.
struct StartBench {
    /// A folder on the disk to measure; some 200 MB are needed there.
    let folder: String
    let runs = 5
    private let meters = 32
    private let perMeter = 40

    /// Hands each case's line to `tell` when it is there.
    func run(tell: (String) -> Void) throws {
        SignalQueue.ignorePipe()
        for millions in [0, 1, 50] {
            let place = "\(folder)/start-\(millions)"
            defer { LabFile.remove(folder: place) }
            try File.makeFolder(place)
            var load = try MovingLoad(meters: meters, perMeter: perMeter)
            let readings = try load.makeBacklog(in: place + "/state", readings: millions * 1_000_000, commit: 65_536)
            var starts: [Start] = []
            for _ in 0..<runs { starts.append(try start(in: place, waiting: readings)) }
            var line = BenchLine(bench: "start", case: "\(millions) million readings wait")
            line.add("first_poll_ms", starts.map(\.firstPoll).median)
            line.add("first_poll_ms_max", starts.map(\.firstPoll).max())
            line.add("rss_mib", starts.map { Double($0.memory.rss) / 1024 }.median)
            line.add("peak_rss_mib", starts.map { Double($0.memory.peakRSS) / 1024 }.median)
            line.add("private_dirty_mib", starts.map { Double($0.memory.privateDirty) / 1024 }.median)
            line.add("spool_mb", Double(LabFile.bytes(in: place + "/state")) / 1e6)
            tell(line.text)
        }
    }

    // MARK: The agent

    private struct Start {
        var firstPoll: Double
        var memory: ProcessFigures
    }

    private func start(in place: String, waiting: Int64) throws -> Start {
        let definition = try Models.definition(named: "eastron-sdm630", share: nil)
        let town = try SimulatedMeters(definition, count: meters, layout: .units)
        defer { town.stop() }
        let points = definition.points.filter(PollBench.isChosen).map(\.name)
        let agent = try AgentHarness(
            folder: place, configuration: configuration(port: town.ports[0], points: points))
        LabFile.forget(folder: agent.spoolFolder)
        let begin = BootClock.now
        try agent.start()
        defer { agent.kill() }
        while town.functionCounts.isEmpty {
            guard BootClock.now - begin < .seconds(30), agent.exitCode == nil else {
                throw LabError(.stopped, "the agent asks no meter: \(agent.log)")
            }
            usleep(100)
        }
        let firstPoll = Double((BootClock.now - begin).wholeNanoseconds) / 1e6
        // Ten seconds without a question let it go of what only its start needed.
        sleep(13)
        guard let process = agent.processID else { throw LabError(.stopped, "the agent is gone: \(agent.log)") }
        let memory = try ProcessFigures(of: process)
        guard let spool = agent.status?.spool, spool.undelivered >= waiting, spool.committed > waiting,
            spool.error == nil
        else { throw LabError(.stopped, "not all readings wait: \(agent.log)") }
        return Start(firstPoll: firstPoll, memory: memory)
    }

    private func configuration(port: UInt16, points: [String]) -> String {
        var text = """
            gateway: {id: start, location: {latitude: 51.3397, longitude: 12.3731}}
            spool: {limit: 1GB}
            uplinks: [{id: city, sensorthings: "http://127.0.0.1:1/v1.1"}]
            buses: [{id: hall, tcp: "127.0.0.1:\(port)"}]
            meters:

            """
        let names = points.joined(separator: ", ")
        for unit in 1...meters {
            text += "  - {id: meter-\(unit), bus: hall, unit: \(unit), model: eastron-sdm630, interval: 1s, "
            text += "points: [\(names)]}\n"
        }
        return text
    }
}
