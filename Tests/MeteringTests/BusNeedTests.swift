import Metering
import Testing

@Suite struct BusNeedTests {
    private func meter(_ id: String, intervals: [Duration], registers: Int, distance: Int = 100) -> Meter {
        let points = intervals.enumerated().map { index, interval in
            Point(
                meter: id,
                definition: PointDefinition(
                    name: "p\(index)", quantity: .voltage, unit: Unit(ucum: "V")!, kind: .gauge, function: .input,
                    address: UInt16(distance * index), type: .text, count: registers),
                interval: interval)
        }
        let definition = MeterDefinition(
            model: "x", manufacturer: "x", product: "x", status: .own, sources: [], points: points.map(\.definition))
        return Meter(
            id: id, bus: "b", unit: 1, definition: definition, points: points,
            location: Location(latitude: .zero, longitude: .zero))
    }

    /// 8 + 5 + 2 × 40 characters of 10 bits at 9600 baud, two silences of 3.5 × 11 bits, 5 ms of turnaround: 109.9 ms.
    @Test func aLinesNeedFollowsFromItsFrames() throws {
        let bus = BusSettings(id: "b", endpoint: .serial(path: "/dev/x"), line: SerialLine(baud: 9600))
        let one = 0.096875 + 2 * 38.5 / 9600 + 0.005
        let single = try #require(BusNeed.share(of: [meter("a", intervals: [.seconds(1)], registers: 40)], on: bus))
        #expect(abs(single - one) < 1e-6)
        let meters = (0..<16).map { meter("m\($0)", intervals: [.seconds(1)], registers: 40) }
        let all = try #require(BusNeed.share(of: meters, on: bus))
        #expect(abs(all - 16 * one) < 1e-5, "this bus needs 1.8 s per second")
    }

    @Test func eachIntervalCountsByItself() throws {
        let bus = BusSettings(id: "b", endpoint: .serial(path: "/dev/x"), line: SerialLine(baud: 9600))
        let slow = BusNeed.share(of: meter("a", intervals: [.seconds(10)], registers: 40), on: bus)
        let both = BusNeed.share(of: meter("a", intervals: [.seconds(1), .seconds(10)], registers: 40), on: bus)
        #expect(abs(both - 11 * slow) < 1e-6)
    }

    /// Neighbours of two intervals are one request whenever the longer one begins.
    @Test func whatIsDueTogetherCostsLess() {
        let bus = BusSettings(id: "b", endpoint: .serial(path: "/dev/x"), line: SerialLine(baud: 9600))
        func share(_ intervals: [Duration]) -> Double {
            BusNeed.share(of: meter("a", intervals: intervals, registers: 2, distance: 2), on: bus)
        }
        // 10 characters more of data, no request more.
        let character = 10.0 / 9600
        #expect(abs(share([.seconds(1), .seconds(10)]) - share([.seconds(1)]) - 4 * character / 10) < 1e-6)
        // Where they do not meet each time, each is counted by itself.
        #expect(share([.seconds(2), .seconds(3)]) > share([.seconds(2)]) + share([.seconds(3)]) - 1e-6)
    }

    @Test func tcpIsNotJudged() {
        let bus = BusSettings(id: "b", endpoint: .tcp(host: "10.0.0.1", port: 502))
        #expect(BusNeed.share(of: [meter("a", intervals: [.seconds(1)], registers: 40)], on: bus) == nil)
    }
}
