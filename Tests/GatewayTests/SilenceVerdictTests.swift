import Metering
import Testing

@testable import Gateway

/// Evidence in, next step and verdict out.
struct SilenceVerdictTests {
    typealias Finding = SilenceInquiry.Finding
    typealias Step = SilenceInquiry.Step
    typealias Situation = SilenceInquiry.Situation

    private static let even = SerialLine(baud: 9600, parity: .even)
    private static let fast = SerialLine(baud: 19_200)

    private static let serial = Situation(
        kind: .serial, hasModel: true, lines: [even, fast], neighbours: [2, 3, 4], timeoutMilliseconds: 300)
    private static let tcp = Situation(kind: .tcp, hasModel: true, neighbours: [2], timeoutMilliseconds: 300)

    /// Answers every step by `script` until nothing is left to try; returns the steps in order and the verdict.
    private func run(
        _ situation: Situation, _ script: (Step) -> Finding
    ) -> (steps: [Step], verdict: SilenceVerdict, isAnswering: Bool) {
        var inquiry = SilenceInquiry(situation)
        while let step = inquiry.next {
            guard inquiry.trail.count < 100 else {
                Issue.record("it never ends: \(inquiry.trail.suffix(3))")
                break
            }
            inquiry.note(step, step == .connection ? connection(script(step)) : script(step))
        }
        return (inquiry.trail.map(\.step), inquiry.verdict, inquiry.isAnsweringAsConfigured)
    }

    /// Scripts that speak of the unit only leave the connection alone.
    private func connection(_ finding: Finding) -> Finding {
        if case .obstacle = finding { finding } else { .connected }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var situation: Situation
        var script: @Sendable (Step) -> Finding
        var cause: SilenceVerdict.Cause
        var result: SilenceVerdict.Result
        var steps: [Step]
    }

    private static let fine = Finding.points(.init(values: 4, refused: 0, empty: 0))
    private static let asked: [Step] = [.connection, .question]
    private static let silentOnLine: [Step] =
        [.connection, .question, .repetition, .patience, .line(even), .line(fast)]

