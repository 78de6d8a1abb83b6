import Configuration
import Metering
import Posix
import Testing

/// Every definition that ships is held to the same rules; a new file needs no test of its own.
@Suite struct CatalogueTests {
    static let catalogue = Catalogue(share: nil)
    static let models = catalogue.models().map(\.name)
    /// Models whose floats are in tenths and thousandths; everybody else's are in their unit.
    static let scaledFloats: Set<String> = ["chint-dtsu666", "chint-dtsu666-b"]

    @Test func theFirstModelsAreThere() throws {
        let counts = [
            "abb-b23": 45, "carlo-gavazzi-em340": 38, "eastron-sdm230": 22, "eastron-sdm630": 62, "janitza-umg96rm": 38,
        ]
        for (model, count) in counts {
            #expect(try Self.catalogue.definition(model: model)?.points.count == count, "\(model)")
        }
    }

    /// The tests below run for each model: were none found, they would all be silent.
    @Test func modelsOfEveryWantedMakerAreThere() throws {
        #expect(Self.models.count >= 125)
        let definitions = try Self.models.compactMap { try Self.catalogue.definition(model: $0) }
        #expect(definitions.count == Self.models.count)
        let makers = Set(definitions.map(\.manufacturer))
        let wanted = [
            "Eastron", "Janitza", "ABB", "Carlo Gavazzi", "Schneider Electric", "Siemens", "Socomec", "Phoenix Contact",
            "Weidmüller", "Hager", "Finder", "Saia-Burgess Controls", "ORNO", "Eltako", "Iskra", "Sontex",
            "S+S Regeltechnik", "Wiren Board", "SunSpec Alliance",
        ]
        for maker in wanted { #expect(makers.contains(maker), "\(maker)") }
        #expect(definitions.contains { $0.status == .manual } && definitions.contains { $0.status == .agreed })
    }

    /// What a definition is known by is stated, be it that no source knows; it can be read, and tells something.
    @Test(arguments: models) func identityIsStated(model: String) throws {
        let definition = try #require(try Self.catalogue.definition(model: model))
        let identity = try #require(definition.identity, "identity: unknown where no source states it")
        for register in [identity.serial, identity.model].compactMap(\.self) {
            #expect(!register.function.readsBits && register.span.count <= RegisterSpan.maximumCount)
            #expect(register.count == register.type.wordCount || register.type == .text)
            // A device that answers 0 everywhere is no model in particular.
            #expect(register.values != ["0"])
        }
        #expect(identity.serial?.values.isEmpty ?? true)
        #expect((identity.vendorName == nil) == identity.productCodes.isEmpty)
    }

    /// On TCP and on a line, every point is read once, whole and with its scale, within what the meter stands; and each
    /// point's decoder takes whatever registers come back.
    @Test(arguments: models) func everyPointIsPlanned(model: String) throws {
        let definition = try #require(try Self.catalogue.definition(model: model))
        let line = RequestCost(line: SerialLine(), turnaround: RequestCost.usualTurnaround, pause: .zero)
        for cost in [RequestCost.tcp, line] {
            let requests = RequestPlanner.requests(for: definition.points, limits: definition.limits, cost: cost)
            #expect(requests.flatMap(\.slots).map(\.point).sorted() == Array(definition.points.indices))
            for request in requests {
                #expect(request.span.count <= definition.limits.registers, "\(request.span)")
                for hole in definition.limits.holes where hole.function == request.span.function {
                    #expect(!hole.addresses.overlaps(request.span.addresses), "\(request.span)")
                }
                for slot in request.slots {
                    let point = definition.points[slot.point]
                    #expect(Int(request.span.address) + slot.offset == Int(point.address))
                    #expect(request.span.function == point.function)
                    let (whole, needed) = (request.span.addresses, point.neededSpan.addresses)
                    #expect(whole.lowerBound <= needed.lowerBound && needed.upperBound <= whole.upperBound)
                    for word: UInt16 in [0, 1, 0x1234, 0x7FFF, 0x8000, 0xFFFF] {
                        let words = [UInt16](repeating: word, count: request.span.count)
                        guard case .value(let value) = RegisterDecoder(point).decode(words, at: slot.offset) else {
                            continue
                        }
                        #expect(value.isFinite, "\(point.name): \(value)")
                    }
                }
            }
        }
    }

    @Test(arguments: models) func readsWithoutAnyProblem(model: String) throws {
        let definition = try #require(try Self.catalogue.definition(model: model))
        #expect(definition.model == model)
        #expect(!definition.manufacturer.isEmpty && !definition.product.isEmpty)
        #expect((4...125).contains(definition.limits.registers))
        #expect(Set(definition.points.map(\.name)).count == definition.points.count)
        // Warnings show only where a configuration uses the definition.
        let place = definition.sunSpec == nil ? nil : 40_070
        let used = try Scratch.read(Scratch.using(model: model, at: place), catalogue: Self.catalogue)
        #expect(used.problems == [])
        #expect(used.configuration?.meters.first?.points.count == definition.points.count)
    }

    @Test(arguments: models) func namesWhereItComesFrom(model: String) throws {
        let definition = try #require(try Self.catalogue.definition(model: model))
        switch definition.status {
        case .agreed: #expect(definition.sources.count >= 2)
        case .manual:
            // Of what was read the page is known; a paper that is cited by its sections alone is one source of two.
            #expect(definition.sources.contains { $0.contains(/\b(pages?|p\.) [0-9]|\bone (HTML|web) page\b/) })
        case .own: Issue.record("\(model) ships with status own")
        }
        #expect(Set(definition.sources).count == definition.sources.count)
    }

    @Test(arguments: models) func registersHoldOneThingEach(model: String) throws {
        let points = try #require(try Self.catalogue.definition(model: model)).points
        for (index, point) in points.enumerated() {
            #expect(point.span.addresses.upperBound <= 65_536)
            for other in points[..<index] where other.function == point.function {
                #expect(!other.span.addresses.overlaps(point.span.addresses), "\(point.name) and \(other.name)")
            }
        }
    }

    @Test(arguments: models) func pointsMeanWhatTheirNamesSay(model: String) throws {
        for point in try #require(try Self.catalogue.definition(model: model)).points {
            #expect(Unit(ucum: point.unit.ucum) == point.unit)
            #expect(point.name.hasPrefix(point.quantity.rawValue), "\(point.name) measures \(point.quantity.rawValue)")
            let counts: Set<Quantity> = [
                .activeEnergy, .reactiveEnergy, .apparentEnergy, .thermalEnergy, .volume, .mass, .count,
            ]
            if point.kind == .counter { #expect(counts.contains(point.quantity)) }
            // An energy falls only where export is taken off.
            if point.kind == .gauge, counts.contains(point.quantity) { #expect(point.name.contains("-net")) }
            // Powers of one direction there are, too: of meters that measure both apart.
            if counts.contains(point.quantity), point.name.hasSuffix("-import") || point.name.hasSuffix("-export") {
                #expect(point.kind == .counter)
            }
            if point.type == .f32 || point.type == .f64, !Self.scaledFloats.contains(model) {
                // Floats come in their unit, but for SunSpec's power factors, which are in percent.
                let isPercent =
                    point.quantity == .powerFactor && point.conversion.scale == ExactDecimal(1, exponent: -2)
                #expect(point.conversion.scale == .one || isPercent, "\(point.name)")
                #expect(point.conversion.offset == .zero)
            }
        }
    }

    /// Counters miss nothing when they are read seldom; powers are what people watch.
    @Test func intervalClassesAreWhatPeopleExpect() throws {
        let definition = try #require(try Self.catalogue.definition(model: "eastron-sdm630"))
        let classes = Dictionary(uniqueKeysWithValues: definition.points.map { ($0.name, $0.intervalClass) })
        let expected: [(String, IntervalClass)] = [
            ("active-power", .fast), ("current-l1", .fast), ("voltage-l1", .normal), ("frequency", .normal),
            ("power-factor", .normal), ("active-energy-import", .slow), ("voltage-distortion-l1", .slow),
            ("active-power-demand", .slow),
        ]
        for (name, intervalClass) in expected { #expect(classes[name] == intervalClass, "\(name)") }
        for model in Self.models {
            for point in try #require(try Self.catalogue.definition(model: model)).points {
                if point.kind == .counter || point.name.contains("demand") {
                    #expect(point.intervalClass == .slow, "\(model) \(point.name)")
                }
            }
        }
    }

    /// One vocabulary: a name means one quantity and one OBIS code in every model.
    @Test func namesAgreeAcrossModels() throws {
        var meanings: [String: (quantity: Quantity, obis: String?, model: String)] = [:]
        for model in Self.models {
            for point in try #require(try Self.catalogue.definition(model: model)).points {
                guard let known = meanings[point.name] else {
                    meanings[point.name] = (point.quantity, point.obis, model)
                    continue
                }
                #expect(known.quantity == point.quantity, "\(point.name) in \(model) and \(known.model)")
                if let obis = known.obis, let other = point.obis {
                    #expect(obis == other, "\(point.name) in \(model) and \(known.model)")
                }
            }
        }
    }

    /// Requests to an SDM or an Eltako meter begin at an even address and have an even length, whatever points are
    /// chosen.
    @Test(arguments: models.filter { $0.hasPrefix("eastron-") || $0.hasPrefix("eltako-") })
    func addressesOfPairsAreEven(model: String) throws {
        let definition = try #require(try Self.catalogue.definition(model: model))
        #expect(definition.points.allSatisfy { $0.address % 2 == 0 && $0.type.wordCount == 2 })
        #expect(definition.limits.registers <= 80 && definition.limits.registers % 2 == 0)
    }

    @Test func missingCodesFollowTheType() throws {
        let definition = try #require(try Self.catalogue.definition(model: "abb-b23"))
        for point in definition.points {
            let bits = UInt64(16 * point.type.wordCount)
            let ones = UInt64.max >> (64 - bits)
            #expect(point.notAvailable == [point.type.rawValue.hasPrefix("s") ? ones >> 1 : ones], "\(point.name)")
        }
    }
}

/// The definitions of SunSpec models, whose registers count from the model's ID register.
@Suite struct SunSpecCatalogueTests {
    private static let definitions = CatalogueTests.models.compactMap {
        (try? CatalogueTests.catalogue.definition(model: $0)).flatMap { $0.sunSpec == nil ? nil : $0 }
    }

