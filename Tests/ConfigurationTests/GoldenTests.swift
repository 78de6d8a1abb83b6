import Configuration
import Glibc
import Posix
import Testing

/// Each folder in `Cases` with a `parthe.yaml` is a configuration; `expected.txt` is what the reader says of it, byte for
/// byte: its problems, and the summary of what it understood.
///
/// The cases have a catalogue of their own in `Cases/share/meters`, or `meters.d` in the case's folder. With
/// `PARTHE_RECORD=1` the expectations are written anew; read the difference before you commit it.
@Suite struct GoldenTests {
    static let names: [String] = ((try? File.names(in: Cases.folder)) ?? []).filter {
        File.exists("\(Cases.folder)/\($0)/parthe.yaml")
    }

    @Test func thereAreCasesOfEveryKind() {
        #expect(Self.names.count >= 50)
        #expect(Self.names.filter { $0.hasPrefix("good-") }.count >= 3)
    }

    @Test(arguments: names) func saysWhatIsExpected(name: String) throws {
        let folder = "\(Cases.folder)/\(name)"
        let said = Cases.said(of: folder + "/parthe.yaml", in: folder)
        let expectation = folder + "/expected.txt"
        if getenv("PARTHE_RECORD") != nil {
            try Scratch.write(Array(said.utf8), to: expectation)
            return
        }
        let expected = String(decoding: try File.read(expectation), as: UTF8.self)
        if said != expected { Issue.record("\(name):\n\(Cases.difference(from: expected, to: said))") }
    }

    /// A good configuration is understood; a wrong one never is.
    @Test(arguments: names) func onlyGoodOnesComeOut(name: String) {
        let reader = ConfigurationReader(catalogue: Cases.catalogue(of: "\(Cases.folder)/\(name)"))
        let (configuration, problems) = reader.read(file: "\(Cases.folder)/\(name)/parthe.yaml")
        #expect((configuration == nil) == problems.contains { $0.severity == .error })
        #expect(problems.allSatisfy { $0.line >= 1 && $0.column >= 1 && !$0.message.isEmpty })
        if name.hasPrefix("good-") { #expect(configuration != nil && problems.isEmpty) }
        if name.hasPrefix("doubtful-") { #expect(configuration != nil && !problems.isEmpty) }
        if name.hasPrefix("wrong-") { #expect(configuration == nil) }
    }

    /// What is shown fits a terminal, whatever the names.
    @Test(arguments: names) func theSummaryFitsEightyColumns(name: String) {
        let reader = ConfigurationReader(catalogue: Cases.catalogue(of: "\(Cases.folder)/\(name)"))
        guard let configuration = reader.read(file: "\(Cases.folder)/\(name)/parthe.yaml").configuration else { return }
        for line in summary(of: configuration).split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    }
}

/// Where the cases are and how they are read.
enum Cases {
    static let folder = String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.endIndex)) + "/Cases"

    static func catalogue(of folder: String) -> Catalogue {
        Catalogue(folders: [folder + "/meters.d", Cases.folder + "/share/meters"])
    }

    /// The problems and the summary, with paths relative to the case.
    static func said(of file: String, in folder: String) -> String {
        let (configuration, problems) = ConfigurationReader(catalogue: catalogue(of: folder)).read(file: file)
        var said = problems.map { $0.description + "\n" }.joined()
        if let configuration { said += summary(of: configuration) }
        return said.replacing(folder + "/", with: "").replacing(Cases.folder + "/", with: "")
    }

    /// Lines that are gone with `-`, lines that are new with `+`.
    static func difference(from old: String, to new: String) -> String {
        let before = old.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let after = new.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        return after.difference(from: before).map { change in
            switch change {
            case .remove(let line, let text, _): "- \(line + 1): \(text)"
            case .insert(let line, let text, _): "+ \(line + 1): \(text)"
            }
        }.joined(separator: "\n")
    }
}