    static let cases: [Case] = [
        Case(
            testDescription: "the port is missing", situation: serial,
            script: { _ in .obstacle(.noPort(others: ["/dev/ttyS0"])) },
            cause: .obstacle(.noPort(others: ["/dev/ttyS0"])), result: .failed, steps: [.connection]),
        Case(
            testDescription: "not permitted", situation: serial,
            script: { _ in .obstacle(.notPermitted(group: "dialout")) },
            cause: .obstacle(.notPermitted(group: "dialout")), result: .failed, steps: [.connection]),
        Case(
            testDescription: "the port goes away between the steps", situation: serial,
            script: { $0 == .question ? .obstacle(.portGone) : .silence() },
            cause: .obstacle(.portGone), result: .failed, steps: asked),
        Case(
            testDescription: "all is well", situation: serial,
            script: { $0 == .points ? fine : .answered(milliseconds: 5, isPlausible: true) },
            cause: .answers, result: .ok, steps: asked + [.points]),
        Case(
            testDescription: "some points are refused", situation: serial,
            script: { step in
                step == .points ? .points(.init(values: 3, refused: 1, empty: 2)) : .answered(milliseconds: 5)
            },
            cause: .incomplete(.init(values: 3, refused: 1, empty: 2)), result: .failed, steps: asked + [.points]),
        Case(
            testDescription: "nothing at all, and no neighbour answers", situation: serial, script: { _ in .silence() },
            cause: .silent(livingNeighbour: nil, silentNeighbours: 2), result: .unknown,
            steps: silentOnLine + [.neighbour(2), .neighbour(3)]),
        Case(
            testDescription: "nothing, but a neighbour answers", situation: serial,
            script: { $0 == .neighbour(3) ? .exception(2) : .silence() },
            cause: .silent(livingNeighbour: 3, silentNeighbours: 1), result: .unknown,
            steps: silentOnLine + [.neighbour(2), .neighbour(3)]),
        Case(
            testDescription: "echo only", situation: serial,
            script: { $0 == .neighbour(2) ? .answered(milliseconds: 9) : .silence(isEcho: true) },
            cause: .echoOnly(livingNeighbour: 2), result: .unknown, steps: silentOnLine + [.neighbour(2)]),
        Case(
            testDescription: "wrong checksums, and even parity fits", situation: serial,
            script: { $0 == .line(even) ? .answered(milliseconds: 20) : .garbled(bytes: 9) },
            cause: .otherLine(even), result: .failed, steps: Array(silentOnLine.prefix(5))),
        Case(
            testDescription: "silence, and a refusal at 19200 fits, too", situation: serial,
            script: { $0 == .line(fast) ? .exception(2) : .silence() },
            cause: .otherLine(fast), result: .failed, steps: silentOnLine),
        Case(
            testDescription: "wrong checksums at all settings", situation: serial, script: { _ in .garbled(bytes: 9) },
            cause: .garbled, result: .failed, steps: silentOnLine + [.neighbour(2), .neighbour(3)]),
        Case(
            testDescription: "another unit answers twice", situation: serial, script: { _ in .otherUnit(7) },
            cause: .otherUnit(7), result: .failed, steps: [.connection, .question, .repetition]),
        Case(
            testDescription: "it answers with more patience", situation: serial,
            script: { $0 == .patience ? .answered(milliseconds: 800) : .silence() },
            cause: .late(milliseconds: 800), result: .failed, steps: Array(silentOnLine.prefix(4))),
        Case(
            testDescription: "its answer comes while something else is tried", situation: serial,
            script: { $0 == .patience ? .late(milliseconds: 1900) : .silence() },
            cause: .late(milliseconds: 1900), result: .failed, steps: Array(silentOnLine.prefix(4))),
        Case(
            testDescription: "it answers at the second time", situation: serial,
            script: { $0 == .repetition ? .answered(milliseconds: 5) : .silence() },
            cause: .flaky, result: .unknown, steps: Array(silentOnLine.prefix(3))),
        Case(
            testDescription: "another master", situation: serial, script: { _ in .foreignTraffic(units: [9]) },
            cause: .foreignTraffic([9]), result: .failed,
            steps: Array(silentOnLine.prefix(4)) + [.neighbour(2), .neighbour(3)]),
        Case(
            testDescription: "an RTU frame in answer to Modbus TCP", situation: tcp, script: { _ in .otherFraming },
            cause: .otherFraming, result: .failed, steps: asked + [.otherFraming]),
        Case(
            testDescription: "silence on Modbus TCP, and RTU over TCP answers", situation: tcp,
            script: { $0 == .otherFraming ? .answered(milliseconds: 30) : .silence() },
            cause: .otherFraming, result: .failed,
            steps: [.connection, .question, .repetition, .patience, .otherFraming]),
        Case(
            testDescription: "the far end hangs up", situation: tcp, script: { _ in .closed }, cause: .closes,
            result: .failed,
            steps: [.connection, .question, .repetition, .patience, .otherFraming, .neighbour(2)]),
        Case(
            testDescription: "a gateway finds nobody", situation: tcp,
            script: { $0 == .neighbour(2) ? .answered(milliseconds: 5) : .exception(11) },
            cause: .nobodyBehindGateway(livingNeighbour: 2), result: .failed, steps: asked + [.neighbour(2)]),
        Case(
            testDescription: "one below, by its contents", situation: serial,
            script: { step in
                switch step {
                case .shifted(let by): .answered(milliseconds: 5, isPlausible: by == -1)
                default: .exception(2)
                }
            },
            cause: .shifted(-1, isProven: true), result: .failed,
            steps: asked + [.shifted(-1), .shifted(1), .otherFunction]),
        Case(
            testDescription: "one above, by the lack of refusal", situation: serial,
            script: { $0 == .shifted(1) ? .answered(milliseconds: 5) : .exception(2) },
            cause: .shifted(1, isProven: false), result: .unknown,
            steps: asked + [.shifted(-1), .shifted(1), .otherFunction]),
        Case(
            testDescription: "answered, but garbage, and one below is right", situation: serial,
            script: { step in
                switch step {
                case .points: .points(.init(values: 4, refused: 0, empty: 0, isPlausible: false))
                case .shifted(-1): .answered(milliseconds: 5, isPlausible: true)
                default: .answered(milliseconds: 5, isPlausible: false)
                }
            },
            cause: .shifted(-1, isProven: true), result: .failed,
            steps: asked + [.points, .shifted(-1), .shifted(1), .otherFunction]),
        Case(
            testDescription: "garbage everywhere: another model", situation: serial,
            script: { step in
                step == .points
                    ? .points(.init(values: 4, refused: 0, empty: 0, isPlausible: false))
                    : .answered(milliseconds: 5, isPlausible: false)
            },
            cause: .otherModel, result: .unknown,
            steps: asked + [.points, .shifted(-1), .shifted(1), .otherFunction]),
        Case(
            testDescription: "function 4 in place of 3", situation: serial,
            script: { $0 == .otherFunction ? .answered(milliseconds: 5, isPlausible: true) : .exception(1) },
            cause: .otherFunction, result: .failed, steps: asked + [.otherFunction]),
        Case(
            testDescription: "refused everywhere", situation: serial, script: { _ in .exception(2) },
            cause: .exception(2), result: .failed, steps: asked + [.shifted(-1), .shifted(1), .otherFunction]),
        Case(
            testDescription: "busy", situation: serial, script: { _ in .exception(6) }, cause: .exception(6),
            result: .failed, steps: asked),
        Case(
            testDescription: "without a model a refusal is an answer",
            situation: Situation(kind: .serial, lines: [even], timeoutMilliseconds: 300),
            script: { _ in .exception(2) }, cause: .answers, result: .ok, steps: asked),
        Case(
            testDescription: "patience that was there already is not tried again",
            situation: Situation(kind: .rtuOverTCP, timeoutMilliseconds: 1500), script: { _ in .silence() },
            cause: .silent(livingNeighbour: nil, silentNeighbours: 0), result: .unknown,
            steps: [.connection, .question, .repetition, .otherFunction, .otherFraming]),
        Case(
            testDescription: "without a model it may know the other table only",
            situation: Situation(kind: .serial, lines: [even], timeoutMilliseconds: 300),
            script: { $0 == .otherFunction ? .answered(milliseconds: 5) : .silence() }, cause: .answers, result: .ok,
            steps: [.connection, .question, .repetition, .otherFunction]),
    ]

