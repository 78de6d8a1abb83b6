import Metering
import Testing

private func at(_ milliseconds: Double) -> Instant { Instant(nanoseconds: Int64(milliseconds * 1e6)) }

@Suite struct PulseCounterTests {
    /// Edges of pulses that begin every `period` ms and last `width` ms, numbered from 1.
    private func train(_ count: Int, period: Double, width: Double) -> [LineEdge] {
        (0..<count).flatMap { index in
            let begin = Double(index) * period
            return [
                LineEdge(at(begin), isActive: true, sequence: UInt32(2 * index + 1)),
                LineEdge(at(begin + width), isActive: false, sequence: UInt32(2 * index + 2)),
            ]
        }
    }

    @Test func everyPulseCountsOnceAtItsEnd() {
        var counter = PulseCounter(.s0, level: false)
        var pulses: UInt64 = 0
        for edge in train(1000, period: 66, width: 33) { pulses += counter.take(edge).pulses }
        #expect(counter.count == 1000 && pulses == 1000)
        #expect(counter.spacing == .milliseconds(66) && counter.width == .milliseconds(33))
        #expect(counter.lostEdges == 0 && counter.tooShort == 0)
    }

    @Test("vzlogger #503: pulses of other widths than the meter's are none, and are counted as such")
    func widthsAreHeldTo() {
        var counter = PulseCounter(
            .init(minimumWidth: .milliseconds(30), maximumWidth: .milliseconds(100)), level: false)
        for (index, width) in [29.9, 30, 100, 100.1, 0.01].enumerated() {
            let begin = Double(index) * 1000
            _ = counter.take(LineEdge(at(begin), isActive: true))
            _ = counter.take(LineEdge(at(begin + width), isActive: false))
        }
        #expect(counter.count == 2 && counter.tooShort == 2 && counter.tooLong == 1)
    }

    @Test func aPulseThatWasUnderWayDoesNotCount() {
        var counter = PulseCounter(.init(), level: true)
        #expect(counter.take(LineEdge(at(5), isActive: false, sequence: 1)).pulses == 0)
        _ = counter.take(LineEdge(at(10), isActive: true, sequence: 2))
        #expect(counter.take(LineEdge(at(15), isActive: false, sequence: 3)).pulses == 1)
    }

    /// The edge behind a gap is no pulse's end: the next pulse's distance from it means nothing.
    @Test func afterLostEdgesTheSpacingBeginsAnew() {
        var counter = PulseCounter(.init(), level: false)
        for edge in train(3, period: 1000, width: 30) { _ = counter.take(edge) }
        #expect(counter.spacing == .seconds(1))
        _ = counter.take(LineEdge(at(9000), isActive: true, sequence: 13))
        _ = counter.take(LineEdge(at(9030), isActive: false, sequence: 14))
        #expect(counter.count == 7 && counter.spacing == nil, "not 30 ms")
        _ = counter.take(LineEdge(at(10_000), isActive: true, sequence: 15))
        _ = counter.take(LineEdge(at(10_030), isActive: false, sequence: 16))
        #expect(counter.spacing == .seconds(1))
    }

    /// The kernel looks at the level after the edge: what is over before is one edge, with the level from before.
    @Test func whatIsOverBeforeTheKernelLooksIsShown() {
        // R (R: a pause too short to see) F, and F: a pulse too short to see.
        let edges = [(0.0, true), (20, true), (40, false), (900, false)].enumerated().map {
            LineEdge(at($1.0), isActive: $1.1, sequence: UInt32($0 + 1))
        }
        var counter = PulseCounter(.s0, level: false)
        #expect(edges.map { counter.take($0).pulses } == [0, 0, 1, 0])
        #expect(counter.width == .milliseconds(40), "the pulse goes on over the pause")
        #expect(counter.tooFast == 2 && counter.tooShort == 1 && counter.lostEdges == 0)
        // Where nothing is too short, both are pulses.
        counter = PulseCounter(.init(), level: false)
        #expect(edges.map { counter.take($0).pulses } == [0, 1, 1, 1])
        #expect(counter.count == 3 && counter.tooFast == 2 && counter.width == nil)
    }

