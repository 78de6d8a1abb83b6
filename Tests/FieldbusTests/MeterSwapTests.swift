import Metering
import Posix
import Testing

@testable import Fieldbus
@testable import Lab

/// Another meter takes a unit's place: what its counters say is no consumption of the one before.
@Suite struct MeterSwapTests {
    /// The readings of unit 1's imported energy, in the order of their time.
    private func energies(_ rig: LineRig) -> [Reading] {
        rig.readings.filter { rig.name(of: $0, unit: 1) == "active-energy-import" }.sorted { $0.instant < $1.instant }
    }

    @Test("dsmr-reader #507, #863, #1422, #2089: a meter that was swapped is told by its serial number")
    func aMeterIsSwapped() async throws {
        let rig = try LineRig(units: [1, 2])
        rig.start()
        #expect(try await rig.wait { try rig.status(of: 1).serial != nil && rig.status(of: 1).polls > 3 })
        let old = try #require(try rig.status(of: 1).serial)
        // Whoever swaps a meter takes some polls for it.
        rig.line.setFaults([try LineFault("1:silence")])
        #expect(try await rig.wait { try rig.status(of: 1).error != nil })
        rig.line.swap(1)
        rig.line.setFaults([])
        #expect(try await rig.wait { try rig.status(of: 1).serial != old && rig.status(of: 1).error == nil })
        let begin = BootClock.now
        #expect(try await rig.wait { rig.count(of: 1, since: begin) > 20 })
        try await rig.stop()

        let new = try #require(try rig.status(of: 1).serial)
        let readings = energies(rig)
        let first = try #require(readings.firstIndex { $0.remark != nil })
        #expect(readings.count { $0.remark != nil } == 1 && first > 0)
        guard case .swap(let before, old, new) = readings[first].remark else {
            Issue.record("\(String(describing: readings[first].remark)), and not from \(old) to \(new)")
            return
        }
        #expect(before == readings[first - 1].value)
        #expect(readings.allSatisfy { $0.quality == .good }, "the new meter's stand is no doubtful rise")
        let events = rig.events.filter { if case .swap = $0.kind { true } else { false } }
        #expect(events.map(\.subject) == ["m1"])
        #expect(rig.untrue() == [])
    }

    /// Lower or higher, the new counter's very first reading is known for what it is.
    @Test(arguments: 1...6) func aMeterThatIsSwappedBetweenTwoPollsIsNoticedByItsCounters(seed: UInt64)
        async throws
    {
        let rig = try LineRig(units: [1, 2], seed: seed)
        rig.start()
        #expect(try await rig.wait { try rig.status(of: 1).serial != nil && rig.status(of: 1).polls > 3 })
        let old = try #require(try rig.status(of: 1).serial)
        rig.line.swap(1)
        #expect(try await rig.wait { try rig.status(of: 1).serial != old })
        let begin = BootClock.now
        #expect(try await rig.wait { rig.count(of: 1, since: begin) > 20 })
        try await rig.stop()
        let readings = energies(rig)
        let marked = try #require(readings.firstIndex { $0.remark != nil })
        #expect(readings.count { $0.remark != nil } == 1)
        guard case .swap(let before, old, _) = readings[marked].remark, marked > 0 else {
            Issue.record("\(readings.compactMap(\.remark))")
            return
        }
        #expect(before == readings[marked - 1].value)
        let isHigher = readings[marked].value.approximate > readings[marked - 1].value.approximate
        #expect(isHigher == [1, 3, 6].contains(seed), "some seeds of this test are of higher counters, some of lower")
        #expect(readings.allSatisfy { $0.quality == .good })
        #expect(rig.untrue() == [])
    }

    /// What was remembered of a meter tells after a restart that it was swapped meanwhile.
    @Test func aSwapWhileNobodyLookedIsNoticed() async throws {
        let rig = try LineRig(units: [1], memory: ["serial m1": "7", "counter m1/active-energy-import": "99999999"])
        rig.start()
        #expect(try await rig.wait { rig.count(of: 1) > 0 })
        try await rig.stop()
        guard case .swap(let before, "7", _) = energies(rig).first?.remark else {
            Issue.record("\(energies(rig).prefix(2))")
            return
        }
        #expect(before == .decimal(ExactDecimal(99_999_999)))
        #expect(rig.memory["serial m1"] != nil && rig.memory["serial m1"] != "7")
    }
}
