import Metering
import Testing

@testable import Lab

/// The emulated line's decisions, without threads: times are exact here.
@Suite struct LineModelTests {
    private let start = Instant(nanoseconds: 1_000_000_000)
    private let line = SerialLine()
    private var character: Duration { line.duration(ofCharacters: 1) }
    private let request = Frame.make(1, [4, 0, 0, 0, 2])
    private let answer = Frame.make(1, [4, 4, 1, 2, 3, 4])

    private func model(_ faults: [LineFault] = [], seed: UInt64 = 1) -> LineModel {
        LineModel(
            line, turnarounds: [1: .milliseconds(5), 2: .milliseconds(20)], faults: faults, seed: seed, start: start)
    }

    private func answering(_ unit: UInt8, _ pdu: [UInt8], _ now: Instant) -> LineModel.Answer {
        LineModel.Answer(pdu: [pdu[0], 4, 1, 2, 3, 4], span: RegisterSpan(function: .input, address: 0, count: 2))
    }

    /// Lets time pass in steps of `step` and returns what the master got, each byte with its time.
    private func run(
        _ model: inout LineModel, from: Instant, for time: Duration, step: Duration = .microseconds(50)
    ) -> [(instant: Instant, byte: UInt8)] {
        var got: [(Instant, UInt8)] = []
        var now = from
        while now <= from + time {
            for case .deliver(let bytes) in model.advance(to: now, answer: answering) { got += bytes.map { (now, $0) } }
            now = now + step
        }
        return got
    }

    @Test(arguments: [50, 1000, 7000, 100_000])
    func noByteIsEarlyHoweverSeldomTheMachineLooks(microseconds: Int) throws {
        var model = model()
        model.hear(request, at: start)
        let got = run(&model, from: start, for: .milliseconds(200), step: .microseconds(microseconds))
        try #require(got.map(\.byte) == answer)
        // The request, its end's silence, the turnaround; then one byte after another.
        let begin = start + character * 8 + character * 7 / 2 + .milliseconds(5)
        for (index, one) in got.enumerated() {
            let due = begin + character * (index + 1)
            #expect(one.instant >= due - .nanoseconds(20) && one.instant - due <= .microseconds(microseconds))
        }
        let records = model.takeRecords()
        #expect(records.map(\.what) == [.request, .answer] && records.map(\.verdict) == [.heard, .sent])
        #expect(records[1].isIntact && records[1].span?.count == 2 && records[1].asked == records[0].begin)
        #expect(model.deadline == nil)
    }

    @Test func threeAndAHalfCharactersOfSilenceAreEnforced() {
        for (silence, verdict) in [(character * 34 / 10, LineRecord.Verdict.gap), (character * 36 / 10, .heard)] {
            var model = model()
            model.hear(request, at: start)
            let end = run(&model, from: start, for: .milliseconds(60)).last?.instant ?? start
            model.hear(request, at: end + silence)
            let second = run(&model, from: end + silence, for: .milliseconds(60))
            let records = model.takeRecords()
            #expect(records.filter { $0.what == .request }.map(\.verdict) == [.heard, verdict])
            #expect(second.count == (verdict == .heard ? answer.count : 0))
        }
    }

    /// A frame that comes in pieces is one frame, as long as they follow one another.
    @Test func aRequestInPieces() {
        var model = model()
        model.hear(Array(request[..<3]), at: start)
        model.hear(Array(request[3...]), at: start + character * 5)
        #expect(run(&model, from: start, for: .milliseconds(80)).count == answer.count)
        model.hear(Array(request[..<3]), at: start + .milliseconds(100))
        _ = run(&model, from: start + .milliseconds(100), for: .milliseconds(50))
        model.hear(Array(request[3...]), at: start + .milliseconds(150))
        #expect(run(&model, from: start + .milliseconds(150), for: .milliseconds(80)).isEmpty)
        #expect(model.takeRecords().filter { $0.what == .request }.map(\.verdict) == [.heard, .crc, .crc])
    }

