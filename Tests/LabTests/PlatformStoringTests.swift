import Metering
import Testing

@testable import Lab

@Suite struct PlatformStoringTests {
    @Test func resultsComeBackByteForByte() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        let results = ["230.1", "18446744073709551615", "12.30", "-0.05", "1e-5", "true", "\"text\"", "[1.0,2]"]
        let answer = try fixture.create(results.enumerated().map { ($0.offset, $0.element) })
        #expect(answer.status == 201)
        #expect(try JSONParser.parse(answer.body).elements?.count == results.count)
        let raw = try PlainHTTP.request("GET", "\(fixture.platform.url)/Datastreams(1)/Observations?$select=result")
            .text
        #expect(raw == #"{"value":[\#(results.map { #"{"result":\#($0)}"# }.joined(separator: ","))]}"#)
    }

    @Test func badRowsAreErrorsAndTheOthersAreStored() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        let body = """
            [{"Datastream":{"@iot.id":1},"components":["phenomenonTime","result"],"dataArray":[
              ["2026-11-01T00:00:10.000Z",1],["yesterday",2],["2026-11-01T00:00:12+01:00",3]]},
             {"Datastream":{"@iot.id":77},"components":["phenomenonTime","result"],"dataArray":[["2026-11-01T00:00:10Z",1]]},
             {"Datastream":{"@iot.id":1},"components":["phenomenonTime","result","FeatureOfInterest/id"],
              "dataArray":[["2026-11-01T00:00:13.000Z",1,66]]}]
            """
        let answer = try fixture.post("CreateObservations", text: body)
        #expect(answer.status == 201)
        let rows = try #require(try JSONParser.parse(answer.body).elements).map { $0.text ?? "" }
        #expect(rows.count == 5)
        #expect(rows[0] == "\(fixture.platform.url)/Observations(1)")
        #expect(rows[1].hasPrefix("error Not a time"))
        #expect(rows[2] == "\(fixture.platform.url)/Observations(2)")
        #expect(rows[3] == "error No such entity 'Datastream' with id [77]")
        #expect(rows[4] == "error No such entity 'FeatureOfInterest' with id [66]")
        let line = try #require(try fixture.platform.audit()["gw/meter/p1"])
        #expect(line.rows == 2)
        #expect(line.first?.description == "2026-10-31T23:00:12.000Z")
    }

    @Test(arguments: [
        "", "[", "{}", "[1]", #"[{"Datastream":{"@iot.id":1}}]"#,
        #"[{"Datastream":{"@iot.id":1},"components":["x"],"dataArray":[]}]"#,
        PlatformFixture.arrays([(1, "NaN")]), PlatformFixture.arrays([(1, "1")]) + "x",
    ])
    func garbageIs400AndStoresNothing(_ body: String) throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        let answer = try fixture.post("CreateObservations", text: body)
        #expect(answer.status == 400)
        #expect(answer.text.hasPrefix(#"{"code":400,"type":"error","message":""#))
        #expect(try fixture.platform.audit().rows == 0)
    }

    @Test func aRuntimeFaultUndoesTheWholeRequest() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        // The second row is shorter than its components: FROST runs over its end.
        let body = """
            [{"Datastream":{"@iot.id":1},"components":["phenomenonTime","result"],
              "dataArray":[["2026-11-01T00:00:10.000Z",1],["2026-11-01T00:00:11.000Z"]]}]
            """
        #expect(try fixture.post("CreateObservations", text: body).status == 500)
        #expect(try fixture.platform.audit().rows == 0)
        #expect(try fixture.get("FeaturesOfInterest")["value"]?.elements?.isEmpty == true)
        // The feature that was undone is made again.
        #expect(try fixture.create([(1, "1")]).status == 201)
        #expect(try fixture.get("Observations(1)/FeatureOfInterest")["name"]?.text == "place")
    }

    @Test func copiesAreStoredAndCounted() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        for _ in 0..<2 { #expect(try fixture.create([(1, "1.50"), (2, "2")]).status == 201) }
        #expect(try fixture.create([(1, "1.5"), (2, "3")]).status == 201)
        let line = try #require(try fixture.platform.audit()["gw/meter/p1"])
        #expect((line.rows, line.distinct, line.copies, line.conflicts) == (6, 2, 4, 1))
        var digest = ReadingDigest()
        digest.add(Timestamp(milliseconds: 1_793_491_201_000), ExactDecimal(15, exponent: -1))
        digest.add(Timestamp(milliseconds: 1_793_491_202_000), ExactDecimal(2))
        #expect(line.digest == digest)
    }

    @Test func singleObservationsAndTheNestedPath() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        let flat = try fixture.post(
            "Observations",
            text:
                #"{"phenomenonTime":"2026-11-01T00:00:00Z","result":5,"Datastream":{"@iot.id":1},"parameters":{"seq":7}}"#
        )
        #expect(flat.status == 201)
        #expect(flat["location"] == "\(fixture.platform.url)/Observations(1)")
        #expect(flat.body.isEmpty)
        let nested = try fixture.post(
            "Datastreams(1)/Observations",
            text: #"{"phenomenonTime":"2026-11-01T00:00:01Z/2026-11-01T00:00:02Z","result":6}"#)
        #expect(nested.status == 201)
        #expect(try fixture.get("Observations(1)")["parameters"]?["seq"]?.integer == 7)
        #expect(
            try fixture.get("Observations(2)")["phenomenonTime"]?.text
                == "2026-11-01T00:00:01.000Z/2026-11-01T00:00:02.000Z")
        let unknown = try fixture.post("Observations", text: #"{"result":5,"Datastream":{"@iot.id":9}}"#)
        #expect(unknown.status == 400)
        #expect(try fixture.post("Observations", text: #"{"Datastream":{"@iot.id":1}}"#).status == 400)
    }

    @Test func aThingWithoutLocationHasNoFeature() throws {
        let fixture = try PlatformFixture(withLocation: false)
        defer { fixture.platform.stop() }
        let single = try fixture.post("Observations", text: #"{"result":5,"Datastream":{"@iot.id":1}}"#)
        #expect(single.status == 409)
        #expect(single.text.contains("Data violates constraints."))
        #expect(try fixture.create([(1, "1")]).status == 500)
        #expect(try fixture.platform.audit().rows == 0)
    }

    @Test func observationsCanBeDeletedAndIdsAreNotUsedAgain() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        #expect(try fixture.create([(1, "1"), (1, "1")]).status == 201)
        #expect(try PlainHTTP.request("DELETE", "\(fixture.platform.url)/Observations(2)").status == 200)
        #expect(try PlainHTTP.request("DELETE", "\(fixture.platform.url)/Observations(2)").status == 404)
        #expect(try PlainHTTP.request("DELETE", "\(fixture.platform.url)/Things(1)").status == 405)
        #expect(try fixture.create([(2, "1")]).text.contains("Observations(3)"))
        #expect(try fixture.platform.audit().copies == 0)
    }

    @Test func compressedBodiesAreRefused() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        let text = PlatformFixture.arrays([(1, "1")])
        #expect(
            try fixture.post("CreateObservations", text: text, headers: [("Content-Encoding", "gzip")]).status == 400)
        #expect(try fixture.platform.audit().rows == 0)
    }
}
