import Metering
import Testing

@testable import Spooling

/// Remarks, what is remembered, and events: kept with the readings, over a restart, and no longer than they.
@Suite struct NotesTests {
    private static let settings = SpoolSettings(commitInterval: .seconds(1), maximumBytes: 4_000_000, history: .zero)

    private func open(_ folder: String, boot: String = "b1") throws -> SpoolStore {
        try SpoolStore(directory: folder, settings: Self.settings, uplinks: ["city"], bootID: boot)
    }

    private func content(_ points: [PointID], at milliseconds: Int64) -> Intake.Content {
        var readings = readings(points, at: milliseconds)
        readings[0].quality = .uncertain
        readings[0].remark = .reset(before: .decimal(ExactDecimal(50_001, exponent: -1)))
        readings[2].remark = .aggregate(
            .mean, from: Instant(nanoseconds: (milliseconds - 900_000) * 1_000_000),
            to: Instant(nanoseconds: milliseconds * 1_000_000), minimum: .float(1), maximum: .float(3), count: 9)
        return Intake.Content(
            readings: readings, memory: ["serial main": "123", "counter main/energy": "50.5"],
            events: [
                MeterEvent(
                    subject: "main/energy", instant: Instant(nanoseconds: milliseconds * 1_000_000),
                    kind: .reset(before: .float(5000), value: .float(3)))
            ])
    }

    @Test func theyAreThereAfterARestart() throws {
        try withFolder { folder in
            var points: [PointID] = []
            do {
                let store = try open(folder)
                points = try store.identify(["main/energy", "main/power", "main/voltage"])
                try store.append(content(points, at: 1_000_000), offset: offset)
                try store.append(readings(points, at: 1_001_000), offset: offset)
            }
            let store = try open(folder)
            #expect(try store.memory() == ["serial main": "123", "counter main/energy": "50.5"])
            let events = try store.events(atMost: 5)
            #expect(events.map(\.subject) == ["main/energy"] && events[0].kind == "reset")
            #expect(events[0].time(offset).milliseconds == epoch + 1_000_000)
            let lease = try #require(try store.lease(uplink: "city", maximumReadings: 100, offset: offset))
            #expect(lease.readings.count == 6)
            #expect(lease.readings[0].quality == .uncertain)
            #expect(
                lease.readings[0].parameters == .members(#""event":"reset","before":5000.1"#, from: nil, to: nil))
            #expect(lease.readings[1].parameters == nil)
            #expect(
                lease.readings[2].parameters
                    == .members(
                        #""aggregate":"mean","min":1.0,"max":3.0,"count":9"#,
                        from: Timestamp(milliseconds: epoch + 100_000),
                        to: Timestamp(milliseconds: epoch + 1_000_000)))
            #expect(lease.readings[3...].allSatisfy { $0.parameters == nil })
        }
    }

    @Test func remarksGoWithTheirReadings() throws {
        try withFolder { folder in
            let store = try open(folder)
            let points = try store.identify(["main/energy", "main/power", "main/voltage"])
            for second in 1...5 {
                try store.append(content(points, at: Int64(second) * 1_000_000), offset: offset)
                while let lease = try store.lease(uplink: "city", maximumReadings: 100, offset: offset) {
                    try store.settle(lease.id, rejected: [])
                }
            }
            try store.append(readings(points, at: 6_000_000), offset: offset)
            try store.append(readings(points, at: 7_000_000), offset: offset)
            let held = try store.statistics().held
            #expect(held < 21, "history of no length goes")
            let old = "SELECT count(*) FROM remark WHERE sequence <= \(21 - held)"
            #expect(try store.connection.integer(old) == 0)
            #expect(try store.connection.integer("SELECT count(*) FROM event") == 5)
        }
    }
}
