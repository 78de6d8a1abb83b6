import Metering
import Testing

private func at(_ milliseconds: Double) -> Instant { Instant(nanoseconds: Int64((milliseconds * 1e6).rounded())) }

/// Edges of a line, in order.
private struct Train {
    var edges: [LineEdge] = []
    private var random: RandomSource

    init(seed: UInt64 = 1) {
        random = RandomSource(seed: seed)
    }

    mutating func edge(_ isActive: Bool, at time: Double) {
        edges.append(LineEdge(at(time), isActive: isActive))
    }

    mutating func chance(_ range: ClosedRange<Double>) -> Double { Double.random(in: range, using: &random) }

    /// A change of level at `time` that bounces `times` times, each level for at most `longest` ms.
    mutating func change(to isActive: Bool, at time: Double, bounces times: Int = 0, longest: Double = 0) {
        var time = time
        edge(isActive, at: time)
        for _ in 0..<times {
            time += chance(0.1 * longest...longest)
            edge(!isActive, at: time)
            time += chance(0.1 * longest...longest)
            edge(isActive, at: time)
        }
    }

    /// `count` pulses, one every `period` ms, `width` ms wide, with both off by up to `jitter` ms; `isActive` is the
    /// level of a pulse.
    static func pulses(
        _ count: Int, every period: Double, width: Double, jitter: Double = 0, bounces: Int = 0, longest: Double = 0,
        isActive: Bool = true, from begin: Double = 100, seed: UInt64 = 1
    ) -> Train {
        var train = Train(seed: seed)
        for index in 0..<count {
            let time = begin + Double(index) * period + train.chance(-jitter...jitter)
            train.change(to: isActive, at: time, bounces: bounces, longest: longest)
            let end = time + width + train.chance(-jitter...jitter)
            train.change(to: !isActive, at: end, bounces: bounces, longest: longest)
        }
        return train
    }

    /// With spikes of `length` ms in the middle of each pause of more than 20 ms.
    func spiked(_ length: Double) -> Train {
        var train = self
        train.edges = []
        for (edge, next) in zip(edges, edges.dropFirst()) {
            train.edges.append(edge)
            guard !edge.isActive, next.instant - edge.instant > .milliseconds(20) else { continue }
            let middle = edge.instant + (next.instant - edge.instant) / 2
            train.edges.append(LineEdge(middle, isActive: true))
            train.edges.append(LineEdge(middle + .microseconds(Int64(length * 1000)), isActive: false))
        }
        if let last = edges.last { train.edges.append(last) }
        return train
    }

    /// What it looks like after `seconds`.
    func finding(level: Bool = false, debounce: Duration = .zero, after seconds: Double = 30)
        -> SignalJudgement.Finding
    {
        var judgement = SignalJudgement(level: level, at: at(0), debounce: debounce)
        for edge in edges { judgement.take(edge) }
        return judgement.finding(at: at(seconds * 1000))
    }
}

@Suite struct SignalJudgementTests {
    /// A signal, and what is said of it.
    struct Case: CustomTestStringConvertible {
        var testDescription: String
        fileprivate var train: Train
        var level = false
        var verdict: SignalJudgement.Verdict
        var pulses: Int
        var proposal: [String]

        fileprivate init(
            _ name: String, _ train: Train, level: Bool = false, _ verdict: SignalJudgement.Verdict, pulses: Int,
            _ proposal: [String]
        ) {
            testDescription = name
            self.train = train
            self.level = level
            self.verdict = verdict
            self.pulses = pulses
            self.proposal = proposal
        }
    }

