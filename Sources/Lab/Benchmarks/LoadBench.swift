internal import Gateway
internal import Glibc
internal import Metering
internal import Posix

/// The agent under its daily load: 32 meters × 40 points every second, spool durable, delivering to a platform.
///
/// The agent is a process of its own with its real configuration; meters and platform run in this one.
struct LoadBench {
    let meters = 32
    let seconds: Int
    let runs: Int
    /// Whether the meters are units behind one endpoint, or an endpoint each.
    let isShared: Bool

    func run() throws -> String {
        var figures: [[(name: String, value: Double?)]] = []
        for _ in 0..<runs { figures.append(try measure()) }
        var line = BenchLine(bench: "load", case: isShared ? "32 units behind one endpoint" : "32 endpoints")
        for (place, figure) in figures[0].enumerated() {
            let values = figures.compactMap { $0[place].value }
            line.add(figure.name, values.isEmpty ? nil : values.percentile(0.5))
        }
        return line.text
    }

    private func measure() throws -> [(name: String, value: Double?)] {
        SignalQueue.ignorePipe()
        let folder = try LabFile.temporaryFolder("parthe-load")
        defer { LabFile.remove(folder: folder) }
        let definition = try Models.definition(named: "eastron-sdm630", share: nil)
        let truth = folder + "/truth.log"
        let town = try SimulatedMeters(
            definition, count: meters, layout: isShared ? .units : .endpoints, truth: truth)
        defer { town.stop() }
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let agent = try AgentHarness(
            folder: folder + "/gateway",
            configuration: configuration(town.ports, definition.points.filter(PollBench.isChosen), platform.url))
        try agent.start()
        defer { agent.kill() }
        // The start makes 1280 Datastreams and delivers what was read meanwhile; what follows is daily life.
        let isReady = AgentHarness.wait(120) {
            agent.status.map { $0.problems.isEmpty && $0.spool.undelivered < 2600 && $0.uplinks[0].delivered > 10_000 }
                ?? false
        }
        if isReady { sleep(15) }
        guard isReady, let process = agent.processID, let first = agent.status else {
            throw LabError(.stopped, "the agent does not come to rest: \(agent.log)")
        }
        platform.recordDelays()
        let begin = Int64(LoadBench.wallMilliseconds)
        let before = try ProcessFigures(of: process)
        sleep(UInt32(seconds))
        let after = try ProcessFigures(of: process)
        guard let last = agent.status else { throw LabError(.stopped, "the agent is gone: \(agent.log)") }
        let delays = platform.takeDelays().map(Double.init)
        let end = Int64(LoadBench.wallMilliseconds)
        // Last, because tracing holds the agent up.
        let syncs = countSyncs(of: process, folder: folder)

        let readings = Double(last.spool.committed - first.spool.committed)
        return [
            ("readings_per_second", readings / Double(seconds)),
            ("cpu_percent", (after.cpuSeconds - before.cpuSeconds) / Double(seconds) * 100),
            ("rss_mib", Double(after.rss) / 1024), ("pss_mib", Double(after.pss) / 1024),
            ("private_dirty_mib", Double(after.privateDirty) / 1024), ("threads", Double(after.threads)),
            ("disk_bytes_per_reading", Double(after.diskBytes - before.diskBytes) / readings),
            ("fsync_per_second", syncs),
            ("period_p99_ms", try periods(in: truth, from: begin, to: end).percentile(0.99)),
            ("delivery_delay_p99_ms", delays.percentile(0.99)),
        ]
    }

    private func configuration(_ ports: [UInt16], _ points: [PointDefinition], _ url: String) -> String {
        var text = """
            gateway: {id: load, location: {latitude: 51.3397, longitude: 12.3731}}
            uplinks: [{id: city, sensorthings: "\(url)"}]
            spool: {clock_wait: 0s}
            buses:

            """
        for (index, port) in ports.enumerated() { text += "  - {id: bus-\(index + 1), tcp: \"127.0.0.1:\(port)\"}\n" }
        text += "meters:\n"
        let names = points.map(\.name).joined(separator: ", ")
        for index in 1...meters {
            let (bus, unit) = isShared ? (1, index) : (index, 1)
            text += "  - {id: meter-\(index), bus: bus-\(bus), unit: \(unit), model: eastron-sdm630, interval: 1s, "
            text += "points: [\(names)]}\n"
        }
        return text
    }

    /// The times between two polls of a meter, from the moments at which one of its points was served.
    private func periods(in truth: String, from begin: Int64, to end: Int64) throws -> [Double] {
        var last: [String: Int64] = [:]
        var found: [Double] = []
        let text = String(decoding: try File.read(truth, limit: 1 << 30), as: UTF8.self)
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count == 5, fields[2].elementsEqual("voltage-l1".utf8),
                let time = Int64(String(decoding: fields[0], as: UTF8.self)), (begin...end).contains(time)
            else { continue }
            let meter = String(decoding: fields[1], as: UTF8.self)
            if let before = last.updateValue(time, forKey: meter) { found.append(Double(time - before)) }
        }
        return found
    }

    /// fsync and fdatasync calls per second over ten seconds, counted after the other figures were taken.
    private func countSyncs(of process: Int32, folder: String) -> Double? {
        guard let counter = SyncCounter(of: process, log: folder + "/strace") else { return nil }
        let before = counter.count
        sleep(10)
        let counted = counter.count - before
        counter.stop()
        return Double(counted) / 10
    }

    private static var wallMilliseconds: Int64 {
        BootClock.offset.timestamp(of: BootClock.now).milliseconds
    }
}