    @Test func theModelsAreThere() {
        let ids = Self.definitions.compactMap(\.sunSpec?.id)
        #expect(Set(ids) == [101, 102, 103, 111, 112, 113, 160, 201, 202, 203, 204, 211, 212, 213, 214])
        for definition in Self.definitions {
            #expect(definition.model.hasPrefix("sunspec-\(definition.sunSpec?.id ?? 0)"))
            #expect(definition.identity == MeterIdentity(), "\(definition.model)")
        }
    }

    /// One request holds a whole model, and never a register outside the length that the device states.
    @Test func oneRequestReadsAModel() throws {
        for definition in Self.definitions {
            let length = try #require(definition.sunSpec?.lengths.min())
            let requests = RequestPlanner.requests(for: definition.points, limits: definition.limits, cost: .tcp)
            #expect(requests.count == 1, "\(definition.model)")
            for request in requests {
                #expect(request.span.function == .holding)
                #expect(request.span.addresses.lowerBound >= 2, "\(definition.model)")
                #expect(request.span.addresses.upperBound <= 2 + length, "\(definition.model)")
            }
        }
    }

    /// The models of a family differ in the points that they have, not in where these are.
    @Test(arguments: [[101, 102, 103], [111, 112, 113], [201, 202, 203, 204], [211, 212, 213, 214]])
    func familiesShareTheirLayout(ids: [UInt16]) throws {
        let family = Self.definitions.filter { ids.contains($0.sunSpec?.id ?? 0) }
        try #require(family.count == ids.count)
        let whole = try #require(family.first { $0.sunSpec?.id == ids[2] })
        for definition in family {
            for point in definition.points {
                #expect(whole.points.contains(point), "\(definition.model): \(point.name)")
            }
        }
    }

