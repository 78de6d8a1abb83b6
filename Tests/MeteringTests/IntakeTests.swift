import Metering
import Testing

@Suite struct IntakeTests {
    private func readings(_ count: Int) -> [Reading] {
        (0..<count).map {
            Reading(point: PointID(rawValue: UInt32($0)), instant: Instant(nanoseconds: 0), value: .float(1))
        }
    }

    @Test func roomIsPromisedBeforeAPollAndSkippedPollsAreCounted() {
        let intake = Intake(capacity: 10)
        #expect(intake.promise(6))
        #expect(!intake.promise(6))
        intake.put(readings(2), promised: 6)
        #expect(intake.promise(6), "what was promised and not used is free again")
        #expect(intake.fill == (2, 1))
    }

    @Test func whatCouldNotBeCommittedComesFirstAgain() {
        let intake = Intake(capacity: 10)
        #expect(intake.promise(3))
        intake.put(readings(3), promised: 3)
        let taken = intake.take()
        #expect(intake.promise(1))
        intake.put(
            [Reading(point: PointID(rawValue: 99), instant: Instant(nanoseconds: 1), value: .float(2))], promised: 1)
        intake.putBack(taken)
        #expect(intake.fill.waiting == 4)
        #expect(intake.take().readings.map(\.point.rawValue) == [0, 1, 2, 99])
        #expect(intake.promise(10), "what is taken out makes room")
        #expect(intake.fill.waiting == 4, "and waits until it is on disk")
        intake.didCommit()
        #expect(intake.fill.waiting == 0)
    }
}
