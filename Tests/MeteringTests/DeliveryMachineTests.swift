import Metering
import Testing

/// Each outcome of a request, and what it leads to.
@Suite struct DeliveryMachineTests {
    typealias Script = DeliveryScript

    @Test func aWindowGoesOutInPostsAndIsSettled() {
        var script = Script()
        script.begin(Script.lease(3, 3), first: .post(0..<4))
        script.expect(.posted(failed: []), .post(4..<8))
        script.expect(.posted(failed: []), .post(8..<9))
        script.expect(.posted(failed: []), Script.settle())
        script.expect(.settled, .lease)
        #expect(script.machine.counts.delivered == 9)
        // Known Datastreams are not asked for again.
        script.expect(.leased(Script.lease(3, 1)), .post(0..<3))
        script.expect(.posted(failed: []), Script.settle())
        script.expect(.settled, .lease)
        script.expect(.leased(nil), .wait(until: script.now + .seconds(30)))
        #expect(script.machine.state == .idle)
        script.expect(.wake, .lease)
    }

    @Test func onlyTheDatastreamsThatAreNotKnownAreProvisioned() {
        var script = Script(rows: 100)
        script.begin(Script.lease(2, 1), first: .post(0..<2))
        script.expect(.posted(failed: []), Script.settle())
        script.expect(.settled, .lease)
        script.expect(
            .leased(Script.lease(4, 1)), .provision([PointID(rawValue: 3), PointID(rawValue: 4)], forgetting: false))
    }

    // MARK: - Nothing stored

    @Test func notSentIsSentAgainAfterTheBackoff() {
        var script = Script()
        script.begin(Script.lease(1, 3), first: .post(0..<3))
        for wait in [1, 2, 4, 8] {
            script.expectWait(.failed(Script.failure(.notSent)), .seconds(wait))
            script.expect(.wake, .post(0..<3))
        }
        #expect(script.machine.trouble == Script.failure(.notSent))
        script.expect(.posted(failed: []), Script.settle())
        #expect(script.machine.trouble == nil)
        #expect(script.machine.counts.askedFor == 0)
    }

    @Test func busyObeysTheServersTime() {
        var script = Script()
        script.begin(Script.lease(1, 3), first: .post(0..<3))
        script.expectWait(.failed(Script.failure(.busy, retryAfter: .seconds(77))), .seconds(77))
        script.expect(.wake, .post(0..<3))
    }

    @Test(arguments: [DeliveryFailure.Code.credentials, .misdirected])
    func whatAPersonMustHealPauses(code: DeliveryFailure.Code) {
        var script = Script()
        script.begin(Script.lease(1, 3), first: .post(0..<3))
        for wait in [30, 60, 120, 240, 480, 900, 900] {
            script.expectWait(.failed(Script.failure(code)), .seconds(wait))
            script.expect(.wake, .post(0..<3))
        }
        script.expect(.posted(failed: []), Script.settle())
        #expect(script.machine.trouble == nil)
    }

    // MARK: - Unclear

