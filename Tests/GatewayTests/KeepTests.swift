import Gateway
import Metering
import Testing

@testable import Lab

/// What is kept of a meter that is polled fast.
@Suite(.serialized) struct KeepTests {
    @Test func oneValueAnIntervalIsDeliveredWithItsBounds() async throws {
        let rig = try Rig(count: 1, interval: "100ms")
        try rig.agent.configure(rig.configuration(meters: 1, interval: "100ms, keep: {every: 1s}"))
        try rig.agent.start()
        // A meter that is read well is healthy, however little of it is kept.
        let report = try await rig.status {
            $0.uplinks.contains { $0.delivered > 100 } && $0.problems.isEmpty
                && $0.meters[0].lastReadingAgeMilliseconds ?? .max < 1000
        }
        #expect(report.meters[0].readings < report.meters[0].polls * UInt64(report.meters[0].points) / 2)
        let interval = try #require(report.meters[0].intervals.first)
        #expect(interval.milliseconds == 100 && interval.skewMilliseconds ?? -1 >= 0)
        #expect(interval.worstSkewMilliseconds ?? -1 >= interval.skewMilliseconds ?? 0)
        let power = try observations(of: "meter-1/active-power", rig)
        #expect(power.count > 2)
        let firstFrom = power.compactMap { $0["parameters"]?["from"]?.text.flatMap { Timestamp(iso8601: $0) } }.min()
        for observation in power {
            #expect(observation["resultQuality"]?.text == "good")
            let parameters = try #require(observation["parameters"])
            #expect(parameters["aggregate"]?.text == "mean")
            #expect(try #require(parameters["count"]?.integer) >= 1)
            let from = try #require(parameters["from"]?.text.flatMap { Timestamp(iso8601: $0) })
            let to = try #require(parameters["to"]?.text.flatMap { Timestamp(iso8601: $0) })
            #expect(from <= to && to.milliseconds - from.milliseconds < 1000)
            let time = try #require(observation["phenomenonTime"]?.text.flatMap { Timestamp(iso8601: $0) })
            // The spool lets no reading be older than the first one of its boot, which another point's may be: some
            // milliseconds, for the first interval.
            #expect(time == to || time > to && time.milliseconds - to.milliseconds < 1000 && from == firstFrom)
        }
        // A counter's values are what was read at the edges.
        let energy = try observations(of: "meter-1/active-energy-import", rig)
        #expect(energy.count > 2 && energy.allSatisfy { $0["parameters"]?["aggregate"] == nil })
        // Intervals under way are handed over at the end, and arrive with the next start.
        rig.meters.stop()
        #expect(try await rig.agent.terminate() == 0)
        try rig.agent.start()
        #expect(try await rig.settle().isClean)
    }

    private func observations(of point: String, _ rig: Rig) throws -> [JSON] {
        let found = try get("\(rig.url)/Datastreams?$filter=name%20eq%20'test/\(point)'")
        let id = try #require(found["value"]?.elements?.first?["@iot.id"]?.integer)
        return try #require(try get("\(rig.url)/Datastreams(\(id))/Observations?$top=20")["value"]?.elements)
    }

    private func get(_ url: String) throws -> JSON {
        let answer = try PlainHTTP.request("GET", url)
        #expect(answer.status == 200, "\(url): \(answer.text)")
        return try JSONParser.parse(answer.body)
    }
}