    @Test(arguments: cases) func evidenceLeadsToItsVerdict(_ expected: Case) {
        let (steps, verdict, _) = run(expected.situation, expected.script)
        #expect(verdict == SilenceVerdict(expected.cause, expected.result))
        #expect(steps == expected.steps)
    }

    /// Whatever comes, in whatever order: it ends, and there are words for it.
    @Test func everyTrailEnds() {
        let findings: [Finding] = [
            .answered(milliseconds: 5), .answered(milliseconds: 5, isPlausible: false),
            .answered(milliseconds: 5, isPlausible: true), .exception(1), .exception(2), .exception(11), .silence(),
            .silence(isEcho: true), .garbled(bytes: 3), .otherUnit(9), .foreignTraffic(units: []),
            .late(milliseconds: 9),
            .otherFraming, .malformed("x"), .closed, .obstacle(.portBusy),
            .points(.init(values: 0, refused: 3, empty: 0)), .points(.init(values: 1, unanswered: 1, why: "x")),
            .points(
                .init(values: 2, isPlausible: false, impossible: ["p 1e-41 V"], isDoubted: true, hasOtherOrder: true)),
            .place(PlaceWeight()),
            .place(PlaceWeight(suspects: ["p"], redeemed: 1, likely: 1, isProof: true, values: ["p 230.1 V"])),
            .place(PlaceWeight(suspects: ["p"], doubted: 1, rest: 1, restDoubted: 1)),
        ]
        var state: UInt64 = 42
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for number in 0..<3000 {
            let situation = [
                Self.serial, Self.tcp, Situation(kind: .rtuOverTCP, hasModel: number % 2 == 0, neighbours: [5]),
                Situation(kind: .tcp, hasModel: true, hasOwnPoints: true),
            ][number % 4]
            let (steps, verdict, _) = run(situation) { _ in findings[random(findings.count)] }
            #expect(Set(steps).count == steps.count, "a step is taken twice: \(steps)")
            let words = SilenceWords(
                kind: situation.kind, endpoint: "/dev/x", bus: "hall", argument: "hall", unit: 3, meter: "main",
                model: "m", hasOwnPoints: situation.hasOwnPoints,
                span: RegisterSpan(function: .input, address: 10, count: 2), timeoutMilliseconds: 300)
            let advice = words.advice(verdict)
            #expect(!advice.text.isEmpty)
            #expect(verdict.cause == .answers || advice.next != nil, "no advice for \(verdict)")
        }
    }
}