    @Test func whoeverSendsIntoAFrameDestroysBoth() {
        var model = model()
        model.hear(request, at: start)
        let middle = start + character * 12 + .milliseconds(5) + character * 2
        var got = run(&model, from: start, for: middle - start)
        model.hear(Frame.make(2, [4, 0, 0, 0, 2]), at: middle)
        got += run(&model, from: middle, for: .milliseconds(100))
        #expect(got.count == answer.count && got.map(\.byte) != answer)
        let records = model.takeRecords()
        #expect(records.map(\.verdict).filter { $0 == .collision }.count == 2)
        let isAnyIntact = records.contains { $0.isIntact }
        #expect(!isAnyIntact)
    }

    @Test func whoIsNotThereAndWhatIsNoFrame() {
        for (bytes, isAtSpeed, verdict) in [
            (Frame.make(9, [4, 0, 0, 0, 2]), true, LineRecord.Verdict.nobody), ([1, 4, 0, 0, 0, 2, 0, 0], true, .crc),
            (request, false, .speed), (Frame.make(0, [6, 0, 0, 0, 2]), true, .heard),
        ] {
            var model = model()
            model.hear(bytes, at: start, isAtSpeed: isAtSpeed)
            #expect(run(&model, from: start, for: .milliseconds(60)).isEmpty)
            #expect(model.takeRecords().map(\.verdict) == [verdict])
        }
    }

    // MARK: - Faults

    private func bytes(_ fault: LineFault.Kind, requests: Int = 1) -> [[UInt8]] {
        var model = model([LineFault(fault, unit: 1)])
        return (0..<requests).map { number in
            let begin = start + .seconds(number)
            model.hear(request, at: begin)
            return run(&model, from: begin, for: .milliseconds(900)).map(\.byte)
        }
    }

    @Test func answersGoWrongAsPlanned() {
        #expect(bytes(.silence) == [[]])
        #expect(bytes(.exception(6)) == [Frame.make(1, [0x84, 6])])
        let bent = bytes(.crc)[0]
        let flipped = zip(bent, answer).map { ($0 ^ $1).nonzeroBitCount }.reduce(0, +)
        #expect(bent.count == answer.count && flipped == 1)
        let cut = bytes(.cut)[0]
        #expect(!cut.isEmpty && cut.count < answer.count && cut == Array(answer.prefix(cut.count)))
        let noisy = bytes(.noise(4))[0]
        #expect(noisy.count == answer.count + 4 && Array(noisy.suffix(answer.count)) == answer)
        #expect(bytes(.babble(.milliseconds(100)))[0].count == 96)
        #expect(bytes(.stuck, requests: 2) == [answer, answer])
    }

    @Test func lateSplitAndEchoInTime() throws {
        let begin = start + character * 8 + character * 7 / 2 + .milliseconds(5)
        var late = model([LineFault(.late(.milliseconds(300)), unit: 1)])
        late.hear(request, at: start)
        let first = try #require(run(&late, from: start, for: .seconds(1)).first)
        #expect(first.instant >= begin + .milliseconds(300) && first.instant < begin + .milliseconds(302))

        var split = model([LineFault(.split(.milliseconds(30)), unit: 1)])
        split.hear(request, at: start)
        let times = run(&split, from: start, for: .seconds(1)).map(\.instant)
        let pauses = zip(times, times.dropFirst()).map { $1 - $0 }
        #expect(pauses.filter { $0 >= .milliseconds(30) }.count == 1 && times.count == answer.count)

        var echo = model([LineFault(.echo)])
        echo.hear(request, at: start)
        #expect(run(&echo, from: start, for: .seconds(1)).map(\.byte) == request + answer)
    }

