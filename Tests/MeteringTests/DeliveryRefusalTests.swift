import Metering
import Testing

/// What the platform refuses: rows, requests, Datastreams, everything.
@Suite struct DeliveryRefusalTests {
    typealias Script = DeliveryScript

    private func failed(_ indices: Int...) -> DeliveryMachine.Event {
        .posted(failed: indices.map { .init(index: $0, reason: "error") })
    }

    @Test func aFailedRowIsAskedForAndThenTriedAlone() {
        var script = Script()
        script.begin(Script.lease(1, 4), first: .post(0..<4))
        script.expect(failed(1, 3), script.question(1..<4))
        // One was a copy of what is there.
        script.expect(.asked(script.found(3), isComplete: true), .single(1))
        script.expect(.stored, Script.settle())
        #expect(script.machine.counts.copiesAvoided == 1)
    }

    @Test(arguments: [DeliveryFailure.Code.badRequest, .tooLarge, .missing])
    func aReadingRefusedAloneIsRejectedIfItsDatastreamIsThere(code: DeliveryFailure.Code) {
        var script = Script()
        script.begin(Script.lease(1, 4), first: .post(0..<4))
        script.expect(failed(2), script.question(2..<3))
        script.expect(.asked([], isComplete: true), .single(2))
        script.expect(.failed(Script.failure(code)), .check(PointID(rawValue: 1)))
        script.expect(.present, Script.settle(rejected: [3: "test \(code)"]))
        script.expect(.settled, .lease)
        #expect(script.machine.counts.delivered == 3)
        #expect(script.machine.counts.rejected == 1)
    }

    @Test func aSingleConflictIsAskedFor() {
        var script = Script()
        script.begin(Script.lease(1, 4), first: .post(0..<4))
        script.expect(failed(0, 2), script.question(0..<3))
        script.expect(.asked([], isComplete: true), .single(0))
        script.expect(.failed(Script.failure(.conflict)), script.question(0..<1))
        script.expect(.asked(script.found(0), isComplete: true), .single(2))
        script.expect(.failed(Script.failure(.conflict)), script.question(2..<3))
        script.expect(
            .asked([], isComplete: true), Script.settle(rejected: [3: "test conflict, but it is not there"]))
    }

