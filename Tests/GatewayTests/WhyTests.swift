import Gateway
import Glibc
import Lab
import Posix
import Testing

/// `parthe bus why`: each reason, made for real.
@Suite(.serialized) struct WhyTests {
    private func why(_ place: String, _ unit: Int, _ more: String...) async throws -> Outcome {
        try await Outcome(list: ["bus", "why", place, "\(unit)", "--config", "/nonexistent/parthe.yaml"] + more)
    }

    @Test func aConfiguredMeterIsWell() async throws {
        let rig = try Rig(count: 2, timeout: "800ms")
        let file = ["--config", rig.agent.configurationFile, "--socket", rig.agent.socket]
        let alone = try await Outcome(list: ["bus", "why", "hall", "1"] + file)
        #expect(alone.code == 0 && alone.text.contains("all is well"), "\(alone.text)")
        try rig.agent.start()
        _ = try await rig.status { $0.meters.allSatisfy { $0.polls > 0 } }
        let lent = try await Outcome(list: ["bus", "why", "hall", "2", "--json"] + file)
        #expect(lent.code == 0 && lent.text.contains(#""isLent" : true"#), "\(lent.text)")

        // Unit 9 is nobody's: the gateway says so, and the neighbours are well.
        let nobody = try await Outcome(list: ["bus", "why", "hall", "9"] + file)
        #expect(nobody.code == 69 && nobody.text.contains("exception 11"), "\(nobody.text)")
        #expect(nobody.text.contains("unit 1 behind it answers"), "\(nobody.text)")

        rig.meters.setMisbehaviour(.wrongUnit, of: 0)
        let other = try await Outcome(list: ["bus", "why", "hall", "1"] + file)
        #expect(other.code == 69 && other.text.contains("unit 2 answers when unit 1 is asked"), "\(other.text)")
        rig.meters.setMisbehaviour(.closeAfterRequest, of: 0)
        let closes = try await Outcome(list: ["bus", "why", "hall", "1"] + file)
        #expect(closes.code == 69 && closes.text.contains("closes the connection on every question"), "\(closes.text)")
        rig.meters.setMisbehaviour(.exception(4), of: 0)
        let failing = try await Outcome(list: ["bus", "why", "hall", "1"] + file)
        #expect(failing.code == 1 && failing.text.contains("server device failure"), "\(failing.text)")
        rig.meters.setMisbehaviour(.silence, of: 0)
        let silent = try await Outcome(list: ["bus", "why", "hall", "1"] + file)
        #expect(silent.code == 69 && silent.text.contains("not proven: unit 1 is silent"), "\(silent.text)")
        #expect(silent.text.contains("unit 2 answers on the same bus"), "\(silent.text)")
        // The bus waits 800 ms; through the agent and alone.
        rig.meters.setMisbehaviour(.slow(milliseconds: 2500), of: 0)
        let late = try await Outcome(list: ["bus", "why", "hall", "1"] + file)
        #expect(late.code == 1 && late.text.contains("it is waited for 800 ms"), "\(late.text)")
        #expect(late.text.contains("at meter meter-1: timing: {timeout: "), "\(late.text)")
    }

