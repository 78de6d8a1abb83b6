import Metering
import Testing

@Suite struct DeliveryWindowTests {
    static let noon: Int64 = 1_793_534_400_000

    static func reading(_ sequence: Int64, _ point: UInt32, _ time: Int64, _ value: Int64 = 1) -> SpooledReading {
        SpooledReading(
            sequence: SequenceNumber(rawValue: sequence), point: PointID(rawValue: point),
            phenomenonTime: Timestamp(milliseconds: noon + time), value: .decimal(ExactDecimal(value)))
    }

    @Test func readingsStandByPointAndTime() {
        let window = DeliveryWindow([
            Self.reading(1, 2, 5), Self.reading(2, 1, 9), Self.reading(3, 2, 3), Self.reading(4, 1, 10),
        ])
        #expect(window.readings.map(\.sequence.rawValue) == [2, 4, 3, 1])
        #expect(window.points.map(\.rawValue) == [1, 2])
        #expect(window.positions(of: PointID(rawValue: 2)) == 2..<4)
        #expect(window.positions(of: PointID(rawValue: 3)) == 4..<4)
        #expect(window.position(of: Timestamp(milliseconds: Self.noon + 5), in: 2..<4) == 3)
        #expect(window.position(of: Timestamp(milliseconds: Self.noon + 4), in: 2..<4) == nil)
        #expect(window.position(of: Timestamp(milliseconds: Self.noon + 9), in: 2..<4) == nil)
    }

    @Test func everyReadingIsInOnePost() {
        for count in 0..<25 {
            let window = DeliveryWindow((0..<count).map { Self.reading(Int64($0), UInt32($0 % 3), Int64($0)) })
            for rows in 0..<12 {
                let posts = window.posts(of: rows)
                #expect(posts.flatMap { Array($0) } == Array(0..<count))
                #expect(posts.allSatisfy { $0.count <= max(1, rows) })
            }
        }
    }

    /// (point, time) is a reading's identity: the platform can store one of a kind.
    @Test func twinsAreSentOnce() {
        let window = DeliveryWindow([
            Self.reading(5, 1, 0, 7), Self.reading(6, 1, 0, 7), Self.reading(7, 1, 0, 8), Self.reading(8, 2, 0, 8),
        ])
        #expect(window.verdicts == [.open, .accepted, .refused, .open])
        #expect(window.unsendable.map(\.sequence.rawValue) == [7])
        #expect(window.unsendable[0].reason.contains("reading 5"))
    }

    @Test func twinTextsAreTheSameBytes() {
        var twins = (1...3).map { Self.reading($0, 1, 0) }
        for (index, text) in ["on", "on", "off"].enumerated() { twins[index].value = .text(ExactText(text)!) }
        let window = DeliveryWindow(twins)
        #expect(window.verdicts == [.open, .accepted, .refused])
        #expect(window.unsendable.map(\.sequence.rawValue) == [3])
    }

    @Test func impossibleTimesAreNeverSent() {
        let window = DeliveryWindow([
            Self.reading(1, 1, -Self.noon), Self.reading(2, 1, 0), Self.reading(3, 1, 1 << 60),
            Self.reading(4, 1, -(1 << 60)),
        ])
        #expect(window.readings.map(\.sequence.rawValue) == [4, 1, 2, 3])
        #expect(window.verdicts == [.refused, .refused, .open, .refused])
        #expect(window.unsendable.allSatisfy { $0.reason.contains("clock was not set") })
    }
}