    static let cases: [Case] = [
        Case("nothing", Train(), .nothing, pulses: 0, []),
        Case("nothing, at the active level", Train(), level: true, .nothing, pulses: 0, []),
        Case("one edge", changes([500: true]), .oneChange, pulses: 0, []),
        Case("one edge, back to rest", changes([500: false]), level: true, .oneChange, pulses: 0, []),
        Case("one change that bounces", bouncing(to: true), .oneChange, pulses: 0, []),
        // Electronic outputs.
        Case("S0, 32 ms at 15 Hz", .pulses(400, every: 66, width: 32), .s0, pulses: 400, ["pulse: s0"]),
        Case("S0, 100 ms every 10 s", .pulses(3, every: 10_000, width: 100), .s0, pulses: 3, ["pulse: s0"]),
        Case("S0 with jitter", .pulses(300, every: 90, width: 40, jitter: 4), .s0, pulses: 300, ["pulse: s0"]),
        Case(
            "30 ms, at times a little less", .pulses(300, every: 90, width: 30, jitter: 0.2), .short, pulses: 300,
            ["pulse: {min_width: 14ms}"]),
        Case("a single S0 pulse", .pulses(1, every: 1000, width: 50), .s0, pulses: 1, ["pulse: s0"]),
        Case(
            "2 ms at 100 Hz, the shortest that is counted", .pulses(2500, every: 10, width: 2), .short, pulses: 2500,
            ["pulse: {min_width: 1ms}"]),
        Case(
            "2 ms at 100 Hz with jitter", .pulses(2500, every: 10, width: 2, jitter: 0.4), .short, pulses: 2500, []),
        Case(
            "4 ms at 100 Hz", .pulses(2500, every: 10, width: 4), .short, pulses: 2500, ["pulse: {min_width: 2ms}"]),
        Case(
            "2.5 ms at 200 Hz", .pulses(1000, every: 5, width: 2.5), .short, pulses: 1000,
            ["pulse: {min_width: 1ms}"]),
        Case("2 ms each second", .pulses(25, every: 1000, width: 2), .short, pulses: 25, ["pulse: {min_width: 1ms}"]),
        Case("10 ms each second", .pulses(25, every: 1000, width: 10), .short, pulses: 25, ["pulse: {min_width: 5ms}"]),
        Case("0.5 ms each second", .pulses(25, every: 1000, width: 0.5), .short, pulses: 25, []),
        Case(
            "short and of any width", varied(40, 8...90), .short, pulses: 40, ["pulse: {min_width: 4ms}"]),
        // A contact to ground, with a pull-up.
        Case(
            "S0 at rest active", .pulses(25, every: 1000, width: 50, isActive: false), level: true, .s0, pulses: 25,
            ["pulse: s0", "inverted: true"]),
        Case(
            "2 ms at 100 Hz, at rest active", .pulses(2500, every: 10, width: 2, isActive: false), level: true, .short,
            pulses: 2500, ["pulse: {min_width: 1ms}", "inverted: true"]),
        Case(
            "a reed contact at rest active",
            .pulses(12, every: 2000, width: 200, bounces: 4, longest: 0.6, isActive: false), level: true,
            .bouncing(.zero), pulses: 12, ["debounce: 2ms", "inverted: true"]),
        Case(
            "a single pulse at rest active", .pulses(1, every: 1000, width: 50, isActive: false), level: true, .s0,
            pulses: 1, ["pulse: s0", "inverted: true"]),
        // Contacts that bounce.
        Case(
            "a reed contact", .pulses(60, every: 400, width: 100, bounces: 4, longest: 0.5), .bouncing(.zero),
            pulses: 60, ["debounce: 2ms"]),
        Case(
            "a worn contact", .pulses(60, every: 400, width: 100, bounces: 6, longest: 2.9), .bouncing(.zero),
            pulses: 60, ["debounce: 6ms"]),
        Case(
            "a relay", .pulses(25, every: 1000, width: 300, bounces: 3, longest: 7), .bouncing(.zero), pulses: 25,
            ["debounce: 14ms"]),
        Case(
            "short pulses of a contact", .pulses(300, every: 80, width: 20, bounces: 2, longest: 0.8), .bouncing(.zero),
            pulses: 300, ["debounce: 2ms"]),
        Case(
            "very short pulses of a contact", .pulses(300, every: 50, width: 3.5, bounces: 1, longest: 0.3),
            .bouncing(.zero), pulses: 300, ["pulse: {min_width: 1ms}"]),
        Case(
            "bounces nearly as long as pulses", .pulses(300, every: 80, width: 14, bounces: 1, longest: 3), .noise,
            pulses: 900, []),
        // Contacts that change seldom, and slow meters.
        Case(
            "a door", changes([2000: true, 9000: false, 12_000: true, 26_000: false]), .slow, pulses: 2,
            ["debounce: 20ms"]),
        Case(
            "a door that is open nearly always", changes([2000: false, 4000: true]), level: true, .oneChange, pulses: 0,
            []),
        Case("a gas meter's contact", .pulses(5, every: 6000, width: 1500), .slow, pulses: 5, ["debounce: 20ms"]),
        Case(
            "a gas meter's contact at rest active", .pulses(5, every: 6000, width: 1400, isActive: false), level: true,
            .slow, pulses: 5, ["debounce: 20ms", "inverted: true"]),
        // Disturbances.
        Case(
            "S0 with spikes between", Train.pulses(25, every: 1000, width: 50).spiked(0.2), .disturbed(.zero),
            pulses: 25, ["pulse: s0", "debounce: 2ms"]),
        Case("noise", noise(400, 0.05...9), .noise, pulses: 200, []),
        Case("bursts of noise", bursts(20, of: 30), .noise, pulses: 300, []),
    ]

