import Configuration
import Lab
import Metering
import Testing

@testable import DigitalInputs
@testable import Gateway

/// Which line, and which input of the agent, a command means: needs no chip.
@Suite struct LineChoiceTests {
    private func names(_ inputs: String, board: String = "raspberry-pi-4") throws -> LineNames {
        let folder = try LabFile.temporaryFolder("parthe-choice")
        defer { LabFile.remove(folder: folder) }
        let text = """
            gateway: {id: g, location: {latitude: 51, longitude: 12}, board: \(board)}
            buses: []
            inputs:
            \(inputs)
            """
        try LabFile.write(Array(text.utf8), to: folder + "/parthe.yaml")
        return LineNames(Agent.Options(configuration: folder + "/parthe.yaml", state: "", socket: "", share: nil))
    }

    private static let gas = """
          - {id: gas, terminal: "pin 11", pulses_per: 100, unit: m3, bias: pull-up, inverted: true, debounce: 5ms}
          - {id: door, line: GPIO27, contact: {active: open, inactive: closed}}
        """

    private static let lines = [
        GPIOLineInfo(
            chip: "pinctrl-bcm2711", device: "/dev/gpiochip0", offset: 17, name: "GPIO17", consumer: "parthe",
            isUsed: true, isOutput: false),
        GPIOLineInfo(
            chip: "pinctrl-bcm2711", device: "/dev/gpiochip0", offset: 27, name: "GPIO27", consumer: "", isUsed: false,
            isOutput: false),
        GPIOLineInfo(
            chip: "pinctrl-bcm2711", device: "/dev/gpiochip0", offset: 22, name: "", consumer: "", isUsed: false,
            isOutput: false),
    ]

    /// The agent is asked for its input by its name, however the line was meant.
    @Test(
        arguments: [
            ("gas", "gas"), ("pin 11", "gas"), ("pinctrl-bcm2711:17", "gas"), ("GPIO17", "gas"),
            ("door", "door"), ("pin 13", "door"), ("pinctrl-bcm2711:27", "door"), ("GPIO27", "door"),
            ("pin 15", nil), ("pinctrl-bcm2711:22", nil), ("GPIO22", nil), ("", nil),
        ] as [(String, String?)])
    func aLineIsTheInputThatIsThere(name: String, input: String?) throws {
        let names = try names(Self.gas)
        #expect(names.problem == nil)
        #expect(LineChoice(name, names.configuration) { Self.lines }.input?.id == input)
    }

    /// Without a look at the kernel's lines, whose chips this user may not be allowed to open.
    @Test(arguments: ["gas", "pin 11", "pinctrl-bcm2711:17"]) func whatTheConfigurationSaysNeedsNoChip(name: String)
        throws
    {
        let names = try names(Self.gas)
        let choice = LineChoice(name, names.configuration) {
            Issue.record("the lines were looked at")
            return []
        }
        #expect(choice.input?.id == "gas")
        // Alone it is watched as it is configured, but with its bounces.
        #expect(choice.settings.bias == .pullUp && choice.settings.isInverted && choice.isInverted)
        #expect(choice.settings.debounce == .zero)
    }

    @Test func whatIsTriedTakesTheConfigurationsPlace() throws {
        let names = try names(Self.gas)
        let tried = LineChoice("pin 11", names.configuration, trial: .init(bias: .pullDown, isInverted: false)) { [] }
        #expect(tried.settings.bias == .pullDown && !tried.settings.isInverted && !tried.isInverted)
        let free = LineChoice("pin 15", names.configuration, trial: .init(bias: .pullUp, isInverted: true)) { [] }
        #expect(free.settings.line == .chip(label: "pinctrl-bcm2711", offset: 22))
        #expect(free.settings.bias == .pullUp && free.settings.isInverted && free.isInverted)
        let plain = LineChoice("pin 15", names.configuration) { [] }
        #expect(plain.settings.bias == .asIs && !plain.settings.isInverted)
    }

    /// A board's terminal may be inverted itself: what the configuration says comes on top.
    @Test func anInvertedTerminalIsTurnedRound() throws {
        var configuration = try #require(names(Self.gas).configuration)
        for index in configuration.gateway.board?.lines.indices ?? 0..<0 {
            configuration.gateway.board?.lines[index].isInverted = true
        }
        let plain = LineChoice("pin 15", configuration) { [] }
        #expect(plain.settings.isInverted && !plain.isInverted)
        let tried = LineChoice("pin 15", configuration, trial: .init(isInverted: true)) { [] }
        #expect(!tried.settings.isInverted && tried.isInverted)
    }

    @Test func aWrongOrMissingConfigurationIsTold() throws {
        let wrong = try names("  - {id: gas, lime: GPIO17, pulses_per: 100, unit: m3}")
        #expect(wrong.configuration == nil)
        let problem = try #require(wrong.problem)
        #expect(problem.hasPrefix("terminals and inputs are not known") && problem.contains("lime"), "\(problem)")
        let missing = LineNames(Agent.Options(configuration: "/nonexistent", state: "", socket: "", share: nil))
        #expect(missing.problem == "terminals and inputs are not known: there is no /nonexistent")
    }

