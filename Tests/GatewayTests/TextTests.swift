import Gateway
import Metering
import Spooling
import Testing

@testable import Lab

/// A meter whose points are texts, from its registers to the platform.
@Suite(.serialized) struct TextTests {
    /// What the meter has; the configuration says the same in its words.
    private static let definition = MeterDefinition(
        model: "text-meter", manufacturer: "Lab", product: "T", status: .own, sources: [],
        points: [
            text("mode", at: 0, count: 8), text("firmware", at: 8, count: 6, .badc),
            PointDefinition(
                name: "voltage-l1", quantity: .voltage, unit: Unit(ucum: "V")!, kind: .gauge, function: .holding,
                address: 14, type: .f32),
        ])

    private static func text(
        _ name: String, at address: UInt16, count: Int, _ order: WordOrder = .abcd
    ) -> PointDefinition {
        PointDefinition(
            name: name, quantity: .state, unit: Unit(ucum: "1")!, kind: .state, function: .holding, address: address,
            type: .text, count: count, order: order)
    }

    private func rig() throws -> Rig {
        let rig = try Rig(count: 1, definition: Self.definition)
        let own = """
            points: [{name: mode, quantity: state, unit: "1", kind: state, function: holding, register: 0, type: text, \
            count: 8, keep: {change: 0}}, {name: firmware, quantity: state, unit: "1", kind: state, \
            function: holding, register: 8, type: text, count: 6, order: BADC, keep: {every: 1h, value: mean}}, \
            {name: voltage-l1, quantity: voltage, unit: V, kind: gauge, function: holding, register: 14, type: f32}]
            """
        let text = rig.configuration(meters: 1, interval: "100ms")
        try rig.agent.configure(text.replacing("model: eastron-sdm230", with: own))
        rig.meters.setText("Automatik", of: "mode", of: 0)
        rig.meters.setText("V2.01 \"ß\"", of: "firmware", of: 0)
        return rig
    }

    private func results(of point: String, _ rig: Rig) throws -> [JSON] {
        let found = try get("\(rig.url)/Datastreams?$filter=name%20eq%20'test/meter-1/\(point)'")
        let stream = try #require(found["value"]?.elements?.first)
        #expect(stream["observationType"]?.text?.hasSuffix("/OM_Observation") == true)
        #expect(stream["unitOfMeasurement"] == ["name": .null, "symbol": .null, "definition": .null])
        let id = try #require(stream["@iot.id"]?.integer)
        let path = "Datastreams(\(id))/Observations?$top=100&$orderby=phenomenonTime%20asc"
        return try #require(try get("\(rig.url)/\(path)")["value"]?.elements).compactMap { $0["result"] }
    }

    private func get(_ url: String) throws -> JSON {
        let answer = try PlainHTTP.request("GET", url)
        #expect(answer.status == 200, "\(url): \(answer.text)")
        return try JSONParser.parse(answer.body)
    }

    @Test func aTextArrivesOnceForEachChange() async throws {
        let rig = try rig()
        // Some answers get lost: the agent has to ask what the platform has.
        rig.platform?.setFaults(
            FaultPlan(scope: .observations, chances: [.init(.commitThenCut, 0.3)], seed: 5))
        try rig.agent.start()
        var before: UInt64 = 0
        for mode in ["Störung 7", "Automatik", "Hand \\ \"1\""] {
            _ = try await rig.status { report in
                report.uplinks.first.map { $0.delivered > 10 } == true && report.meters[0].polls > before + 5
                    && report.meters[0].error == nil && report.meters[0].readings > 0
            }
            rig.meters.setText(mode, of: "mode", of: 0)
            before = try await rig.status { _ in true }.meters[0].polls
        }
        let read = try await rig.status { $0.meters[0].polls > before + 5 }
        // A commit that began after that is over.
        _ = try await rig.status { report in
            report.uptimeMilliseconds - (report.spool.lastCommitAgeMilliseconds ?? .max / 2)
                > read.uptimeMilliseconds + 1000
        }
        // As if the power went: what was committed goes on from there.
        rig.agent.kill()
        rig.platform?.setFaults(FaultPlan())
        try rig.agent.start()
        _ = try await rig.status { $0.meters.first.map { $0.polls > 5 } ?? false }
        let audit = try await rig.settle()
        #expect(audit.isClean, "\(audit.summary): \(audit.offenders)")
        let modes = try results(of: "mode", rig)
        #expect(
            modes == ["Automatik", "Störung 7", "Automatik", "Hand \\ \"1\"", "Hand \\ \"1\""],
            "after the restart the mode is told again: \(modes)")
        let firmware = try results(of: "firmware", rig)
        #expect(!firmware.isEmpty && firmware.allSatisfy { $0 == "V2.01 \"ß\"" }, "\(firmware)")
    }

    @Test func readShowsTexts() async throws {
        let rig = try rig()
        let arguments = ["meter-1", "--config", rig.agent.configurationFile, "--socket", rig.agent.socket]
        let outcome = try await Outcome("read", arguments[0], arguments[1], arguments[2], arguments[3], arguments[4])
        #expect(outcome.code == 0, "\(outcome.text)")
        #expect(outcome.text.contains("3 of 3 points") && outcome.text.contains("Automatik"))
        #expect(outcome.text.contains("V2.01 \"ß\""))
        let json = try await Outcome(
            "read", arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], "--json")
        let points = try #require(try JSONParser.parse(Array(json.text.utf8))["points"]?.elements)
        #expect(points.map { $0["text"] } == ["Automatik", "V2.01 \"ß\"", nil])
        #expect(points.map { $0["value"] != nil } == [false, false, true])
        // Nothing in the registers is no value.
        rig.meters.setText(" ", of: "mode", of: 0)
        let less = try await Outcome("read", arguments[0], arguments[1], arguments[2], arguments[3], arguments[4])
        #expect(less.code == 1 && less.text.contains("the meter has no value"), "\(less.text)")
    }
}
