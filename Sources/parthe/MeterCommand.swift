import ArgumentParser
import Gateway

/// `parthe meter`.
struct MeterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meter", abstract: "Look into the catalogue of meters.",
        subcommands: [List.self, Show.self])

    /// Where the catalogue is.
    struct CatalogueOptions: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "The folder with meters/ and boards/, where it is not /usr/share/parthe.", valueName: "dir"),
            completion: .directory)
        var share: String?
        @Flag(help: "Print JSON.") var json = false
    }

    /// `parthe meter list`.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List every model, and how far its register map is confirmed.",
            discussion: """
                manual: the maker's manual was read; agreed: two public sources agree; own: yours, from \
                /etc/parthe/meters.d. Words narrow the list down: `parthe meter list siemens`.
                Exit code 0, or 78 when a definition is wrong or there are none.
                """)

        @Argument(help: "Words that a model's name, maker or product must have.") var words: [String] = []
        @OptionGroup var options: CatalogueOptions

        func run() throws {
            try withExitCodes {
                var catalogue = try MeterCatalogue(share: options.share)
                catalogue.models.removeAll { model in
                    let text = "\(model.name) \(model.manufacturer) \(model.product)".lowercased()
                    return !words.allSatisfy { text.contains($0.lowercased()) }
                }
                if options.json { Terminal.write(catalogue.json) } else { MeterCommand.show(catalogue.models) }
                try MeterCommand.complain(of: catalogue.problems)
            }
        }
    }

    /// `parthe meter show`.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one model: its points, where they are, and where that is known from.",
            discussion: """
                Exit code 0; 64 when there is no such model; 78 when its definition is wrong or there are none at all.
                """)

        @Argument(help: "The model's name, as in `model:`.") var model: String
        @OptionGroup var options: CatalogueOptions

        func run() throws {
            try withExitCodes {
                let catalogue = try MeterCatalogue(share: options.share, model: model)
                if options.json {
                    Terminal.write(catalogue.json)
                } else {
                    for model in catalogue.models { MeterCommand.show(model) }
                }
                try MeterCommand.complain(of: catalogue.problems)
            }
        }
    }

    private static func show(_ models: [MeterCatalogue.Model]) {
        let name = max(5, models.map(\.name.count).max() ?? 0)
        let maker = max(5, models.map(\.manufacturer.count).max() ?? 0)
        print(
            Terminal.paint(
                "\(Terminal.left("MODEL", name))  STATUS  POINTS  \(Terminal.left("MAKER", maker))  PRODUCT", .dim))
        for model in models {
            print(
                "\(Terminal.left(model.name, name))  \(Terminal.left(model.status, 6))  "
                    + "\(Terminal.right("\(model.points.count)", 6))  \(Terminal.left(model.manufacturer, maker))  "
                    + model.product)
        }
        print("\n\(counted(models.count, "model"))")
    }

    private static func show(_ model: MeterCatalogue.Model) {
        print("\(Terminal.paint(model.name, .bold)): \(model.manufacturer) \(model.product)")
        print("status   \(model.status)")
        for source in model.sources { print("         \(source)") }
        print("file     \(model.file)")
        if let factory = model.factory { print("factory  \(factory)") }
        if let serial = model.serialNumber { print("serial   \(serial)") }
        let name = max(5, model.points.map(\.name.count).max() ?? 0)
        let unit = max(4, model.points.map(\.symbol.count).max() ?? 0)
        let register = max(8, model.points.map(\.register.count).max() ?? 0)
        let type = max(4, model.points.map(\.type.count).max() ?? 0)
        print(
            "\n"
                + Terminal.paint(
                    "\(Terminal.left("POINT", name))  \(Terminal.left("UNIT", unit))  KIND     "
                        + "\(Terminal.left("REGISTER", register))  \(Terminal.left("TYPE", type))  "
                        + "\(Terminal.left("CLASS", 6))  OBIS", .dim))
        for point in model.points {
            print(
                "\(Terminal.left(point.name, name))  \(Terminal.left(point.symbol, unit))  "
                    + "\(Terminal.left(point.kind, 7))  \(Terminal.left(point.register, register))  "
                    + "\(Terminal.left(point.type, type))  \(Terminal.left(point.intervalClass, 6))  "
                    + (point.obis ?? ""))
        }
    }

    private static func complain(of problems: [String]) throws {
        guard !problems.isEmpty else { return }
        for problem in problems { Terminal.complain(problem) }
        throw ExitCode(78)
    }
}
