internal import Fieldbus
internal import Glibc
internal import Metering
internal import Posix

/// One TCP meter read as fast as possible, beside the same requests read and decoded in a bare libmodbus loop in C.
///
/// parthe's side is what the agent does for a poll: plan once, then ask, check, decode exactly and hand over to the
/// intake. The meter is a process of its own.
struct PollBench {
    /// The C program, compiled from scripts/bench.d/poll.c.
    let baseline: String
    let rounds = 7
    let polls = 2000

    /// The addresses of the 40 points: all of 0…87, and the rest of what a building's balance needs.
    static func isChosen(_ point: PointDefinition) -> Bool {
        point.address < 88 || [200, 202, 204, 206, 224, 342].contains(point.address)
    }

    func run() throws -> String {
        let folder = try LabFile.temporaryFolder("parthe-bench")
        defer { LabFile.remove(folder: folder) }
        let server = try ChildProcess(
            AgentHarness.siblingProgram("parthe-lab"), ["meters", "--model", "eastron-sdm630"], log: folder + "/meters")
        defer { _ = server.terminate() }
        let port = try Self.port(in: folder + "/meters")

        let definition = try Models.definition(named: "eastron-sdm630", share: nil)
        let points = definition.points.filter(Self.isChosen).map {
            Point(meter: "m", definition: $0, interval: .seconds(1))
        }
        guard points.count == 40 else { throw LabError(.format, "\(points.count) points instead of 40") }
        let place = Location(latitude: .zero, longitude: .zero)
        let poll = MeterPoll(
            meter: Meter(id: "m", bus: "b", unit: 1, definition: definition, points: points, location: place),
            points: points, on: BusSettings(id: "b", endpoint: .tcp(host: "127.0.0.1", port: port)))
        let spans = poll.plan.requests.map { "\($0.span.address):\($0.span.count)" }

        var walls: [Double] = []
        var cpus: [Double] = []
        var speeds: [Double] = []
        for _ in 0..<rounds {
            let bare = try runBaseline(port: port, spans: spans, folder: folder)
            let own = try runOwn(poll, port: port)
            walls.append(own.wall / bare.wall)
            cpus.append(own.cpu / bare.cpu)
            speeds.append(Double(polls * points.count) / own.wall)
        }
        var line = BenchLine(bench: "poll", case: "SDM630, 40 points in \(spans.count) requests")
        line.add("wall_ratio", walls.median)
        line.add("cpu_ratio", cpus.median)
        line.add("points_per_second", speeds.median)
        return line.text
    }

    private func runOwn(_ planned: MeterPoll, port: UInt16) throws -> (wall: Double, cpu: Double) {
        var link = ModbusLink(BusSettings(id: "b", endpoint: .tcp(host: "127.0.0.1", port: port)))
        try link.connect()
        var poll = planned
        let intake = Intake()
        let wall = Self.seconds(CLOCK_MONOTONIC)
        let cpu = Self.seconds(CLOCK_PROCESS_CPUTIME_ID)
        for _ in 0..<polls {
            guard intake.promise(poll.points.count) else { throw LabError(.format, "the intake is full") }
            var readings: [Reading] = []
            readings.reserveCapacity(poll.points.count)
            let outcome = poll.run(on: &link) { point, arrived, result, _ in
                guard case .value(let value) = result else { return }
                readings.append(Reading(point: PointID(rawValue: UInt32(point + 1)), instant: arrived, value: value))
            }
            if let error = outcome.error { throw error }
            intake.put(readings, promised: poll.points.count)
            _ = intake.take()
        }
        return (Self.seconds(CLOCK_MONOTONIC) - wall, Self.seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu)
    }

    private func runBaseline(port: UInt16, spans: [String], folder: String) throws -> (wall: Double, cpu: Double) {
        let log = folder + "/baseline"
        unlink(log)
        let code = try ChildProcess(baseline, ["127.0.0.1", "\(port)", "\(polls)"] + spans, log: log).wait()
        let text = String(decoding: try File.read(log), as: UTF8.self)
        let fields = text.split(separator: " ").compactMap { Double($0) }
        guard code == 0, fields.count >= 2 else { throw LabError(.format, "the C loop failed: \(text)") }
        return (fields[0], fields[1])
    }

    /// The port that `parthe-lab meters` printed.
    static func port(in log: String) throws -> UInt16 {
        var found: UInt16?
        _ = AgentHarness.wait(10) {
            let text = (try? File.read(log)).map { String(decoding: $0, as: UTF8.self) } ?? ""
            found = text.hasSuffix("\n") ? text.split(separator: ":").last.flatMap { UInt16($0.dropLast()) } : nil
            return found != nil
        }
        guard let found else { throw LabError(.stopped, "the simulated meters do not start") }
        return found
    }

    static func seconds(_ clock: clockid_t) -> Double {
        var now = timespec()
        clock_gettime(clock, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }
}
