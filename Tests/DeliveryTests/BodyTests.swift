import Metering
import Testing

@testable import Delivery

@Suite struct BodyTests {
    static func reading(_ sequence: Int64, _ point: UInt32, _ time: String, _ value: Value) -> SpooledReading {
        SpooledReading(
            sequence: SequenceNumber(rawValue: sequence), point: PointID(rawValue: point),
            phenomenonTime: Timestamp(iso8601: time)!, value: value)
    }

    static let readings = [
        reading(1, 7, "2026-11-01T00:00:11.000Z", .float(230.1)),
        reading(2, 7, "2026-11-01T00:00:10.000Z", .decimal(ExactDecimal(123, exponent: -1))),
        reading(3, 3, "2026-11-01T00:00:10.005Z", .decimal(ExactDecimal(magnitude: .max))),
        reading(4, 7, "2026-11-01T00:00:12.000Z", .double(-0.5)),
    ]
    static let datastreams = [
        PointID(rawValue: 7): EntityID(integer: "2")!,
        PointID(rawValue: 3): EntityID(text: "it's \"é\""),
    ]

    @Test func postsAreGroupedByDatastreamAndOrderedByTime() {
        let window = DeliveryWindow(Self.readings)
        var body = PostBody()
        body.write(window, 0..<4, datastreams: Self.datastreams)
        #expect(
            String(decoding: body.bytes, as: UTF8.self)
                == #"[{"Datastream":{"@iot.id":"it's \"é\""},"components":["phenomenonTime","resultTime","result"],"#
                + #""dataArray":[["2026-11-01T00:00:10.005Z","2026-11-01T00:00:10.005Z",18446744073709551615]]},"#
                + #"{"Datastream":{"@iot.id":2},"components":["phenomenonTime","resultTime","result"],"#
                + #""dataArray":[["2026-11-01T00:00:10.000Z","2026-11-01T00:00:10.000Z",12.3],"#
                + #"["2026-11-01T00:00:11.000Z","2026-11-01T00:00:11.000Z",230.1],"#
                + #"["2026-11-01T00:00:12.000Z","2026-11-01T00:00:12.000Z",-0.5]]}]"#)
    }

    @Test func onlyOpenReadingsAreWritten() {
        var window = DeliveryWindow(Self.readings)
        window.mark(0, .accepted)
        window.mark(2, .doubtful)
        var body = PostBody()
        body.write(window, 0..<4, datastreams: Self.datastreams)
        #expect(
            String(decoding: body.bytes, as: UTF8.self)
                == #"[{"Datastream":{"@iot.id":2},"components":["phenomenonTime","resultTime","result"],"#
                + #""dataArray":[["2026-11-01T00:00:10.000Z","2026-11-01T00:00:10.000Z",12.3],"#
                + #"["2026-11-01T00:00:12.000Z","2026-11-01T00:00:12.000Z",-0.5]]}]"#)
        body.write(window, 0..<1, datastreams: Self.datastreams)
        #expect(body.bytes == Array("[]".utf8))
    }

    /// What is in doubt, or stands for several readings, says so; the others stay short.
    @Test func readingsWithMoreStandInGroupsOfTheirOwn() {
        var readings = Self.readings.filter { $0.point.rawValue == 7 }
        readings[0].quality = .uncertain
        readings[2].parameters = .members(
            #""aggregate":"mean","min":-1,"max":0.5,"count":9"#, from: Timestamp(iso8601: "2026-11-01T00:00:11.500Z"),
            to: Timestamp(iso8601: "2026-11-01T00:00:12.000Z"))
        var body = PostBody()
        body.write(DeliveryWindow(readings), 0..<3, datastreams: Self.datastreams)
        let more = #""components":["phenomenonTime","resultTime","result","resultQuality","parameters"],"dataArray":["#
        #expect(
            String(decoding: body.bytes, as: UTF8.self)
                == #"[{"Datastream":{"@iot.id":2},"components":["phenomenonTime","resultTime","result"],"#
                + #""dataArray":[["2026-11-01T00:00:10.000Z","2026-11-01T00:00:10.000Z",12.3]]},"#
                + #"{"Datastream":{"@iot.id":2},"# + more
                + #"["2026-11-01T00:00:11.000Z","2026-11-01T00:00:11.000Z",230.1,"uncertain",{}],"#
                + #"["2026-11-01T00:00:12.000Z","2026-11-01T00:00:12.000Z",-0.5,"good","#
                + #"{"from":"2026-11-01T00:00:11.500Z","to":"2026-11-01T00:00:12.000Z","#
                + #""aggregate":"mean","min":-1,"max":0.5,"count":9}]]}]"#)
        body.write(single: readings[0], datastream: EntityID(integer: "2")!)
        #expect(String(decoding: body.bytes, as: UTF8.self).contains(#""resultQuality":"uncertain","parameters":{},"#))
    }

