import Metering
import Testing

@testable import Fieldbus

/// A late answer of the same length is never taken for another request's: grid-x/modbus #78, telegraf #14317,
/// libmodbus #83, home-assistant #138077.
@Suite struct UnansweredRequestsTests {
    private static let start = Instant(nanoseconds: 1_000_000_000)

    private func span(_ count: Int, _ function: RegisterFunction = .input, at address: UInt16 = 100) -> RegisterSpan {
        RegisterSpan(function: function, address: address, count: count)
    }

    @Test(arguments: [
        // The length before which is probed, and the count asked for.
        (RegisterFunction.input, 80, 2), (.input, 2, 1), (.input, 1, 2), (.holding, 3, 2), (.coil, 1, 9),
        (.coil, 16, 1),
        (.coil, 17, 9),
    ])
    func theProbeHasAnotherLength(function: RegisterFunction, count: Int, probe: Int) {
        var unanswered = UnansweredRequests()
        #expect(unanswered.probe(before: span(count, function), at: Self.start) == nil)
        unanswered.gaveUp(.init(span(count, function)), at: Self.start)
        #expect(unanswered.probe(before: span(count, function), at: Self.start) == span(probe, function))
        // Another length or function needs none.
        #expect(unanswered.probe(before: span(40, function), at: Self.start) == nil)
        #expect(unanswered.probe(before: span(count, .discrete), at: Self.start) == nil)
        unanswered.answered(.init(span(probe, function)), at: Self.start)
        #expect(unanswered.isEmpty, "a unit answers in order: the older answer cannot come any more")
    }

    @Test func theProbeStaysWithinTheAddresses() {
        var unanswered = UnansweredRequests()
        let last = span(1, at: 65_535)
        unanswered.gaveUp(.init(last), at: Self.start)
        #expect(unanswered.probe(before: last, at: Self.start) == span(2, at: 65_534))
    }

    /// A probe that got no answer either is missing itself, and the next one may get its answer.
    @Test func probesMayBeLateThemselves() {
        var unanswered = UnansweredRequests()
        unanswered.gaveUp(.init(span(80)), at: Self.start)
        unanswered.gaveUp(.init(span(2)), at: Self.start)
        // Two registers again: an answer to either means that 80 will not come.
        #expect(unanswered.probe(before: span(80), at: Self.start) == span(2))
        // Before two registers, two would prove nothing; nor would 80, which is missing for longer.
        #expect(unanswered.probe(before: span(2), at: Self.start) == span(1))
        unanswered.answered(.init(span(2)), at: Self.start)
        #expect(unanswered.probe(before: span(80), at: Self.start) == nil)
        #expect(unanswered.probe(before: span(2), at: Self.start) == span(1), "one of the two may still come")
    }

    @Test func aLengthMissingForLongerProvesNothing() {
        var unanswered = UnansweredRequests()
        for count in [2, 1, 3, 80] { unanswered.gaveUp(.init(span(count)), at: Self.start) }
        #expect(unanswered.probe(before: span(80), at: Self.start) == span(4))
    }

    @Test func refusalsAreAlikeAndTakeOffTheOldest() {
        var unanswered = UnansweredRequests()
        unanswered.gaveUp(.init(span(80)), at: Self.start)
        unanswered.gaveUp(.init(span(80)), at: Self.start)
        unanswered.refused(.init(span(2)), at: Self.start)
        #expect(unanswered.probe(before: span(80), at: Self.start) == span(2), "one of them is still missing")
        unanswered.refused(.init(span(2)), at: Self.start)
        #expect(unanswered.probe(before: span(80), at: Self.start) == nil)
    }

    @Test func aLateAnswerIsTakenOff() {
        var unanswered = UnansweredRequests()
        let nothing = unanswered.cameLate(.init(span(80)), isException: false)
        #expect(!nothing)
        for count in [80, 40, 80] { unanswered.gaveUp(.init(span(count)), at: Self.start) }
        let other = unanswered.cameLate(.init(span(7)), isException: false)
        let first = unanswered.cameLate(.init(span(40)), isException: false)
        #expect(!other && first)
        #expect(unanswered.probe(before: span(40), at: Self.start) == nil)
        #expect(unanswered.probe(before: span(80), at: Self.start) == span(2))
        let refusal = unanswered.cameLate(.init(span(1)), isException: true)
        #expect(refusal && unanswered.isEmpty)
    }

    /// A unit that is silent when asked for another length is not lost for ever.
    @Test func suspicionEnds() {
        var unanswered = UnansweredRequests()
        unanswered.gaveUp(.init(span(80)), at: Self.start)
        let before = Self.start + UnansweredRequests.horizon
        #expect(unanswered.probe(before: span(80), at: before) != nil)
        for _ in 0..<20 { unanswered.gaveUp(.init(span(2)), at: before) }
        #expect(unanswered.probe(before: span(80), at: before + .seconds(1)) == nil)
    }
}
