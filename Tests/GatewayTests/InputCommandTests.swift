import Glibc
import Lab
import Posix
import Testing

/// `parthe input add`: what it writes, and where it never does.
@Suite(.serialized) struct InputCommandTests {
    private func withConfiguration(_ body: (_ folder: String) async throws -> Void) async throws {
        let folder = try LabFile.temporaryFolder("parthe-input")
        defer { LabFile.remove(folder: folder) }
        _ = mkdir(folder + "/etc", 0o755)
        let text = "gateway: {id: g, location: {latitude: 51, longitude: 12}}\nbuses: []\n"
        try LabFile.write(Array(text.utf8), to: folder + "/etc/parthe.yaml")
        try await body(folder)
    }

    @Test func aNewInputIsAFileThatTheCheckUnderstands() async throws {
        try await withConfiguration { folder in
            let configuration = folder + "/etc/parthe.yaml"
            let added = try await Outcome(
                "input", "add", "gas", "GPIO17", "--pulses-per", "100", "--unit", "m3", "--key", "pulse: s0",
                "--config", configuration)
            #expect(added.code == 0, "\(added.text)")
            #expect(File.exists(folder + "/etc/inputs/gas.yaml"))
            let check = try await Outcome("check", "--config", configuration)
            #expect(check.text.contains("gas, line GPIO17, 100 pulses per m³"), "\(check.text)")
            let again = try await Outcome(
                "input", "add", "gas", "GPIO18", "--contact", "open,closed", "--config", configuration)
            #expect(again.code == 73, "\(again.text)")
        }
    }

    @Test func anInputThatWouldBeWrongIsNotLeftBehind() async throws {
        try await withConfiguration { folder in
            let added = try await Outcome(
                "input", "add", "gas", "GPIO17", "--pulses-per", "100", "--unit", "V", "--config",
                folder + "/etc/parthe.yaml")
            #expect(added.code == 78, "\(added.text)")
            #expect(!File.exists(folder + "/etc/inputs/gas.yaml"))
        }
    }

    @Test(arguments: ["../../outside", "a/b", "Gas", ""]) func aNameThatIsNoneBecomesNoPath(name: String) async throws {
        try await withConfiguration { folder in
            let added = try await Outcome(
                "input", "add", name, "GPIO17", "--pulses-per", "100", "--unit", "m3", "--config",
                folder + "/etc/parthe.yaml")
            #expect(added.code == 64, "\(added.text)")
            #expect(!File.exists(folder + "/outside.yaml") && !File.exists(folder + "/etc/inputs"))
        }
    }
}
