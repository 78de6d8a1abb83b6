import Metering
import Testing

/// The threads of the field that these answer: telegraf #11782 (one unit off, all data thrown away), OpenEMS #6,
/// home-assistant #51326 and #115982 (one missing device freezes the bus), mbusd #88 (a missing device is retried for
/// ever), thingsboard-gateway #1456 (five minutes' wait), node-red-contrib-modbus #446 (suspend only the silent unit).
@Suite struct BusSessionTests {
    /// A bus on which every poll of a living unit takes `poll` and every question to a dead one `timeout`.
    private struct Bus {
        var session: BusSession
        var now = Instant(nanoseconds: 0)
        var dead: Set<Int> = []
        var hasConnection = true
        var poll: Duration
        var timeout: Duration
        var polls: [Int]
        var probes: [Int]
        var connects = 0
        let units: [Int]

        init(units: Int, interval: Duration, poll: Duration, timeout: Duration = .seconds(1)) {
            let entries = (0..<units).map { BusSession.Entry(unit: $0, interval: interval) }
            self.init(entries: entries, units: units, poll: poll, timeout: timeout)
        }

        init(entries: [BusSession.Entry], units: Int, poll: Duration, timeout: Duration = .seconds(1)) {
            session = BusSession(entries: entries, unitCount: units)
            self.units = entries.map(\.unit)
            self.poll = poll
            self.timeout = timeout
            polls = Array(repeating: 0, count: entries.count)
            probes = Array(repeating: 0, count: units)
        }