    @Test func inputsOfModel160AreTwentyRegistersApart() throws {
        let definitions = Self.definitions.filter { $0.sunSpec?.id == 160 }
        // Of a device with more than four inputs the first four are read.
        let more = (4...16).map { 8 + 20 * $0 }
        #expect(definitions.compactMap(\.sunSpec?.lengths) == [[28], [48], [68], more])
        for (inputs, definition) in definitions.enumerated() {
            for point in definition.points where point.name.hasSuffix("-1") {
                for input in 1...(inputs + 1) {
                    let name = point.name.dropLast() + "\(input)"
                    let other = try #require(definition.points.first { $0.name == name }, "\(name)")
                    var expected = point
                    expected.name = String(name)
                    expected.address += UInt16(20 * (input - 1))
                    #expect(other == expected)
                }
            }
            #expect(definition.points.count == 7 * (inputs + 1) + 1)
        }
    }

    /// What SunSpec calls "not implemented": 0 for counters that are integers, for all else a code of the type.
    @Test func missingCodesFollowTheType() {
        let codes: [RegisterType: UInt64] = [.s16: 0x8000, .u16: 0xFFFF, .u32: 0xFFFF_FFFF, .f32: 0x7FC0_0000]
        for definition in Self.definitions {
            for point in definition.points {
                let isCounter = point.kind == .counter && point.type == .u32
                #expect(point.notAvailable == [isCounter ? 0 : codes[point.type] ?? 0], "\(point.name)")
                if point.type == .s16 || isCounter, point.quantity != .temperature {
                    #expect(point.conversion.scaleRegister?.role == .exponent, "\(point.name)")
                }
            }
        }
    }
}

/// How folders are searched and files are found.
@Suite struct CatalogueFolderTests {
    private static let definition = """
        manufacturer: Acme
        product: PRODUCT
        status: own
        points:
          - {name: a, quantity: voltage, unit: V, kind: gauge, register: 0, function: input, type: u16}
        """

