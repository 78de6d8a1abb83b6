import Glibc
import Metering
import Testing

@testable import Lab

/// A platform with one Thing, one Sensor, one ObservedProperty and `streams` Datastreams, ids 1….
struct PlatformFixture {
    let platform: ReferencePlatform

    init(streams: Int = 1, file: String? = nil, port: UInt16 = 0, withLocation: Bool = true) throws {
        platform = try ReferencePlatform(file: file, port: port)
        let location: JSON = [
            "name": "place", "description": "cellar", "encodingType": "application/geo+json",
            "location": ["type": "Point", "coordinates": [.number("12.37"), .number("51.34")]],
        ]
        var thing: JSON = ["name": "gw/meter", "description": "a meter", "properties": ["hash": .number("1.50")]]
        if withLocation, case .object(var members) = thing {
            members.append(JSON.Member(name: "Locations", value: [location]))
            thing = .object(members)
        }
        #expect(try post("Things", thing).status == 201)
        let sensor: JSON = [
            "name": "model", "description": "d", "encodingType": "application/pdf", "metadata": "http://example.org",
        ]
        #expect(try post("Sensors", sensor).status == 201)
        let property: JSON = ["name": "voltage", "description": "d", "definition": "http://example.org/voltage"]
        #expect(try post("ObservedProperties", property).status == 201)
        for number in 1...streams {
            #expect(try post("Datastreams", Self.datastream("gw/meter/p\(number)")).status == 201)
        }
    }

    static func datastream(_ name: String) -> JSON {
        [
            "name": .string(name), "description": "d", "observationType": "http://example.org/OM_Measurement",
            "unitOfMeasurement": ["name": "volt", "symbol": "V", "definition": "http://example.org/V"],
            "Thing": ["@iot.id": .integer(1)], "Sensor": ["@iot.id": .integer(1)],
            "ObservedProperty": ["@iot.id": .integer(1)],
        ]
    }

    /// The address without the version.
    var base: String { "http://127.0.0.1:\(platform.port)" }

    func post(_ path: String, _ body: JSON, headers: [(String, String)] = []) throws -> PlainHTTP.Answer {
        try post(path, text: String(decoding: body.bytes, as: UTF8.self), headers: headers)
    }

    func post(_ path: String, text: String, headers: [(String, String)] = []) throws -> PlainHTTP.Answer {
        try PlainHTTP.request("POST", "\(platform.url)/\(path)", body: Array(text.utf8), headers: headers)
    }

    /// Sends rows (second, result's characters) of one Datastream.
    func create(_ rows: [(Int, String)], in stream: Int = 1) throws -> PlainHTTP.Answer {
        try post("CreateObservations", text: Self.arrays(rows, in: stream))
    }

    static func arrays(_ rows: [(Int, String)], in stream: Int = 1) -> String {
        let texts = rows.map { #"["\#(time($0.0))","\#(time($0.0))",\#($0.1)]"# }
        return #"[{"Datastream":{"@iot.id":\#(stream)},"components":["phenomenonTime","resultTime","result"],"#
            + #""dataArray":[\#(texts.joined(separator: ","))]}]"#
    }

    static func time(_ second: Int) -> String {
        Timestamp(milliseconds: 1_793_491_200_000 + Int64(second) * 1000).description
    }

    /// The members of a GET's answer.
    func get(_ path: String) throws -> JSON {
        let answer = try PlainHTTP.request("GET", "\(platform.url)/\(path.addingPercent)")
        #expect(answer.status == 200, "\(path): \(answer.text)")
        return try JSONParser.parse(answer.body)
    }

    func status(of path: String) throws -> Int {
        try PlainHTTP.request("GET", "\(platform.url)/\(path.addingPercent)").status
    }
}

extension String {
    /// Spaces and quotes as a URL has them.
    var addingPercent: String {
        flatMap { character -> [Character] in
            switch character {
            case " ": Array("%20")
            case "'": Array("%27")
            case "+": Array("%2B")
            default: [character]
            }
        }.reduce(into: "") { $0.append($1) }
    }
}

/// A folder that is removed when the value goes.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/parthe-lab-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw LabError(.file, "no temporary folder") }
        path = String(cString: made)
    }

    deinit {
        _ = shell("rm -rf '\(path)'")
    }
}

/// Runs a shell command; gives its status and what it wrote.
@discardableResult
func shell(_ command: String) -> (status: Int32, output: String) {
    guard let stream = popen(command, "r") else { return (-1, "") }
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = fread(&buffer, 1, buffer.count, stream)
        if count == 0 { break }
        output.append(contentsOf: buffer.prefix(count))
    }
    let status = pclose(stream)
    return (status >> 8 & 0xFF, String(decoding: output, as: UTF8.self))
}

/// Waits until a condition holds; false after two minutes, which a machine that is busy with other tests may need.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    try AgentHarness.wait(120, until: condition)
}
