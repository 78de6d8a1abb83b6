import Configuration
import Glibc
import Metering
import Testing

@testable import Lab

@Suite struct MeterTests {
    @Test func everyTypeAndOrderComesThroughTheEncoder() {
        for type in RegisterType.allCases where ![.bit, .t7, .text].contains(type) {
            for order in WordOrder.allCases {
                let scale = ExactDecimal(1, exponent: -1)
                let isFloat = type.rawValue.hasPrefix("f")
                let isSigned = isFloat || type == .t6 || type.rawValue.hasPrefix("s")
                let point = MeterFixture.point(
                    "p", .voltage, "V", at: 0, type, order, scale: isFloat ? .one : scale)
                for value in [0, 1.5, 230.1, 999.9] + (isSigned ? [-12.5] : []) {
                    let decoded = RegisterDecoder(point).decode(RegisterEncoder(point).words(value))
                    guard case .value(let back) = decoded else {
                        Issue.record("\(type) \(order): \(decoded)")
                        continue
                    }
                    // A half float has eleven binary digits.
                    let error = type == .f16 ? value.magnitude / 2048 : 1e-4
                    #expect(abs(back.approximate - value) <= error, "\(type) \(order)")
                }
            }
        }
    }

    @Test func bitsAndPowerFactorsComeThroughTheEncoder() {
        for (type, values) in [(RegisterType.bit, [0.0, 1]), (.t7, [0.9606, -0.5])] {
            let point = MeterFixture.point("p", .ratio, "1", at: 0, type)
            for value in values {
                let decoded = RegisterDecoder(point).decode(RegisterEncoder(point).words(value))
                guard case .value(let back) = decoded else {
                    Issue.record("\(type): \(decoded)")
                    continue
                }
                #expect(abs(back.approximate - value) < 1e-9, "\(type)")
            }
        }
    }

    @Test(arguments: [WordOrder.abcd, .badc]) func textsComeThroughTheEncoder(order: WordOrder) {
        var point = MeterFixture.point("p", .volume, "m3", .counter, at: 0, .text, order)
        point.count = 3
        for (value, text) in [(0.0, "0"), (1234.9, "1234"), (-12, "-12"), (1e9, "999999")] {
            let words = RegisterEncoder(point).words(value)
            #expect(words.count == 3)
            guard case .value(let back) = RegisterDecoder(point).decode(words) else {
                Issue.record("\(value): \(words)")
                continue
            }
            #expect(back.description == text)
        }
    }

    @Test(arguments: [WordOrder.abcd, .dcba]) func textsOfStatesComeThroughTheEncoder(order: WordOrder) {
        var point = MeterFixture.point("p", .state, "1", .state, at: 0, .text, order)
        point.count = 4
        let encoder = RegisterEncoder(point)
        for (words, text) in [
            (encoder.words("Auto"), "Auto"), (encoder.words("Störung 7"), "Störung"), (encoder.words(1.0), "1"),
        ] {
            #expect(words.count == 4)
            #expect(RegisterDecoder(point).decode(words) == .value(.text(ExactText(text)!)))
        }
        #expect(RegisterDecoder(point).decode(encoder.words("")) == .notAvailable)
    }

    @Test func whatDoesNotFitIsTheNearestThatDoes() {
        func raw(_ type: RegisterType, _ value: Double) -> [UInt16] {
            RegisterEncoder(MeterFixture.point("p", .voltage, "V", at: 0, type)).words(value)
        }
        #expect(raw(.u16, 1e9) == [0xFFFF])
        #expect(raw(.u16, -5) == [0])
        #expect(raw(.s16, -1e9) == [0x8001])
        #expect(raw(.u64, 1e300) == [0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF])
        #expect(raw(.s64, -1e300) == [0x8000, 0, 0, 1])
        #expect(raw(.u32, .nan) == [0, 0])
        #expect(raw(.f16, 1e9) == [0x7BFF] && raw(.f16, -1e9) == [0xFBFF])
        var point = MeterFixture.point("p", .voltage, "V", at: 0, .u16)
        point.notAvailable = [0xFFFF]
        #expect(RegisterEncoder(point).words(1e9) == [0xFFFE])
        point.notAvailable = [0]
        #expect(RegisterEncoder(point).words(-5) == [1])
    }

