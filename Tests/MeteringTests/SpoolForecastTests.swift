import Metering
import Testing

@Suite struct SpoolForecastTests {
    private typealias Source = SpoolForecast.Source

    private static func growth(
        used: Int64 = 0, overhead: Int64 = 0, room: Int64 = 100_000_000, bytes: Double = 10, waiting: Double = 0
    ) -> SpoolForecast.Growth {
        .init(used: used, overhead: overhead, room: room, bytesPerSecond: bytes, waitingSeconds: waiting)
    }

    private static func source(
        _ kind: PointKind, _ policy: ThinningPolicy = .allowed, readings: Double = 1, changes: Double = 1
    ) -> Source {
        Source(rule: .init(kind: kind, policy: policy), readings: readings, changes: changes)
    }

    private static func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= max(1, b * 1e-6) }

    struct Row: Sendable {
        var source: SpoolForecast.Source
        var thin: Double
        var minute: Double
        var quarter: Double
    }

    private static let table: [Row] = [
        // A counter: one reading an interval, 10 bytes.
        Row(source: source(.counter), thin: 8e6, minute: 480e6, quarter: 7200e6),
        // A gauge comes every fourth second from 70 % on, and a mean has 25 bytes.
        Row(source: source(.gauge), thin: 11e6, minute: 192e6, quarter: 2880e6),
        // A contact that changes each 100 s keeps these at any level.
        Row(source: source(.state, changes: 0.01), thin: 8e6, minute: 800e6, quarter: 800e6),
        // Preferred: 15 min where others are at 1 min, 1 h where these are at 15 min.
        Row(source: source(.gauge, .preferred), thin: 11e6, minute: 2880e6, quarter: 11_520e6),
        // Forbidden, and what nothing is known of, stay as they are.
        Row(source: source(.counter, .forbidden), thin: 8e6, minute: 8e6, quarter: 8e6),
        Row(source: Source(rule: nil, readings: 1, changes: 1), thin: 8e6, minute: 8e6, quarter: 8e6),
    ]

    /// What a point costs when it is thinned, worked out by hand: 10 bytes a reading, one reading a second, 100 MB.
    @Test(arguments: table) func aPointLastsAsLongAsWhatIsLeftOfIt(row: Row) throws {
        let forecast = try #require(SpoolForecast(Self.growth(), sources: [row.source], step: .normal))
        #expect(Self.isNear(forecast.full, 10e6) && Self.isNear(forecast.slow, 7e6))
        #expect(Self.isNear(forecast.thin, row.thin))
        #expect(forecast.stages.map(\.level) == [.minute, .quarter, .hour])
        #expect(Self.isNear(forecast.stages[0].until, min(row.minute, SpoolForecast.never)))
        #expect(Self.isNear(forecast.stages[1].until, min(row.quarter, SpoolForecast.never)))
    }

    @Test func aSlowGaugeIsNotMadeLarger() throws {
        // One reading in 50 s would be one mean in 60 s, which takes more bytes.
        let slow = Self.source(.gauge, readings: 0.02)
        let forecast = try #require(SpoolForecast(Self.growth(bytes: 0.2), sources: [slow], step: .normal))
        #expect(forecast.stages[0].bytesPerSecond == 0.2 && forecast.stages[1].bytesPerSecond < 0.1)
    }

    @Test func pointsOfDifferentPaceDoNotBlur() throws {
        // 60 points: one each second, 59 each quarter of an hour. At 1 min one of a minute and the 59 as they are stay.
        let sources =
            [Self.source(.counter)] + (0..<59).map { _ in Self.source(.counter, readings: 1.0 / 900) }
        let readings = 1 + 59.0 / 900
        let forecast = try #require(SpoolForecast(Self.growth(), sources: sources, step: .normal))
        let left = (1.0 / 60 + 59.0 / 900) / readings
        #expect(Self.isNear(forecast.stages[0].bytesPerSecond * 1000, 10 * left * 1000))
    }

    @Test func whatWaitsAlreadyCounts() throws {
        // 20 MB wait, of 2 000 000 s; 5 MB are log. Thinned to 1 min these 2 000 000 s take their share, too.
        let growth = Self.growth(used: 25_000_000, overhead: 5_000_000, waiting: 2e6)
        let forecast = try #require(SpoolForecast(growth, sources: [Self.source(.counter)], step: .normal))
        #expect(Self.isNear(forecast.full, 7.5e6) && Self.isNear(forecast.slow, 4.5e6))
        #expect(Self.isNear(forecast.thin, 5.5e6))
        #expect(Self.isNear(forecast.stages[0].until, 75e6 * 60 / 10 - 2e6))
        let hour = 90e6 * 3600 / 10
        #expect(Self.isNear(forecast.keeps, min(hour, SpoolForecast.never)))
        #expect(forecast.drop == SpoolForecast.never || Self.isNear(forecast.drop, hour - 2e6))
    }

    @Test func whatIsInForceIsNow() throws {
        let sources = [Self.source(.gauge)]
        for (step, used) in [(SpoolAdmission.Step.slow, 72), (.thin, 82), (.drop, 96)] {
            let growth = Self.growth(used: Int64(used) * 1_000_000, waiting: 1e9)
            let forecast = try #require(SpoolForecast(growth, sources: sources, step: step))
            #expect(forecast.slow == 0)
            #expect((forecast.thin == 0) == (step >= .thin) && (forecast.drop == 0) == (step >= .drop))
        }
        // Beyond its limit, and not measured by the agent yet.
        let full = try #require(SpoolForecast(Self.growth(used: 110_000_000), sources: sources, step: .normal))
        #expect(full.full == 0 && full.slow == 0 && full.thin == 0)
    }

    /// At the slow pace nothing is divided by four again.
    @Test func aMeasurementAtTheSlowPaceIsTakenAsItIs() throws {
        let growth = Self.growth(used: 70_000_000, waiting: 7e6)
        let forecast = try #require(SpoolForecast(growth, sources: [Self.source(.gauge)], step: .slow))
        #expect(Self.isNear(forecast.thin, 1e6))
    }

    @Test func withoutAnythingThatComesThereIsNoForecast() {
        #expect(SpoolForecast(Self.growth(bytes: 0), sources: [Self.source(.gauge)], step: .normal) == nil)
        #expect(SpoolForecast(Self.growth(), sources: [], step: .normal) == nil)
        #expect(SpoolForecast(Self.growth(room: 0), sources: [Self.source(.gauge)], step: .normal) == nil)
    }

    /// Whatever is measured, one thing comes after the other, and nothing is beyond a hundred years.
    @Test(arguments: UInt64(1)...200) func stepsComeInOrder(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let sources = (0..<Int.random(in: 1...20, using: &random)).map { _ in
            let readings = Double.random(in: 1e-5...20, using: &random)
            return Source(
                rule: .init(
                    kind: PointKind.allCases.randomElement(using: &random) ?? .gauge,
                    policy: ThinningPolicy.allCases.randomElement(using: &random) ?? .allowed), readings: readings,
                changes: Double.random(in: 0...readings, using: &random))
        }
        let room = Int64.random(in: 1_000_000...1_000_000_000, using: &random)
        let used = Int64.random(in: 0...room * 12 / 10, using: &random)
        let growth = Self.growth(
            used: used, overhead: Int64.random(in: 0...used, using: &random), room: room,
            bytes: Double.random(in: 1e-3...1e5, using: &random), waiting: Double.random(in: 0...1e8, using: &random))
        let forecast = try #require(SpoolForecast(growth, sources: sources, step: .normal))
        let course = [0, forecast.slow, forecast.thin] + forecast.stages.map(\.until) + [forecast.drop]
        #expect(zip(course, course.dropFirst()).allSatisfy { $0 <= $1 }, "\(course)")
        #expect((course + [forecast.full, forecast.keeps]).allSatisfy { (0...SpoolForecast.never).contains($0) })
        let rates = [growth.bytesPerSecond] + forecast.stages.map(\.bytesPerSecond)
        #expect(zip(rates, rates.dropFirst()).allSatisfy { $0 >= $1 }, "\(rates)")
    }
}