    @Test(arguments: cases) func aSignalIsJudged(of expected: Case) {
        let finding = expected.train.finding(level: expected.level)
        #expect(word(finding.verdict) == word(expected.verdict), "\(finding)")
        #expect(finding.pulses == expected.pulses)
        #expect(finding.proposal() == expected.proposal)
    }

    /// Whatever is proposed, it leaves every pulse that was seen, and counts it once. A debounce is at most half of the
    /// shortest pulse and pause, and leaves room for the kernel's ticks.
    @Test(arguments: 0..<300) func noProposalSwallowsAPulse(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let width = Double.random(in: 1...200, using: &random)
        let pause = Double.random(in: 1...400, using: &random)
        let bounces = Int.random(in: 0...5, using: &random)
        let longest = Double.random(in: 0.05...8, using: &random)
        let train = Train.pulses(
            100, every: width + pause + Double(4 * bounces) * longest, width: width + Double(2 * bounces) * longest,
            bounces: bounces, longest: longest, seed: seed)
        for isInverted in [false, true] {
            let edges = train.edges.map { LineEdge($0.instant, isActive: $0.isActive != isInverted) }
            var judgement = SignalJudgement(level: isInverted, at: at(0))
            for edge in edges { judgement.take(edge) }
            let finding = judgement.finding(at: at(600_000))
            let keys = finding.proposal()
            for key in keys where key.hasPrefix("debounce:") {
                let period = Duration.milliseconds(try #require(Int(key.filter(\.isNumber))))
                var filter = LineDebounce(period: period, level: isInverted)
                var passed = 0
                for edge in edges { filter.take(edge) { _ in passed += 1 } }
                filter.settle(at: at(600_000)) { _ in passed += 1 }
                let least = [finding.widths, finding.pauses].compactMap { $0?.lowerBound }.min() ?? .zero
                #expect(period * 2 <= least && period + .milliseconds(8) <= least, "seed \(seed): \(key)")
                #expect(passed == 200, "seed \(seed): \(key) for pulses of \(width) ms, pauses of \(pause) ms")
            }
            for key in keys where key.hasPrefix("pulse:") {
                let least = Int(key.drop { $0 != "{" }.filter(\.isNumber)).map(Duration.milliseconds)
                var counter = PulseCounter(least.map { .init(minimumWidth: $0) } ?? .s0, level: false)
                let isFlipped = keys.contains("inverted: true")
                for edge in edges { _ = counter.take(LineEdge(edge.instant, isActive: edge.isActive != isFlipped)) }
                #expect(counter.count == UInt64(finding.pulses), "seed \(seed): \(key) for pulses of \(width) ms")
            }
        }
    }

    @Test(arguments: 0..<100) func edgesWithoutAPatternAreNone(seed: UInt64) {
        let finding = Self.noise(400, 0.02...12, seed: seed).finding()
        #expect(finding.verdict == .noise && finding.proposal().isEmpty, "seed \(seed): \(finding)")
    }

    @Test func bouncesAreMeasured() {
        var train = Train()
        for time in [0.0, 1000, 2000] {
            for (offset, level) in [(0.0, true), (0.4, false), (1.3, true), (60, false), (60.2, true), (60.3, false)] {
                train.edge(level, at: 100 + time + offset)
            }
        }
        let finding = train.finding()
        #expect(finding.verdict == .bouncing(.microseconds(900)))
        #expect(finding.widths == .microseconds(59_000) ... .microseconds(59_000))
        #expect(finding.pauses == .microseconds(941_000) ... .microseconds(941_000))
    }

    /// What the kernel filters before it comes here cannot be seen here: nothing is said of it.
    @Test func behindADebounceNoSignalIsClean() {
        let s0 = Train.pulses(25, every: 1000, width: 50)
        let finding = s0.finding(debounce: .milliseconds(5))
        #expect(finding.verdict == .s0 && finding.debounce == .milliseconds(5))
        #expect(finding.proposal() == [])
        #expect(
            Train.pulses(25, every: 1000, width: 50, isActive: false).finding(level: true, debounce: .milliseconds(5))
                .proposal() == ["inverted: true"])
        // What comes through all the same is seen.
        let bouncing = Train.pulses(25, every: 1000, width: 300, bounces: 3, longest: 7)
        #expect(bouncing.finding(debounce: .milliseconds(1)).proposal() == ["debounce: 14ms"])
    }