    /// A unit answers in the order in which it was asked, and never two answers at once.
    @Test func aSlowUnitAnswersOneAfterTheOther() {
        var model = model([LineFault(.late(.milliseconds(100)), unit: 1, until: .milliseconds(20))])
        model.hear(request, at: start)
        _ = run(&model, from: start, for: .milliseconds(50))
        model.hear(request, at: start + .milliseconds(50))
        let got = run(&model, from: start + .milliseconds(50), for: .milliseconds(300))
        #expect(got.map(\.byte) == answer + answer)
        let asked = model.takeRecords().filter { $0.what == .answer }.compactMap(\.asked)
        #expect(asked == asked.sorted() && Set(asked).count == 2)
    }

    @Test func othersWaitForQuietAndConcernNobody() {
        var model = model([LineFault(.foreign(.milliseconds(200)))])
        let got = run(&model, from: start, for: .seconds(5))
        let records = model.takeRecords()
        #expect(records.count > 10 && records.allSatisfy { $0.what == .foreign && $0.isIntact })
        #expect(got.map(\.byte) == records.flatMap(\.bytes))
        for (one, next) in zip(records, records.dropFirst()) { #expect(next.begin - one.end >= character * 3) }
    }

    @Test func eventsOfThePlan() {
        var model = model([
            LineFault(.unplug, from: .milliseconds(10), until: .seconds(1)),
            LineFault(.swap, unit: 2, from: .seconds(2)),
        ])
        model.hear(request, at: start)
        var actions: [LineModel.Action] = []
        for step in 0..<300 {
            actions += model.advance(to: start + .milliseconds(10 * step), answer: answering)
        }
        #expect(
            actions == [.unplug, .plugIn, .swap(2)], "what was asked before the adapter went is not answered to it")
        #expect(model.takeRecords().filter { $0.what == .event }.map(\.faults) == [["unplug"], ["plug in"], ["swap"]])
    }

    @Test func oneSeedIsOneTrace() {
        func trace(_ seed: UInt64) -> [LineRecord] {
            let faults = ["*:crc:0.3", "1:noise:0.3", "1:late=40ms:0.3", "1:silence:0.2", "foreign=300ms"]
            var model = model(faults.compactMap { try? LineFault($0) }, seed: seed)
            for number in 0..<30 {
                let begin = start + .milliseconds(150 * number)
                model.hear(request, at: begin)
                _ = run(&model, from: begin, for: .milliseconds(149), step: .microseconds(500))
            }
            return model.takeRecords()
        }
        #expect(trace(3) == trace(3) && trace(3) != trace(4))
    }

    // MARK: - Plans as text

    @Test func plansAreRead() throws {
        #expect(try LineFault("3:silence") == LineFault(.silence, unit: 3))
        #expect(try LineFault("*:crc:0.02") == LineFault(.crc, share: 0.02))
        let late = LineFault(.late(.milliseconds(700)), unit: 2, share: 0.1, from: .seconds(10), until: .seconds(90))
        #expect(try LineFault("2:late=700ms:0.1@10s-1.5m") == late)
        #expect(try LineFault("foreign=5s") == LineFault(.foreign(.seconds(5))))
        #expect(try LineFault("unplug@20s-25s") == LineFault(.unplug, from: .seconds(20), until: .seconds(25)))
        #expect(try LineFault("2:exception=6").kind == .exception(6))
    }

    @Test(arguments: [
        ("silence", "which unit"), ("3:sleep", "no fault 'sleep'"), ("3:late", "does not go"),
        ("3:late=x", "does not go"),
        ("echo:2", "a share"), ("3:echo", "concerns the line"), ("300:silence", "no fault '300'"),
        ("3:crc:0.1:5", "too many colons"), ("3:crc@x", "times are"), ("3:crc@5s-2s", "ends before"),
        ("", "no fault ''"),
    ])
    func mistakesInPlans(text: String, words: String) throws {
        let error = try #require(throws: LabError.self) { try LineFault(text) }
        #expect(error.description.contains(words) && error.hint.contains("3:silence"), "\(error)")
    }
}