    @Test func aReadingAlone() {
        var body = PostBody()
        body.write(single: Self.readings[0], datastream: EntityID(integer: "2")!)
        #expect(
            String(decoding: body.bytes, as: UTF8.self)
                == #"{"phenomenonTime":"2026-11-01T00:00:11.000Z","resultTime":"2026-11-01T00:00:11.000Z","#
                + #""result":230.1,"Datastream":{"@iot.id":2}}"#)
    }

    @Test func entities() throws {
        let meter = TestInstallation.meters(1, points: 1)[0]
        #expect(
            String(decoding: Entities.thing(meter, gateway: TestInstallation.gateway), as: UTF8.self)
                == #"{"name":"gw-test/m1","description":"Nobody T1","properties":{"gateway":"gw-test","meter":"m1","#
                + #""model":"test-meter"},"Locations":[{"name":"Cellar","description":"Cellar","#
                + #""encodingType":"application/geo+json","location":{"type":"Point","coordinates":[12.37,51.34]}}]}"#)
        #expect(
            String(decoding: Entities.sensor(meter.definition), as: UTF8.self)
                == #"{"name":"test-meter","description":"Nobody T1","encodingType":"application/pdf","#
                + #""metadata":"https://example.org/t1.pdf","properties":{"manufacturer":"Nobody","product":"T1"}}"#)
        #expect(
            String(decoding: Entities.observedProperty(.activeEnergy), as: UTF8.self)
                == #"{"name":"active energy","definition":"http://qudt.org/vocab/quantitykind/ActiveEnergy","#
                + #""description":"active energy"}"#)
        let body = Entities.datastream(
            meter.points[0], name: "gw-test/m1/p1", thing: EntityID(integer: "1")!, sensor: EntityID(text: "s"),
            observedProperty: EntityID(integer: "3")!)
        #expect(
            String(decoding: body, as: UTF8.self)
                == #"{"name":"gw-test/m1/p1","description":"current: p1","#
                + #""observationType":"http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement","#
                + #""unitOfMeasurement":{"name":"kilowatt","symbol":"kW","#
                + #""definition":"http://qudt.org/vocab/unit/KiloW"},"#
                + #""properties":{"ucum":"kW","obis":"1-0:1.7.0","kind":"gauge","point":"m1/p1"},"#
                + #""Thing":{"@iot.id":1},"Sensor":{"@iot.id":"s"},"ObservedProperty":{"@iot.id":3}}"#)
        // What is written can be read.
        _ = try JSON(body)
    }

    /// OGC 18-088: the result of an OM_Observation may be a text; where there is no unit, its members are null.
    @Test func theDatastreamOfAText() throws {
        var definition = TestInstallation.meters(1, points: 1)[0].points[0].definition
        (definition.type, definition.kind, definition.quantity) = (.text, .state, .state)
        let body = Entities.datastream(
            Point(meter: "m1", definition: definition, interval: .seconds(1)), name: "gw-test/m1/p1",
            thing: EntityID(integer: "1")!, sensor: EntityID(text: "s"), observedProperty: EntityID(integer: "3")!)
        #expect(
            String(decoding: body, as: UTF8.self)
                == #"{"name":"gw-test/m1/p1","description":"state: p1","#
                + #""observationType":"http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Observation","#
                + #""unitOfMeasurement":{"name":null,"symbol":null,"definition":null},"#
                + #""properties":{"obis":"1-0:1.7.0","kind":"state","point":"m1/p1"},"#
                + #""Thing":{"@iot.id":1},"Sensor":{"@iot.id":"s"},"ObservedProperty":{"@iot.id":3}}"#)
        _ = try JSON(body)
        // A text that spells a number is a number.
        definition.kind = .gauge
        let number = Entities.datastream(
            Point(meter: "m1", definition: definition, interval: .seconds(1)), name: "gw-test/m1/p1",
            thing: EntityID(integer: "1")!, sensor: EntityID(text: "s"), observedProperty: EntityID(integer: "3")!)
        #expect(String(decoding: number, as: UTF8.self).contains("OM_Measurement"))
    }