    @Test func theLevelAskedForMayBeYoungerThanTheFirstEdge() {
        var counter = PulseCounter(.init(), level: true)
        #expect(counter.take(LineEdge(at(0), isActive: true, sequence: 1)).pulses == 0)
        #expect(counter.take(LineEdge(at(5), isActive: false, sequence: 2)).pulses == 1)
        counter.resume(level: false)
        #expect(counter.take(LineEdge(at(9), isActive: false, sequence: 1)).pulses == 0)
        #expect(counter.tooFast == 0 && counter.count == 1)
    }

    @Test("mqtt-io #75: lost edges are never silent, and their pulses are counted as recovered")
    func lostEdgesAreTold() {
        let edges = train(100, period: 10, width: 5)
        var counter = PulseCounter(.init(), level: false)
        for edge in edges[..<50] { _ = counter.take(edge) }
        // Lost: 60 edges, which are 30 pulses.
        let outcome = counter.take(edges[110])
        #expect(outcome.lostEdges == 60 && outcome.pulses == 30)
        for edge in edges[111...] { _ = counter.take(edge) }
        #expect(counter.count == 100 && counter.recovered == 30 && counter.lostEdges == 60)
    }

    /// Whatever is lost wherever: with numbered edges no pulse is missing and none is there twice.
    @Test(arguments: 0..<200) func lossesCostNoPulse(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let startsActive = Bool.random(using: &random)
        var counter = PulseCounter(.init(), level: startsActive)
        var level = startsActive
        var truth: UInt64 = 0
        var hasBegun = false
        var sequence: UInt32 = .max - 20
        var lost = 0
        var time = 0.0
        var isFirst = true
        for _ in 0..<300 {
            time += Double.random(in: 0.1...50, using: &random)
            level.toggle()
            sequence &+= 1
            if level { hasBegun = true } else if hasBegun { truth += 1 }
            // The first edge is always read: its number is where counting begins.
            if lost == 0, !isFirst, Int.random(in: 0..<10, using: &random) == 0 {
                lost = Int.random(in: 1...40, using: &random)
            }
            isFirst = false
            if lost > 0 {
                lost -= 1
                continue
            }
            _ = counter.take(LineEdge(at(time), isActive: level, sequence: sequence))
        }
        // The last edges may be among the lost: the next one tells.
        level.toggle()
        if level { hasBegun = true } else if hasBegun { truth += 1 }
        _ = counter.take(LineEdge(at(time + 1), isActive: level, sequence: sequence &+ 1))
        #expect(counter.count == truth, "seed \(seed)")
    }

    @Test func edgesLostBeforeTheFirstThatIsReadAreTold() {
        var counter = PulseCounter(.init(), level: false)
        // Lost: two pulses.
        #expect(counter.take(LineEdge(at(50), isActive: true, sequence: 5)) == .init(pulses: 2, lostEdges: 4))
        counter.resume(level: true)
        // Lost: the end of a pulse whose begin nobody saw, and the begin of the one that ends now.
        #expect(counter.take(LineEdge(at(90), isActive: false, sequence: 3)) == .init(pulses: 1, lostEdges: 2))
        #expect(counter.recovered == 3)
    }

    @Test func aLineThatWasAwayBeginsAnew() {
        var counter = PulseCounter(.init(), level: false)
        for edge in train(3, period: 10, width: 5) { _ = counter.take(edge) }
        counter.resume(level: true)
        // A new request numbers its edges from 1 again.
        #expect(counter.take(LineEdge(at(1000), isActive: false, sequence: 1)) == .init())
        _ = counter.take(LineEdge(at(1010), isActive: true, sequence: 2))
        _ = counter.take(LineEdge(at(1020), isActive: false, sequence: 3))
        #expect(counter.count == 4 && counter.lostEdges == 0)
    }
}

