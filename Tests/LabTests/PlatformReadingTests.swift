import Testing

@testable import Lab

@Suite struct PlatformReadingTests {
    @Test func theRootNamesSetsAndConformance() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        let root = try JSONParser.parse(PlainHTTP.request("GET", fixture.platform.url).body)
        #expect(root["value"]?.elements?.count == 7)
        let classes = root["serverSettings"]?["conformance"]?.elements?.compactMap(\.text) ?? []
        #expect(classes.contains { $0.contains("/data-array") })
    }

    @Test func entitiesAreFoundByName() throws {
        let fixture = try PlatformFixture(streams: 3)
        defer { fixture.platform.stop() }
        #expect(try fixture.post("Datastreams", PlatformFixture.datastream("it's")).status == 201)
        let found = try fixture.get("Datastreams?$filter=name eq 'gw/meter/p2'&$select=id,name")
        #expect(String(decoding: found.bytes, as: UTF8.self) == #"{"value":[{"@iot.id":2,"name":"gw/meter/p2"}]}"#)
        #expect(try fixture.get("Datastreams?$filter=name eq 'it''s'")["value"]?.elements?.count == 1)
        #expect(try fixture.get("Things?$filter=name eq 'nobody'")["value"]?.elements?.isEmpty == true)
        #expect(try fixture.get("Things(1)/Datastreams?$select=id")["value"]?.elements?.count == 4)
        #expect(try fixture.get("Things(1)")["properties"]?["hash"] == .number("1.50"))
    }

    @Test func navigationLeadsEverywhere() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        #expect(try fixture.create([(1, "1")]).status == 201)
        #expect(try fixture.get("Datastreams(1)/Sensor")["name"]?.text == "model")
        #expect(try fixture.get("Datastreams(1)/Thing")["name"]?.text == "gw/meter")
        #expect(try fixture.get("Datastreams(1)/ObservedProperty")["name"]?.text == "voltage")
        #expect(try fixture.get("Observations(1)/Datastream/Thing/Locations")["value"]?.elements?.count == 1)
        #expect(try fixture.get("Sensors(1)/Datastreams(1)")["name"]?.text == "gw/meter/p1")
        let link = try #require(try fixture.get("Things(1)")["Datastreams@iot.navigationLink"]?.text)
        #expect(link == "\(fixture.platform.url)/Things(1)/Datastreams")
        #expect(try fixture.status(of: "Things(2)") == 404)
        #expect(try fixture.status(of: "Things(2)/Datastreams") == 404)
        #expect(try fixture.status(of: "Nothings") == 404)
        #expect(try fixture.status(of: "Things(x)") == 404)
    }

    @Test func expansionsHaveOptions() throws {
        let fixture = try PlatformFixture(streams: 2)
        defer { fixture.platform.stop() }
        #expect(try fixture.create([(1, "1"), (2, "2"), (3, "3")]).status == 201)
        let thing = try fixture.get(
            "Things(1)?$expand=Locations,Datastreams($expand=Observations($top=1;$orderby=phenomenonTime desc),Sensor)")
        #expect(thing["Locations"]?.elements?.count == 1)
        let first = try #require(thing["Datastreams"]?.elements?.first)
        #expect(first["Observations"]?.elements?.first?["result"] == .number("3"))
        #expect(first["Observations@iot.nextLink"]?.text != nil)
        #expect(first["Sensor"]?["name"]?.text == "model")
        #expect(try fixture.get("Things(1)?$expand=Datastreams/Sensor")["Datastreams"]?.elements?[1]["Sensor"] != nil)
        #expect(try fixture.status(of: "Things?$expand=Wings") == 400)
    }

    @Test func timesFilterTheWindowThatIsAskedFor() throws {
        let fixture = try PlatformFixture(streams: 2)
        defer { fixture.platform.stop() }
        #expect(try fixture.create((0..<20).map { ($0, "\($0)") }).status == 201)
        #expect(try fixture.create([(5, "99")], in: 2).status == 201)
        func results(_ filter: String) throws -> [Int64] {
            try fixture.get("Datastreams(1)/Observations?$filter=\(filter)&$select=id,phenomenonTime,result")["value"]?
                .elements?
                .compactMap { $0["result"]?.integer } ?? []
        }
        let (from, to) = (PlatformFixture.time(5), PlatformFixture.time(8))
        #expect(try results("phenomenonTime ge \(from) and phenomenonTime le \(to)") == [5, 6, 7, 8])
        #expect(try results("phenomenonTime gt \(from) and phenomenonTime lt \(to)") == [6, 7])
        #expect(try results("phenomenonTime eq \(from)") == [5])
        #expect(try results("phenomenonTime eq 2026-11-01T01:00:05+01:00") == [5])
        for wrong in [
            "phenomenonTime ge yesterday", "phenomenonTime ge", "result eq 5", "name eq 'x'", "id eq 1 or id eq 2",
        ] {
            #expect(try fixture.status(of: "Datastreams(1)/Observations?$filter=\(wrong)") == 400, "\(wrong)")
        }
    }

    @Test func pagesCoverEverythingOnce() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        // All at one time: without an order of their own, rows of one time could change places between pages.
        #expect(try fixture.create((0..<25).map { (0, "\($0)") }).status == 201)
        var seen: [Int64] = []
        var next: String? = "\(fixture.platform.url)/Observations?$top=10&$count=true&$orderby=phenomenonTime%20asc"
        while let url = next {
            let page = try JSONParser.parse(PlainHTTP.request("GET", url).body)
            #expect(page["@iot.count"]?.integer == 25)
            seen += page["value"]?.elements?.compactMap { $0["result"]?.integer } ?? []
            next = page["@iot.nextLink"]?.text
        }
        #expect(seen == Array(0..<25))
        #expect(try fixture.get("Observations?$skip=20")["value"]?.elements?.count == 5)
        #expect(try fixture.get("Observations?$top=0")["value"]?.elements?.isEmpty == true)
        #expect(try fixture.status(of: "Observations?$top=-1") == 400)
        #expect(try fixture.status(of: "Observations?$resultFormat=dataArray") == 400)
        #expect(
            try fixture.get("Observations?$orderby=id desc&$top=1")["value"]?.elements?.first?["@iot.id"]?.integer == 25
        )
    }

    @Test func thePageIsLimited() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        #expect(try fixture.create((0..<1100).map { ($0, "1") }).status == 201)
        #expect(try fixture.get("Observations")["value"]?.elements?.count == 100)
        #expect(try fixture.get("Observations?$top=5000")["value"]?.elements?.count == 1000)
    }

    @Test func wrongEntitiesAreRefusedWithTheirReason() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        let noName = try fixture.post("Things", text: #"{"description":"d"}"#)
        #expect(noName.status == 400)
        #expect(noName.text.contains("name"))
        #expect(try fixture.post("Things", text: #"{"name":"n","description":"d","colour":1}"#).status == 400)
        #expect(try fixture.post("Datastreams", text: #"{"name":"n","description":"d"}"#).status == 400)
        let orphan = try fixture.post(
            "Datastreams",
            text: #"{"name":"n","description":"d","observationType":"o","unitOfMeasurement":{},"Thing":{"@iot.id":9}}"#)
        #expect(orphan.status == 400)
        #expect(orphan.text.contains("No such entity 'Thing' with id [9]"))
        #expect(try fixture.get("Datastreams")["value"]?.elements?.count == 1)
        #expect(try PlainHTTP.request("PATCH", "\(fixture.platform.url)/Things(1)").status == 405)
    }

    @Test func aDeepInsertMakesTheWholeTree() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        let answer = try fixture.post(
            "Things",
            text: """
                {"name":"t","description":"d","Locations":[{"@iot.id":1}],"Datastreams":[{"name":"deep","description":"d",
                 "observationType":"o","unitOfMeasurement":{"name":"n"},"Sensor":{"name":"s","description":"d",
                 "encodingType":"e","metadata":"m"},"ObservedProperty":{"@iot.id":1}}]}
                """)
        #expect(answer.status == 201)
        #expect(try fixture.get("Things(2)/Datastreams")["value"]?.elements?.first?["name"]?.text == "deep")
        #expect(try fixture.get("Datastreams(2)/Sensor")["name"]?.text == "s")
        #expect(try fixture.get("Locations(1)/Things")["value"]?.elements?.count == 2)
    }
}