    /// Who reads a contact's 0 and 1 is told what they mean.
    @Test func theDatastreamOfAContactNamesItsStates() throws {
        let definition = PointDefinition(
            name: "state", quantity: .state, unit: try #require(Unit(ucum: "1")), kind: .state,
            states: ["closed", "open"])
        let body = Entities.datastream(
            Point(meter: "door", definition: definition, interval: .seconds(1)), name: "gw-test/door/state",
            thing: EntityID(integer: "1")!, sensor: EntityID(text: "s"), observedProperty: EntityID(integer: "3")!)
        #expect(String(decoding: body, as: UTF8.self).contains(#""states":{"0":"closed","1":"open"}}"#))
        _ = try JSON(body)
    }

    @Test func aTextIsAJSONString() throws {
        let text = #"V2 "ä" \ /"#
        let reading = SpooledReading(
            sequence: SequenceNumber(rawValue: 1), point: PointID(rawValue: 1), phenomenonTime: TestInstallation.noon,
            value: .text(ExactText(text)!))
        var body = PostBody()
        body.write(single: reading, datastream: EntityID(integer: "2")!)
        #expect(try JSON(body.bytes)["result"] == .string(text))
        body.write(DeliveryWindow([reading]), 0..<1, datastreams: [reading.point: EntityID(integer: "2")!])
        #expect(try JSON(body.bytes).array?.first?["dataArray"]?.array?.first?.array?.last == .string(text))
    }

    @Test func textIsEscaped() throws {
        let hard = "a\"b\\c\nd\u{1}e/é\u{1F600}\u{2028}"
        var text = JSONText()
        text.string(hard)
        #expect(try JSON(text.bytes) == .string(hard))
        #expect(String(decoding: text.bytes, as: UTF8.self).contains(#"\"b\\c\nd\u0001e/"#))
    }

    @Test func ids() {
        #expect(EntityID(integer: "12")?.path == "12")
        #expect(EntityID(integer: "-12")?.json == Array("-12".utf8))
        for bad in ["", "-", "1.5", "1e3", "x", "123456789012345678901"] { #expect(EntityID(integer: bad) == nil) }
        #expect(EntityID(text: "o'b é").path == "'o%27%27b%20%C3%A9'")
        #expect(EntityID(text: "o'b").json == Array(#""o'b""#.utf8))
        #expect(EntityID(location: "http://wrong.host:1/v1.1/Things(12)") == EntityID(integer: "12"))
        #expect(EntityID(location: "Things('3f-2a')") == EntityID(text: "3f-2a"))
        #expect(EntityID(location: "/Things('o''b(%20)')") == nil)
        #expect(EntityID(location: "/Things(%27o%27%27b%27)") == EntityID(text: "o'b"))
        #expect(EntityID(location: "/Things('')") == EntityID(text: ""))
        for bad in ["", "(", ")", "()", "Things('x)", "Things(x)", "Things/12", "Things('"] {
            #expect(EntityID(location: bad) == nil, "\(bad)")
        }
        #expect(EntityID(integer: "9")!.precedes(EntityID(integer: "10")!))
        #expect(!EntityID(integer: "10")!.precedes(EntityID(integer: "9")!))
    }

    @Test func queriesOfServersAreMadeSafe() {
        #expect(
            URLText.safe(query: "$skip=2&$filter=a eq 'b'\r\nHost: x#é")
                == "$skip=2&$filter=a%20eq%20'b'%0D%0AHost:%20x%23%C3%A9")
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func base64(text: String, expected: String) {
        #expect(Credentials.base64(Array(text.utf8)) == expected)
    }
}