    /// What was tried is part of what is proposed, and what is in force already is turned round.
    @Test func aProposalIsWhole() {
        let active = Train.pulses(25, every: 1000, width: 50, isActive: false).finding(level: true)
        #expect(active.proposal(bias: .pullUp) == ["pulse: s0", "bias: pull-up", "inverted: true"])
        #expect(active.proposal(isInverted: true) == ["pulse: s0", "inverted: false"])
        let right = Train.pulses(25, every: 1000, width: 50).finding()
        #expect(right.proposal(bias: .pullUp, isInverted: true) == ["pulse: s0", "bias: pull-up", "inverted: true"])
        #expect(Train().finding().proposal(bias: .pullUp, isInverted: true) == [])
    }

    // MARK: - Signals

    private func word(_ verdict: SignalJudgement.Verdict) -> Substring { "\(verdict)".prefix { $0 != "(" } }

    private static func changes(_ changes: KeyValuePairs<Double, Bool>) -> Train {
        var train = Train()
        for (time, level) in changes { train.edge(level, at: time) }
        return train
    }

    private static func bouncing(to level: Bool) -> Train {
        var train = Train()
        train.change(to: level, at: 500, bounces: 4, longest: 0.5)
        return train
    }

    private static func varied(_ count: Int, _ widths: ClosedRange<Double>) -> Train {
        var train = Train()
        for index in 0..<count {
            let time = 100 + Double(index) * 500
            train.edge(true, at: time)
            train.edge(false, at: time + (index == 0 ? widths.lowerBound : train.chance(widths)))
        }
        return train
    }

    private static func noise(_ count: Int, _ spans: ClosedRange<Double>, seed: UInt64 = 1) -> Train {
        var train = Train(seed: seed)
        var time = 100.0
        for index in 0..<count {
            train.edge(index % 2 == 0, at: time)
            time += train.chance(spans)
        }
        return train
    }

    /// Something switches nearby, each second.
    private static func bursts(_ count: Int, of edges: Int) -> Train {
        var train = Train()
        for index in 0..<count {
            var time = 100 + Double(index) * 1000
            for edge in 0..<edges {
                train.edge(edge % 2 == 0, at: time)
                time += train.chance(0.01...2)
            }
        }
        return train
    }
}
