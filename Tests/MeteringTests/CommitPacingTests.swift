import Metering
import Testing

@Suite struct CommitPacingTests {
    /// A spool whose readings come evenly; times in milliseconds since 2026-11-01T00:00:00Z, when the machine booted.
    private struct Rig {
        static let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)
        var pacing: CommitPacing
        var now: Int64
        private(set) var commits: [Int64] = []
        private var come = 0.0

        init(fixed interval: Duration? = nil, at now: Int64 = 0) {
            self.now = now
            pacing = CommitPacing(fixed: interval, at: Self.instant(now), offset: Self.offset)
        }

        static func instant(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

        var next: Int64 { pacing.next.nanoseconds / 1_000_000 }

        /// Commits what comes at `rate` readings per second, for so many seconds.
        mutating func run(rate: Double, seconds: Int64) {
            let end = now + seconds * 1000
            while next <= end {
                come += rate * Double(next - now) / 1000
                commit()
            }
            come += rate * Double(end - now) / 1000
            now = end
        }

        private mutating func commit() {
            now = next
            commits.append(now)
            pacing.committed(Int(come), at: Self.instant(now), offset: Self.offset)
            come = 0
        }
    }

    @Test(arguments: [
        (0, 10), (1, 10), (20, 10), (200, 10), (300, 10), (450, 5), (750, 5), (1100, 2), (1280, 2), (1500, 2),
        (2100, 1),
        (50_000, 1),
    ])
    func theIntervalGoesByTheRate(rate: Int, seconds: Int64) {
        var rig = Rig()
        rig.run(rate: Double(rate), seconds: 600)
        #expect(rig.pacing.interval == .seconds(seconds))
        #expect(CommitPacing.interval(atRate: Double(rate)) == .seconds(seconds))
    }

    @Test func atTheStartItIsASecond() {
        #expect(Rig().pacing.interval == .seconds(1))
        var rig = Rig()
        rig.run(rate: 4000, seconds: 60)
        #expect(rig.commits.count == 60, "what comes fast is never made to wait")
    }

    @Test func fewerCommitsThanOneASecondAtTwentyReadings() {
        var rig = Rig()
        rig.run(rate: 20, seconds: 3600)
        #expect((360...450).contains(rig.commits.count))
    }

    @Test(arguments: [nil, .milliseconds(100), .milliseconds(250), .seconds(1), .seconds(10)] as [Duration?])
    func aPowerCutNeverCostsMoreThanTheIntervalThatIsTold(fixed: Duration?) {
        var rig = Rig(fixed: fixed, at: 12_345)
        for rate in [1.0, 3000, 0, 180, 220, 700, 20, 1280] {
            let before = rig.pacing.interval
            rig.run(rate: rate, seconds: 97)
            if let fixed { #expect(rig.pacing.interval == fixed && before == fixed) }
            #expect(rig.pacing.next - rig.pacing.last <= rig.pacing.interval)
        }
        let gaps = zip(rig.commits, rig.commits.dropFirst()).map { $1 - $0 }
        #expect(gaps.max() ?? 0 <= (fixed ?? .seconds(10)).wholeMilliseconds)
    }

    @Test(arguments: [(100, 50), (250, 125), (1000, 250), (5000, 250), (10_000, 250)] as [(Int64, Int64)])
    func commitsStandJustBehindTheFullSecond(interval: Int64, lag: Int64) {
        var rig = Rig(fixed: .milliseconds(interval), at: 98_765)
        rig.run(rate: 10, seconds: 50)
        for commit in rig.commits { #expect(commit % interval == lag) }
    }

    /// A rate at the edge of two intervals, with polls that come unevenly.
    @Test func anEdgeMakesTheIntervalFlutterNot() {
        var rig = Rig()
        rig.run(rate: 400, seconds: 300)
        var changes = 0
        var random = RandomSource(seed: 11)
        for _ in 0..<300 {
            let before = rig.pacing.interval
            rig.run(rate: Double.random(in: 370...430, using: &random), seconds: 5)
            if rig.pacing.interval != before { changes += 1 }
        }
        #expect(changes <= 1)
    }

    /// Meters come back after an outage: what a slow rate has gathered by then is the last long wait.
    @Test func aRateThatRisesIsCommittedSoon() {
        var rig = Rig()
        rig.run(rate: 5, seconds: 600)
        #expect(rig.pacing.interval == .seconds(10))
        rig.run(rate: 3900, seconds: 31)
        #expect(rig.pacing.interval == .seconds(1))
    }

    @Test func whatIsUrgentWaitsASecondAtMost() {
        var rig = Rig(fixed: .seconds(10), at: 250)
        #expect(rig.next == 10_250)
        var isEarlier = rig.pacing.hurry()
        #expect(isEarlier && rig.next == 1250)
        isEarlier = rig.pacing.hurry()
        #expect(!isEarlier && rig.next == 1250, "asked for again")
        isEarlier = rig.pacing.hasten(to: Rig.instant(400))
        #expect(isEarlier && rig.next == 400)
        isEarlier = rig.pacing.hasten(to: Rig.instant(5000))
        #expect(!isEarlier && rig.next == 400, "nothing comes later for it")
        // Urgent things without end: one commit a second, and the grid again behind the last.
        rig.run(rate: 0, seconds: 1)
        #expect(rig.next == 10_250)
        var short = Rig(fixed: .milliseconds(100))
        isEarlier = short.pacing.hurry()
        #expect(!isEarlier && short.next == 50, "it is sooner anyhow")
    }

    @Test func aCommitThatFailedIsTriedAgainSoonAndItsReadingsCountOnce() {
        var rig = Rig()
        rig.run(rate: 20, seconds: 600)
        #expect(rig.pacing.interval == .seconds(10))
        var failing = rig
        for _ in 0..<5 {
            let now = failing.pacing.next
            failing.pacing.failed(at: now, offset: Rig.offset)
            #expect(failing.pacing.next - now <= .seconds(1))
        }
        let end = failing.pacing.next
        failing.pacing.committed(1200, at: end, offset: Rig.offset)
        rig.pacing.committed(1200, at: end, offset: Rig.offset)
        #expect(failing.pacing == rig.pacing, "as if it had only taken longer")
    }
}