    @Test func anUnclearEndIsAskedForAfterTheSettleWait() {
        var script = Script()
        script.begin(Script.lease(2, 2), first: .post(0..<4))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<2))
        script.expect(.asked(script.found(1), isComplete: true), script.question(2..<4))
        script.expect(.asked(script.found(2, 3), isComplete: true), .post(0..<4))
        #expect(script.machine.window.verdicts == [.open, .accepted, .accepted, .accepted])
        script.expect(.posted(failed: []), Script.settle())
        #expect(script.machine.counts.askedFor == 4)
        #expect(script.machine.counts.copiesAvoided == 3)
    }

    @Test func whatIsAllThereIsNotSentAgain() {
        var script = Script()
        script.begin(Script.lease(1, 2), first: .post(0..<2))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<2))
        script.expect(.asked(script.found(0, 1), isComplete: true), Script.settle())
    }

    @Test func theSettleWaitIsTwiceTheSlowestResponse() {
        var script = Script(rows: 1)
        script.begin(Script.lease(1, 2), first: .post(0..<1))
        script.now = script.now + .seconds(4)
        script.expect(.posted(failed: []), .post(1..<2))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(8))
    }

    @Test func afterATimeoutAbsenceMustBeSeenTwice() {
        var script = Script()
        script.begin(Script.lease(2, 2), first: .post(0..<4))
        script.expectWait(.failed(Script.failure(.timedOut)), .seconds(30))
        script.expect(.wake, script.question(0..<2))
        script.expect(.asked([], isComplete: true), script.question(2..<4))
        script.expectWait(.asked(script.found(2), isComplete: true), .seconds(3))
        // The platform is still at work: a third look is needed.
        script.expect(.wake, script.question(0..<2))
        script.expect(.asked(script.found(0), isComplete: true), script.question(3..<4))
        script.expectWait(.asked([], isComplete: true), .seconds(3))
        script.expect(.wake, script.question(1..<2))
        script.expect(.asked([], isComplete: true), script.question(3..<4))
        script.expect(.asked([], isComplete: true), .post(0..<4))
        #expect(script.machine.window.verdicts == [.accepted, .open, .accepted, .open])
    }

    @Test func aLeaseOfAnEarlierRunIsAskedForFirst() {
        var script = Script()
        script.expect(.wake, .lease)
        // Looking Datastreams up harms nobody, and shows at once when the platform is away.
        script.expect(
            .leased(Script.lease(1, 3, isUnclear: true)), .provision([PointID(rawValue: 1)], forgetting: false))
        script.expectWait(.provisioned(missing: []), .seconds(30))
        script.expect(.wake, script.question(0..<3))
        script.expectWait(.asked(script.found(0), isComplete: true), .seconds(3))
        script.expect(.wake, script.question(1..<3))
        script.expect(.asked([], isComplete: true), .post(0..<3))
        script.expect(.posted(failed: []), Script.settle())
        #expect(script.machine.counts.copiesAvoided == 1)
    }

    /// What earlier runs sent is over once this one has run for a while: later windows wait for nothing, and one look is
    /// enough. A renamed uplink has its whole history to ask for.
    @Test func laterLeasesOfEarlierRunsWaitForNothing() {
        var script = Script()
        script.expect(.wake, .lease)
        let lease = Script.lease(1, 3, isUnclear: true)
        script.expect(.leased(lease), .provision([PointID(rawValue: 1)], forgetting: false))
        script.expectWait(.provisioned(missing: []), .seconds(30))
        script.expect(.wake, script.question(0..<3))
        script.expect(.asked(script.found(0, 1, 2), isComplete: true), Script.settle())
        script.expect(.settled, .lease)
        script.now = script.now + .seconds(3)
        let action = script.machine.event(.leased(lease), at: script.now)
        #expect(action == script.question(0..<3))
        script.expect(.asked(script.found(0), isComplete: true), .post(0..<3))
        script.expect(.posted(failed: []), Script.settle())
    }

    /// A platform that fails at every post and answers every question is in trouble all the time, and waits grow.
    @Test func answersToQuestionsMakeNoFailedPostGood() {
        var script = Script()
        script.begin(Script.lease(1, 2), first: .post(0..<2))
        var waits: [Duration] = []
        for _ in 0..<6 {
            guard
                case .wait(let until) = script.machine.event(
                    .failed(Script.failure(.unclear)), at: script.now, jitter: 1)
            else {
                Issue.record("no wait after a failure: \(script.machine.state)")
                return
            }
            waits.append(until - script.now)
            script.now = until
            #expect(script.machine.trouble != nil)
            guard case .ask = script.machine.event(.wake, at: script.now) else { return }
            _ = script.machine.event(.asked([], isComplete: true), at: script.now)
            #expect(script.machine.trouble != nil)
        }
        #expect(waits == waits.sorted() && waits[5] > waits[0] * 3, "\(waits)")
    }

    @Test func anotherValueIsAConflictAndStays() {
        var script = Script()
        script.begin(Script.lease(1, 2), first: .post(0..<2))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<2))
        var found = script.found(0, 1)
        found[0].value = .decimal(ExactDecimal(999))
        found[1].value = .decimal(ExactDecimal(10, exponent: -1))
        script.expect(.asked(found, isComplete: true), Script.settle())
        #expect(script.machine.counts.conflicts == 1)
    }

    @Test func valuesStoredAsDoublesAreNoConflict() {
        var script = Script()
        var lease = Script.lease(1, 1)
        lease.readings[0].value = .decimal(ExactDecimal(magnitude: .max))
        script.begin(lease, first: .post(0..<1))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<1))
        var found = script.found(0)
        found[0].value = ExactDecimal("1.8446744073709552E19").map { .decimal($0) }
        script.expect(.asked(found, isComplete: true), Script.settle())
        #expect(script.machine.counts.conflicts == 0)
    }

    /// A text is the same bytes: neither a number that it spells nor another way to write é.
    @Test func textsAreComparedExactly() {
        var script = Script()
        var lease = Script.lease(1, 4)
        for (index, text) in ["auto", "1.10", "caf\u{E9}", "auto"].enumerated() {
            lease.readings[index].value = .text(ExactText(text)!)
        }
        script.begin(lease, first: .post(0..<4))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<4))
        var found = script.found(0, 1, 2, 3)
        found[1].value = .decimal(ExactDecimal("1.10")!)
        found[2].value = .text(ExactText("cafe\u{301}")!)
        found[3].value = nil
        script.expect(.asked(found, isComplete: true), Script.settle())
        #expect(script.machine.counts.conflicts == 3)
    }

    @Test func moreThanAPageHalvesTheQuestion() {
        var script = Script(rows: 8)
        script.begin(Script.lease(1, 8), first: .post(0..<8))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<8))
        script.expect(.asked(script.found(6), isComplete: false), script.question(0..<4))
        script.expect(.asked([], isComplete: true), script.question(4..<8))
        script.expect(.asked([], isComplete: true), .post(0..<8))
        #expect(script.machine.window.count(in: 0..<8, .accepted) == 1)
    }

    @Test func aPlatformThatCannotFilterIsNotTrusted() {
        var script = Script()
        script.begin(Script.lease(1, 1), first: .post(0..<1))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<1))
        script.expectWait(.asked([], isComplete: false), .seconds(30))
        #expect(script.machine.trouble?.code == .misdirected)
        script.expect(.wake, script.question(0..<1))
    }

    @Test func questionsCoverNinetyReadingsAtMost() {
        var script = Script(rows: 200)
        script.begin(Script.lease(1, 200), first: .post(0..<200))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<90))
        script.expect(.asked([], isComplete: true), script.question(90..<180))
        script.expect(.asked([], isComplete: true), script.question(180..<200))
    }

    @Test func aPostThatIsUnclearTwiceIsHalved() {
        var script = Script(rows: 8)
        script.begin(Script.lease(1, 8), first: .post(0..<8))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<8))
        script.expect(.asked([], isComplete: true), .post(0..<8))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<8))
        script.expect(.asked([], isComplete: true), .post(0..<4))
        script.expect(.posted(failed: []), .post(4..<8))
    }

    @Test(arguments: [DeliveryFailure.Code.notSent, .unclear, .timedOut, .busy])
    func aQuestionThatFailsIsAskedAgain(code: DeliveryFailure.Code) {
        var script = Script()
        script.begin(Script.lease(1, 2), first: .post(0..<2))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<2))
        script.expectWait(.failed(Script.failure(code)), .seconds(2))
        script.expect(.wake, script.question(0..<2))
    }

    @Test(arguments: [DeliveryFailure.Code.badRequest, .tooLarge, .conflict, .credentials, .misdirected])
    func aQuestionThatIsRefusedPauses(code: DeliveryFailure.Code) {
        var script = Script()
        script.begin(Script.lease(1, 2), first: .post(0..<2))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<2))
        script.expectWait(.failed(Script.failure(code)), .seconds(30))
        script.expect(.wake, script.question(0..<2))
    }
}
