import Gateway
import Glibc
import Lab
import Metering
import Posix
import Testing

/// `parthe bus trace` and `parthe read --raw`: whole programs.
@Suite(.serialized) struct TraceTests {
    @Test func theAgentsFramesAreShown() async throws {
        let rig = try Rig(count: 2)
        let file = ["--config", rig.agent.configurationFile, "--socket", rig.agent.socket]
        let alone = try await Outcome(list: ["bus", "trace", "hall", "--count", "4"] + file)
        #expect(alone.code == 0 && alone.text.contains("polled from here"), "\(alone.text)")
        #expect(alone.text.contains("> unit 1, FC4, 30001 = input 0, 0x0"), "\(alone.text)")
        #expect(alone.text.contains("[04 00 00 00"), "\(alone.text)")
        #expect(alone.text.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(alone.text)")
        #expect(alone.text.contains("4 frames, 2 answers"), "\(alone.text)")

        try rig.agent.start()
        _ = try await rig.status { $0.meters.allSatisfy { $0.polls > 0 } }
        let live = try await Outcome(list: ["bus", "trace", "hall", "--count", "6", "--json"] + file)
        #expect(live.code == 0 && live.text.contains("the agent's frames:"), "\(live.text)")
        let lines = live.text.split(separator: "\n").filter { $0.hasPrefix("{") }
        #expect(lines.count == 7 && lines.allSatisfy { $0.contains(#""kind":"#) && $0.hasSuffix("}") }, "\(live.text)")
        let last = try #require(lines.last)
        #expect(last.contains(#""kind":"summary""#) && last.contains(#""result":"ok""#), "\(last)")
        let refused = try await Outcome(list: ["bus", "trace", "hall", "--listen"] + file)
        #expect(refused.code == 64, "\(refused.text)")
        // The agent goes on, and a trace survives neither it nor its silence without a word.
        let child = try ChildProcess(
            AgentHarness.siblingProgram("parthe"), ["bus", "trace", "hall"] + file, log: rig.folder + "/trace")
        func text() -> String {
            (try? File.read(rig.folder + "/trace")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
        #expect(try await AgentHarness.wait(30) { text().contains("FC4") }, "\(text())")
        #expect(try await rig.agent.terminate() == 0)
        #expect(try await AgentHarness.wait(30) { child.exitCode() != nil }, "it does not end")
        #expect(text().contains("the agent ends"), "\(text())")
    }

    /// A reader that does not read costs the agent nothing but a bounded buffer, and is told.
    @Test func aSlowReaderIsDroppedAndTold() async throws {
        let rig = try Rig(count: 20, interval: "500ms")
        try rig.agent.start()
        let before = try await rig.status { $0.meters.allSatisfy { $0.polls > 0 } }.meters[0].polls
        let conversation = try UnixSocket.converse("trace hall", at: rig.agent.socket)
        // 160 frames a round of 200 to 1000 bytes: 100 kB are soon reached.
        _ = try await rig.status(within: 90) { $0.meters[0].polls > before + 10 }
        var all: [UInt8] = []
        while let part = conversation.receive() { all += part }
        let lines = String(decoding: all, as: UTF8.self).split(separator: "\n")
        #expect(
            lines.count > 10 && lines.last?.contains("too slow") == true, "\(lines.count) lines: \(lines.last ?? "")")
        #expect(all.count < 1_000_000)
        _ = try await rig.status { $0.problems.isEmpty }
    }

    /// Four may watch; who comes later is told, and has a place when one of them is gone.
    @Test func watchersAreLimited() async throws {
        // Few frames: those who watch do not read.
        let rig = try Rig(count: 1, interval: "2s")
        try rig.agent.start()
        _ = try await rig.status { $0.meters.allSatisfy { $0.polls > 0 } }
        var watchers: [UnixConversation] = []
        for _ in 0..<4 {
            let watcher = try UnixSocket.converse("trace hall", at: rig.agent.socket)
            #expect(String(decoding: watcher.receive() ?? [], as: UTF8.self).contains("began"))
            watchers.append(watcher)
        }
        let file = ["--config", rig.agent.configurationFile, "--socket", rig.agent.socket]
        let fifth = try await Outcome(list: ["bus", "trace", "hall", "--count", "1"] + file)
        #expect(fifth.code == 69 && fifth.text.contains("4 others watch this bus"), "\(fifth.text)")
        watchers.removeAll()
        let next = try await Outcome(list: ["bus", "trace", "hall", "--count", "2"] + file)
        #expect(next.code == 0, "\(next.text)")
        let unknown = try UnixSocket.ask("trace nowhere", at: rig.agent.socket)
        #expect(String(decoding: unknown, as: UTF8.self).contains("noBus"))
    }

    @Test func aLineIsListenedToWithoutAWord() async throws {
        let device = try LineDevice.port { _ in nil }
        defer { device.stop() }
        let folder = try LabFile.temporaryFolder("parthe-listen")
        defer { LabFile.remove(folder: folder) }
        let child = try ChildProcess(
            AgentHarness.siblingProgram("parthe"),
            ["bus", "trace", device.place, "--count", "3", "--config", "/nonexistent/parthe.yaml"],
            log: folder + "/out")
        func text() -> String { (try? File.read(folder + "/out")).map { String(decoding: $0, as: UTF8.self) } ?? "" }
        #expect(try await AgentHarness.wait(30) { text().contains("listening; nothing is sent") }, "\(text())")
        // Frames that come before the port is open are lost: say it until it is heard.
        let request = Frame.rtu(4, [3, 0, 10, 0, 1])
        #expect(
            try await AgentHarness.wait(60) {
                device.say(request + Frame.rtu(4, [3, 2, 1, 2]))
                return child.exitCode() != nil
            }, "\(text())")
        #expect(text().contains("> unit 4, FC3, 40011 = holding 10, 0xA ×1"), "\(text())")
        #expect(text().contains("0102"), "\(text())")
        #expect(device.functionCodes.isEmpty, "something was sent: \(device.functionCodes)")
    }

