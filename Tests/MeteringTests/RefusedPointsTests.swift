import Metering
import Testing

@Suite struct RefusedPointsTests {
    private func second(_ second: Int64) -> Instant { Instant(nanoseconds: second * 1_000_000_000) }

    /// The seconds of `span` at which points are asked again.
    private func askings(_ refused: inout RefusedPoints, in span: Range<Int64>) -> [Int64] {
        span.filter { refused.isDue(at: second($0)) }
    }

    @Test func theWaitDoubles() {
        var refused = RefusedPoints(of: 3)
        #expect(askings(&refused, in: 0..<100) == [])
        #expect(refused.add([1], at: second(100)) == [1])
        #expect(askings(&refused, in: 100..<500) == [110, 130, 170, 250, 410])
        #expect(refused.add([1], at: second(500)) == [], "known")
        #expect(askings(&refused, in: 500..<800) == [730])
    }

    @Test func aDayIsTheLongestWait() {
        var refused = RefusedPoints(of: 2)
        _ = refused.add([0], at: second(0))
        let days = askings(&refused, in: 0..<(5 * 86400))
        #expect(days.count == 17 && days[16] - days[15] == 86400 && days[15] - days[14] == 86400, "\(days)")
    }

    @Test func aMeterThatRefusesAllIsAskedEachMinute() {
        var refused = RefusedPoints(of: 2)
        _ = refused.add([0, 1], at: second(0))
        #expect(refused.areAll)
        #expect(askings(&refused, in: 0..<250) == [10, 30, 70, 130, 190])
        refused.keep { $0 == 0 }
        #expect(refused.points == [0] && !refused.areAll)
        refused.keep { _ in false }
        #expect(askings(&refused, in: 250..<100_000) == [])
    }

    @Test func aNewRefusalBeginsAnew() {
        var refused = RefusedPoints(of: 3)
        _ = refused.add([0], at: second(0))
        #expect(askings(&refused, in: 0..<40) == [10, 30])
        #expect(refused.add([0, 2], at: second(40)) == [2])
        #expect(askings(&refused, in: 40..<80) == [50, 70])
    }
}
