import Metering
import Testing

/// What a poll's plan learns from refusals, one thing at a time.
@Suite struct PollPlanTests {
    private let line = RequestCost(line: SerialLine(), turnaround: .milliseconds(5), pause: .zero)

    private func spans(_ plan: PollPlan) -> [String] { plan.requests.map(\.span.description) }

    @Test func bridgedGapsBecomeHoles() {
        var plan = PollPlan(points: [planned(0), planned(4), planned(8)], limits: .init(), cost: line)
        #expect(spans(plan) == ["FC4 0…9"])
        #expect(plan.record(exception: 2, of: 0) == .split)
        #expect(spans(plan) == ["FC4 0…1", "FC4 4…5", "FC4 8…9"])
        #expect(
            plan.learntHoles == [
                .init(function: .input, addresses: 2..<4), .init(function: .input, addresses: 6..<8),
            ])
        #expect(plan.dropped == [] && plan.learntRegisters == nil)
    }

    /// Points of several intervals share requests when they are due together, and what is learnt.
    @Test func whatIsDueTogetherSharesRequests() {
        let points = [planned(0), planned(2), planned(4), planned(40)]
        var plan = PollPlan(points: points, limits: .init(), cost: line, groups: [0, 1, 0, 1])
        #expect(spans(plan) == ["FC4 0…5", "FC4 40…41"], "all of them, until it is chosen")
        plan.choose([0])
        #expect(spans(plan) == ["FC4 0…5"], "the gap is cheaper than a request")
        plan.choose([1])
        #expect(spans(plan) == ["FC4 2…3", "FC4 40…41"])
        plan.choose([0])
        #expect(plan.record(exception: 2, of: 0) == .split)
        #expect(spans(plan) == ["FC4 0…1", "FC4 4…5"])
        plan.choose([0, 1])
        #expect(plan.learntHoles == [.init(function: .input, addresses: 2..<4)])
        #expect(plan.requests.flatMap(\.slots).map(\.point).sorted() == [0, 1, 2, 3])
        plan.choose([0])
        #expect(spans(plan) == ["FC4 0…1", "FC4 4…5"])
    }

    @Test func aSlowUnitIsAskedForMoreAtOnce() {
        let points = [planned(0), planned(30)]
        var plan = PollPlan(points: points, limits: .init(gap: 125), cost: line)
        #expect(spans(plan) == ["FC4 0…1", "FC4 30…31"])
        plan.learn(RequestCost(line: SerialLine(), turnaround: .milliseconds(100), pause: .zero))
        #expect(spans(plan) == ["FC4 0…31"])
    }

    @Test func neighboursAreTriedOneByOne() {
        var plan = PollPlan(points: (0..<4).map { planned(UInt16($0), .u16) }, limits: .init(), cost: line)
        #expect(plan.record(exception: 2, of: 0) == .split)
        #expect(spans(plan) == ["FC4 0…0", "FC4 1…1", "FC4 2…2", "FC4 3…3"])
        #expect(plan.recordAnswer(of: 0) == nil)
        #expect(plan.record(exception: 2, of: 1) == nil)
        #expect(plan.recordAnswer(of: 2) == nil)
        #expect(plan.recordAnswer(of: 3) == .joined)
        #expect(spans(plan) == ["FC4 0…0", "FC4 1…1", "FC4 2…3"])
        #expect(plan.record(exception: 2, of: 1) == nil)
        #expect(plan.record(exception: 2, of: 1) == .dropped(points: [1]))
        #expect(plan.dropped == [1])
        #expect(spans(plan) == ["FC4 0…0", "FC4 2…3"])
    }

    @Test func anAnswerInBetweenSavesAPoint() {
        var plan = PollPlan(points: [planned(0)], limits: .init(), cost: line)
        for _ in 0..<5 {
            for _ in 0..<2 { #expect(plan.record(exception: 2, of: 0) == nil) }
            #expect(plan.recordAnswer(of: 0) == nil)
        }
        #expect(plan == PollPlan(points: [planned(0)], limits: .init(), cost: line))
    }

    @Test func aDroppedPointExplainsWhatWasRefused() {
        let points = (0..<5).map { planned(UInt16(4 * $0)) }
        var plan = PollPlan(points: points, limits: .init(), cost: line)
        #expect(plan.record(exception: 3, of: 0) == .lowered(registers: 9))
        #expect(plan.learntRegisters == 9)
        #expect(spans(plan) == ["FC4 0…5", "FC4 8…13", "FC4 16…17"])
        #expect(plan.record(exception: 2, of: 0) == .split)
        #expect(spans(plan) == ["FC4 0…1", "FC4 4…9", "FC4 12…17"])
        #expect(plan.record(exception: 2, of: 1) == .split)
        #expect(spans(plan) == ["FC4 0…1", "FC4 4…5", "FC4 8…13", "FC4 16…17"])
        for _ in 0..<2 { #expect(plan.record(exception: 2, of: 1) == nil) }
        #expect(plan.record(exception: 2, of: 1) == .dropped(points: [1]))
        #expect(plan.learntHoles == [] && plan.learntRegisters == nil)
        #expect(spans(plan) == ["FC4 0…1", "FC4 8…17"])
    }

    @Test func pointsOfTheSameRegistersShareTheirFate() {
        let points = [planned(0, .u16), planned(1, .u16), planned(1, .s16), planned(1, .bcd16)]
        var plan = PollPlan(points: points, limits: .init(), cost: line)
        #expect(plan.record(exception: 2, of: 0) == .split)
        #expect(spans(plan) == ["FC4 0…0", "FC4 1…1"])
        #expect(plan.recordAnswer(of: 0) == nil)
        #expect(plan.record(exception: 2, of: 1) == .joined || plan.requests.count == 2)
        _ = plan.record(exception: 2, of: 1)
        #expect(plan.record(exception: 2, of: 1) == .dropped(points: [1, 2, 3]))
    }

    @Test func aPointWithinARefusedOneIsStillRead() {
        // The wide point ends in an illegal register; the narrow one lies within it.
        var plan = PollPlan(points: [planned(0, .f64), planned(1, .u16)], limits: .init(), cost: line)
        #expect(plan.record(exception: 2, of: 0) == .split)
        #expect(spans(plan) == ["FC4 0…3", "FC4 1…1"])
        #expect(plan.record(exception: 2, of: 0) == nil)
        _ = plan.recordAnswer(of: 1)
        for _ in 0..<2 { _ = plan.record(exception: 2, of: 0) }
        #expect(plan.dropped == [0])
        #expect(spans(plan) == ["FC4 1…1"])
    }

    @Test func aRefusedUnionIsCutInHalves() {
        var plan = PollPlan(points: (0..<64).map { planned(UInt16($0), .u16) }, limits: .init(), cost: line)
        #expect(plan.record(exception: 2, of: 0) == .split)
        for index in 0..<63 { #expect(plan.recordAnswer(of: index) == nil) }
        #expect(plan.recordAnswer(of: 63) == .joined)
        #expect(spans(plan) == ["FC4 0…31", "FC4 32…63"])
        #expect(plan.record(exception: 2, of: 1) == .split)
        #expect(plan.requests.count == 2)
    }

    @Test func theWidestPointIsTheLeastLimit() {
        let points = [planned(0, .f64), planned(4, .f64), planned(8, .u16)]
        var plan = PollPlan(points: points, limits: .init(), cost: line)
        #expect(plan.record(exception: 3, of: 0) == .lowered(registers: 4))
        #expect(spans(plan) == ["FC4 0…3", "FC4 4…7", "FC4 8…8"])
        for _ in 0..<2 { #expect(plan.record(exception: 3, of: 0) == nil) }
        #expect(plan.record(exception: 3, of: 0) == .dropped(points: [0]))
    }

    @Test(arguments: [1, 4, 5, 6, 8, 10, 11, 0, 255] as [UInt8])
    func otherExceptionsTeachNothing(code: UInt8) {
        let points = [planned(0), planned(4)]
        var plan = PollPlan(points: points, limits: .init(), cost: line)
        for _ in 0..<10 { #expect(plan.record(exception: code, of: 0) == nil) }
        #expect(plan == PollPlan(points: points, limits: .init(), cost: line))
    }

    @Test func aDroppedPointIsAskedAgain() {
        let points = [planned(0), planned(2)]
        let fresh = PollPlan(points: points, limits: .init(), cost: line)
        var plan = fresh
        plan.reconsider()
        #expect(plan == fresh)
        _ = plan.record(exception: 2, of: 0)
        _ = plan.recordAnswer(of: 0)
        for _ in 0..<3 { _ = plan.record(exception: 2, of: 1) }
        #expect(plan.dropped == [1] && spans(plan) == ["FC4 0…1"])
        // Still illegal: one request, and it is dropped again.
        plan.reconsider()
        #expect(plan.dropped == [] && spans(plan) == ["FC4 0…1", "FC4 2…3"])
        #expect(plan.recordAnswer(of: 0) == nil)
        #expect(plan.record(exception: 2, of: 1) == .dropped(points: [1]))
        // Legal since: it comes back, and the plan is as if nothing had been.
        plan.reconsider()
        #expect(plan.recordAnswer(of: 1) == .joined)
        #expect(plan == fresh)
    }
}
