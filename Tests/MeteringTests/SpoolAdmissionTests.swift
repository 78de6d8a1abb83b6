import Metering
import Testing

@Suite struct SpoolAdmissionTests {
    private static func fill(
        _ used: Int64, file: Int64? = nil, free: Int64 = 10_000_000_000, floor: Int64 = 64_000_000
    ) -> SpoolFill {
        SpoolFill(
            used: used * 1_000_000, file: (file ?? used) * 1_000_000, limit: 100_000_000, free: free, floor: floor)
    }

    private static func at(_ second: Int) -> Instant { Instant(nanoseconds: Int64(second) * 1_000_000_000) }

    /// Up at the high watermarks, down at the low ones; between them nothing changes.
    @Test func stepsHaveTwoWatermarks() {
        var admission = SpoolAdmission()
        let course: [(Int64, SpoolAdmission.Step)] = [
            (0, .normal), (69, .normal), (70, .slow), (69, .slow), (60, .slow), (79, .slow), (80, .thin), (75, .thin),
            (94, .thin), (95, .drop), (90, .drop), (89, .thin), (95, .drop), (74, .slow), (59, .normal), (61, .normal),
            (100, .drop), (0, .normal), (85, .thin), (130, .drop),
        ]
        for (second, (used, step)) in course.enumerated() {
            let before = admission.step
            let change = admission.measure(Self.fill(used), at: Self.at(second))
            #expect(admission.step == step, "at \(used) %, number \(second)")
            #expect((change != nil) == (before != step))
            guard let change else { continue }
            #expect(change.before == before && change.after == step && change.instant == Self.at(second))
            #expect(admission.since == Self.at(second))
        }
    }

    @Test func aFillThatSwaysByAFewPercentAnnouncesNothing() {
        var admission = SpoolAdmission()
        var random = RandomSource(seed: 5)
        var changes = 0
        for second in 0..<10_000 {
            let used = Int64.random(in: 76...84, using: &random)
            if admission.measure(Self.fill(used), at: Self.at(second)) != nil { changes += 1 }
        }
        #expect(changes <= 2 && admission.step == .thin)
    }

    @Test func producersAreSlowFromTheFirstStepOn() {
        #expect(SpoolAdmission.Step.allCases.map(\.pace) == [.normal, .slow, .slow, .slow])
    }

    @Test func aDiskThatFillsUpLowersTheLimit() {
        // 30 MB stand, 12 MB above the floor are free: of 42 MB it has 71 %.
        var admission = SpoolAdmission()
        let fill = Self.fill(30, free: 76_000_000)
        #expect(fill.room == 42_000_000 && fill.isBoundByDisk)
        let change = admission.measure(fill, at: Self.at(1))
        #expect(change?.after == .slow)
        #expect(
            change?.text
                == "gauges are read every fourth time, counters and contacts as before: what waits takes 71 % of 42 MB, "
                + "all that the disk has room for (76 MB free, 64 MB of them left to others)")
        #expect(change?.hint == "make room on the disk, and see with `parthe status` why readings wait")
        // Somebody has made room.
        let next = admission.measure(Self.fill(30), at: Self.at(2))
        #expect(next?.after == .normal)
    }

    /// The file gives nothing back: below the floor the spool lives within what it has, and drops no more than that takes.
    @Test func belowTheFloorTheFileIsTheLimit() {
        for free in [64_000_000, 63_000_000, 0] as [Int64] {
            #expect(Self.fill(20, file: 50, free: free).share == 0.4)
            #expect(Self.fill(48, file: 50, free: free).share == 0.96)
        }
    }

    @Test func aSpoolWithoutAnyRoomIsFullAndNoImpossibleState() {
        var admission = SpoolAdmission()
        let nothing = SpoolFill(used: 5, file: 0, limit: 0, free: 0, floor: 0)
        let full = admission.measure(nothing, at: Self.at(1))
        #expect(full?.after == .drop)
        let empty = SpoolFill(used: 0, file: 0, limit: 1, free: 0, floor: .max)
        let over = admission.measure(empty, at: Self.at(2))
        #expect(over?.after == .normal)
    }

    @Test func eachChangeIsToldInWords() throws {
        var admission = SpoolAdmission()
        var told: [String] = []
        for (second, used) in ([72, 81, 96, 50] as [Int64]).enumerated() {
            let measured = admission.measure(Self.fill(used), at: Self.at(second))
            let change = try #require(measured)
            told.append("\(change.word): \(change.text) (\(change.hint ?? "-"))")
        }
        #expect(
            told == [
                "spool-slow: gauges are read every fourth time, counters and contacts as before: what waits takes 72 % "
                    + "of 100 MB, the spool's limit (see with `parthe status` why readings wait; `spool: limit` gives "
                    + "them more room)",
                "spool-thin: the oldest readings that no uplink has are thinned to 1 min, then 15 min, then 1 h; counters stay "
                    + "exact: what waits takes 81 % of 100 MB, the spool's limit (see with `parthe status` why readings "
                    + "wait; `spool: limit` gives them more room)",
                "spool-drop: what cannot be thinned any more is dropped, the oldest first, and recorded as gaps: what waits takes 96 % of "
                    + "100 MB, the spool's limit (see with `parthe status` why readings wait; `spool: limit` gives them "
                    + "more room)",
                "spool-normal: readings are taken and kept as they come: what waits takes 50 % of 100 MB, the spool's "
                    + "limit (-)",
            ])
    }

    /// A spool that has just begun, on a disk with less free than is left to others: its log is most of it, and that is no
    /// reason to drop a reading. A file that has grown may not grow on.
    @Test func aSmallSpoolBelowTheFloorHasItsLeast() {
        var admission = SpoolAdmission()
        let small = SpoolFill(
            used: 2_600_000, file: 400_000, limit: 256_000_000, free: 42_000_000, floor: 64_000_000)
        #expect(small.room == SpoolFill.least && small.isBoundByDisk)
        #expect(admission.measure(small, at: Instant(nanoseconds: 0)) == nil && admission.step == .normal)
        let large = SpoolFill(
            used: 99_000_000, file: 100_000_000, limit: 256_000_000, free: 42_000_000, floor: 64_000_000)
        #expect(large.room == 100_000_000)
        #expect(admission.measure(large, at: Instant(nanoseconds: 1))?.after == .drop)
        let tiny = SpoolFill(used: 500_000, file: 400_000, limit: 1_000_000, free: 0, floor: 64_000_000)
        #expect(tiny.room == 1_000_000 && tiny.available == 400_000)
        #expect(small.available == SpoolFill.least && large.available == large.room)
    }
}
