import Configuration
import Glibc
import Metering
import Posix
import Testing

@testable import Fieldbus
@testable import Lab

// What users of other gateways complain about, each as a test that holds here: threads about one unit that harms the
// others, mixed-up answers, and the serial line itself. Some are held by tests elsewhere:
//
//   grid-x/modbus #78, telegraf #14317      ModbusLineTests.aLateAnswerOfTheSameLengthIsNeverPaired, and the chaos below
//   libmodbus #34, #380, PR #432, #818, #819  ModbusLineTests.anEchoIsSwallowed
//   libmodbus PR #494, mqmgateway #40       ModbusLineTests.silenceIsKept
//   home-assistant #9451, thingsboard-gateway #1664, telegraf #11919   the same
//   neuron #2148                            ModbusLineTests.foreignFramesArePassedOver
//   edgex device-modbus-go #636, nymea #491, ioBroker.modbus #556, openhab-addons #15810, foxess_modbus #925,
//   modbus-relay #7, nuttx #3430, home-assistant #59744   SerialPortTests.aPortThatComesBackUnderAnotherNumber
//   evcc #14984                             ModbusLineTests.modbusTCPBehindAConverter, ModbusLinkTests.anRTUAnswer…
//   telegraf PR #14692                      PollPlanLearningTests (what a meter refuses costs no other point)

/// One unit that is off, slow, babbling or wrong does not cost the others (FIELD 2.1).
@Suite struct FieldThreadsFairTests {
    @Test(
        """
        One unit off, the others' readings stay: telegraf #11782, edgex device-modbus-go #666 and #147, home-assistant \
        #51326, #115982 and #115039, node-red-contrib-modbus #446, mbusd #88, neuron #1602, thingsboard-gateway #1456, \
        ArduinoModbus #153; and it is back by itself: OpenEMS #6
        """)
    func oneUnitOff() async throws {
        let rig = try LineRig(faults: ["2:silence"])
        rig.start()
        let areRead = try await rig.wait { try rig.status(of: 1).polls >= 20 && rig.status(of: 3).polls >= 20 }
        #expect(areRead)
        #expect(rig.count(of: 2) == 0 && rig.count(of: 1) > 0 && rig.count(of: 3) > 0)
        let off = try rig.status(of: 2)
        #expect(off.error?.code == .timeout && off.nextTry != nil)
        let asked = rig.line.records.count { $0.what == .request && $0.unit == 2 }
        let others = rig.line.records.count { $0.what == .request && $0.unit == 1 }
        #expect(asked < others, "a dead unit is asked \(asked) times, a living one \(others) times")

        let returned = BootClock.now
        rig.line.setFaults([])
        #expect(try await rig.wait { rig.count(of: 2, since: returned) > 0 })
        #expect(rig.bus.status.counters.connects == 1, "nobody's silence costs the port")
        try await rig.stop()
        #expect(rig.untrue() == [])
    }

    @Test("A bad address costs its own point and no other: telegraf PR #14692")
    func oneBadAddress() async throws {
        let bad = PointDefinition(
            name: "nowhere", quantity: .activePower, unit: Unit.known[0], kind: .gauge, function: .input, address: 5000,
            type: .f32)
        let rig = try LineRig(units: [1, 2], extra: [bad])
        rig.start()
        #expect(try await rig.wait { try rig.status(of: 1).droppedPoints == ["nowhere"] })
        let dropped = BootClock.now
        #expect(try await rig.wait { rig.count(of: 1, since: dropped) > 0 && rig.count(of: 2, since: dropped) > 0 })
        try await rig.stop()
        #expect(rig.untrue() == [])
    }

    @Test("A unit that babbles now and then: the others go on, and nothing that it babbles is a reading")
    func aBabbler() async throws {
        let rig = try LineRig(timing: Timing(responseTimeout: .milliseconds(200)), faults: ["2:babble=300ms:0.5"])
        rig.start()
        #expect(try await rig.wait { try rig.status(of: 1).polls >= 15 && rig.status(of: 2).polls >= 3 })
        #expect(rig.count(of: 1) > 0 && rig.count(of: 3) > 0)
        // Five silences in a row may cost the port, but once a minute.
        #expect(rig.bus.status.counters.connects <= 2)
        try await rig.stop()
        let hasBabbled = rig.line.records.contains { $0.faults == ["babble"] }
        #expect(hasBabbled)
        #expect(rig.untrue() == [])
    }

