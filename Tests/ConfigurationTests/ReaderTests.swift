import Configuration
import Metering
import Posix
import Testing

@Suite struct ExactnessTests {
    @Test func numbersKeepEveryDigit() throws {
        let read = try Scratch.read(
            """
            gateway: {id: g, location: {latitude: 51.33970, longitude: -0.1}}
            buses: [{id: hall, tcp: 10.0.0.1}]
            uplinks: [{id: city, sensorthings: https://api.city.example/v1.1}]
            meters:
              - id: m
                bus: hall
                unit: 0xF7
                defaults: {function: holding, type: u64, order: DCBA}
                points:
                  - {name: a, quantity: voltage, unit: V, kind: gauge, register: 0, scale: 0.1, offset: -273.15}
                  - {name: b, quantity: voltage, unit: V, kind: gauge, register: 4, scale: 1e-3, order: BADC,
                     not_available: [0xFFFFFFFFFFFFFFFF, 18446744073709551614]}
                  - {name: c, quantity: voltage, unit: V, kind: gauge, register: 0xFFFC, scale: 18446744073709551615}
            """)
        let configuration = try #require(read.configuration)
        #expect(read.problems == [])
        #expect(configuration.gateway.location.latitude == ExactDecimal(5_133_970, exponent: -5))
        #expect(configuration.gateway.location.longitude == ExactDecimal(-1, exponent: -1))
        let meter = try #require(configuration.meters.first)
        #expect(meter.unit == 247 && meter.location == configuration.gateway.location)
        #expect(meter.points.map(\.key) == ["m/a", "m/b", "m/c"])
        let points = meter.points.map(\.definition)
        #expect(points[0].conversion.scale == ExactDecimal(1, exponent: -1))
        #expect(points[0].conversion.offset == ExactDecimal(-27315, exponent: -2))
        #expect(points[0].order == .dcba && points[1].order == .badc)
        #expect(points[1].notAvailable == [.max, .max - 1])
        #expect(points[2].address == 65_532 && points[2].conversion.scale == ExactDecimal(magnitude: .max))
    }

    @Test func whatIsLeftOutHasItsStandardValue() throws {
        let configuration = try #require(
            try Scratch.read(Scratch.using(model: "acme-300"), catalogue: Cases.catalogue(of: "")).configuration)
        #expect(configuration.buses == [BusSettings(id: "hall", endpoint: .tcp(host: "192.168.1.20", port: 502))])
        #expect(configuration.spool == SpoolSettings())
        #expect(configuration.uplinks == [UplinkSettings(id: "city", url: "https://api.city.example/v1.1")])
        let meter = try #require(configuration.meters.first)
        #expect(meter.definition.limits.registers == 60 && meter.definition.limits.gap == 8)
        #expect(meter.points.filter { $0.interval == .seconds(10) }.count == 6)
        #expect(meter.points.filter { $0.interval == .seconds(3600) }.map(\.key) == ["main/operating-time"])
    }

    @Test func aPointsIntervalGoesBeforeTheMeters() throws {
        let text =
            Scratch.start
                + """
                meters:
                  - {id: main, bus: hall, unit: 1, model: acme-300, interval: 1m, limits: {gap: 0}, points: [operating-time,
                     {name: active-power, interval: 1s}, voltage-l1, {name: voltage-l2}]}
                """
        let configuration = try #require(try Scratch.read(text, catalogue: Cases.catalogue(of: "")).configuration)
        let meter = try #require(configuration.meters.first)
        #expect(meter.points.map(\.definition.name) == ["voltage-l1", "voltage-l2", "active-power", "operating-time"])
        #expect(meter.points.map(\.interval) == [.seconds(60), .seconds(60), .seconds(1), .seconds(3600)])
        #expect(meter.definition.limits.registers == 60 && meter.definition.limits.gap == 0)
        #expect(meter.definition.points.count == 7)
    }

    @Test func secretsAreSoughtBesideTheFile() throws {
        try Scratch.with { folder in
            let uplinks = """
                uplinks:
                  - id: city
                    sensorthings: https://api.city.example/v1.1
                    basic: {user: gw, password_file: secrets/city}
                    ca_file: /etc/parthe/ca.pem
                """
            try folder.write(
                Scratch.start.split(separator: "\n").dropLast().joined(separator: "\n") + "\n" + uplinks, to: "p.yaml")
            try folder.write("x", to: "secrets/city")
            let reader = ConfigurationReader(catalogue: Catalogue(folders: []))
            let configuration = try #require(reader.read(file: folder.path + "/p.yaml").configuration)
            #expect(
                configuration.uplinks.first?.credentials
                    == .basic(user: "gw", passwordFile: folder.path + "/secrets/city"))
            #expect(configuration.uplinks.first?.certificateAuthority == "/etc/parthe/ca.pem")
        }
    }
}

