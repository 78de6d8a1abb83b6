import Configuration
import Gateway
import Glibc
import Lab
import Metering
import Posix
import Testing

/// `parthe bus scan`: whole programs against simulated meters.
@Suite(.serialized) struct ScanTests {
    @Test func everyUnitIsFoundAndNamed() async throws {
        let rig = try Rig(count: 3)
        let alone = try await Outcome("bus", "scan", "hall", "--config", rig.agent.configurationFile)
        #expect(alone.code == 0, "\(alone.text)")
        #expect(alone.text.contains("249 unit ids, 1000 ms for each: at most"), "no estimate: \(alone.text)")
        #expect(alone.text.contains("configured as meter-2 (eastron-sdm230)"), "\(alone.text)")
        #expect(alone.text.contains("% eastron-sdm"), "\(alone.text)")
        #expect(alone.text.contains("249 unit ids asked in"))
        #expect(!alone.text.contains("To be written"), "all of them are configured: \(alone.text)")

        try rig.agent.start()
        _ = try await rig.status { $0.meters.allSatisfy { $0.polls > 0 } }
        let lent = try await Outcome(
            "bus", "scan", "hall", "--units", "1-4,9", "--config", rig.agent.configurationFile, "--socket",
            rig.agent.socket, "--json")
        #expect(lent.code == 0, "\(lent.text)")
        #expect(lent.text.contains(#""isLent" : true"#) && lent.text.contains(#""asked" : 5"#), "\(lent.text)")
        _ = try await rig.status("the scan hurt the agent") { $0.buses[0].loans >= 5 && $0.problems.isEmpty }
        let codes = Set(rig.meters.functionCounts.keys)
        #expect(codes.isSubset(of: [1, 2, 3, 4, 17, 43]), "functions on the wire: \(codes)")
    }

    @Test func whatIsNewIsWrittenOnce() async throws {
        let rig = try Rig(count: 3)
        try rig.agent.configure(rig.configuration(meters: 1))
        let arguments = ["bus", "scan", "hall", "--units", "1-3", "--config", rig.agent.configurationFile]
        let offer = try await Outcome(list: arguments)
        #expect(offer.code == 0 && offer.text.contains("- id: hall-2"), "\(offer.text)")
        #expect(!offer.text.contains("hall-1"), "unit 1 is configured: \(offer.text)")
        let folder = rig.agent.folder + "/meters"
        #expect(!File.exists(folder), "written without being asked to")

        let written = try await Outcome(list: arguments + ["--write"])
        #expect(written.code == 0 && written.text.contains("hall-3.yaml"), "\(written.text)")
        #expect(try File.names(in: folder) == ["hall-2.yaml", "hall-3.yaml"])
        let check = try await Outcome("check", "--config", rig.agent.configurationFile)
        #expect(check.code == 0 && check.text.contains("hall-3"), "\(check.text)")

        // What is configured now is not offered again; a file that stands in the way stays as it is.
        let again = try await Outcome(list: arguments + ["--write"])
        #expect(again.code == 0 && !again.text.contains("written:"), "\(again.text)")
        try LabFile.write(Array("# mine\n".utf8), to: folder + "/hall-2.yaml")
        unlink(folder + "/hall-3.yaml")
        let blocked = try await Outcome(
            list: ["bus", "scan", "hall", "--units", "1-3", "--write", "--config", rig.agent.configurationFile])
        #expect(blocked.code == 78, "a file without a meter is a wrong configuration: \(blocked.text)")
        #expect(try File.read(folder + "/hall-2.yaml") == Array("# mine\n".utf8))
    }