    /// Off by one, the wrong table, and registers that nobody has.
    @Test func wrongRegistersAreTold() async throws {
        let rig = try Rig(count: 4)
        var text = rig.configuration(meters: 1)
        for (unit, function, register) in [(2, "input", 1), (3, "holding", 0), (4, "input", 9000)] {
            text += """
                  - id: own-\(unit)
                    bus: hall
                    unit: \(unit)
                    points:
                      - {name: voltage, quantity: voltage, unit: V, kind: gauge, register: \(register), type: f32,
                         function: \(function)}

                """
        }
        try rig.agent.configure(text)
        let file = ["--config", rig.agent.configurationFile]
        let shifted = try await Outcome(list: ["bus", "why", "hall", "2"] + file)
        #expect(shifted.code == 1, "\(shifted.text)")
        #expect(
            flat(shifted.text).contains("stand one below the configured ones: 30001 = input 0, 0x0"), "\(shifted.text)")
        #expect(flat(shifted.text).contains("at meter own-2: register: 0"), "\(shifted.text)")
        let table = try await Outcome(list: ["bus", "why", "hall", "3"] + file)
        #expect(table.code == 1 && table.text.contains("at meter own-3: function: input"), "\(table.text)")
        let nowhere = try await Outcome(list: ["bus", "why", "hall", "4"] + file)
        #expect(nowhere.code == 1 && nowhere.text.contains("illegal data address"), "\(nowhere.text)")
    }

    /// `text` without the ends of lines that a narrow terminal needs.
    private func flat(_ text: String) -> String { text.split(whereSeparator: \.isWhitespace).joined(separator: " ") }

    /// Floats at 0, 2, 4 and 6: 230.1 V, 5.25 A, 1208.2 W, 12345.67 kWh. What is asked for from 40 on gets `far`.
    private func own(
        _ points: [(String, Int)], order: String = "ABCD",
        far: @escaping @Sendable (LineDevice.Request) -> [UInt8]? = { Frame.rtu($0.unit, [0x84, 2]) }
    ) async throws -> Outcome {
        let registers: [UInt16] = [0x4366, 0x199A, 0x40A8, 0, 0x4497, 0x0666, 0x4640, 0xE6AE]
        let device = try LineDevice.converter { request in
            let range = request.address..<request.address + request.count
            if range.lowerBound >= 40 { return far(request).map { ($0, 0) } }
            guard request.function == 4, range.upperBound <= registers.count else {
                return (Frame.rtu(request.unit, [request.function | 0x80, 2]), 0)
            }
            let data = registers[range].flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
            return (Frame.rtu(request.unit, [4, UInt8(data.count)] + data), 0)
        }
        defer { device.stop() }
        let kinds = [
            "voltage": "quantity: voltage, unit: V, kind: gauge", "current": "quantity: current, unit: A, kind: gauge",
            "power": "quantity: active-power, unit: W, kind: gauge",
            "energy": "quantity: active-energy, unit: kW.h, kind: counter",
        ]
        let list = points.map { name, register in
            "      - {name: \(name), \(kinds[name] ?? kinds["energy"] ?? ""), register: \(register)}\n"
        }
        let folder = try LabFile.temporaryFolder("parthe-why")
        defer { LabFile.remove(folder: folder) }
        let text = """
            gateway: {id: test, location: {latitude: 51.3, longitude: 12.4}}
            buses:
              - {id: line, rtu_over_tcp: "\(device.place.dropFirst("rtu_over_tcp:".count))", timeout: 2s}
            meters:
              - id: main
                bus: line
                unit: 1
                defaults: {function: input, type: f32, order: \(order)}
                points:

            """
        try LabFile.write(Array((text + list.joined()).utf8), to: folder + "/parthe.yaml")
        return try await Outcome(list: ["bus", "why", "line", "1", "--config", folder + "/parthe.yaml"])
    }

    /// Powers and energies have no narrow range, but one register off they are no numbers that a meter shows.
    @Test func ownPointsOneRegisterOffAreTold() async throws {
        let shifted = try await own([("power", 5), ("energy", 7)])
        #expect(shifted.code == 1, "\(shifted.text)")
        #expect(
            flat(shifted.text).contains(
                "off by one register, probably: the registers stand one below the configured ones: 30005 = input 4, 0x4"
            ), "\(shifted.text)")
        #expect(flat(shifted.text).contains("at meter main: register: 4 for power, 6 for energy"), "\(shifted.text)")
        let above = try await own([("current", 1), ("power", 3)])
        #expect(
            above.code == 1 && flat(above.text).contains("off by one register (one below or one above), or"),
            "\(above.text)")
        let right = try await own([("power", 4), ("energy", 6)])
        #expect(right.code == 0 && flat(right.text).contains("nothing speaks against the registers"), "\(right.text)")
        let order = try await own([("voltage", 0), ("current", 2), ("power", 4), ("energy", 6)], order: "CDAB")
        #expect(order.code == 1 && flat(order.text).contains("at meter main: order: ABCD"), "\(order.text)")
    }

    /// Silence is no refusal, and a disturbed answer neither.
    @Test func refusalsAreToldFromSilence() async throws {
        let points = [("voltage", 0), ("power", 4), ("energy", 6), ("energy-export", 40)]
        let refused = try await own(points)
        #expect(refused.code == 1 && flat(refused.text).contains("refuses 1 of 4 points"), "\(refused.text)")
        let silent = try await own(points) { _ in nil }
        #expect(silent.code == 1 && flat(silent.text).contains("not proven:"), "\(silent.text)")
        #expect(flat(silent.text).contains("gives no answer for 1 of 4 points: no answer in time"), "\(silent.text)")
        #expect(!flat(silent.text).contains("refuse"), "\(silent.text)")
        let garbled = try await own(points) { Frame.rtu($0.unit, [4, 4, 0, 0, 0, 0]).dropLast() + [0x55] }
        #expect(flat(garbled.text).contains("1 without an answer (garbled answer: wrong checksum)"), "\(garbled.text)")
    }

    /// Nobody answers a broadcast: that is no reason to look for a fault.
    @Test func unitZeroOfALineIsRefused() async throws {
        for place in ["/dev/parthe-none", "rtu_over_tcp:127.0.0.1:1"] {
            let outcome = try await why(place, 0)
            #expect(outcome.code == 64, "\(outcome.text)")
            #expect(outcome.text.contains("unit 0 on") && outcome.text.contains("for broadcasts"), "\(outcome.text)")
            let raw = try await Outcome("read", "--raw", place, "0", "i:0", "--config", "/nonexistent/parthe.yaml")
            #expect(raw.code == 64 && raw.text.contains("for broadcasts"), "\(raw.text)")
        }
        // On Modbus TCP a device without units may answer to it.
        let tcp = try await why("tcp:127.0.0.1:1", 0)
        #expect(tcp.code == 69 && tcp.text.contains("no connection"), "\(tcp.text)")
    }

    @Test func theOtherFramingIsTried() async throws {
        let rig = try Rig(count: 1)
        let tcp = try await why("rtu_over_tcp:127.0.0.1:\(rig.meters.ports[0])", 1, "--timeout", "1500ms")
        #expect(tcp.code == 69 && tcp.text.contains("speaks Modbus TCP, not RTU over TCP"), "\(tcp.text)")
        #expect(tcp.text.contains("tcp: \"127.0.0.1:\(rig.meters.ports[0])\""), "\(tcp.text)")
        let device = try LineDevice.converter { (Frame.meter($0), 0) }
        defer { device.stop() }
        let place = device.place.dropFirst("rtu_over_tcp:".count)
        let rtu = try await why("tcp:\(place)", 1, "--timeout", "1500ms")
        #expect(rtu.code == 69 && rtu.text.contains("speaks RTU over TCP"), "\(rtu.text)")
        #expect(rtu.text.contains("rtu_over_tcp: \"\(place)\""), "\(rtu.text)")
    }

    @Test func portsTellWhatIsWrong() async throws {
        let missing = try await why("/dev/parthe-none", 1)
        #expect(missing.code == 69 && missing.text.contains("there is no port /dev/parthe-none"), "\(missing.text)")
        let file = try await why("/dev/null", 1)
        #expect(file.code == 69 && file.text.contains("it is no serial port"), "\(file.text)")
        let device = try LineDevice.port { (Frame.meter($0), 0) }
        defer { device.stop() }
        let lock = try SerialPort.open(device.place)
        let busy = try await why(device.place, 1)
        #expect(busy.code == 69 && busy.text.contains("fuser -v"), "\(busy.text)")
        SerialPort.close(lock)
        let well = try await why(device.place, 1)
        #expect(well.code == 0, "\(well.text)")
        let nobody = try await why("tcp:127.0.0.1:1", 1)
        #expect(nobody.code == 69 && nobody.text.contains("no connection to 127.0.0.1:1"), "\(nobody.text)")
    }

    /// Only root can be somebody else.
    @Test(.enabled("needs root, setpriv, and a program that others may run") { await Nobody.canRun })
    func theGroupThatMayOpenThePortIsNamed() async throws {
        let device = try LineDevice.port { (Frame.meter($0), 0) }
        defer { device.stop() }
        let group = try #require(getgrnam("dialout")).pointee.gr_gid
        #expect(chown(device.place, 0, group) == 0 && chmod(device.place, 0o660) == 0)
        let nobody = Nobody.options + [AgentHarness.siblingProgram("parthe")]
        let outcome = try await Outcome(
            list: nobody + ["bus", "why", device.place, "1", "--config", "/nonexistent/parthe.yaml"],
            program: Nobody.setpriv)
        #expect(outcome.code == 69, "\(outcome.text)")
        #expect(outcome.text.contains("usermod -aG dialout"), "\(outcome.text)")

        // An agent that may not be asked is no reason to take its port, or to talk to its meters beside it.
        let rig = try Rig(count: 1)
        try rig.agent.start()
        _ = try await rig.status { $0.meters.allSatisfy { $0.polls > 0 } }
        #expect(chmod(rig.folder, 0o755) == 0 && chmod(rig.agent.folder, 0o755) == 0)
        for command in [["trace", "hall", "--count", "1"], ["scan", "hall"], ["why", "hall", "1"]] {
            let refused = try await Outcome(
                list: nobody + ["bus"] + command
                    + ["--config", rig.agent.configurationFile, "--socket", rig.agent.socket],
                program: Nobody.setpriv)
            #expect(refused.code == 71 && refused.text.contains("sudo"), "\(command): \(refused.text)")
        }
    }

    @Test func theRightSpeedIsFound() async throws {
        // At a wrong speed bits fall apart: the answer is there, but nothing of it is right.
        let device = try LineDevice.port { request in
            request.baud == 19_200 ? (Frame.meter(request), 0) : ([0xF8, 0x00, 0x80, 0xF8, 0x00, 0x78, 0x80], 0)
        }
        defer { device.stop() }
        let outcome = try await why(device.place, 1, "--timeout", "1500ms")
        #expect(outcome.code == 69, "\(outcome.text)")
        #expect(outcome.text.contains("unit 1 answers at 19200 8N1"), "\(outcome.text)")
        #expect(outcome.text.contains("baud: 19200, parity: none, stop_bits: 1"), "\(outcome.text)")
    }

    @Test func echoOtherUnitsAndNoiseAreToldApart() async throws {
        let some = ["--timeout", "300ms", "--baud", "9600,19200"]
        func outcome(_ script: @escaping LineDevice.Script) async throws -> Outcome {
            let device = try LineDevice.port(script)
            defer { device.stop() }
            return try await Outcome(
                list: ["bus", "why", device.place, "1", "--config", "/nonexistent/parthe.yaml"] + some)
        }
        let echo = try await outcome { ($0.bytes, 0) }
        #expect(echo.code == 69 && echo.text.contains("the adapter hears its own request"), "\(echo.text)")
        let other = try await outcome { (Frame.meter($0, as: 7), 0) }
        #expect(other.code == 69 && other.text.contains("unit 7 answers when unit 1 is asked"), "\(other.text)")
        let garbled = try await outcome { (Frame.meter($0).dropLast() + [0x55], 0) }
        #expect(garbled.code == 69 && garbled.text.contains("no line settings make a frame"), "\(garbled.text)")
        let traffic = try await outcome { _ in
            (Frame.rtu(9, [3, 0, 0, 0, 1]) + Frame.rtu(9, [3, 2, 0, 5]) + Frame.rtu(8, [3, 0, 0, 0, 1]), 0)
        }
        #expect(traffic.code == 69 && traffic.text.contains("another master uses this line"), "\(traffic.text)")
        let silent = try await outcome { _ in nil }
        #expect(silent.code == 69 && silent.text.contains("not proven: unit 1 is silent"), "\(silent.text)")
    }
}
