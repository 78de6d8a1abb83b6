internal import Fieldbus
internal import Glibc
internal import Metering
internal import Posix
internal import Synchronization

/// Eight meters on one emulated line at 9600 8N1, read as fast as the bus can; all alive, one dead, three dead. Beside it
/// a bare libmodbus loop in C with the same requests, and the same loop with a sleep of 3.5 characters before each.
///
/// parthe's side is the agent's own bus: its actor, its decisions, its intake. The line is a process of its own, whose
/// units do not hear a request that comes before 3.5 characters of silence; its truth log says how often that happened.
struct LineBench {
    /// The C program, compiled from scripts/bench.d/line.c.
    let baseline: String
    /// How long each run takes.
    let seconds: Int

    private let meters = 8
    private let line = SerialLine()
    private let turnaround = Duration.milliseconds(5)
    /// Who is dead in each run; the others are compared with the run before them all.
    private let dead: [[Int]] = [[], [8], [6, 7, 8]]

    /// What a run brought.
    private struct Run {
        /// Seconds for one round over all meters.
        var cycle: Double
        /// Values by unit, from 1.
        var values: [Double]
        /// Requests that came too early, and the shortest silence before one.
        var violations = 0
        var shortestSilence: Int64?
    }

    func run() throws -> [String] {
        let folder = try LabFile.temporaryFolder("parthe-bench")
        defer { LabFile.remove(folder: folder) }
        let definition = try Models.definition(named: "eastron-sdm630", share: nil)
        let points = definition.points.filter(PollBench.isChosen)
        guard points.count == 40 else { throw LabError(.format, "\(points.count) points instead of 40") }

        // Σ ((8 + 5 + 2n) characters + 2 × 3.5 characters + turnaround) over the requests of the least plan.
        let character = line.duration(ofCharacters: 1)
        let cost = RequestCost(request: character * 20 + turnaround, byte: character)
        let least = PlanOptimum(limits: definition.limits, cost: cost).duration(reading: points) * meters
        var first = BenchLine(bench: "line", case: "least wire time of \(meters) × 40 points")
        first.add("seconds", least / .seconds(1))

        let settings = BusSettings(id: "b", endpoint: .serial(path: "/dev/null"), line: line)
        let plan = poll(unit: 1, definition, points, settings).plan.requests.map(\.span)
        let planned = plan.map { cost.duration(of: $0) }.reduce(.zero, +) * meters
        first.add("planned_seconds", planned / .seconds(1))
        first.add("requests", Double(plan.count))

        var lines = [first.text]
        let spans = plan.map { "\($0.address):\($0.count)" }
        let silence = (character * 7 / 2).wholeNanoseconds / 1000 + 1
        lines.append(
            try report("parthe", least, folder) { port in try runOwn(definition, points, .seconds(1), on: port) })
        // With time to spare the living cannot gain what the dead leave: what is kept here was never lost.
        lines.append(
            try report("parthe, each meter every 3 s", nil, folder) { port in
                try runOwn(definition, points, .seconds(3), on: port)
            })
        lines.append(
            try report("libmodbus loop", least, folder) { port in
                try runBaseline(spans, silence: 0, on: port, folder)
            })
        lines.append(
            try report("libmodbus loop that sleeps 3.5 characters", least, folder) { port in
                try runBaseline(spans, silence: silence, on: port, folder)
            })
        return lines
    }

    private func report(
        _ name: String, _ least: Duration?, _ folder: String, _ body: (String) throws -> Run
    ) throws -> String {
        var runs: [Run] = []
        for units in dead { runs.append(try run(without: units, folder, body)) }
        var line = BenchLine(bench: "line", case: name)
        line.add("cycle_s", runs[0].cycle)
        if let least { line.add("cycle_ratio", runs[0].cycle / (least / .seconds(1))) }
        line.add("gap_violations", Double(runs.reduce(0) { $0 + $1.violations }))
        line.add("shortest_silence_ms", runs.compactMap(\.shortestSilence).min().map { Double($0) / 1e6 })
        for (units, run) in zip(dead, runs).dropFirst() {
            let living = (1...meters).filter { !units.contains($0) }
            let before = living.reduce(0) { $0 + runs[0].values[$1 - 1] }
            let kept = living.reduce(0) { $0 + run.values[$1 - 1] }
            line.add("kept_\(units.count)_dead", before > 0 ? kept / before : nil)
        }
        return line.text
    }

