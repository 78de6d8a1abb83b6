import Metering
import Testing

@Suite struct BackoffTests {
    static let limits = Backoff.Limits(first: .seconds(1), largest: .seconds(300), sustained: .seconds(60))
    static let start = Instant(nanoseconds: 1_000_000_000)

    @Test func ceilingsDoubleToTheLargest() {
        var backoff = Backoff(Self.limits)
        var waits: [Duration] = []
        var now = Self.start
        for _ in 0..<12 {
            let next = backoff.failed(at: now, jitter: 1)
            waits.append(next - now)
            now = next
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300].map { Duration.seconds($0) })
        for _ in 0..<200 { now = backoff.failed(at: now, jitter: 1) }
        #expect(backoff.failed(at: now, jitter: 1) - now == .seconds(300))
    }

    @Test(arguments: [
        (0.0, Duration.milliseconds(100)), (0.05, .milliseconds(100)), (0.5, .milliseconds(500)), (1, .seconds(1)),
        (-3, .milliseconds(100)), (7, .seconds(1)), (.nan, .milliseconds(100)),
    ])
    func jitterIsFullButNeverNothing(jitter: Double, wait: Duration) {
        var backoff = Backoff(Self.limits)
        #expect(backoff.failed(at: Self.start, jitter: jitter) - Self.start == wait)
    }

    @Test func successTakesBackOneFailureASecond() {
        var backoff = Backoff(Self.limits)
        for _ in 0..<5 { _ = backoff.failed(at: Self.start, jitter: 1) }
        #expect(backoff.failures == 5)
        backoff.succeeded(at: Self.start)
        backoff.succeeded(at: Self.start + .milliseconds(999))
        #expect(backoff.failures == 4)
        backoff.succeeded(at: Self.start + .seconds(1))
        #expect(backoff.failures == 3)
        #expect(backoff.failed(at: Self.start + .seconds(2), jitter: 1) - Self.start == .seconds(2 + 8))
    }

    @Test func onlySustainedSuccessForgets() {
        var backoff = Backoff(Self.limits)
        for _ in 0..<8 { _ = backoff.failed(at: Self.start, jitter: 1) }
        backoff.succeeded(at: Self.start)
        var short = backoff
        #expect(short.failed(at: Self.start + .seconds(59), jitter: 1) - Self.start == .seconds(59 + 128))
        #expect(backoff.failed(at: Self.start + .seconds(60), jitter: 1) - Self.start == .seconds(60 + 1))
    }

    @Test func theServersOwnTimeIsObeyed() {
        var backoff = Backoff(Self.limits)
        #expect(backoff.failed(at: Self.start, jitter: 0, retryAfter: .seconds(700)) - Self.start == .seconds(700))
        #expect(backoff.failed(at: Self.start, jitter: 1, retryAfter: .zero) - Self.start == .seconds(2))
        let wish = Duration.seconds(1_000_000)
        #expect(backoff.failed(at: Self.start, jitter: 0, retryAfter: wish) - Self.start == Backoff.longestRetryAfter)
    }

    @Test func theSlowestOfTheNewestResponsesCounts() {
        var times = ResponseTimes()
        #expect(times.slowest == .zero)
        times.add(.seconds(9))
        for _ in 1..<ResponseTimes.capacity { times.add(.seconds(1)) }
        #expect(times.slowest == .seconds(9))
        times.add(.seconds(2))
        #expect(times.slowest == .seconds(2))
    }
}
