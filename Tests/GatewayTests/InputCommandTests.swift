import DigitalInputs
import Gateway
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

    /// An agent whose inputs are at lines that are not there: this needs no chip.
    @Test(.timeLimit(.minutes(15))) func whatTheAgentCannotWatchIsNoSilence() async throws {
        let rig = try Rig(count: 1)
        var text = rig.configuration(meters: 1)
        text = text.replacing("  id: test\n", with: "  id: test\n  board: raspberry-pi-4\n")
        text += """
            inputs:
              - {id: gas, terminal: "pin 11", pulses_per: 100, unit: m3}
              - {id: door, line: parthe-none, contact: {active: open, inactive: closed}}
            """
        try rig.agent.configure(text)
        try rig.agent.start()
        _ = try await rig.status { $0.inputs.count == 2 && $0.inputs.allSatisfy { $0.error != nil } }
        let files = ["--config", rig.agent.configurationFile, "--socket", rig.agent.socket]
        for (name, place) in [("gas", "input gas"), ("pin 11", "input gas (pin 11)"), ("parthe-none", "input door")] {
            for command in ["watch", "test"] {
                let outcome = try await Outcome(list: ["input", command, name, "--seconds", "5"] + files)
                #expect(outcome.code == 69, "\(outcome.text)")
                #expect(outcome.text.contains("parthe: " + place) && outcome.text.contains("→"), "\(outcome.text)")
            }
        }
    }

    /// A user whom the devices' modes keep out, in a /dev of its own. libgpiod 2 wants real devices, of which this machine
    /// need not have any: there the virtual machine tells.
    @Test(
        .enabled("needs root, and mount namespaces") {
            GPIOChips.interface == 1 && geteuid() == 0
                ? try await Outcome("-m", "mount", "-t", "tmpfs", "none", "/mnt", program: "/usr/bin/unshare").code == 0
                : false
        })
    func chipsThatThisUserMayNotOpenAreNamedWithTheirGroup() async throws {
        let script = """
            mount -t tmpfs none /dev && : >/dev/gpiochip0 && : >/dev/gpiochip1 && : >/dev/null || exit 99
            chgrp disk /dev/gpiochip0 && chmod 660 /dev/gpiochip0 && chmod 600 /dev/gpiochip1 || exit 99
            exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
            """
        // The user must reach the program.
        let folder = try Nobody.copy()
        defer { LabFile.remove(folder: folder) }
        let program = folder + "/parthe"
        for command in [["list"], ["watch", "GPIO17", "--seconds", "1"]] {
            let outcome = try await Outcome(
                list: ["-m", "sh", "-c", script, "sh", program, "input"] + command + ["--config", "/nonexistent"],
                program: "/usr/bin/unshare")
            #expect(outcome.code == 69, "\(outcome.text)")
            #expect(outcome.text.contains("no permission to open /dev/gpiochip0, /dev/gpiochip1"), "\(outcome.text)")
            #expect(
                outcome.text.contains("/dev/gpiochip0: the group disk may: `sudo usermod -aG disk nobody`"),
                "\(outcome.text)")
            #expect(outcome.text.contains("/dev/gpiochip1: only root may"), "\(outcome.text)")
        }
    }

    @Test func aBiasThatIsNoneIsRefused() async throws {
        let outcome = try await Outcome("input", "test", "GPIO17", "--bias", "up", "--config", "/nonexistent")
        #expect(outcome.code == 64 && outcome.text.contains("pull-up"), "\(outcome.text)")
    }

    @Test func theVersionOfLibgpiodIsTold() async throws {
        let outcome = try await Outcome("version")
        #expect(outcome.text.contains(/libgpiod \d+\.\d+/), "\(outcome.text)")
    }
}