    /// Carlo Gavazzi's model code shares its register with a voltage: only who asks for it alone gets it.
    @Test func aCodeBehindAVoltageIsRead() async throws {
        let definition = try #require(try Rig.definition("carlo-gavazzi-em340"))
        let line = try EmulatedLine([.init(id: 1, definition: definition)], line: SerialLine(baud: 115_200))
        defer { line.stop() }
        let meters = try SimulatedMeters(definition, count: 1, layout: .units)
        defer { meters.stop() }
        for (place, more) in [
            (line.path, ["--baud", "115200"]), ("tcp:127.0.0.1:\(meters.ports[0])", []),
        ] {
            let scan = try await Outcome(
                list: ["bus", "scan", place, "--units", "1", "--config", "/nonexistent/parthe.yaml"] + more)
            #expect(scan.code == 0, "\(scan.text)")
            #expect(scan.text.contains("95 % carlo-gavazzi-em340"), "\(scan.text)")
            #expect(scan.text.contains("30012 = input 11, 0xB holds 341"), "\(scan.text)")
            #expect(scan.text.contains("sent: 03 00 00 00 02,") && scan.text.contains("04 00 0B 00 01"), "\(scan.text)")
        }
        // To everybody else it is the voltage's upper half.
        let raw = try await Outcome(
            "read", "--raw", line.path, "1", "i:10", "2", "--baud", "115200", "--config", "/nonexistent/parthe.yaml")
        #expect(raw.code == 0 && !raw.text.contains("341"), "\(raw.text)")
    }