    private func run(without dead: [Int], _ folder: String, _ body: (String) throws -> Run) throws -> Run {
        let (log, truth) = (folder + "/line", folder + "/truth")
        unlink(log)
        unlink(truth)
        let faults = dead.flatMap { ["--fault", "\($0):silence"] }
        let server = try ChildProcess(
            AgentHarness.siblingProgram("parthe-lab"),
            ["line", "--count", "\(meters)", "--turnaround", "5ms", "--folder", folder, "--truth", truth] + faults,
            log: log)
        defer { _ = server.terminate() }
        let port = folder + "/by-id/usb-LAB"
        let isReady = AgentHarness.wait(10) {
            (try? File.read(log)).map { String(decoding: $0, as: UTF8.self).hasPrefix("line ") } ?? false
        }
        guard isReady else { throw LabError(.stopped, "the emulated line does not start") }
        var run = try body(port)
        _ = server.terminate()
        for line in try File.read(truth, limit: 64 << 20).split(separator: UInt8(ascii: "\n")) {
            let record = try JSONParser.parse(Array(line))
            guard record["what"]?.text == "request" else { continue }
            if record["verdict"]?.text == "gap" { run.violations += 1 }
            guard let silence = record["silence"]?.integer else { continue }
            run.shortestSilence = min(silence, run.shortestSilence ?? silence)
        }
        return run
    }

    // MARK: - The two sides

    private func poll(
        unit: Int, _ definition: MeterDefinition, _ points: [PointDefinition], _ settings: BusSettings
    ) -> MeterPoll {
        let meter = meter(unit, definition, points, .seconds(1))
        return MeterPoll(meter: meter, points: meter.points, on: settings)
    }

    /// With an interval that is shorter than a cycle there is always something to do.
    private func meter(
        _ unit: Int, _ definition: MeterDefinition, _ points: [PointDefinition], _ interval: Duration
    ) -> Meter {
        let points = points.map { Point(meter: "m\(unit)", definition: $0, interval: interval) }
        let place = Location(latitude: .zero, longitude: .zero)
        return Meter(
            id: "m\(unit)", bus: "b", unit: UInt8(unit), definition: definition, points: points, location: place)
    }

    private func runOwn(
        _ definition: MeterDefinition, _ points: [PointDefinition], _ interval: Duration, on port: String
    ) throws -> Run {
        let all = (1...meters).map { meter($0, definition, points, interval) }
        let keys = all.flatMap(\.points).map(\.key)
        let ids = Dictionary(
            uniqueKeysWithValues: keys.enumerated().map { ($1, PointID(rawValue: UInt32($0 + 1))) })
        let intake = Intake()
        let bus = ModbusBus(
            settings: BusSettings(id: "b", endpoint: .serial(path: port), line: line), meters: all, ids: ids,
            intake: intake
        ) { _ in }
        let hasEnded = EndFlag()
        // Polls are aligned to the clock: each run begins right before a slot, so that all have as many.
        let begin = BootClock.now
        let sinceSlot = BootClock.offset.timestamp(of: begin).milliseconds % interval.wholeMilliseconds
        BootClock.sleep(until: begin + interval * 2 - .milliseconds(sinceSlot + 300))
        Task.detached(executorPreference: bus.thread) {
            await bus.run()
            hasEnded.set()
        }
        var readings: [Reading] = []
        // Whole slots, with time for the last poll.
        let end = BootClock.now + interval * Int(Duration.seconds(seconds) / interval)
        while BootClock.now < end {
            BootClock.sleep(until: min(end, BootClock.now + .milliseconds(500)))
            readings += intake.take().readings
        }
        bus.stop()
        guard AgentHarness.wait(10, until: { hasEnded.isSet }) else { throw LabError(.stopped, "the bus does not end") }
        readings += intake.take().readings

        var values = [Double](repeating: 0, count: meters)
        // When the first point of each meter was read.
        var rounds = [[Instant]](repeating: [], count: meters)
        for reading in readings {
            let place = Int(reading.point.rawValue - 1)
            values[place / points.count] += 1
            if place % points.count == 0 { rounds[place / points.count].append(reading.instant) }
        }
        let cycles = rounds.compactMap { rounds -> Double? in
            // The first rounds find out how the meters are.
            guard rounds.count > 4 else { return nil }
            return (rounds[rounds.count - 1] - rounds[2]) / .seconds(1) / Double(rounds.count - 3)
        }
        return Run(cycle: cycles.reduce(0, +) / Double(cycles.count), values: values)
    }

    private func runBaseline(_ spans: [String], silence: Int64, on port: String, _ folder: String) throws -> Run {
        let log = folder + "/baseline"
        unlink(log)
        let arguments = [port, "\(line.baud)", "\(meters)", "\(seconds)", "\(silence)"] + spans
        let code = try ChildProcess(baseline, arguments, log: log).wait()
        let text = String(decoding: try File.read(log), as: UTF8.self)
        let fields = text.split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { Double($0) }
        guard code == 0, fields.count == 1 + meters else { throw LabError(.format, "the C loop failed: \(text)") }
        return Run(cycle: fields[0], values: Array(fields[1...]))
    }

    private final class EndFlag: Sendable {
        private let flag = Atomic(false)
        var isSet: Bool { flag.load(ordering: .acquiring) }
        func set() { flag.store(true, ordering: .releasing) }
    }
}