    @Test("A unit that answers everything with one old frame is believed for no other registers: libmodbus #83")
    func aStuckUnit() async throws {
        let rig = try LineRig(timing: Timing(responseTimeout: .milliseconds(200)), faults: ["3:stuck"])
        rig.start()
        let isStuck = try await rig.wait {
            try rig.status(of: 1).polls >= 10 && rig.line.records.count { $0.what == .answer && $0.unit == 3 } >= 3
        }
        #expect(isStuck)
        try await rig.stop()
        let frames = rig.line.records.filter { $0.what == .answer && $0.unit == 3 }
        #expect(frames.count >= 3 && Set(frames.map(\.bytes)).count == 1)
        let first = try #require(frames.first)
        let names = Set(rig.readings.compactMap { rig.name(of: $0, unit: 3) })
        #expect(!names.isEmpty && names.isSubset(of: Set(first.values.map(\.point))))
        #expect(rig.untrue(but: 3) == [])
    }

    @Test("Two meters on one port, each with its own interval: evcc #17500")
    func twoMetersOnOnePort() async throws {
        let rig = try LineRig(units: [1, 2], interval: .milliseconds(50))
        rig.start()
        #expect(try await rig.wait { try rig.status(of: 1).polls >= 20 && rig.status(of: 2).polls >= 20 })
        try await rig.stop()
        let counts = rig.line.counts
        // libmodbus PR #494, mqmgateway #40: what comes too early is not heard.
        #expect(counts.gapViolations == 0 && counts.heard > 40)
        #expect(!rig.line.records.contains { $0.verdict == .collision })
        #expect(rig.untrue() == [])
    }
}

/// Every reading is what the unit really answered for that register at that time (FIELD 2.2).
@Suite struct FieldThreadsTruthTests {
    @Test(
        """
        Late, torn, cut and foreign answers, noise and echoes: no reading is another's. grid-x/modbus #78, telegraf \
        #14317, libmodbus #83, home-assistant #138077, ArduinoModbus #153; and the port stays: neuron #2148
        """, arguments: [1, 2, 3] as [UInt64])
    func chaos(seed: UInt64) async throws {
        var faults = [
            "*:crc:0.03", "*:late=350ms:0.08", "*:split=15ms:0.05", "*:noise=3:0.05", "*:cut:0.03",
            "*:exception=6:0.03", "3:silence:0.15", "foreign=300ms",
        ]
        if seed % 2 == 0 { faults.append("echo") }
        // A converter has no echo, but holds late answers as well.
        let isConverter = seed == 3
        let rig = try LineRig(
            timing: Timing(responseTimeout: .milliseconds(150)), faults: faults, isConverter: isConverter, seed: seed)
        rig.start()
        let isEnough = try await rig.wait {
            let counters = rig.bus.status.counters
            return rig.readings.count >= 1000 && counters.lateAnswers >= 3 && counters.foreignFrames >= 3
                && counters.crcErrors >= 1
        }
        #expect(isEnough, "\(rig.bus.status.counters)")
        let connects = rig.bus.status.counters.connects
        #expect(isConverter || connects <= 2, "\(connects) connects: nothing of all this costs the port more than once")
        try await rig.stop()
        let untrue = rig.untrue()
        #expect(untrue.isEmpty, "\(untrue.count) of \(rig.readings.count): \(untrue.prefix(3))")
        #expect(rig.line.counts.functions.keys.allSatisfy { [1, 2, 3, 4, 17, 43].contains($0) })
    }

    @Test("No value is torn between two answers: homeassistant-solax-modbus #1229")
    func noValueIsTorn() throws {
        let catalogue = Catalogue(share: nil)
        for model in catalogue.models() {
            let definition = try #require(try catalogue.definition(model: model.name))
            for cost in [RequestCost.tcp, RequestCost(line: SerialLine(), turnaround: .zero, pause: .zero)] {
                let plan = PollPlan(points: definition.points, limits: definition.limits, cost: cost)
                var holders = [Int](repeating: 0, count: definition.points.count)
                for request in plan.requests {
                    for slot in request.slots {
                        let needed = definition.points[slot.point].neededSpan
                        let isInside =
                            needed.function == request.span.function
                            && needed.addresses.clamped(to: request.span.addresses) == needed.addresses
                        holders[slot.point] += isInside ? 1 : 0
                    }
                }
                #expect(holders.allSatisfy { $0 == 1 }, "\(model.name)")
            }
        }
    }
}