@Suite struct FileTests {
    private let reader = ConfigurationReader(catalogue: Catalogue(folders: []))

    @Test func aMissingFileIsNamed() {
        let (configuration, problems) = reader.read(file: "/nowhere/parthe.yaml")
        #expect(configuration == nil)
        #expect(problems.map(\.message) == ["cannot open: No such file or directory"])
        #expect(problems.first?.description.hasPrefix("/nowhere/parthe.yaml:1:1: cannot open") == true)
        #expect(problems.first?.hint != nil)
    }

    @Test func aFolderIsNoFile() throws {
        try Scratch.with { folder in
            #expect(reader.read(file: folder.path).problems.map(\.message) == ["cannot read: Is a directory"])
        }
    }

    @Test func aFileThatIsTooLargeIsRefused() throws {
        try Scratch.with { folder in
            try folder.write(Scratch.start + String(repeating: "# filler\n", count: 120_000), to: "parthe.yaml")
            let (configuration, problems) = reader.read(file: folder.path + "/parthe.yaml")
            #expect(configuration == nil)
            #expect(problems.map(\.message) == ["cannot read: File too large"])
            #expect(problems.first?.hint?.contains("1 MiB") == true)
        }
    }

    @Test func aMebibyteOfNonsenseIsCountedNotListed() throws {
        let nonsense = (0..<90_000).map { "k\($0): 1" }.joined(separator: "\n")
        let read = try Scratch.read(nonsense)
        #expect(read.configuration == nil)
        #expect(read.problems.count <= 503)
        let lists = try Scratch.read(
            Scratch.start + "meters: [" + String(repeating: "{id: x, bus: hall},", count: 40_000) + "]\n")
        #expect(lists.configuration == nil)
        #expect(lists.problems.count == 501)
        #expect(lists.problems.last?.message.contains("more problems") == true)
    }

    @Test func problemsComeInFileAndLineOrder() throws {
        try Scratch.with { folder in
            try folder.write("id: A\nunit: x\n", to: "meters/b.yaml")
            try folder.write("id: a\nbus: nowhere\nunit: 999\nmodel: y\n", to: "meters/a.yaml")
            try folder.write("spool: 1\ngateway: 2\nbuses: []\n", to: "parthe.yaml")
            let problems = reader.read(file: folder.path + "/parthe.yaml").problems
            let places = problems.map { "\($0.file.split(separator: "/").last ?? ""):\($0.line)" }
            #expect(
                places == [
                    "parthe.yaml:1", "parthe.yaml:2", "a.yaml:2", "a.yaml:3", "a.yaml:4", "b.yaml:1", "b.yaml:1",
                    "b.yaml:1", "b.yaml:2",
                ])
        }
    }

    @Test func marksAndLineEndsOfOtherSystemsAreRead() throws {
        let text = Scratch.using(model: "acme-300").replacing("\n", with: "\r\n")
        let catalogue = Cases.catalogue(of: "")
        #expect(try Scratch.read("\u{FEFF}" + text, catalogue: catalogue).problems == [])
        let wrong = try Scratch.read(text + "extra: 1\r\n", catalogue: catalogue)
        #expect(wrong.problems.map(\.line) == [5])
    }

    /// The example in the head comment of the main source file is a configuration that works.
    @Test func theDocumentedExampleIsRight() throws {
        let root = Cases.folder.split(separator: "/").dropLast(3).joined(separator: "/")
        let bytes = try File.read("/" + root + "/Sources/Configuration/AgentConfiguration.swift")
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex(of: "// ```yaml"))
        let end = try #require(lines.firstIndex(of: "// ```"))
        let example = lines[(start + 1)..<end].map { $0.dropFirst(3) }.joined(separator: "\n")
        let read = try Scratch.read(example + "\n", catalogue: Catalogue(share: nil))
        #expect(read.configuration?.meters.map(\.points.count) == [2, 2])
        #expect(read.problems.allSatisfy { $0.message.hasPrefix("no such file") }, "\(read.problems)")
    }

    @Test func fileNamesWithoutAFolderWork() throws {
        let (configuration, problems) = reader.read(file: "no-such-file.yaml")
        #expect(configuration == nil && problems.first?.file == "no-such-file.yaml")
    }
}
