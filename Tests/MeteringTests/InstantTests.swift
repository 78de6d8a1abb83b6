import Metering
import Testing

@Suite struct InstantTests {
    @Test(
        arguments: [
            (1_234_567, 100_000, 1_200_000), (1_200_000, 100_000, 1_200_000), (99_999, 100_000, 0),
            (-1, 100_000, -100_000),
            (7, 1, 7), (7, 0, 7),
        ] as [(Int64, Int64, Int64)])
    func aFlooredMomentIsTheLastMultiple(moment: Int64, step: Int64, result: Int64) {
        #expect(Instant(nanoseconds: moment).floored(to: .nanoseconds(step)) == Instant(nanoseconds: result))
    }
}