    @Test func valuesDecodeMoveAndCountersRise() throws {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 1)
        defer { meters.stop() }
        let client = try #require(ModbusClient(port: meters.ports[0]))
        var seen: [String: [Value]] = [:]
        for _ in 0..<10 {
            let values = client.values(of: MeterFixture.definition)
            try #require(values.count == MeterFixture.definition.points.count)
            for (name, value) in values { seen[name, default: []].append(value) }
            usleep(20_000)
        }
        for (name, range) in [
            "voltage-l1": 215.0...245.0, "voltage-l2": 215.0...245.0, "voltage-l1-l2": 370.0...425.0,
            "active-power": 0.5...30.0, "frequency": 49.8...50.2, "current-l1": 0.3...60.0,
        ] {
            #expect(seen[name]?.allSatisfy { range.contains($0.approximate) } == true, "\(name) \(seen[name] ?? [])")
        }
        // Floats change with every poll and use their whole mantissa; coarser registers need not change each time.
        for name in ["voltage-l1", "voltage-l2", "frequency", "current-l1"] {
            let values = seen[name] ?? []
            #expect(zip(values, values.dropFirst()).allSatisfy { $0 != $1 }, "\(name): \(values)")
        }
        let mantissas = (seen["voltage-l1"] ?? []).compactMap {
            if case .float(let number) = $0 { number.bitPattern & 0xFF } else { nil }
        }
        #expect(Set(mantissas).count > 3)
        let energy = (seen["active-energy-import"] ?? []).map(\.approximate)
        #expect(energy == energy.sorted())
        #expect(try #require(energy.last) > energy[0])
        #expect(try #require(energy.last) - energy[0] < 30.0 / 3600 * 10)
    }

    @Test func unitsBehindOneEndpointAreDifferentMeters() throws {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 3, layout: .units)
        defer { meters.stop() }
        #expect(meters.ports.count == 1)
        let words = (1...3).map { unit in
            ModbusClient(port: meters.ports[0], unit: UInt8(unit)).map { try? $0.read(.input, 111, 4).get() }
        }
        #expect(Set(words).count == 3)
        let stranger = try #require(ModbusClient(port: meters.ports[0], unit: 9))
        #expect(stranger.read(.input, 100, 2) == .failure(.init(code: 112_345_678 + 11)))
        #expect(meters.requestCount(of: 0) == 1)
        #expect(meters.recentRequests.last == .init(meter: nil, unit: 9, function: 4, address: 100, count: 2))
    }

    @Test func everyModelOfTheCatalogueIsServed() throws {
        let catalogue = Catalogue(share: nil)
        let models = catalogue.models()
        #expect(!models.isEmpty)
        for model in models {
            let definition = try #require(try catalogue.definition(model: model.name))
            let meters = try SimulatedMeters(definition, count: 1)
            defer { meters.stop() }
            let client = try #require(ModbusClient(port: meters.ports[0]))
            let values = client.values(of: definition)
            #expect(values.count == definition.points.count, "\(model.name)")
            #expect(values.values.allSatisfy { $0.isFinite && abs($0.approximate) < 1e9 }, "\(model.name)")
        }
    }

    @Test func nothingIsWrittenAndEverythingIsCounted() throws {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 1)
        defer { meters.stop() }
        let client = try #require(ModbusClient(port: meters.ports[0]))
        #expect(client.write(10, 1) == 112_345_679)
        #expect(client.write(10, [1, 2, 3]) == 112_345_679)
        #expect(try client.read(.holding, 10, 2).get().count == 2)
        #expect(meters.functionCounts == [6: 1, 16: 1, 3: 1])
        #expect(meters.refusedRequests == 2)
        #expect(client.read(.input, 0, 2) == .failure(.init(code: 112_345_680)))
        #expect(client.read(.input, 110, 100) == .failure(.init(code: 112_345_680)))
    }

    @Test func aRequestThatLibmodbusDoesNotKnowIsRefusedAndNotInTheWay() throws {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 1)
        defer { meters.stop() }
        let descriptor = try Loopback.connect(to: meters.ports[0])
        defer { close(descriptor) }
        Loopback.limit(descriptor, seconds: 2)
        // Read Device Identification (0x2B/0x0E), then an ordinary read in the same piece.
        let odd: [UInt8] = [0, 1, 0, 0, 0, 5, 1, 0x2B, 0x0E, 1, 0]
        let plain: [UInt8] = [0, 2, 0, 0, 0, 6, 1, 4, 0, 100, 0, 2]
        #expect(Loopback.send(odd + plain, to: descriptor))
        #expect(receive(9, from: descriptor) == [0, 1, 0, 0, 0, 3, 1, 0xAB, 1])
        #expect(receive(13, from: descriptor).prefix(9) == [0, 2, 0, 0, 0, 7, 1, 4, 4])
        #expect(meters.functionCounts == [0x2B: 1, 4: 1])
    }

    @Test func theTruthLogSaysWhatWasServed() throws {
        let folder = try TemporaryFolder()
        let file = folder.path + "/truth.log"
        let meters = try SimulatedMeters(MeterFixture.definition, count: 2, truth: file)
        defer { meters.stop() }
        let client = try #require(ModbusClient(port: meters.ports[1]))
        let words = try client.read(.input, 100, 4).get()
        // Registers that it does not have are refused, and are no truth.
        #expect(throws: (any Error).self) { try client.read(.holding, 60_000, 4).get() }
        #expect(throws: (any Error).self) { try client.read(.input, 60_000, 4).get() }
        meters.stop()
        let lines = shell("cat '\(file)'").output.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(lines.map { "\($0[1]) \($0[2])" } == ["meter-2 voltage-l1", "meter-2 voltage-l2"])
        let point = MeterFixture.definition.points[1]
        guard case .value(let value) = RegisterDecoder(point).decode(words, at: 2) else { return }
        #expect(lines[1][4] == value.description)
        #expect(lines[1][3] == hexadecimal(words[2]) + hexadecimal(words[3]))
        #expect(throws: LabError.self) {
            try SimulatedMeters(MeterFixture.definition, count: 1, truth: "/nowhere/truth")
        }
    }

    @Test func manyConnectionsAndRestartsOnTheSamePorts() throws {
        let first = try SimulatedMeters(MeterFixture.definition, count: 8)
        let clients = first.ports.flatMap { port in (0..<3).compactMap { _ in ModbusClient(port: port) } }
        #expect(clients.count == 24)
        for client in clients { #expect(try client.read(.input, 100, 2).get().count == 2) }
        #expect(first.connectionCount == 24)
        let port = first.ports[0]
        first.stop()
        first.stop()
        let second = try SimulatedMeters(MeterFixture.definition, count: 1, port: port)
        defer { second.stop() }
        #expect(second.ports == [port])
        #expect(throws: LabError.self) { try SimulatedMeters(MeterFixture.definition, count: 1, port: port) }
        #expect(throws: LabError.self) { try SimulatedMeters(MeterFixture.definition, count: 248, layout: .units) }
        #expect(throws: LabError.self) { try SimulatedMeters(MeterFixture.definition, count: 2, port: 65_535) }
    }

    private func hexadecimal(_ word: UInt16) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }
}

/// Reads up to `count` bytes; fewer when the other side ends or falls silent for the socket's limit.
func receive(_ count: Int, from descriptor: Int32) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: count)
    while bytes.count < count {
        let got = recv(descriptor, &buffer, count - bytes.count, 0)
        guard got > 0 else { break }
        bytes += buffer.prefix(got)
    }
    return bytes
}