    /// A trace that shows no answer says what to do next, to people and in JSON.
    @Test func aTraceWithoutAnswersSaysWhatIsNext() async throws {
        let device = try LineDevice.port { _ in nil }
        defer { device.stop() }
        let none = ["--config", "/nonexistent/parthe.yaml"]
        let quiet = try await Outcome(list: ["bus", "trace", device.place, "--seconds", "0.3"] + none)
        #expect(quiet.code == 69 && quiet.text.contains("unknown: 0 frames, 0 answers"), "\(quiet.text)")
        #expect(quiet.text.contains("→ nobody spoke"), "\(quiet.text)")
        let missing = try await Outcome(list: ["bus", "trace", "/dev/parthe-none", "--seconds", "1", "--json"] + none)
        #expect(missing.code == 69 && missing.text.contains(#""result":"failed""#), "\(missing.text)")
        #expect(missing.text.contains(#""hint":"#) && missing.text.contains("no such port"), "\(missing.text)")

        let rig = try Rig(count: 1)
        rig.meters.setMisbehaviour(.silence, of: 0)
        let file = ["--config", rig.agent.configurationFile]
        let silent = try await Outcome(list: ["bus", "trace", "hall", "--seconds", "6"] + file)
        #expect(silent.code == 1 && silent.text.contains("unknown: "), "\(silent.text)")
        #expect(silent.text.contains("nobody answers: `parthe bus why hall 1` looks closer"), "\(silent.text)")
        let read = try await Outcome(list: ["read", "meter-1", "--json"] + file)
        #expect(read.code == 69 && read.text.contains(#""result" : "unknown""#), "\(read.text)")
        #expect(read.text.contains("`parthe bus why hall 1` looks closer"), "\(read.text)")
        rig.meters.setMisbehaviour(.exception(2), of: 0)
        let refused = try await Outcome(list: ["read", "meter-1", "--json"] + file)
        #expect(refused.code == 1 && refused.text.contains(#""result" : "failed""#), "\(refused.text)")
    }