    /// A device that does not look at unit ids is one device, not 249.
    @Test func aDeviceThatAnswersToAllIsOne() async throws {
        let definition = try #require(try Rig.definition("eastron-sdm120"))
        let meters = try SimulatedMeters(definition, count: 1, layout: .endpoints)
        defer { meters.stop() }
        let place = "tcp:127.0.0.1:\(meters.ports[0])"
        let outcome = try await Outcome("bus", "scan", place, "--config", "/nonexistent/parthe.yaml")
        #expect(outcome.code == 0, "\(outcome.text)")
        #expect(
            outcome.text.contains("answers to any unit id") && outcome.text.contains("1 answers"), "\(outcome.text)")
        #expect(outcome.text.contains("tcp: \"127.0.0.1:\(meters.ports[0])\""), "no bus is offered: \(outcome.text)")
        #expect(meters.requestCount(of: 0) < 200, "\(meters.requestCount(of: 0)) requests")
    }

    @Test func sunSpecDevicesNameTheirModels() async throws {
        let device = try LineDevice.converter { request in
            guard request.unit == 7, request.function != 43, request.function != 17 else { return nil }
            // SunS, model 1 (66 registers), model 203 (105 registers) at 40070, end.
            var map: [Int: UInt16] = [40_000: 0x5375, 40_001: 0x6E53, 40_002: 1, 40_003: 66]
            Self.put("Acme", at: 40_004, in: &map)
            map.merge([40_070: 203, 40_071: 105, 40_177: 0xFFFF, 40_178: 0]) { $1 }
            let range = request.address..<request.address + request.count
            guard request.function == 3, range.lowerBound >= 40_000, range.upperBound <= 40_179 else {
                return (Frame.rtu(request.unit, [request.function | 0x80, 2]), 0)
            }
            let words = range.map { map[$0] ?? 0 }
            let data = words.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
            return (Frame.rtu(request.unit, [3, UInt8(data.count)] + data), 0)
        }
        defer { device.stop() }
        let outcome = try await Outcome(
            "bus", "scan", device.place, "--units", "7", "--config", "/nonexistent/parthe.yaml")
        #expect(outcome.code == 0, "\(outcome.text)")
        #expect(outcome.text.contains("SunSpec at 40000: Acme"), "\(outcome.text)")
        #expect(outcome.text.contains("model 203 at 440071 = holding 40070, 0x9C86: sunspec-203"), "\(outcome.text)")
        #expect(outcome.text.contains("model: sunspec-203") && outcome.text.contains("at: 40070"), "\(outcome.text)")

        // On a bus of the configuration it can be written, and what is written is right.
        let folder = try LabFile.temporaryFolder("parthe-sunspec")
        defer { LabFile.remove(folder: folder) }
        let address = device.place.dropFirst("rtu_over_tcp:".count)
        let text = """
            gateway: {id: test, location: {latitude: 51.3, longitude: 12.4}}
            buses:
              - {id: roof, rtu_over_tcp: "\(address)"}
            """
        try LabFile.write(Array(text.utf8), to: folder + "/parthe.yaml")
        let written = try await Outcome(
            "bus", "scan", "roof", "--unit", "7", "--write", "--config", folder + "/parthe.yaml")
        #expect(written.code == 0, "\(written.text)")
        #expect(try File.names(in: folder + "/meters") == ["roof-7-203.yaml"], "\(written.text)")
        let check = try await Outcome("check", "--config", folder + "/parthe.yaml")
        #expect(check.code == 0 && check.text.contains("roof-7-203"), "\(check.text)")
        let again = try await Outcome("bus", "scan", "roof", "--unit", "7", "--config", folder + "/parthe.yaml")
        #expect(again.code == 0 && again.text.contains("configured as roof-7-203"), "\(again.text)")
        #expect(!again.text.contains("To be written"), "\(again.text)")
        // A part of the device that is not configured yet is still offered.
        unlink(folder + "/meters/roof-7-203.yaml")
        let other = "id: other\nbus: roof\nunit: 7\nmodel: sunspec-203\nat: 50000\n"
        try LabFile.write(Array(other.utf8), to: folder + "/meters/other.yaml")
        let rest = try await Outcome("bus", "scan", "roof", "--unit", "7", "--config", folder + "/parthe.yaml")
        #expect(rest.text.contains("configured as other") && rest.text.contains("at: 40070"), "\(rest.text)")
    }

    /// What the device says of itself bounds its counter and tells it from another: both stand in what is written.
    @Test func sunSpecDevicesComeWithPlateAndSerial() async throws {
        // Model 1, 103 at 40070, 120 at 40122 (22 kW); a connected meter's model 1 at 40150, 203 at 40218;
        // model 160 with 6 inputs at 40325.
        var map: [Int: UInt16] = [40_000: 0x5375, 40_001: 0x6E53, 40_002: 1, 40_003: 66, 40_150: 1, 40_151: 66]
        map.merge([40_070: 103, 40_071: 50, 40_122: 120, 40_123: 26, 40_124: 4, 40_125: 220, 40_126: 2]) { $1 }
        map.merge([40_218: 203, 40_219: 105, 40_325: 160, 40_326: 128, 40_455: 0xFFFF, 40_456: 0]) { $1 }
        Self.put("Acme", at: 40_004, in: &map)
        Self.put("INV-1", at: 40_052, in: &map)
        Self.put("MET-2", at: 40_200, in: &map)
        let chain = map
        let device = try LineDevice.converter { request in
            guard request.unit == 7, request.function == 3, (40_000...40_456).contains(request.address),
                request.address + request.count <= 40_457
            else { return request.unit == 7 ? (Frame.rtu(7, [request.function | 0x80, 2]), 0) : nil }
            let words = (0..<request.count).map { chain[request.address + $0] ?? 0 }
            return (
                Frame.rtu(7, [3, UInt8(2 * words.count)] + words.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }), 0
            )
        }
        defer { device.stop() }
        let folder = try LabFile.temporaryFolder("parthe-plate")
        defer { LabFile.remove(folder: folder) }
        let file = folder + "/parthe.yaml"
        let text = """
            gateway: {id: test, location: {latitude: 51.3, longitude: 12.4}}
            buses:
              - {id: roof, rtu_over_tcp: "\(device.place.dropFirst("rtu_over_tcp:".count))"}
            """
        try LabFile.write(Array(text.utf8), to: file)
        let scan = try await Outcome("bus", "scan", "roof", "--unit", "7", "--write", "--config", file)
        #expect(scan.code == 0, "\(scan.text)")
        let check = try await Outcome("check", "--config", file)
        #expect(check.code == 0, "\(check.text)")
        #expect(!check.text.contains("without rated_power or max_rate of roof-7-103"), "\(check.text)")

        let result = ConfigurationReader(share: nil).read(file: file)
        let meters = try #require(result.configuration).meters
        let inverter = try #require(meters.first { $0.id == "roof-7-103" }, "\(scan.text)")
        #expect(inverter.definition.ratedPower == ExactDecimal(22, exponent: 3))
        #expect(
            inverter.definition.identity?.serial
                == .init(function: .holding, address: 40_052, type: .text, count: 16))
        // The connected meter has a number of its own, and the inverter's plate is not its bound.
        let meter = try #require(meters.first { $0.id == "roof-7-203" })
        #expect(meter.definition.ratedPower == nil)
        #expect(meter.definition.identity?.serial?.address == 40_200)
        let written = try String(decoding: File.read(folder + "/meters/roof-7-203.yaml"), as: UTF8.self)
        #expect(written.contains("# Acme MET-2"), "\(written)")
        #expect(scan.text.contains("6 DC inputs, of which the first 4 are read"), "\(scan.text)")
        let inputs = try #require(meters.first { $0.id == "roof-7-160" })
        #expect(inputs.definition.model == "sunspec-160-4" && inputs.points.count == 29)
    }

    private static func put(_ text: String, at address: Int, in map: inout [Int: UInt16]) {
        for (index, letter) in text.utf8.enumerated() {
            map[address + index / 2, default: 0] |= UInt16(letter) << (index % 2 == 0 ? 8 : 0)
        }
    }

    /// At the wrong speed nobody understands; at the right one the meter is found, and so are its settings.
    @Test func theRightSettingsAreFound() async throws {
        let device = try LineDevice.port { request in
            request.baud == 19_200 && request.unit == 5 ? (Frame.meter(request), 0) : nil
        }
        defer { device.stop() }
        let outcome = try await Outcome(
            "bus", "scan", device.place, "--units", "4-6", "--baud", "9600,19200", "--timeout", "1500ms", "--config",
            "/nonexistent/parthe.yaml")
        #expect(outcome.code == 0, "\(outcome.text)")
        #expect(outcome.text.contains("unit 5 at 19200 8N1"), "\(outcome.text)")
        #expect(outcome.text.contains("3 unit ids at 2 line settings"), "\(outcome.text)")
        #expect(outcome.text.contains("baud: 19200, parity: none, stop_bits: 1"), "\(outcome.text)")
        #expect(outcome.text.contains("% eastron-sdm"), "\(outcome.text)")
        #expect(device.functionCodes.isSubset(of: [1, 2, 3, 4, 17, 43]), "\(device.functionCodes)")
    }

    /// Where all answer at other settings than the bus has, the bus is to be changed; what nobody knows is filled in.
    @Test func whatFitsNotYetIsOfferedWithWhatComesFirst() async throws {
        let device = try LineDevice.port { request in
            guard request.baud == 19_200 else { return nil }
            return request.unit == 5
                ? (Frame.meter(request), 0)
                : request.unit == 6 ? (Frame.rtu(6, [request.function | 0x80, 2]), 0) : nil
        }
        defer { device.stop() }
        let folder = try LabFile.temporaryFolder("parthe-other-line")
        defer { LabFile.remove(folder: folder) }
        let file = folder + "/parthe.yaml"
        func write(_ settings: String, _ rest: String = "") throws {
            let text = """
                gateway: {id: test, location: {latitude: 51.3, longitude: 12.4}}
                buses:
                  - {id: line, serial: \(device.place)\(settings)}
                \(rest)
                """
            try LabFile.write(Array(text.utf8), to: file)
        }
        try write("")
        let arguments = [
            "bus", "scan", "line", "--units", "5-6", "--baud", "9600,19200", "--timeout", "1500ms", "--config", file,
            "--write",
        ]
        let scan = try await Outcome(list: arguments)
        #expect(scan.code == 0, "\(scan.text)")
        #expect(scan.text.contains("the bus is configured as 9600 8N1: set the bus to 19200 8N1"), "\(scan.text)")
        let change = "baud: 19200, parity: none, stop_bits: 1"
        #expect(scan.text.contains("at bus line:\n    \(change)"), "\(scan.text)")
        #expect(scan.text.contains("# first: set the bus to 19200 8N1\n  - id: line-5"), "\(scan.text)")
        #expect(scan.text.contains("line-5 is not written: first set the bus"), "\(scan.text)")
        #expect(!File.exists(folder + "/meters"))
        #expect(scan.text.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.contains("/tmp/") }, "\(scan.text)")

        // The skeleton does no harm as it is, and without its blanks and its # it is a meter.
        let lines = scan.text.split(separator: "\n").map(String.init)
        let first = try #require(lines.firstIndex { $0.contains("# unit 6: no model fits. Fill in each ___") })
        let skeleton = lines[first...].prefix { $0.hasPrefix("  # ") }
        let entry = try #require(skeleton.firstIndex { $0 == "  # - id: line-6" }, "\(scan.text)")
        let filled = skeleton[entry...].map { line in
            ["function: ": "input", "type: ": "f32"].reduce("  " + line.dropFirst(4)) {
                $0.replacing($1.key + "___", with: $1.key + $1.value)
            }
        }
        let numbered = filled.enumerated().map { $0.element.replacing("___", with: "\(2 * $0.offset)") }
        try write(", \(change)", "meters:\n" + (skeleton + numbered).joined(separator: "\n"))
        let check = try await Outcome("check", "--config", file)
        #expect(check.code == 0 && check.text.contains("line-6"), "\(check.text)")
    }

    /// A meter that is slower than the scan waits shows itself while the next is asked.
    @Test func slowAndGarbledUnitsAreNoticed() async throws {
        let device = try LineDevice.converter { request in
            switch request.unit {
            case 1: (Frame.meter(request), 700)
            case 3: (Frame.meter(request).dropLast() + [0x55], 0)
            default: nil
            }
        }
        defer { device.stop() }
        let outcome = try await Outcome(
            "bus", "scan", device.place, "--units", "1-3", "--timeout", "500ms", "--config",
            "/nonexistent/parthe.yaml")
        #expect(outcome.code == 0, "\(outcome.text)")
        #expect(
            outcome.text.contains("unit 1  answers with exception 2 (illegal data address), but after"),
            "\(outcome.text)")
        #expect(outcome.text.contains("unit 3  garbled answer: wrong checksum"), "\(outcome.text)")
        #expect(outcome.text.contains("2 unit ids") == false && outcome.text.contains(": 1 answers"), "\(outcome.text)")
    }

    @Test func nobodyIsNoSuccess() async throws {
        let device = try LineDevice.port { _ in nil }
        defer { device.stop() }
        let rig = try Rig(count: 1)
        let other = try await Outcome(
            "bus", "scan", "rtu_over_tcp:127.0.0.1:\(rig.meters.ports[0])", "--config", "/nonexistent/parthe.yaml")
        #expect(other.code == 69 && other.text.contains("write tcp in place of rtu_over_tcp"), "\(other.text)")
        let silent = try await Outcome(
            "bus", "scan", device.place, "--units", "1-2", "--timeout", "50ms", "--config", "/nonexistent/parthe.yaml")
        #expect(silent.code == 69, "\(silent.text)")
        #expect(silent.text.contains("nobody answers") && silent.text.contains("--baud"), "no advice: \(silent.text)")
        let missing = try await Outcome("bus", "scan", "/dev/parthe-none", "--config", "/nonexistent/parthe.yaml")
        #expect(missing.code == 69 && missing.text.contains("there is no such port"), "\(missing.text)")
        for wrong in [
            ["bus", "scan", "hall", "--config", "/nonexistent/parthe.yaml"]
        ] { #expect(try await Outcome(list: wrong).code == 78) }
        for wrong in [
            ["bus", "scan", "/dev/x", "--units", "0"], ["bus", "scan", "/dev/x", "--units", "9-3"],
            ["bus", "scan", "/dev/x", "--parity", "mark"], ["bus", "scan", "tcp:h", "--baud", "9600"],
            ["bus", "scan", "udp:h:1"], ["bus", "scan", "rtu_over_tcp:h"], ["bus", "scan", "/dev/x", "--timeout", "1"],
            ["bus", "scan", "/dev/x", "--write"], ["bus", "why", "/dev/x", "256"],
            ["bus", "trace", "tcp:h", "--listen"], ["bus", "trace", "tcp:127.0.0.1:9"],
        ] {
            let outcome = try await Outcome(list: wrong + ["--config", "/nonexistent/parthe.yaml"])
            #expect(outcome.code == 64, "\(wrong): \(outcome.code) \(outcome.text)")
        }
    }

    /// Some gateways say "server device failure" of units that nobody has.
    @Test func aGatewayMaySayInItsOwnWayThatNobodyIsThere() async throws {
        let rig = try Rig(count: 246)
        for index in 0..<246 where index != 11 { rig.meters.setMisbehaviour(.exception(4), of: index) }
        let outcome = try await Outcome(
            "bus", "scan", "tcp:127.0.0.1:\(rig.meters.ports[0])", "--config", "/nonexistent/parthe.yaml")
        #expect(outcome.code == 0, "\(outcome.text)")
        #expect(outcome.text.contains("unit 12  answers") && outcome.text.contains(": 1 answers"), "\(outcome.text)")
        #expect(outcome.text.contains("exception 4 is taken for the gateway's word"), "\(outcome.text)")
        let nobody = try await Outcome(
            "bus", "scan", "tcp:127.0.0.1:\(rig.meters.ports[0])", "--units", "250-255", "--config",
            "/nonexistent/parthe.yaml")
        #expect(nobody.code == 64, "248…254 are reserved: \(nobody.text)")
        let gateway = try await Outcome(
            "bus", "scan", "tcp:127.0.0.1:\(rig.meters.ports[0])", "--units", "247,255", "--config",
            "/nonexistent/parthe.yaml")
        #expect(gateway.code == 69 && gateway.text.contains("the gateway itself answers"), "\(gateway.text)")
    }

    /// The agent polls one meter of a serial line while another is looked for at all settings.
    @Test func theAgentsLineIsLentAtOtherSettings() async throws {
        let device = try LineDevice.port { request in
            switch (request.unit, request.baud) {
            case (1, 9600), (2, 19_200): (Frame.meter(request), 0)
            default: nil
            }
        }
        defer { device.stop() }
        let folder = try LabFile.temporaryFolder("parthe-line")
        defer { LabFile.remove(folder: folder) }
        let agent = try AgentHarness(
            folder: folder,
            configuration: """
                gateway: {id: test, location: {latitude: 51.3, longitude: 12.4}}
                buses:
                  - {id: line, serial: \(device.place)}
                meters:
                  - id: main
                    bus: line
                    unit: 1
                    interval: 200ms
                    points:
                      - {name: voltage, quantity: voltage, unit: V, kind: gauge, register: 0, type: f32, function: input}

                """)
        defer { agent.kill() }
        try agent.start()
        func isWell() -> Bool { agent.status.map { $0.meters[0].readings > 2 && $0.meters[0].error == nil } ?? false }
        #expect(try await AgentHarness.wait(30, until: isWell), "\(agent.log)")
        let file = ["--config", agent.configurationFile, "--socket", agent.socket]
        let scan = try await Outcome(
            list: ["bus", "scan", "line", "--units", "1-2", "--baud", "9600,19200", "--timeout", "400ms"] + file)
        #expect(scan.code == 0 && scan.text.contains("through the agent"), "\(scan.text)")
        #expect(scan.text.contains("unit 1 at 9600 8N1  answers"), "\(scan.text)")
        #expect(scan.text.contains("unit 2 at 19200 8N1  answers"), "\(scan.text)")
        #expect(scan.text.contains("the bus is configured as 9600 8N1"), "\(scan.text)")
        // Unit 1 is not to be lost: the other device has to change.
        #expect(scan.text.contains("- id: line-2"), "\(scan.text)")
        #expect(scan.text.contains("# first: set the device from 19200 8N1 to 9600 8N1"), "\(scan.text)")
        #expect(!scan.text.contains("at bus line:"), "\(scan.text)")
        let why = try await Outcome(list: ["bus", "why", "line", "2", "--baud", "9600,19200"] + file)
        #expect(why.code == 69 && why.text.contains("unit 2 answers at 19200 8N1"), "\(why.text)")
        #expect(why.text.contains("at bus line: baud: 19200"), "\(why.text)")
        #expect(agent.status?.buses[0].loans ?? 0 > 4)
        let before = agent.status?.meters[0].readings ?? 0
        #expect(
            try await AgentHarness.wait(30) { isWell() && (agent.status?.meters[0].readings ?? 0) > before + 2 },
            "the agent did not go on:\n\(agent.log)")
    }

    /// Ctrl-C ends it, and what was found is not lost.
    @Test func anInterruptedScanTellsWhatItFound() async throws {
        let device = try LineDevice.port { $0.unit == 1 ? (Frame.meter($0), 0) : nil }
        defer { device.stop() }
        let folder = try LabFile.temporaryFolder("parthe-scan")
        defer { LabFile.remove(folder: folder) }
        let child = try ChildProcess(
            AgentHarness.siblingProgram("parthe"),
            ["bus", "scan", device.place, "--config", "/nonexistent/parthe.yaml"], log: folder + "/out")
        func text() -> String { (try? File.read(folder + "/out")).map { String(decoding: $0, as: UTF8.self) } ?? "" }
        #expect(try await AgentHarness.wait(60) { text().contains("unit 1 at 9600 8N1 answers") }, "\(text())")
        child.signal(SIGINT)
        #expect(try await AgentHarness.wait(30) { child.exitCode() != nil }, "it does not end")
        #expect(child.wait() == 1, "\(text())")
        #expect(text().contains("ended early") && text().contains("unit 1 at 9600 8N1  answers"), "\(text())")
    }
}