/// The line itself (FIELD 2.4).
@Suite struct FieldThreadsLineTests {
    @Test(
        """
        Unplugged and plugged in again under another number while the bus runs: edgex device-modbus-go #636, nymea \
        #491, ioBroker.modbus #556, openhab-addons #15810, foxess_modbus #925, modbus-relay #7, nuttx #3430, \
        home-assistant #59744; nothing is made up meanwhile: Sigenergy-Local-Modbus #313
        """)
    func unplugAndReturn() async throws {
        let rig = try LineRig()
        rig.start()
        #expect(try await rig.wait { rig.count(of: 1) > 0 && rig.count(of: 3) > 0 })
        let device = rig.line.device
        rig.line.unplug()
        #expect(try await rig.wait { rig.bus.status.isConnected == false })
        var status = stat()
        #expect(lstat(rig.line.path, &status) != 0, "the stable name is gone with the adapter")
        // It is also looked for while it is away.
        #expect(try await rig.wait { try rig.status(of: 1).omittedPolls > 0 })
        rig.line.plugIn()
        #expect(try await rig.wait { rig.line.device != nil })
        #expect(rig.line.device != device)
        let returned = BootClock.now
        #expect(
            try await rig.wait {
                [1, 2, 3].allSatisfy { rig.count(of: $0, since: returned) > 0 } && rig.bus.status.isConnected == true
            })
        #expect(rig.bus.status.port?.device == rig.line.device)
        try await rig.stop()
        // Who is said to answer again was said to fail.
        var failing: Set<String> = []
        var recovered = 0
        for event in rig.told {
            if case .failing(let meter, _) = event { failing.insert(meter) }
            guard case .recovered(let meter, _) = event else { continue }
            recovered += 1
            #expect(failing.remove(meter) != nil, "\(meter) is said to answer again, and was not said to fail")
        }
        #expect(recovered > 0)
        #expect(rig.untrue() == [])
    }

    /// modbus-relay #7, nuttx #3430: whoever holds on to a dead port gives its adapter another number when it returns.
    @Test func anAdapterThatGoesBetweenTwoPollsIsLetGoOf() async throws {
        let rig = try LineRig(units: [1], interval: .seconds(3600))
        rig.start()
        #expect(try await rig.wait { try rig.status(of: 1).polls == 1 })
        // Somebody looks at the bus, so that its port is open; the next poll is up to an hour away.
        rig.bus.lend { link, _ in _ = try? link.read(RegisterSpan(function: .input, address: 0, count: 2), unit: 1) }
        #expect(try await rig.wait { rig.bus.status.loans == 1 })
        rig.line.unplug()
        #expect(try await rig.wait { rig.bus.status.isConnected == false })
        rig.line.plugIn()
        #expect(try await rig.wait { rig.bus.status.isConnected == true })
        try await rig.stop()
    }

    @Test("The echo of 2-wire adapters, at every request: libmodbus #34, #380, PR #432, #818, #819")
    func echo() async throws {
        let rig = try LineRig(faults: ["echo"])
        rig.start()
        #expect(try await rig.wait { rig.count(of: 1) > 0 && rig.count(of: 2) > 0 && rig.count(of: 3) > 0 })
        let counters = rig.bus.status.counters
        #expect(counters.echoes > 0 && counters.echoes >= counters.requests - counters.timeouts - 1)
        try await rig.stop()
        #expect(rig.untrue() == [])
    }

    @Test("Others' traffic does not reset the port: neuron #2148")
    func foreignTraffic() async throws {
        let rig = try LineRig(faults: ["foreign=50ms"])
        rig.start()
        let isEnough = try await rig.wait {
            rig.bus.status.counters.foreignFrames >= 10 && rig.count(of: 1) > 0 && rig.count(of: 3) > 0
        }
        #expect(isEnough)
        #expect(rig.bus.status.counters.connects <= 2, "whoever takes others' frames for a fault connects each time")
        try await rig.stop()
        #expect(rig.untrue() == [])
    }

    /// The rest of an answer that stalled is listened for: the next request would collide with it.
    @Test("An answer that stalls in its middle costs no other: libmodbus #83")
    func aStallWithinAnAnswer() async throws {
        let rig = try LineRig(units: [1], faults: ["1:split=700ms"])
        let settings = rig.bus.settings
        var link = ModbusLink(settings)
        let span = RegisterSpan(function: .input, address: 0, count: 10)
        let timing = Timing(responseTimeout: .seconds(10), byteTimeout: .milliseconds(500))
        let error = try #require(throws: ModbusError.self) { try link.read(span, unit: 1, timing: timing) }
        guard case .cut = error.code else {
            Issue.record("\(error)")
            return
        }
        rig.line.setFaults([])
        try link.read(span, unit: 1, timing: timing)
        let drained = link.counters.drainedBytes
        #expect(drained > 0)
        // The line books an answer when its last byte is out, which may be after it was read.
        let areBooked = try await rig.wait { rig.line.records.count >= 4 }
        let verdicts = rig.line.records.map(\.verdict)
        #expect(areBooked && verdicts == [.heard, .sent, .heard, .sent])
    }

    @Test("A meter that needs 700 ms is read with no setting at all: mbmd #266, evcc #2227")
    func aSlowMeter() async throws {
        let rig = try LineRig(units: [1], turnaround: .milliseconds(700))
        rig.start()
        #expect(try await rig.wait { rig.count(of: 1) > 0 })
        try await rig.stop()
        #expect(rig.untrue() == [])
    }

    @Test("A meter that answers at once: libmodbus #367")
    func aFastMeter() async throws {
        let rig = try LineRig(units: [1], turnaround: .zero)
        rig.start()
        #expect(try await rig.wait { try rig.status(of: 1).polls >= 10 })
        #expect(rig.count(of: 1) > 0)
        try await rig.stop()
        #expect(rig.untrue() == [])
    }

    @Test("Another meter in the same place answers with another serial number and other counters")
    func aSwappedMeter() async throws {
        let rig = try LineRig("eastron-sdm630", units: [1])
        let serial = RegisterSpan(function: .holding, address: 64_512, count: 2)
        let energy = RegisterSpan(function: .input, address: 72, count: 2)
        var link = ModbusLink(rig.bus.settings)
        func read(_ span: RegisterSpan, _ link: inout ModbusLink) async throws -> [UInt16] {
            for _ in 0..<20 where (try? link.read(span, unit: 1)) != nil { return link.words }
            Issue.record("\(span) cannot be read")
            return []
        }
        let before = [try await read(serial, &link), try await read(energy, &link)]
        rig.line.swap(1)
        #expect(try await rig.wait { rig.line.records.contains { $0.faults == ["swap"] } })
        let after = [try await read(serial, &link), try await read(energy, &link)]
        #expect(before[0] != after[0] && before[1] != after[1])
    }

    @Test("Nothing is on the wire but function codes 1 to 4, 17 and 43")
    func functionCodesOnTheWire() async throws {
        // Every request that can be formed: a new case does not compile here before its code is looked at.
        func code(_ request: ReadRequest) -> Set<UInt8> {
            switch request {
            case .registers(let span):
                switch span.function {
                case .coil, .discrete, .holding, .input: [1, 2, 3, 4]
                }
            case .serverID: [17]
            case .identification: [43]
            }
        }
        let spans = RegisterFunction.allCases.map { RegisterSpan(function: $0, address: 7, count: 2) }
        let requests =
            spans.map(ReadRequest.registers) + [.serverID]
            + ReadRequest.Category.allCases.map { .identification($0, from: 0) }
        for request in requests {
            var frame: [UInt8] = []
            RTUFrame.encode(request, unit: 1, into: &frame)
            #expect(code(request).contains(frame[1]) && frame[1] == request.function)
        }

        let rig = try LineRig(units: [1, 2, 3], faults: ["2:silence", "*:exception=4:0.1"])
        rig.start()
        #expect(try await rig.wait { try rig.status(of: 1).polls >= 5 && rig.status(of: 2).polls >= 1 })
        // What a technician asks goes over the same bus.
        let asked = try await rig.wait {
            rig.bus.lend { link, _ in
                for span in spans { _ = try? link.read(span, unit: 1) }
                _ = try? link.serverID(unit: 1)
                _ = try? link.deviceIdentification(unit: 1)
            }
            return rig.line.counts.functions.keys.contains(43) && rig.bus.status.loans > 0
        }
        #expect(asked)
        try await rig.stop()
        #expect(Set(rig.line.counts.functions.keys) == [1, 2, 3, 4, 17, 43])
    }
}