@Suite struct LineDebounceTests {
    @Test("vzlogger #222, #198, #241: a bouncing contact counts once")
    func bouncesPassOnce() {
        var filter = LineDebounce(period: .milliseconds(5), level: false)
        var passed: [LineEdge] = []
        // Five edges while it closes, five while it opens.
        for (time, level) in zip([0, 0.2, 0.4, 0.5, 0.9, 40, 40.1, 40.4, 40.5, 41], [1, 0, 1, 0, 1, 0, 1, 0, 1, 0]) {
            filter.take(LineEdge(at(time), isActive: level == 1)) { passed.append($0) }
        }
        #expect(passed == [LineEdge(at(0.9), isActive: true)])
        #expect(filter.deadline == at(46))
        filter.settle(at: at(46)) { passed.append($0) }
        #expect(passed.count == 2 && passed[1].instant - passed[0].instant == .microseconds(40_100))
        #expect(filter.bounces == 8 && filter.deadline == nil)
    }

    @Test func aSpikeDoesNotPass() {
        var filter = LineDebounce(period: .milliseconds(5), level: false)
        filter.take(LineEdge(at(0), isActive: true)) { _ in Issue.record("it passed") }
        filter.take(LineEdge(at(1), isActive: false)) { _ in Issue.record("it passed") }
        filter.settle(at: at(100)) { _ in Issue.record("it passed") }
        #expect(filter.bounces == 2)
    }

    @Test func withoutAPeriodEverythingPasses() {
        var filter = LineDebounce(period: .zero, level: false)
        var passed = 0
        for index in 0..<10 { filter.take(LineEdge(at(Double(index)), isActive: index % 2 == 0)) { _ in passed += 1 } }
        #expect(passed == 10)
    }
}

@Suite struct PulseRateTests {
    private let rate = PulseRate(perPulse: 0.001, silence: .seconds(300))

    @Test func powerIsWhatThePulsesSpacingSays() {
        // 1000 pulses per kWh, one each 3.6 s: 1 kW.
        #expect(rate.value(last: at(0), spacing: .milliseconds(3600), since: at(0), at: at(1000)) == 1)
        #expect(rate.value(last: nil, spacing: nil, since: at(0), at: at(0)) == nil)
        #expect(rate.value(last: at(0), spacing: nil, since: at(0), at: at(1)) == nil)
    }

    @Test("rpieasy #65: it decays when pulses stay away, and ends at 0")
    func itDecays() {
        #expect(rate.value(last: at(0), spacing: .milliseconds(3600), since: at(0), at: at(7200)) == 0.5)
        #expect(rate.value(last: at(0), spacing: .milliseconds(3600), since: at(0), at: at(36_000)) == 0.1)
        #expect(rate.value(last: at(0), spacing: .milliseconds(3600), since: at(0), at: at(300_000)) == 0)
    }
}

@Suite struct ContactStateTests {
    @Test func changesAreToldWithTheirTimeAndTheStateAtAnInterval() {
        var contact = ContactState(heartbeat: .seconds(60), level: false)
        #expect(contact.heartbeat(at: at(0)) == .init(isActive: false, instant: at(0)))
        #expect(contact.heartbeat(at: at(59_999)) == nil)
        #expect(contact.take(LineEdge(at(30_000), isActive: true, sequence: 1)).report?.instant == at(30_000))
        #expect(contact.heartbeat(at: at(60_000)) == nil)
        #expect(contact.heartbeat(at: at(90_000)) == .init(isActive: true, instant: at(90_000)))
        #expect(contact.since == at(30_000) && contact.changes == 1)
    }

    @Test func aLostChangeIsTold() {
        var contact = ContactState(heartbeat: .seconds(60), level: false)
        _ = contact.take(LineEdge(at(0), isActive: true, sequence: 1))
        let (lost, report) = contact.take(LineEdge(at(10), isActive: true, sequence: 3))
        #expect(lost == 1 && report == .init(isActive: true, instant: at(10)))
    }

    @Test func aChangeLostBeforeTheFirstThatIsReadIsTold() {
        var contact = ContactState(heartbeat: .seconds(60), level: false)
        let (lost, report) = contact.take(LineEdge(at(10), isActive: false, sequence: 2))
        #expect(lost == 1 && report == .init(isActive: false, instant: at(10)))
    }

    @Test func aLineThatWasAwayTellsWhatItMissed() {
        var contact = ContactState(heartbeat: .seconds(60), level: false)
        #expect(contact.resume(level: false, at: at(5)) == nil)
        #expect(contact.resume(level: true, at: at(9)) == .init(isActive: true, instant: at(9)))
    }
}