        mutating func run(for duration: Duration) {
            let end = now + duration
            // A wall clock that began at 2026-11-01T00:00:00Z.
            let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)
            while now < end {
                switch session.next(at: now, offset: offset) {
                case .wait(let until):
                    precondition(until > now, "a wait until \(until) at \(now)")
                    now = min(until, end)
                case .poll(let entry, _):
                    let unit = units[entry]
                    if !hasConnection {
                        session.polled([entry], .disconnected, at: now)
                    } else if dead.contains(unit) {
                        now = now + timeout
                        session.polled([entry], .silent(cost: timeout), at: now)
                    } else {
                        now = now + poll
                        polls[entry] += 1
                        session.polled([entry], .answered, at: now)
                    }
                case .probe(let unit):
                    probes[unit] += 1
                    let isDead = dead.contains(unit)
                    now = now + (isDead ? timeout : .milliseconds(30))
                    session.probed(unit, isDead ? .silent(cost: timeout) : .answered, at: now)
                case .connect:
                    connects += 1
                    now = now + .milliseconds(10)
                    session.connected(hasConnection, at: now)
                }
            }
        }
    }

    @Test(arguments: [(1, 0.9), (3, 0.8)])
    func deadUnitsCostTheOthersLittle(dead: Int, share: Double) {
        // 8 units in 2.8 s every 3 s: the bus has hardly any time to spare.
        var healthy = Bus(units: 8, interval: .seconds(3), poll: .milliseconds(350))
        var bus = healthy
        bus.dead = Set(0..<dead)
        healthy.run(for: .seconds(600))
        bus.run(for: .seconds(600))
        for unit in dead..<8 { #expect(Double(bus.polls[unit]) >= share * Double(healthy.polls[unit]), "unit \(unit)") }
    }

    @Test func theSameOnABusWithoutTimeToSpare() {
        var healthy = Bus(units: 8, interval: .seconds(2), poll: .milliseconds(350))
        var bus = healthy
        bus.dead = [2, 4, 6]
        healthy.run(for: .seconds(600))
        bus.run(for: .seconds(600))
        for unit in [0, 1, 3, 5, 7] { #expect(Double(bus.polls[unit]) >= 0.8 * Double(healthy.polls[unit])) }
    }

    @Test func aDeadUnitIsTriedEverMoreRarely() {
        var bus = Bus(units: 2, interval: .seconds(1), poll: .milliseconds(50))
        bus.dead = [0]
        bus.run(for: .seconds(30))
        let early = bus.probes[0]
        #expect((4...8).contains(early), "\(early)")
        bus.run(for: .seconds(600))
        #expect((8...12).contains(bus.probes[0] - early), "\(bus.probes[0] - early)")
        #expect(bus.session.isAway(0) && !bus.session.isAway(1))
        #expect(bus.session.omitted(of: 0) > 500)
        #expect(bus.session.overruns(of: 0) == 0)
    }

    @Test func aReturnedUnitIsReadInTheSlotThatStillRuns() {
        var bus = Bus(units: 1, interval: .seconds(900), poll: .milliseconds(50))
        bus.dead = [0]
        bus.run(for: .seconds(905))
        #expect(bus.polls[0] == 0)
        bus.dead = []
        bus.run(for: .seconds(60))
        #expect(bus.polls[0] == 1, "the quarter of an hour is not lost")
        bus.run(for: .seconds(60))
        #expect(bus.polls[0] == 1)
    }

    @Test func withoutConnectionNothingIsAskedButTheConnection() {
        var bus = Bus(units: 3, interval: .seconds(1), poll: .milliseconds(20))
        bus.hasConnection = false
        bus.run(for: .seconds(100))
        #expect((12...17).contains(bus.connects), "\(bus.connects)")
        #expect(bus.probes == [0, 0, 0])
        bus.hasConnection = true
        bus.run(for: .seconds(30))
        #expect(bus.polls.allSatisfy { (19...31).contains($0) }, "\(bus.polls)")
    }

    @Test func anOverloadedBusDegradesEvenlyAndKeepsTheLongIntervals() {
        let fast = (0..<6).map { BusSession.Entry(unit: $0, interval: .seconds(1)) }
        let slow = BusSession.Entry(unit: 6, interval: .seconds(60))
        var bus = Bus(entries: fast + [slow], units: 7, poll: .milliseconds(400))
        bus.run(for: .seconds(1200))
        #expect((19...20).contains(bus.polls[6]), "no long interval is missed: \(bus.polls)")
        let counts = bus.polls[0..<6]
        #expect(counts.max()! - counts.min()! <= 2, "\(counts)")
        #expect(bus.session.overruns(of: 0) > 500)
    }

    @Test func halfSilentUnitsMayNotWasteTheBus() {
        var session = BusSession(
            entries: (0..<2).map { BusSession.Entry(unit: $0, interval: .seconds(1)) }, unitCount: 2)
        var now = Instant(nanoseconds: 0)
        var wasted = Duration.zero
        var polls = [0, 0]
        while now < Instant(nanoseconds: 300_000_000_000) {
            switch session.next(at: now, offset: ClockOffset(nanoseconds: 1_793_491_200_000_000_000)) {
            case .wait(let until): now = until
            case .poll(let entry, _):
                polls[entry] += 1
                now = now + .milliseconds(entry == 0 ? 850 : 50)
                if entry == 0 { wasted += .milliseconds(800) }
                session.polled([entry], entry == 0 ? .partly(cost: .milliseconds(800)) : .answered, at: now)
            case .probe, .connect: Issue.record("nothing is away")
            }
        }
        #expect(wasted <= .seconds(34) && wasted >= .seconds(20), "\(wasted)")
        #expect(polls[1] >= 290)
    }
}

extension BusSessionTests {
    /// A unit that answers short questions and no polls: what its polls wait in vain for is probing as well.
    @Test func whoAnswersProbesAndNoPollsMayNotWasteTheBus() {
        var session = BusSession(
            entries: (0..<2).map { BusSession.Entry(unit: $0, interval: .seconds(1)) }, unitCount: 2)
        var now = Instant(nanoseconds: 0)
        var wasted = Duration.zero
        var polls = 0
        while now < Instant(nanoseconds: 300_000_000_000) {
            switch session.next(at: now, offset: Self.offset) {
            case .wait(let until): now = until
            case .poll(0, _):
                now = now + .seconds(1)
                wasted += .seconds(1)
                session.polled([0], .silent(cost: .seconds(1)), at: now)
            case .poll(let entry, _):
                polls += 1
                now = now + .milliseconds(50)
                session.polled([entry], .answered, at: now)
            case .probe(let unit):
                now = now + .milliseconds(30)
                session.probed(unit, .answered, at: now)
            case .connect: Issue.record("the connection is there")
            }
        }
        #expect(wasted <= .seconds(34) && wasted >= .seconds(5), "\(wasted)")
        #expect(polls >= 270)
        // One answered poll makes it well.
        session.polled([0], .answered, at: now)
        #expect(!session.isAway(0))
        session.polled([0], .silent(cost: .seconds(1)), at: now)
        #expect(session.nextTry(of: 0) == now + .milliseconds(500))
    }

    /// A unit that has its bus to itself is polled on, however many of its requests stay unanswered.
    @Test func aLoneUnitThatAnswersHalfIsPolledOn() {
        var session = BusSession(entries: [.init(unit: 0, interval: .seconds(5))], unitCount: 1)
        var now = Instant(nanoseconds: 0)
        var polls = 0
        while now < Instant(nanoseconds: 300_000_000_000) {
            switch session.next(at: now, offset: Self.offset) {
            case .wait(let until): now = until
            case .poll:
                polls += 1
                now = now + .seconds(4)
                session.polled([0], .partly(cost: .seconds(4)), at: now)
            case .probe, .connect: Issue.record("nothing is away")
            }
        }
        #expect(polls >= 59)
    }

    @Test func whatIsDueTogetherIsPolledTogether() throws {
        let entries = [1, 2, 60].map { BusSession.Entry(unit: 0, interval: .seconds($0)) }
        var session = BusSession(entries: entries, unitCount: 1)
        var now = Instant(nanoseconds: 0)
        var joint: [[Int]] = []
        while now < Instant(nanoseconds: 61_000_000_000) {
            switch session.next(at: now, offset: Self.offset) {
            case .wait(let until): now = until
            case .poll(let entry, let slot):
                let others = session.join([0, 1, 2].filter { $0 != entry }, at: now, offset: Self.offset)
                #expect(others.allSatisfy { $0.slot == slot })
                joint.append(([entry] + others.map(\.entry)).sorted())
                session.polled(joint[joint.count - 1], .answered, at: now)
            case .probe, .connect: Issue.record("nothing is away")
            }
        }
        #expect(joint.prefix(4) == [[0, 1, 2], [0], [0, 1], [0]] && joint.dropFirst().contains([0, 1, 2]))
        #expect(joint.count == 61, "never twice in a second")
        #expect((0..<3).allSatisfy { session.overruns(of: $0) == 0 })
    }

    @Test func whatALoanCostsIsCounted() {
        let entries = [BusSession.Entry(unit: 0, interval: .seconds(1)), .init(unit: 1, interval: .seconds(60))]
        var session = BusSession(entries: entries, unitCount: 2)
        let begin = Instant(nanoseconds: 0)
        for _ in entries { _ = session.next(at: begin, offset: Self.offset) }
        #expect(session.next(at: begin, offset: Self.offset) == .wait(until: begin + .seconds(1)))
        #expect(session.delayed(at: begin + .milliseconds(900), offset: Self.offset) == (0, 0))
        #expect(session.delayed(at: begin + .milliseconds(1900), offset: Self.offset) == (1, 0))
        #expect(session.delayed(at: begin + .milliseconds(3900), offset: Self.offset) == (1, 2))
        guard case .poll(entry: 0, _) = session.next(at: begin + .milliseconds(3900), offset: Self.offset) else {
            Issue.record("the late poll is made")
            return
        }
        #expect(session.overruns(of: 0) == 2)
    }

    @Test func aPortThatIsNotThereIsLookedForOften() {
        var session = BusSession(entries: [.init(unit: 0, interval: .seconds(1))], unitCount: 1)
        var now = Instant(nanoseconds: 0)
        _ = session.next(at: now, offset: Self.offset)
        now = now + .seconds(1)
        session.polled([0], .disconnected, at: now)
        for _ in 0..<20 {
            guard let next = session.nextTry(of: 0) else { break }
            now = next
            session.connected(false, isAbsent: true, at: now)
            #expect(session.nextTry(of: 0) == now + .milliseconds(300))
        }
    }

    private static let offset = ClockOffset(nanoseconds: 1_793_491_200_000_000_000)

    /// Somebody else sends without a pause for ten minutes: nobody on the bus is to blame, and all are read again within
    /// seconds of its end.
    @Test func aBabblerBlocksOnlyWhileItBabbles() {
        let entries = (0..<4).map { BusSession.Entry(unit: $0, interval: .seconds(1)) }
        var session = BusSession(entries: entries, unitCount: 4)
        var now = Instant(nanoseconds: 0)
        var last = [Instant?](repeating: nil, count: 4)
        let quiet = now + .seconds(600)
        var busy = Duration.zero
        while now < quiet + .seconds(20) {
            let isQuiet = now >= quiet
            let outcome: BusSession.Outcome = isQuiet ? .answered : .blocked(cost: .seconds(1))
            switch session.next(at: now, offset: Self.offset) {
            case .wait(let until): now = until
            case .connect: Issue.record("the connection is there")
            case .poll(let entry, _):
                now = now + (isQuiet ? .milliseconds(20) : .seconds(1))
                if !isQuiet { busy += .seconds(1) }
                if isQuiet { last[entry] = last[entry] ?? now }
                session.polled([entry], outcome, at: now)
            case .probe(let unit):
                now = now + (isQuiet ? .milliseconds(20) : .seconds(1))
                if !isQuiet { busy += .seconds(1) }
                session.probed(unit, outcome, at: now)
            }
        }
        for unit in 0..<4 {
            let back = last[unit].map { $0 - quiet }
            #expect(back.map { $0 < .seconds(8) } ?? false, "unit \(unit) came back after \(back as Any)")
        }
        #expect(busy < .seconds(80), "\(busy) of 600 s were spent on listening to the babbler")
    }

    /// A unit that has its bus to itself costs nobody anything: it is asked every 10 s however long it is away.
    @Test func aLoneUnitIsAskedOften() {
        var session = BusSession(entries: [.init(unit: 0, interval: .seconds(1))], unitCount: 1)
        var now = Instant(nanoseconds: 0)
        var tries: [Instant] = []
        while now < Instant(nanoseconds: 0) + .seconds(300) {
            switch session.next(at: now, offset: Self.offset) {
            case .wait(let until): now = until
            case .connect: Issue.record("the connection is there")
            case .poll(let entry, _):
                now = now + .milliseconds(500)
                session.polled([entry], .silent(cost: .milliseconds(500)), at: now)
            case .probe(let unit):
                tries.append(now)
                now = now + .milliseconds(500)
                session.probed(unit, .silent(cost: .milliseconds(500)), at: now)
            }
        }
        #expect(zip(tries, tries.dropFirst()).allSatisfy { $1 - $0 <= .milliseconds(10_500) })
        #expect(tries.count >= 28)
    }
}
