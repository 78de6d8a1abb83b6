import Configuration
import Metering
import Posix
import Testing

/// What stands at the head of `AgentConfiguration.swift` is where technicians look things up: it is held to be true.
@Suite struct HeadTests {
    static let head: [String] = {
        let file =
            #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
            + "/Sources/Configuration/AgentConfiguration.swift"
        let text = (try? File.read(file)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n", omittingEmptySubsequences: false).prefix { $0.hasPrefix("//") }
            .map { String($0.dropFirst($0.hasPrefix("// ") ? 3 : 2)) }
    }()

    @Test func itNamesEveryTypeOrderAndFunction() {
        let words = Set(
            Self.head.joined(separator: " ").split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init))
        for type in RegisterType.allCases { #expect(words.contains(type.rawValue)) }
        for order in WordOrder.allCases { #expect(words.contains(order.rawValue)) }
        for function in RegisterFunction.allCases { #expect(words.contains(function.word)) }
        for kind in PointKind.allCases { #expect(words.contains(kind.rawValue)) }
        for role in Conversion.ScaleRegister.Role.allCases { #expect(words.contains(role.rawValue)) }
        for parity in SerialLine.Parity.allCases { #expect(words.contains(parity.rawValue)) }
    }
}

/// Points of one's own, from the file to the value.
@Suite struct OwnPointTests {
    /// Each point of the case `good-own-points`, the words of all registers that it needs, made by another program's
    /// encoder (Python's `struct` and `int.to_bytes`), and the value.
    @Test func everyKindOfPointDecodesAsWritten() throws {
        let frames: [(name: String, words: String, value: String)] = [
            ("door", "0001", "1"),
            ("pump", "0000", "0"),
            ("alarm", "0058", "1"),
            ("mode", "0058", "5"),
            ("s8", "F8FF", "-8"), ("s8", "0710", "7"),
            ("u16", "08FD", "230.1"),
            ("s16", "FFCB", "-45.3"),
            ("u32", "FFFE FFFF", "4294967.294"),
            ("s32", "EE90 FFFE", "-70000"),
            ("s32", "FFFF 7FFF", "not available"),
            ("u48", "FFFE FFFF FFFF", "281474976710654"),
            ("s48", "D000 8210 FD45", "-3000000000000"),
            ("u64", "FFFE FFFF FFFF FFFF", "18446744073709551614"),
            ("s64", "1032 5476 98BA DCFE", "-81985529216486896"),
            ("f16", "5240", "50"),
            ("u64-double-words", "5566 7788 1122 3344", "1234605616436508552"),
            ("s64-words", "5432 9876 BA98 FEDC", "-7460683154691671400"),
            ("u64-double-words-bytes", "6655 8877 2211 4433", "1234605616436508552"),
            ("f64-bytes", "D61C C840 1C5C 3AE6", "12345.678901"),
            ("f32", "4247 EB85", "49.98"),
            ("f64", "40C8 1CD6 E63A 5C1C", "12345.678901"),
            ("bcd16", "0937", "937"),
            ("bcd32", "5678 1234", "12345678"),
            ("bcd48", "9012 5678 1234", "123456789012"),
            ("bcd64", "3456 1012 5432 9876", "9876543210123456"),
            ("t5", "FE00 59E7", "230.15"),
            ("t6", "01FF FF83", "-1250"),
            ("t7", "FFFF 2694", "-0.9876"),
            ("text", "2020 3030 3132 3334 3500 0000", "12.345"),
            ("firmware", "5632 2E30 3120 DF20 0000 4141 4141 4141", "V2.01 ß"),
            ("firmware", "0000 0000 0000 0000 0000 0000 0000 0000", "not available"),
            ("exponent", "04D2 0000 0000 0000 FFFE", "12.34"),
            ("exponent", "04D2 0000 0000 0000 8000", "not available"),
            ("factor", "1171 0001 0000 0000 0000 0000 0000 0000 86A0 0001", "7000100000"),
            ("line", "2EE0", "5"),
            ("line", "0FA0", "0"),
        ]
        let file = Cases.folder + "/good-own-points/parthe.yaml"
        let read = ConfigurationReader(catalogue: Cases.catalogue(of: "")).read(file: file)
        let points = try #require(read.configuration?.meters.first?.points.map(\.definition))
        #expect(Set(points.map(\.name)) == Set(frames.map(\.name)))
        for frame in frames {
            let point = try #require(points.first { $0.name == frame.name })
            let words = frame.words.split(separator: " ").compactMap { UInt16($0, radix: 16) }
            try #require(words.count == point.neededSpan.count, "\(frame.name)")
            let place = Int(point.address) - Int(point.neededSpan.address)
            let said: String =
                switch RegisterDecoder(point).decode(words, at: place) {
                case .value(let value): value.normalized.map { "\($0)" } ?? "\(value)"
                case .notAvailable: "not available"
                case .noNumber: "no number"
                }
            #expect(said == frame.value, "\(frame.name)")
        }
        // Every type can be written, and is.
        #expect(Set(points.map(\.type)) == Set(RegisterType.allCases))
        #expect(Set(points.map(\.function)) == Set(RegisterFunction.allCases))
    }
}

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

    /// A class's interval stands for the points of the class that have none of their own; what is not named keeps 10 s.
    @Test func intervalsMayGoByClass() throws {
        let text =
            Scratch.start
                + """
                meters:
                  - {id: main, bus: hall, unit: 1, model: acme-300, interval: {fast: 1s, slow: 5m},
                     points: [voltage-l1, active-power, active-energy-import, {name: active-energy-export, interval: 15m}]}
                """
        let configuration = try #require(try Scratch.read(text, catalogue: Cases.catalogue(of: "")).configuration)
        let meter = try #require(configuration.meters.first)
        #expect(
            meter.points.map { "\($0.definition.name) \($0.interval)" } == [
                "voltage-l1 10.0 seconds", "active-power 1.0 seconds", "active-energy-import 300.0 seconds",
                "active-energy-export 900.0 seconds",
            ])
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
        let example = HeadTests.head.drop { $0 != "```yaml" }.dropFirst().prefix { $0 != "```" }.joined(separator: "\n")
        let read = try Scratch.read(example + "\n", catalogue: Catalogue(share: nil))
        #expect(read.problems.allSatisfy { $0.message.hasPrefix("no such file") }, "\(read.problems)")
        let configuration = try #require(read.configuration)
        #expect(configuration.buses.map(\.id) == ["hall", "cellar", "roof"])
        #expect(configuration.buses[1].line?.direction?.delayBefore == .milliseconds(1))
        #expect(configuration.meters.map(\.points.count) == [2, 25, 11])
        #expect(configuration.meters[2].definition.identity?.serial?.count == 8)
        #expect(configuration.meters[2].definition.ratedPower == ExactDecimal(22, exponent: 3))
    }

    @Test func fileNamesWithoutAFolderWork() throws {
        let (configuration, problems) = reader.read(file: "no-such-file.yaml")
        #expect(configuration == nil && problems.first?.file == "no-such-file.yaml")
    }
}
