import Metering
import Testing

/// What the wait for an answer becomes, one line a history. Answers mbmd #266 and evcc #2227 (default timeout too short
/// for a meter, no way to set it).
@Suite struct TimeoutEstimatorTests {
    enum Step: Sendable {
        case answers(Int, milliseconds: Int)
        case timeouts(Int)
    }

    @Test(
        arguments: [
            // Unknown: 1 s, and timeouts of a unit that never answered change nothing.
            ([], 1000), ([.timeouts(5)], 1000),
            // Few answers prove no fast meter, but they prove a slow one.
            ([.answers(7, milliseconds: 5)], 1000), ([.answers(1, milliseconds: 400)], 1600),
            // Fast: never under 200 ms. Then the margin of 150 ms, then four times the slowest, never over 2 s.
            ([.answers(8, milliseconds: 5)], 200), ([.answers(8, milliseconds: 50)], 200),
            ([.answers(8, milliseconds: 51)], 204),
            ([.answers(63, milliseconds: 5), .answers(1, milliseconds: 60)], 240),
            ([.answers(8, milliseconds: 300)], 1200), ([.answers(8, milliseconds: 600)], 2000),
            ([.answers(8, milliseconds: 60_000)], 2000),
            // The slowest is forgotten after 64 others.
            ([.answers(1, milliseconds: 400), .answers(63, milliseconds: 5)], 1600),
            ([.answers(1, milliseconds: 400), .answers(64, milliseconds: 5)], 200),
            // Timeouts double, up to 2 s; an answer ends that.
            ([.answers(8, milliseconds: 5), .timeouts(1)], 400), ([.answers(8, milliseconds: 5), .timeouts(3)], 1600),
            ([.answers(8, milliseconds: 5), .timeouts(4)], 2000),
            ([.answers(8, milliseconds: 5), .timeouts(99)], 2000),
            ([.answers(8, milliseconds: 5), .timeouts(99), .answers(1, milliseconds: 5)], 200),
            // A meter that became slower is waited for once it answers.
            ([.answers(8, milliseconds: 5), .timeouts(2), .answers(1, milliseconds: 350)], 1400),
        ] as [([Step], Int)])
    func theWaitFollowsTheAnswers(steps: [Step], milliseconds: Int) {
        var estimator = TimeoutEstimator()
        for step in steps {
            switch step {
            case .answers(let count, let time):
                for _ in 0..<count { estimator.answered(after: .milliseconds(time)) }
            case .timeouts(let count):
                for _ in 0..<count { estimator.timedOut() }
            }
        }
        #expect(estimator.timeout == .milliseconds(milliseconds))
    }

    @Test func typicalAndSlowestAreOfTheRememberedAnswers() {
        var estimator = TimeoutEstimator()
        #expect(estimator.typical == nil && estimator.slowest == nil && !estimator.hasAnswered)
        for milliseconds in [30, 10, 900, 20, 20] { estimator.answered(after: .milliseconds(milliseconds)) }
        #expect(estimator.typical == .milliseconds(20))
        #expect(estimator.slowest == .milliseconds(900))
        // A clock that ran backwards is no negative answer.
        estimator.answered(after: .milliseconds(-5))
        #expect(estimator.typical == .milliseconds(20))
    }
}