    // MARK: - The list

    @Test func aListHasTerminalsAndInputs() throws {
        let list = try InputList(GPIOChips.Survey(lines: Self.lines), names(Self.gas))
        #expect(list.lines.map(\.terminal) == ["pin 11", "pin 13", "pin 15"])
        #expect(list.lines.map(\.input) == ["gas", "door", nil])
        #expect(list.problem == nil && list.closed.isEmpty && list.advice == nil)
        #expect(list.limits == GPIOChips.limits?.what)
    }

    @Test func aListWithoutAConfigurationSaysSo() throws {
        let list = try InputList(
            GPIOChips.Survey(lines: Self.lines), names("  - {id: gas, lime: GPIO17, pulses_per: 100, unit: m3}"))
        #expect(list.lines.count == 3 && list.lines.allSatisfy { $0.terminal == nil && $0.input == nil })
        #expect(
            String(decoding: list.json, as: UTF8.self).contains(#""problem" : "terminals and inputs are not known"#))
    }

    @Test func chipsThatAreClosedAreNamed() throws {
        let closed = [ClosedChip(device: "/dev/gpiochip1", obstacle: .group("gpio"))]
        let list = try InputList(GPIOChips.Survey(lines: Self.lines, closed: closed), names(Self.gas))
        #expect(list.lines.count == 3 && list.closed == ["/dev/gpiochip1"])
        #expect(list.advice?.contains("sudo usermod -aG gpio") == true)
        let names = try names(Self.gas)
        let none = try #require(throws: AgentError.self) {
            try InputList(GPIOChips.Survey(lines: [], closed: closed), names)
        }
        #expect(none.code == .unavailable && none.message == "no permission to open /dev/gpiochip1")
        #expect(none.hint == ClosedChip.advice(closed))
        let refused = try #require(throws: AgentError.self) {
            try InputList(GPIOChips.Survey(lines: [], isRefused: true), names)
        }
        #expect(refused.message.contains("libgpiod 1"))
        let empty = try #require(throws: AgentError.self) { try InputList(GPIOChips.Survey(lines: []), names) }
        #expect(empty.message == "this machine has no GPIO chips")
    }
}

/// What `parthe input test` says of what it found.
@Suite struct SignalWordsTests {
    private func finding(
        _ width: Int64, every period: Int64 = 1000, isInverted: Bool = false, debounce: Duration = .zero,
        count: Int64 = 10
    ) -> SignalJudgement.Finding {
        func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
        var judgement = SignalJudgement(level: isInverted, at: at(0), debounce: debounce)
        for index in 0..<count {
            judgement.take(LineEdge(at(100 + index * period), isActive: !isInverted))
            judgement.take(LineEdge(at(100 + index * period + width), isActive: isInverted))
        }
        return judgement.finding(at: at(30_000))
    }

    @Test func aCleanSignalIsCalledSo() {
        let words = finding(50).words
        #expect(words.result == "ok" && words.verdict == "a clean S0 signal: 10 pulses, 50.0 ms wide, no bounces")
        #expect(words.next == "pulse: s0 fits")
    }

    @Test func aLineThatRestsActiveIsCalledSo() {
        let words = finding(50, isInverted: true).words
        #expect(words.result == "ok" && words.verdict.contains("50.0 ms wide"), "\(words)")
        #expect(words.verdict.hasSuffix("the line is active between pulses: inverted turns that round"))
    }

    /// What the agent filters away cannot be seen: neither "clean" nor "no bounces" is said.
    @Test func behindADebounceNothingIsCalledClean() {
        for width in [10, 50, 400] as [Int64] {
            let words = finding(width, debounce: .milliseconds(5)).words
            #expect(words.result == "unknown" && words.verdict.contains("the agent filters 5.0 ms"), "\(words)")
            #expect(!words.verdict.contains("no bounces") && !words.next.contains("fits"), "\(words)")
        }
        let nothing = finding(50, debounce: .milliseconds(5), count: 0).words
        #expect(nothing.result == "unknown" && nothing.next.contains("the agent filters 5.0 ms"), "\(nothing)")
    }

    @Test func everyVerdictHasWords() {
        let verdicts: [SignalJudgement.Verdict] = [
            .nothing, .oneChange, .s0, .short, .slow, .bouncing(.milliseconds(1)), .disturbed(.milliseconds(1)), .noise,
        ]
        for verdict in verdicts {
            var finding = finding(50)
            finding.verdict = verdict
            #expect(["ok", "failed", "unknown"].contains(finding.words.result))
            #expect(!finding.words.verdict.isEmpty && !finding.words.next.isEmpty)
        }
        #expect(finding(50, count: 0).words.next.contains("--bias pull-up"), "a bias that cannot be tried is no advice")
    }
}
