import Gateway
import Glibc
import Lab
import Posix
import Testing

@Suite(.serialized) struct CommandTests {
    @Test func exitCodesAreThoseOfTheHelp() async throws {
        let help = try await Outcome("--help")
        #expect(help.code == 0)
        for code in ["64", "65", "66", "69", "71", "73", "74", "78"] {
            #expect(help.text.contains("  \(code)  "), "\(code) is not documented")
        }
        #expect(try await Outcome("frobnicate").code == 64)
        #expect(try await Outcome("help", "frobnicate").code == 64)
        #expect(try await Outcome("help", "read").code == 0)
        #expect(try await Outcome("status", "--socket", "/nonexistent/parthe.sock").code == 69)
        #expect(try await Outcome("check", "--config", "/nonexistent/parthe.yaml").code == 78)
        #expect(try await Outcome("read", "main", "--config", "/nonexistent/parthe.yaml").code == 78)
        #expect(try await Outcome("run", "--config", "/nonexistent/parthe.yaml", "--socket", "/tmp/never").code == 78)
        #expect(try await Outcome("version").code == 0)
    }

    /// A mistyped --socket must not cost the file that stands there.
    @Test func aFileInTheSocketsPlaceIsLeftAlone() async throws {
        let rig = try Rig(count: 1)
        let file = rig.folder + "/precious"
        try LabFile.write(Array("data".utf8), to: file)
        let outcome = try await Outcome(
            "run", "--config", rig.agent.configurationFile, "--state", rig.folder + "/state", "--socket", file)
        #expect(outcome.code == 71, "\(outcome.text)")
        #expect(outcome.text.contains("no socket"), "\(outcome.text)")
        #expect(try File.read(file) == Array("data".utf8))
    }

    @Test func shellCompletionIsPrinted() async throws {
        for shell in ["bash", "zsh", "fish"] {
            let outcome = try await Outcome("--generate-completion-script", shell)
            #expect(outcome.code == 0)
            #expect(outcome.text.contains("parthe"))
        }
    }

    @Test func aMeterIsReadOnce() async throws {
        let rig = try Rig(count: 1)
        let text = try await Outcome("read", "meter-1", "--config", rig.agent.configurationFile)
        #expect(text.code == 0, "\(text.text)")
        #expect(text.text.contains("30001 = input 0"))
        #expect(!text.text.contains("\u{1B}"), "colours off a terminal")
        let json = try await Outcome("read", "meter-1", "--config", rig.agent.configurationFile, "--json")
        #expect(json.code == 0)
        #expect(json.text.contains(#""manualRegister" : 30001"#))
        #expect(json.text.contains(#""result" : "ok""#) && !json.text.contains(#""hint""#), "\(json.text)")

        rig.meters.setMisbehaviour(.exception(4), of: 0, times: 1)
        let partly = try await Outcome("read", "meter-1", "--config", rig.agent.configurationFile)
        #expect(partly.code == 1, "\(partly.text)")
        #expect(partly.text.contains("server device failure"))
        rig.meters.setMisbehaviour(.silence, of: 0)
        let silent = try await Outcome("read", "meter-1", "--config", rig.agent.configurationFile)
        #expect(silent.code == 69)
        #expect(silent.text.contains("unknown: none of") && silent.text.contains("no answer"), "\(silent.text)")
        #expect(silent.text.contains("→"), "no hint")
        let unknown = try await Outcome("read", "meter-2", "--config", rig.agent.configurationFile)
        #expect(unknown.code == 64)
        #expect(unknown.text.contains("did you mean \"meter-1\"?"), "\(unknown.text)")
    }