    @Test func aSingleThatEndsUnclearIsAskedForAndTriedBehindTheOthers() {
        var script = Script()
        script.begin(Script.lease(1, 4), first: .post(0..<4))
        script.expect(failed(0, 1), script.question(0..<2))
        script.expect(.asked([], isComplete: true), .single(0))
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, script.question(0..<1))
        script.expect(.asked([], isComplete: true), .single(1))
        script.expect(.stored, .single(0))
        script.expect(.stored, Script.settle())
    }

    /// A reading that the platform stumbles over, alone, again and again, while it takes others: poison.
    @Test func aReadingThatAlwaysEndsUnclearIsRejectedOnlyIfOthersAreStored() {
        var script = Script()
        script.begin(Script.lease(1, 3), first: .post(0..<3))
        script.expect(failed(0, 1), script.question(0..<2))
        script.expect(.asked([], isComplete: true), .single(0))
        script.expect(.failed(Script.failure(.unclear)), .wait(until: script.now + .seconds(3)))
        script.now = script.now + .seconds(3)
        script.expect(.wake, script.question(0..<1))
        script.expect(.asked([], isComplete: true), .single(1))
        script.expect(.stored, .single(0))
        for _ in 2..<DeliveryMachine.mostTries {
            _ = script.machine.event(.failed(Script.failure(.unclear)), at: script.now, jitter: 0)
            script.now = script.now + .seconds(3)
            script.expect(.wake, script.question(0..<1))
            script.expect(.asked([], isComplete: true), .single(0))
        }
        _ = script.machine.event(.failed(Script.failure(.unclear)), at: script.now, jitter: 0)
        script.now = script.now + .seconds(3)
        script.expect(.wake, script.question(0..<1))
        script.expect(
            .asked([], isComplete: true),
            Script.settle(rejected: [1: "test unclear, 8 times, while others were stored"]))
    }

    @Test func withoutOthersStoredItIsNeverRejected() {
        var script = Script()
        script.begin(Script.lease(1, 1), first: .post(0..<1))
        for _ in 0..<30 {
            _ = script.machine.event(.failed(Script.failure(.unclear)), at: script.now, jitter: 0)
            script.now = script.now + .seconds(100)
            script.expect(.wake, script.question(0..<1))
            _ = script.machine.event(.asked([], isComplete: true), at: script.now)
            switch script.machine.state {
            case .posting, .trying: break
            default: Issue.record("\(script.machine.state)")
            }
        }
    }

    /// A server that stores a Datastream's rows wholly or not at all: the bad row is found by halving.
    @Test func aGroupThatFailedWhollyIsHalved() {
        var script = Script(rows: 8)
        script.begin(Script.lease(2, 4), first: .post(0..<8))
        script.expect(failed(0, 1, 2, 3, 5), script.question(0..<4))
        script.expect(.asked([], isComplete: true), script.question(5..<6))
        script.expect(.asked([], isComplete: true), .single(5))
        script.expect(.stored, .post(0..<2))
        script.expect(.posted(failed: []), .post(2..<4))
        script.expect(failed(0, 1), script.question(2..<4))
        script.expect(.asked([], isComplete: true), .single(2))
        script.expect(.stored, .single(3))
        script.expect(.failed(Script.failure(.badRequest)), .check(PointID(rawValue: 1)))
        script.expect(.present, Script.settle(rejected: [4: "test badRequest"]))
    }

    /// One bad row must not hold up the others: they go first.
    @Test func aRefusedRequestIsHalvedDownToTheBadRowBehindTheOthers() {
        var script = Script(rows: 4)
        script.begin(Script.lease(1, 8), first: .post(0..<4))
        script.expect(.failed(Script.failure(.badRequest)), .post(4..<8))
        script.expect(.posted(failed: []), .post(0..<2))
        script.expect(.posted(failed: []), .post(2..<4))
        script.expect(.failed(Script.failure(.badRequest)), .single(2))
        script.expect(.stored, .single(3))
        script.expect(.failed(Script.failure(.badRequest)), .check(PointID(rawValue: 1)))
        script.expect(.present, Script.settle(rejected: [4: "test badRequest"]))
    }

    @Test func tooLargeHalvesAndIsRemembered() {
        var script = Script(rows: 8)
        script.begin(Script.lease(1, 16), first: .post(0..<8))
        script.expect(.failed(Script.failure(.tooLarge)), .post(0..<4))
        script.expect(.posted(failed: []), .post(4..<8))
        script.expect(.posted(failed: []), .post(8..<12))
        #expect(script.machine.rowsPerPost == 4)
        script.expect(.posted(failed: []), .post(12..<16))
        script.expect(.failed(Script.failure(.tooLarge)), .post(12..<14))
        script.expect(.failed(Script.failure(.tooLarge)), .single(12))
        #expect(script.machine.rowsPerPost == 1)
    }

    @Test func aConflictOfTheWholeRequestIsAskedForAndHalved() {
        var script = Script(rows: 4)
        script.begin(Script.lease(1, 4), first: .post(0..<4))
        script.expect(.failed(Script.failure(.conflict)), script.question(0..<4))
        script.expect(.asked(script.found(1), isComplete: true), .post(0..<2))
        #expect(script.machine.window.verdicts[0..<2] == [.open, .accepted])
        script.expect(.posted(failed: []), .post(2..<4))
    }

    @Test func withoutCreateObservationsReadingsGoOneByOne() {
        var script = Script()
        script.begin(Script.lease(1, 2), first: .post(0..<2))
        script.expect(.failed(Script.gone), .check(PointID(rawValue: 1)))
        script.expect(.present, .single(0))
        script.expect(.stored, .single(1))
        script.expect(.stored, Script.settle())
        script.expect(.settled, .lease)
        script.now = script.now + .seconds(599)
        script.expect(.leased(Script.lease(1, 1)), .single(0))
        script.expect(.stored, Script.settle())
        script.expect(.settled, .lease)
        // It may have been an accident: after a while the array is tried again.
        script.now = script.now + .seconds(1)
        script.expect(.leased(Script.lease(1, 2)), .post(0..<2))
    }

    // MARK: - Datastreams that are gone or cannot be had

    @Test func aDatastreamThatIsGoneIsMadeAgain() {
        var script = Script()
        script.begin(Script.lease(2, 1), first: .post(0..<2))
        script.expect(failed(0, 1), script.question(0..<1))
        let both = [PointID(rawValue: 1), PointID(rawValue: 2)]
        script.expect(.failed(Script.gone), .provision(both, forgetting: true))
        script.expect(.provisioned(missing: []), script.question(0..<1))
        script.expect(.asked([], isComplete: true), script.question(1..<2))
        script.expect(.asked([], isComplete: true), .single(1))
        script.expect(.stored, .single(0))
        script.expect(.stored, Script.settle())
    }

    @Test func aDatastreamThatVanishesTwiceIsRefused() {
        var script = Script()
        script.begin(Script.lease(2, 1), first: .post(0..<2))
        script.expect(failed(0), script.question(0..<1))
        script.expect(.failed(Script.gone), .provision([PointID(rawValue: 1)], forgetting: true))
        script.expect(.provisioned(missing: []), script.question(0..<1))
        script.expect(
            .failed(Script.gone),
            Script.settle(rejected: [1: "the platform has lost the Datastream twice: test missing"]))
    }

    /// 404 for everything is a gateway in front of the platform whose back end is away, as during an update.
    @Test func aPlatformThatIsAwayBehindItsProxyLosesNothing() {
        var script = Script()
        script.begin(Script.lease(1, 2), first: .post(0..<2))
        for _ in 0..<5 {
            script.expect(.failed(Script.gone), .check(PointID(rawValue: 1)))
            script.expect(.failed(Script.gone), .provision([PointID(rawValue: 1)], forgetting: true))
            script.expectWait(.failed(Script.failure(.misdirected)), .seconds(30))
            script.expect(.wake, .provision([PointID(rawValue: 1)], forgetting: false))
            // Waits are counted elsewhere; here only that nothing is given up.
            _ = script.machine.event(.failed(Script.failure(.notSent)), at: script.now, jitter: 0)
            script.now = script.now + .seconds(1)
            script.expect(.wake, .provision([PointID(rawValue: 1)], forgetting: false))
            script.expect(.provisioned(missing: []), .post(0..<2))
        }
        script.expect(.posted(failed: []), Script.settle())
        #expect(script.machine.singlesUntil == nil)
    }

    @Test func pointsWithoutDatastreamAreRejectedAndNotAskedForAgainSoon() {
        var script = Script()
        let points = [PointID(rawValue: 1), PointID(rawValue: 2)]
        script.expect(.wake, .lease)
        script.expect(.leased(Script.lease(2, 2)), .provision(points, forgetting: false))
        let missing = DeliveryMachine.MissingDatastream(point: points[0], reason: "no unit", isCertain: true)
        script.expect(.provisioned(missing: [missing]), .post(0..<4))
        #expect(script.machine.window.verdicts == [.refused, .refused, .open, .open])
        script.expect(.posted(failed: []), Script.settle(rejected: [1: "no unit", 2: "no unit"]))
        script.expect(.settled, .lease)
        script.expect(.leased(Script.lease(1, 1)), Script.settle(rejected: [1: "no unit"]))
        script.expect(.settled, .lease)
        script.now = script.now + DeliveryMachine.absence
        script.expect(.leased(Script.lease(1, 1)), .provision([points[0]], forgetting: false))
    }

    @Test func provisioningThatFailsIsTriedAgain() {
        var script = Script()
        let points = [PointID(rawValue: 1)]
        script.expect(.wake, .lease)
        script.expect(.leased(Script.lease(1, 1)), .provision(points, forgetting: false))
        script.expectWait(.failed(Script.failure(.notSent)), .seconds(1))
        script.expect(.wake, .provision(points, forgetting: false))
        // An entity may have been made: it is looked up again only when the platform must be done.
        script.expectWait(.failed(Script.failure(.unclear)), .seconds(3))
        script.expect(.wake, .provision(points, forgetting: false))
        script.expectWait(.failed(Script.failure(.timedOut)), .seconds(30))
        script.expect(.wake, .provision(points, forgetting: false))
        script.expectWait(.failed(Script.failure(.credentials)), .seconds(30))
        script.expect(.wake, .provision(points, forgetting: false))
        script.expect(.provisioned(missing: []), .post(0..<1))
    }

    // MARK: - A platform that refuses everything

    @Test func fewRefusalsInARowAreBelievedManyAreNot() {
        var script = Script()
        script.begin(Script.lease(1, 1), first: .post(0..<1))
        for number in 1...DeliveryMachine.mostRefusalsInARow {
            if number > 1 { script.expect(.leased(Script.lease(1, 1)), .post(0..<1)) }
            script.expect(.failed(Script.failure(.badRequest)), .single(0))
            script.expect(.failed(Script.failure(.badRequest)), .check(PointID(rawValue: 1)))
            script.expect(.present, Script.settle(rejected: [1: "test badRequest"]))
            script.expect(.settled, .lease)
        }
        script.expect(.leased(Script.lease(1, 1)), .post(0..<1))
        script.expect(.failed(Script.failure(.badRequest)), .single(0))
        script.expect(.failed(Script.failure(.badRequest)), .check(PointID(rawValue: 1)))
        for wait in [30, 60, 120] {
            script.expectWait(.present, .seconds(wait))
            #expect(script.machine.trouble?.summary.contains("refuses every reading") == true)
            script.expect(.wake, .single(0))
            script.expect(.failed(Script.failure(.badRequest)), .check(PointID(rawValue: 1)))
        }
        script.expectWait(.present, .seconds(240))
        script.expect(.wake, .single(0))
        script.expect(.stored, Script.settle())
        #expect(script.machine.trouble == nil)
    }

    @Test func requestsToAPlatformThatRefusesEverythingSlowDown() {
        var script = Script(rows: 100)
        script.begin(Script.lease(1, 100), first: .post(0..<100))
        var pauses = 0
        var requests = 0
        for _ in 0..<200 {
            let event: DeliveryMachine.Event
            switch script.machine.state {
            case .posting, .trying: (event, requests) = (.failed(Script.failure(.badRequest)), requests + 1)
            case .checking: event = .present
            default:
                pauses += 1
                guard case .resting(let rest) = script.machine.state else {
                    Issue.record("\(script.machine.state)")
                    return
                }
                script.now = rest.until
                event = .wake
            }
            _ = script.machine.event(event, at: script.now, jitter: 1)
        }
        #expect(pauses > 20)
        #expect(requests - pauses <= DeliveryMachine.mostRefusedRequests + 1)
        #expect(script.machine.trouble?.summary.contains("refuses every reading") == true)
    }

    // MARK: - The spool and the clock

    @Test func aSpoolThatRefusesIsAskedAgain() {
        var script = Script()
        script.expect(.wake, .lease)
        script.expectWait(.failed(Script.failure(.spool)), .seconds(1))
        script.expect(.wake, .lease)
        script.expect(.leased(Script.lease(1, 1)), .provision([PointID(rawValue: 1)], forgetting: false))
        script.expect(.provisioned(missing: []), .post(0..<1))
        script.expect(.posted(failed: []), Script.settle())
        script.expectWait(.failed(Script.failure(.spool)), .seconds(1))
        script.expect(.wake, Script.settle())
        script.expect(.settled, .lease)
        script.expect(.leased(nil), .wait(until: script.now + .seconds(30)))
        #expect(script.machine.trouble == nil)
    }

    @Test func nothingIsLeasedBeforeTheClockIsSet() {
        var script = Script()
        script.expect(.wake, .lease)
        script.expectWait(.clockUnset, .seconds(1))
        #expect(script.machine.trouble?.summary.contains("clock is not set") == true)
        script.expect(.wake, .lease)
    }

    @Test func aLeaseOfUnsendableReadingsIsSettledWithoutARequest() {
        var script = Script()
        script.expect(.wake, .lease)
        let old = SpooledReading(
            sequence: SequenceNumber(rawValue: 1), point: PointID(rawValue: 1),
            phenomenonTime: Timestamp(milliseconds: 5000), value: .float(1))
        let lease = Lease(id: LeaseID(rawValue: 1), uplink: "u", readings: [old], isUnclear: false)
        let reason = "its time, 5 s after 1970, cannot be: the gateway's clock was not set"
        script.expect(.leased(lease), Script.settle(rejected: [1: reason]))
        script.expect(.settled, .lease)
        // Its Datastream has never been asked for, so it is not known.
        script.expect(.leased(Script.lease(1, 1)), .provision([PointID(rawValue: 1)], forgetting: false))
    }
}