    @Test func theFirstFolderWins() throws {
        try Scratch.with { folder in
            try folder.write(Self.definition.replacing("PRODUCT", with: "Mended"), to: "own/acme-1.yaml")
            try folder.write(Self.definition.replacing("PRODUCT", with: "Shipped"), to: "shipped/acme-1.yaml")
            try folder.write(Self.definition.replacing("PRODUCT", with: "Other"), to: "shipped/acme-2.yaml")
            try folder.write("no definition", to: "shipped/README.txt")
            try folder.write("no proper name", to: "shipped/Acme 3.yaml")
            let catalogue = Catalogue(folders: ["own", "shipped", "missing"].map { folder.path + "/" + $0 })
            #expect(catalogue.models().map(\.name) == ["acme-1", "acme-2"])
            #expect(try catalogue.definition(model: "acme-1")?.product == "Mended")
            #expect(try catalogue.definition(model: "acme-2")?.product == "Other")
            #expect(try catalogue.definition(model: "acme-4") == nil)
        }
    }

    @Test func noNameLeavesTheFolder() throws {
        try Scratch.with { folder in
            try folder.write(Self.definition, to: "secret.yaml")
            let catalogue = Catalogue(folders: [folder.path + "/meters"])
            for model in ["../secret", "./x", "/etc/passwd", "", "a/b", "secret.yaml", "é"] {
                #expect(catalogue.file(of: model) == nil)
                #expect(try catalogue.definition(model: model) == nil)
            }
        }
    }

    @Test func aWrongDefinitionSaysWhere() throws {
        try Scratch.with { folder in
            try folder.write("manufacturer: Acme\nproduct: X\nstatus: own\npoints: 12\n", to: "acme-1.yaml")
            let catalogue = Catalogue(folders: [folder.path])
            let error = try #require(throws: ConfigurationError.self) { try catalogue.definition(model: "acme-1") }
            #expect(error.problems.map(\.path) == ["points"])
            #expect(error.problems.first?.line == 4 && error.hint != nil)
            #expect(error.description.contains("acme-1.yaml:4:9: points: expected a list"))
        }
    }

    @Test func foldersFollowTheShare() {
        #expect(Catalogue.folders(share: "/opt/parthe") == ["/etc/parthe/meters.d", "/opt/parthe/meters"])
        #expect(Catalogue.folders(share: nil).first == "/etc/parthe/meters.d")
        #expect(Catalogue.folders(share: nil).count == 2)
    }
}