    @Test func theCatalogueIsShown() async throws {
        let list = try await Outcome("meter", "list", "eastron")
        #expect(
            list.code == 0 && list.text.contains("eastron-sdm630") && !list.text.contains("abb-b23"), "\(list.text)")
        #expect(list.text.contains("manual"))
        let show = try await Outcome("meter", "show", "eastron-sdm630")
        #expect(show.code == 0 && show.text.contains("30001 = input 0, 0x0"), "\(show.text)")
        let unknown = try await Outcome("meter", "show", "eastron-sdm63")
        #expect(unknown.code == 64 && unknown.text.contains("did you mean \"eastron-sdm630\"?"), "\(unknown.text)")
        let json = try await Outcome("meter", "show", "eastron-sdm630", "--json")
        #expect(json.code == 0 && json.text.contains(#""status" : "agreed""#))
        // A catalogue that is not there is a wrong installation, not a wrong command.
        for command in [["list"], ["show", "eastron-sdm630"]] {
            let none = try await Outcome(list: ["meter"] + command + ["--share", "/nonexistent"])
            #expect(none.code == 78 && none.text.contains("--share"), "\(none.text)")
        }
    }

    /// What a meter's line is set to stands in the configuration; options that would be ignored are refused.
    @Test func aMeterIsReadAsItIsConfigured() async throws {
        let rig = try Rig(count: 1)
        for (option, value) in [("--baud", "19200"), ("--parity", "even"), ("--stop-bits", "2"), ("--timeout", "1s")] {
            let outcome = try await Outcome(
                "read", "meter-1", option, value, "--config", rig.agent.configurationFile)
            #expect(outcome.code == 64, "\(outcome.text)")
            #expect(outcome.text.contains("\(option) goes with --raw"), "\(outcome.text)")
        }
        #expect(rig.meters.requestCount(of: 0) == 0)
    }

    @Test func theStatusFitsATerminal() async throws {
        let rig = try Rig(count: 30, interval: "10m")
        rig.meters.setMisbehaviour(.exception(2), of: 20)
        try rig.agent.start()
        _ = try await rig.status { report in
            report.meters.count == 30
                && report.meters.allSatisfy {
                    $0.id == "meter-21" ? $0.error != nil : $0.readings > 0 && $0.error == nil
                }
        }
        let page = try await Outcome(
            "COLUMNS=80", "LINES=24", AgentHarness.siblingProgram("parthe"), "status", "--socket", rig.agent.socket,
            program: "/usr/bin/env")
        #expect(page.code == 1, "a failing meter is no success")
        let lines = page.text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 24, "\(page.text)")
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(page.text)")
        #expect(page.text.contains("meter meter-21: exception 2"))
        #expect(page.text.contains("30001 = input 0, 0x0 ×") && page.text.contains("sent 04 00 00 00"), "\(page.text)")
        let json = try await Outcome("status", "--socket", rig.agent.socket, "--json")
        let report = try #require(StatusReport(json: Array(json.text.utf8)))
        #expect(report.meters.count == 30)
        let whole = try await Outcome("status", "--socket", rig.agent.socket)
        #expect(whole.text.contains("meter-30 "), "a pipe gets everything: \(whole.text)")
    }

    /// However much is wrong at once, the page fits, the gravest problem is on it, and some meters are.
    @Test func manyProblemsFitATerminal() async throws {
        let rig = try Rig(count: 30, interval: "1s")
        rig.stopPlatform()
        try rig.agent.start()
        _ = try await rig.status { $0.uplinks.contains { !$0.healthy } }
        // Codes that teach the agent nothing: it goes on asking the same.
        for index in 0..<30 { rig.meters.setMisbehaviour(.exception([1, 4, 5, 6][index % 4]), of: index) }
        let report = try await rig.status {
            $0.meters.count == 30 && $0.meters.allSatisfy { $0.error != nil } && $0.uplinks.allSatisfy { !$0.healthy }
        }
        #expect(report.problems.count { $0.what.hasPrefix("meter ") || $0.what.hasPrefix("uplink ") } == 31)
        #expect(report.problems.allSatisfy { $0.hint != nil }, "a problem without advice")
        let page = try await Outcome(
            "COLUMNS=80", "LINES=24", AgentHarness.siblingProgram("parthe"), "status", "--socket", rig.agent.socket,
            program: "/usr/bin/env")
        let lines = page.text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 24 && lines.allSatisfy { $0.count <= 80 }, "\(page.text)")
        #expect(page.text.contains("uplink city:"))
        #expect(page.text.contains("more (--all)"))
        #expect(page.text.contains("meter-1 "))
    }

    /// What could not be printed must not look like success; a pipe in a configuration's place must not hang.
    @Test func badFilesEndWithAMessage() async throws {
        let rig = try Rig(count: 1)
        let folder = try LabFile.temporaryFolder("parthe-test")
        defer { LabFile.remove(folder: folder) }
        let shell = "\(AgentHarness.siblingProgram("parthe")) check -c \(rig.agent.configurationFile) >/dev/full"
        let full = try await Outcome("-c", shell, program: "/bin/sh")
        #expect(full.code == 74)
        #expect(full.text.contains("cannot write to standard output"), "\(full.text)")
        #expect(mkfifo(folder + "/pipe", 0o600) == 0)
        let pipe = try await Outcome("check", "--config", folder + "/pipe")
        #expect(pipe.code == 78)
        #expect(pipe.text.contains("pipe:1:1: the file is empty"), "\(pipe.text)")
    }

    /// The shipped program has no code that forms a write: neither libmodbus' functions nor their names are in it. What it
    /// sends comes from `ReadRequest` alone, whose tests show that nothing there writes either.
    @Test func theProgramCannotWriteToAMeter() async throws {
        let program = try File.read(AgentHarness.siblingProgram("parthe"), limit: 1 << 30)
        let names = ["modbus_write_", "modbus_mask_write_", "modbus_reply"]
        for name in names {
            #expect(!program.contains(Array(name.utf8)), "\(name) is in the program")
        }
        #expect(program.contains(Array("modbus_send_raw_request".utf8)), "the search itself finds nothing")
    }
}
