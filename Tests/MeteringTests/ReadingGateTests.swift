import Metering
import Testing

@Suite struct ReadingGateTests {
    private static let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)

    private func definition(_ name: String, _ kind: PointKind, _ quantity: Quantity, _ unit: String) -> PointDefinition
    {
        PointDefinition(
            name: name, quantity: quantity, unit: Unit(ucum: unit)!, kind: kind, function: .holding, address: 0,
            type: .u32)
    }

    private func points(_ keep: KeepPolicy) -> [Point] {
        [
            Point(meter: "m", definition: definition("energy", .counter, .activeEnergy, "W.h"), interval: .seconds(1)),
            Point(meter: "m", definition: definition("power", .gauge, .activePower, "W"), interval: .seconds(1)),
            Point(meter: "m", definition: definition("volume", .counter, .volume, "l"), interval: .seconds(1)),
        ].map { point in
            var point = point
            point.keep = keep
            return point
        }
    }

    private func gate(_ keep: KeepPolicy = .all, memory: [String: String] = [:]) -> ReadingGate {
        ReadingGate(
            points: points(keep), ids: (1...3).map(PointID.init(rawValue:)), ratedPower: ExactDecimal(10_000),
            memory: memory)
    }

    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test func whatIsRememberedIsWhereTheNextRunBegins() {
        var first = gate()
        first.take(
            0, .decimal(ExactDecimal(5000)), at: at(0), words: [0], offset: Self.offset, keep: { _ in },
            tell: { _ in })
        let memory = first.memory(at: at(0))
        #expect(memory == ["counter m/energy": "5000"])
        #expect(first.memory(at: at(3599)).isEmpty, "flash is not written for what is known already")
        #expect(first.memory(at: at(1), isEnd: true) == memory)

        var next = gate(memory: memory)
        var kept: [Reading] = []
        for (second, number) in [Int64(3), 4].enumerated() {
            next.take(
                0, .decimal(ExactDecimal(number)), at: at(Int64(second)), words: [0], offset: Self.offset,
                keep: { kept.append($0) }, tell: { #expect($0.subject == "m/energy" && $0.kind.word == "reset") })
        }
        #expect(kept.map(\.remark?.event) == ["reset", nil])
    }

    @Test func newsIsRememberedAtOnce() {
        var gate = gate()
        for (second, number) in [Int64(5000), 3, 4].enumerated() {
            gate.take(
                0, .decimal(ExactDecimal(number)), at: at(Int64(second)), words: [0], offset: Self.offset,
                keep: { _ in }, tell: { _ in })
            if second == 0 { #expect(!gate.memory(at: at(0)).isEmpty) }
        }
        #expect(gate.memory(at: at(3)) == ["counter m/energy": "4"])
    }

    @Test func noMeanIsOfTwoMeters() {
        var gate = gate(.interval(.seconds(900), .mean))
        var kept: [Reading] = []
        func take(_ index: Int, _ number: Int64, at second: Int64) {
            gate.take(
                index, .decimal(ExactDecimal(number)), at: at(second), words: [0], offset: Self.offset,
                keep: { kept.append($0) }, tell: { Issue.record("\($0)") })
        }
        for second in Int64(0)..<10 { take(1, 100, at: second) }
        #expect(gate.open == 1 && kept.isEmpty)
        gate.swapped(
            old: "1", new: "2", seen: at(9), at: at(10), offset: Self.offset, keep: { kept.append($0) },
            tell: { Issue.record("\($0)") })
        for second in Int64(10)..<20 { take(1, 900, at: second) }
        gate.finish { kept.append($0) }
        #expect(kept.map(\.value.description) == ["100", "900"])
        #expect(kept.map(\.instant) == [at(9), at(19)])
    }

    /// The intake promises room before a poll: no poll may hand over more.
    @Test(arguments: 0..<60) func aPollHandsOverNoMoreThanItsRoom(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let policies: [KeepPolicy] = [
            .all, .changes(deadband: 2, heartbeat: .seconds(5)), .interval(.seconds(5), .mean),
            .interval(.seconds(3), .last),
        ]
        var gate = gate(policies[Int(seed % 4)])
        var last: [PointID: Instant] = [:]
        var seen: [PointID: Int] = [:]
        for second in 0..<200 {
            let asked = (0..<3).filter { _ in Int.random(in: 0..<10, using: &random) > 0 }
            let room = gate.capacity(asking: asked.count)
            var kept: [Reading] = []
            if Int.random(in: 0..<40, using: &random) == 0 {
                gate.swapped(
                    old: "1", new: "2", seen: nil, at: at(Int64(second)), offset: Self.offset,
                    keep: { kept.append($0) }, tell: { _ in })
            }
            for index in asked {
                let number = Int64.random(in: 0..<4, using: &random) == 0 ? 0 : 1000 + Int64(second)
                gate.take(
                    index, .decimal(ExactDecimal(number)), at: at(Int64(second)), words: [0], offset: Self.offset,
                    keep: { kept.append($0) }, tell: { _ in })
            }
            gate.end(at: at(Int64(second) + Int64.random(in: 0...1, using: &random)), offset: Self.offset) {
                kept.append($0)
            }
            #expect(kept.count <= room, "seed \(seed), second \(second)")
            for reading in kept {
                #expect(reading.instant >= last[reading.point] ?? reading.instant, "seed \(seed): out of order")
                last[reading.point] = reading.instant
                seen[reading.point, default: 0] += 1
            }
        }
        #expect(seen.count == 3)
    }
}