    @Test func registersAreShownInEveryType() async throws {
        let device = try LineDevice.converter { $0.unit == 1 ? (Frame.meter($0), 0) : nil }
        defer { device.stop() }
        let none = ["--config", "/nonexistent/parthe.yaml"]
        let raw = try await Outcome(list: ["read", "--raw", device.place, "1", "30001", "4"] + none)
        #expect(raw.code == 0, "\(raw.text)")
        for part in [
            "30001 = input 0, 0x0", "taken for a manual's number", "04 00 00 00 04", "4366", "230.0",
            "0100 0011 0110 0110",
            "64 BIT",
        ] { #expect(raw.text.contains(part), "\(part) is missing: \(raw.text)") }
        #expect(raw.text.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(raw.text)")
        let full = try LineDevice.converter { request in
            // All kinds of contents; the first four are decimal digits.
            let words = (0..<request.count).flatMap {
                [$0 < 4 ? 0x23 : UInt8(truncatingIfNeeded: $0 * 151), UInt8($0)]
            }
            return (Frame.rtu(request.unit, [request.function, UInt8(words.count)] + words), 0)
        }
        defer { full.stop() }
        let longest = try await Outcome(list: ["read", "--raw", full.place, "1", "h:65411", "125"] + none)
        #expect(longest.code == 0)
        #expect(longest.text.split(separator: "\n").filter { $0.count > 80 } == [])
        let shown = Set(longest.text.split { !($0.isLetter || $0.isNumber) }.map(String.init))
        for word in RegisterType.allCases.map(\.rawValue) + WordOrder.allCases.map(\.rawValue) where word != "bit" {
            let isShown = shown.contains(word)
            #expect(isShown, "\(word) is missing")
        }
        let far = try await Outcome(list: ["read", "--raw", device.place, "1", "h:40070", "125"] + none)
        #expect(far.code == 1 && far.text.contains("440071 = holding 40070, 0x9C86"), "\(far.text)")
        let bits = try LineDevice.converter { request in
            request.function == 2 ? (Frame.rtu(request.unit, [2, 2, 0b0000_0101, 0b10]), 0) : nil
        }
        defer { bits.stop() }
        let inputs = try await Outcome(list: ["read", "--raw", bits.place, "1", "10001", "10"] + none)
        #expect(inputs.code == 0 && inputs.text.contains("10 bits from 10001 = discrete 0, 0x0"), "\(inputs.text)")
        #expect(inputs.text.contains("10003 = discrete 2, 0x2  1\n10004 = discrete 3, 0x3  0"), "\(inputs.text)")
        let refused = try await Outcome(list: ["read", "--raw", device.place, "1", "h:0"] + none)
        #expect(refused.code == 1 && refused.text.contains("83 02"), "\(refused.text)")
        let silent = try await Outcome(
            list: ["read", "--raw", device.place, "2", "h:0", "--timeout", "50ms", "--json"] + none)
        #expect(silent.code == 69 && silent.text.contains(#""result" : "unknown""#), "\(silent.text)")
        for wrong in [["x"], ["0", "126"], ["65535", "2"], ["0", "1", "--function", "6"], ["-1"], []] {
            let outcome = try await Outcome(list: ["read", "--raw", device.place, "1"] + wrong + none)
            #expect(outcome.code == 64, "\(wrong): \(outcome.text)")
        }
        #expect(try await Outcome(list: ["read", "a", "b"] + none).code == 64)

        let rig = try Rig(count: 1)
        try rig.agent.start()
        _ = try await rig.status { $0.meters.allSatisfy { $0.polls > 0 } }
        let lent = try await Outcome(
            list: [
                "read", "--raw", "tcp:127.0.0.1:\(rig.meters.ports[0])", "1", "0", "--function", "4", "--config",
                rig.agent.configurationFile, "--socket", rig.agent.socket,
            ])
        #expect(lent.code == 0 && lent.text.contains("through the agent"), "\(lent.text)")
        let meter = try await Outcome("read", "meter-1", "--config", rig.agent.configurationFile)
        #expect(meter.text.contains("30001 = input 0, 0x0") && meter.text.contains("sent: 04 00 00"), "\(meter.text)")
    }
}
