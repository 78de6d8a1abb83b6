import Configuration
import Metering
import Posix
import Testing

/// Every definition that ships is held to the same rules; a new file needs no test of its own.
@Suite struct CatalogueTests {
    static let catalogue = Catalogue(share: nil)
    static let models = catalogue.models().map(\.name)

    @Test func theFirstModelsAreThere() throws {
        let counts = [
            "abb-b23": 45, "carlo-gavazzi-em340": 33, "eastron-sdm230": 22, "eastron-sdm630": 62, "janitza-umg96rm": 38,
        ]
        for (model, count) in counts {
            #expect(try Self.catalogue.definition(model: model)?.points.count == count, "\(model)")
        }
    }

    @Test(arguments: models) func readsWithoutAnyProblem(model: String) throws {
        let definition = try #require(try Self.catalogue.definition(model: model))
        #expect(definition.model == model)
        #expect(!definition.manufacturer.isEmpty && !definition.product.isEmpty)
        #expect((4...125).contains(definition.limits.registers))
        #expect(Set(definition.points.map(\.name)).count == definition.points.count)
        // Warnings show only where a configuration uses the definition.
        let used = try Scratch.read(Scratch.using(model: model), catalogue: Self.catalogue)
        #expect(used.problems == [])
        #expect(used.configuration?.meters.first?.points.count == definition.points.count)
    }

    @Test(arguments: models) func namesWhereItComesFrom(model: String) throws {
        let definition = try #require(try Self.catalogue.definition(model: model))
        switch definition.status {
        case .agreed: #expect(definition.sources.count >= 2)
        case .manual: #expect(definition.sources.contains { $0.contains("page") })
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
                .activeEnergy, .reactiveEnergy, .apparentEnergy, .thermalEnergy, .volume, .count,
            ]
            if point.kind == .counter { #expect(counts.contains(point.quantity)) }
            // An energy falls only where export is taken off.
            if point.kind == .gauge, counts.contains(point.quantity) { #expect(point.name.contains("-net")) }
            if point.name.hasSuffix("-import") || point.name.hasSuffix("-export") { #expect(point.kind == .counter) }
            if point.type == .f32 || point.type == .f64 {
                #expect(point.conversion.scale == .one && point.conversion.offset == .zero)
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

    /// Requests to an SDM630 or SDM230 begin at an even address and have an even length, whatever points are chosen.
    @Test(arguments: ["eastron-sdm630", "eastron-sdm230"]) func eastronAddressesAreEven(model: String) throws {
        let definition = try #require(try Self.catalogue.definition(model: model))
        #expect(definition.points.allSatisfy { $0.address % 2 == 0 && $0.type.wordCount == 2 })
        #expect(definition.limits.registers == 80)
    }

    @Test func missingCodesFollowTheType() throws {
        let definition = try #require(try Self.catalogue.definition(model: "abb-b23"))
        for point in definition.points {
            let bits = UInt64(16 * point.type.wordCount)
            let ones = UInt64.max >> (64 - bits)
            #expect(point.notAvailable == [point.type.rawValue.hasPrefix("s") ? ones >> 1 : ones], "\(point.name)")
        }
    }

    /// The frames of `Cases/frames` belong to points that the definitions have.
    @Test func framesFitTheirDefinitions() throws {
        let folder = Cases.folder + "/frames"
        for file in try File.names(in: folder) {
            let definition = try #require(try Self.catalogue.definition(model: String(file.dropLast(4))))
            let text = String(decoding: try File.read(folder + "/" + file), as: UTF8.self)
            let frames = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
            #expect(frames.count >= 4)
            for frame in frames {
                let fields = frame.split(separator: "\t").map(String.init)
                try #require(fields.count == 4)
                let point = try #require(definition.points.first { String($0.address) == fields[0] }, "\(frame)")
                let words = fields[1].split(separator: " ").compactMap { UInt16($0, radix: 16) }
                #expect(words.count == point.type.wordCount, "\(frame)")
                #expect(fields[2] == "not available" || ExactDecimal(fields[2]) != nil, "\(frame)")
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
