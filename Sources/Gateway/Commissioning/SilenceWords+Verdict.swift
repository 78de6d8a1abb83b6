internal import Configuration
internal import Fieldbus
internal import Metering
internal import Posix

extension SilenceWords {
    /// What a cause means, what to do next, and the line of the configuration to change where that is it.
    typealias Advice = (text: String, next: String?, change: String?)

    func advice(_ verdict: SilenceVerdict) -> Advice {
        switch verdict.cause {
        case .answers:
            answers
        case .incomplete(let count): incomplete(count)
        case .impossible(let count): impossible(count)
        case .obstacle(let obstacle): advice(obstacle)
        case .silent(let living, let asked): silent(living, asked)
        case .echoOnly(let living):
            (
                "the adapter hears its own request, and nobody answers",
                wiring(living)
                    + "; an echo is no fault by itself: the port sends", nil
            )
        case .otherLine(let line):
            (
                "unit \(unit) answers at \(line), not as the bus is configured",
                "set the meter to the bus's settings; or, if all meters of the bus are like this, change the bus",
                "baud: \(line.baud), parity: \(line.parity.rawValue), stop_bits: \(line.stopBits)"
            )
        case .garbled: garbled
        case .exception(let code): exception(code)
        case .nobodyBehindGateway(let living):
            (
                "the gateway answers, and says that nobody answers it as unit \(unit)",
                living.map { "unit \($0) behind it answers, so look at this meter: " + own }
                    ?? "look at the gateway's line: baud rate and parity, A and B, power of the meters", nil
            )
        case .otherUnit(let other):
            (
                "unit \(other) answers when unit \(unit) is asked",
                "a converter or gateway rewrites unit ids, or the meter is set to \(other): look at its display",
                "unit: \(other)"
            )
        case .otherFraming: otherFraming
        case .late(let milliseconds): late(milliseconds)
        case .foreignTraffic(let units):
            (
                units.isEmpty
                    ? "somebody sends without a pause"
                    : "another master uses this line: frames of unit \(units.map(String.init).joined(separator: ", "))",
                "a line has one master: unplug the other one, or read through it; `parthe bus trace \(argument) --listen` "
                    + "shows what passes", nil
            )
        case .shifted(let by, let isProven, let points): shifted(by, isProven, points)
        case .otherOrder(let isProven, let points): otherOrder(isProven, points)
        case .unclear(let steps): unclear(steps)
        case .otherFunction:
            (
                "the registers are \(otherFunction.function.word) registers, not \(span.function.word) registers",
                fix("the model"), hasOwnPoints ? "function: \(otherFunction.function.word)" : nil
            )
        case .otherModel:
            (
                "unit \(unit) answers, but its registers hold something else than \(model ?? "the model") says",
                "find the model: `parthe bus scan \(argument) --unit \(unit)`", nil
            )
        case .flaky:
            (
                "unit \(unit) answers at times",
                "a bad contact, a missing termination, two devices with this unit id, or other traffic: "
                    + "`parthe bus trace \(argument) --seconds 60`", nil
            )
        case .closes:
            (
                "the far end closes the connection on every question",
                "it may allow fewer connections than there are masters, or know no unit \(unit): look who else reads it",
                nil
            )
        case .malformed(let how):
            (
                "what comes back fits no question: \(how)", "check what listens at \(endpoint): is it a Modbus device?",
                nil
            )
        }
    }

    private var own: String { "its unit id, its wires and its power" }

    private var answers: Advice {
        guard hasOwnPoints else {
            return ("unit \(unit) answers" + (model.map { ", and its registers are those of \($0)" } ?? ""), nil, nil)
        }
        return (
            "unit \(unit) answers, and nothing speaks against the registers of its points",
            "compare the values with the meter's display: `parthe read \(meter ?? "METER")`", nil
        )
    }

    private func incomplete(_ count: SilenceInquiry.PointCount) -> Advice {
        var parts: [String] = []
        if count.refused > 0 { parts.append("refuses \(count.refused)") }
        if count.empty > 0 { parts.append("has no value for \(count.empty)") }
        if count.unanswered > 0 { parts.append("gives no answer for \(count.unanswered)") }
        let why = count.why.map { ": \($0)" } ?? ""
        let text = "unit \(unit) answers, but \(parts.joined(separator: " and ")) of \(count.total) points\(why)"
        guard count.refused + count.empty > 0 else {
            return (
                text,
                "see which: `parthe read \(meter ?? "METER")`; a meter may be silent at registers that it does not have, "
                    + "or at many in one request (limits: {registers: 20}); a bad line shows in "
                    + "`parthe bus trace \(argument) --seconds 60`", nil
            )
        }
        return (
            text,
            "see which: `parthe read \(meter ?? "METER")`; is it this model? `parthe bus scan \(argument) --unit \(unit)`",
            nil
        )
    }

    private func impossible(_ count: SilenceInquiry.PointCount) -> Advice {
        (
            "unit \(unit) answers, but this cannot be right: \(Self.some(count.impossible))",
            "check register, type, order and scale with the manual; \(raw) shows them in every type and order", nil
        )
    }

    /// The command that shows the registers in every way.
    private var raw: String {
        let first = max(0, Int(span.address) - 2)
        let letter =
            switch span.function {
            case .holding: "h"
            case .input: "i"
            case .coil: "c"
            case .discrete: "d"
            }
        return "`parthe read --raw \(argument) \(unit) \(letter):\(first) 8`"
    }

    private func advice(_ obstacle: SilenceInquiry.Obstacle) -> Advice {
        switch obstacle {
        case .noPort(let others):
            (
                "there is no port \(endpoint)",
                others.isEmpty
                    ? "plug the adapter in: \(SerialPort.stableNames) is empty"
                    : "plug the adapter in, or use one of these: " + others.joined(separator: ", "),
                others.first.map { "serial: \($0)" }
            )
        case .notPermitted(let group):
            (
                "this user may not open \(endpoint)",
                permission(group), nil
            )
        case .portBusy:
            (
                "another program has \(endpoint)",
                "find it with `fuser -v \(endpoint)` and end it; if it is the agent, name its --socket", nil
            )
        case .portRefused(let why): ("\(endpoint) cannot be used: \(why)", "check the path and the baud rate", nil)
        case .portGone: ("\(endpoint) went away", "check the adapter's plug and its power", nil)
        case .noConnection(let why):
            (
                "no connection to \(endpoint): \(why)",
                "`ping` it; check the port number, the cable, and whether another program holds its only connection",
                nil
            )
        case .unknownHost(let why):
            ("\(endpoint) leads nowhere: \(why)", "check the name, or write the IP address", nil)
        case .outOfTime:
            (
                "unit \(unit) cannot be asked in the time for which the agent lends the bus",
                "the bus's pause or after_connect is longer, or the line is slow: stop the agent and ask again", nil
            )
        }
    }

    private func permission(_ group: String?) -> String {
        switch group {
        // Nobody should join this group for a port.
        case "root": "ask with sudo, or have udev give the port to the group dialout"
        case let group?: "it belongs to the group \(group): `usermod -aG \(group) USER`, then log in again"
        case nil: "add this user to the group that owns it: `ls -l` tells it"
        }
    }

    private func silent(_ living: UInt8?, _ asked: Int) -> Advice {
        (
            living.map { "unit \(unit) is silent; unit \($0) answers on the same bus" }
                ?? (asked > 0 ? "the whole bus is silent" : "unit \(unit) is silent"),
            wiring(living), nil
        )
    }

    private func wiring(_ living: UInt8?) -> String {
        let scan = "; `parthe bus scan \(argument)` finds it under another unit id"
        if living != nil { return "look at this meter: " + own + scan }
        switch kind {
        case .serial: return "swap A and B, check power, termination and the unit id" + scan
        case .rtuOverTCP: return "check baud rate and parity in the converter, A and B, power, the unit id" + scan
        case .tcp: return "check the unit id, the gateway's line and the meter's power" + scan
        }
    }

    private var garbled: Advice {
        kind == .serial
            ? (
                "bytes come, but no line settings make a frame of them",
                "check A and B and the termination; two devices may have unit id \(unit): unplug one", nil
            )
            : (
                "bytes come, but their checksum is wrong",
                "check baud rate and parity in the converter; two devices may have unit id \(unit)", nil
            )
    }

    private func exception(_ code: UInt8) -> Advice {
        let error = ModbusError(code: .exception(code), endpoint: endpoint, unit: unit)
        let scan = "; `parthe bus scan \(argument) --unit \(unit)` names the likely model"
        return ("unit \(unit) answers, but refuses: \(error.what)", error.hint + (code < 4 ? scan : ""), nil)
    }

    private var otherFraming: Advice {
        kind == .tcp
            ? (
                "\(endpoint) speaks RTU over TCP: it is a converter that passes frames on as they are",
                "change the bus", "rtu_over_tcp: \"\(endpoint)\""
            )
            : ("\(endpoint) speaks Modbus TCP, not RTU over TCP", "change the bus", "tcp: \"\(endpoint)\"")
    }

    private func late(_ milliseconds: Int64) -> Advice {
        // Twice what it took, to the next 100 ms.
        let wait = (milliseconds * 2 + 99) / 100 * 100
        let line = meter == nil ? "timeout: \(wait)ms" : "timing: {timeout: \(wait)ms}"
        return (
            "unit \(unit) answers, but after \(milliseconds) ms; it is waited for \(timeoutMilliseconds) ms",
            "give it more time" + (meter.map { " at meter \($0)" } ?? bus.map { " at bus \($0)" } ?? ""), line
        )
    }

    private func shifted(_ by: Int, _ isProven: Bool, _ names: [String]) -> Advice {
        let place = by < 0 ? "one below" : "one above"
        guard hasOwnPoints else {
            let doubt = isProven ? "" : ", as it seems"
            return (
                "the registers stand \(place) the configured ones\(doubt): \(notation(shifted(by))), "
                    + "not \(notation(span))",
                fix("the model; manuals count from 1 or from 0, `register` always counts from 0"), nil
            )
        }
        let concerned = points.filter { names.isEmpty || names.contains($0.name) }
        let example = concerned.first { $0.neededSpan == span }?.neededSpan ?? concerned.first?.span ?? span
        let what = names.isEmpty ? "the registers" : "those of \(Self.some(names))"
        let other = RegisterSpan(
            function: example.function, address: UInt16(clamping: Int(example.address) + by), count: 1)
        return (
            "off by one register, \(isProven ? "probably" : "perhaps"): \(what) stand \(place) the configured ones: "
                + "\(notation(other)), not \(notation(example))",
            fix("") + "; manuals count from 1 or from 0, `register` always counts from 0"
                + (isProven ? "" : "; compare with the meter's display first: \(raw)"),
            change(concerned, by)
        )
    }

    /// `register: 0`, or `register: 0 for voltage-l1, 2 for voltage-l2 and 5 more`.
    private func change(_ concerned: [PointDefinition], _ by: Int) -> String {
        func address(_ point: PointDefinition) -> Int { Int(point.address) + by }
        if points.count == 1, let point = points.first { return "register: \(address(point))" }
        return "register: " + Self.some(concerned.map { "\(address($0)) for \($0.name)" })
    }

    private func otherOrder(_ isProven: Bool, _ names: [String]) -> Advice {
        let concerned = points.filter { $0.type.wordCount > 1 && (names.isEmpty || names.contains($0.name)) }
        let order = (concerned.first?.order ?? .abcd).wordsSwapped.rawValue
        let what = names.isEmpty ? "the values" : Self.some(names)
        return (
            "\(what) come with their words the other way round\(isProven ? "" : ", perhaps")",
            fix("") + (isProven ? "" : "; compare with the meter's display first: \(raw)"),
            "order: \(order)" + (names.isEmpty ? "" : " for \(Self.some(names))")
        )
    }

    private func unclear(_ steps: [SilenceInquiry.Step]) -> Advice {
        var causes: [String] = []
        let shifts = steps.compactMap {
            if case .shifted(let by) = $0 { by < 0 ? "one below" : "one above" } else { nil }
        }
        if !shifts.isEmpty { causes.append("off by one register (\(shifts.joined(separator: " or ")))") }
        if steps.contains(.otherOrder) { causes.append("the words of each value come the other way round (order)") }
        if steps.contains(.otherFunction) { causes.append("they are \(otherFunction.function.word) registers") }
        let common = steps.contains(.shifted(-1)) ? "most often it is one below, for manuals count from 1; " : ""
        return (
            "the points of \(meter ?? "the meter") are not what the configuration says: "
                + causes.joined(separator: ", or "),
            common + "compare the values above with the meter's display, or all types and orders: \(raw)", nil
        )
    }

    private func fix(_ what: String) -> String {
        hasOwnPoints
            ? "correct the points of meter \(meter ?? "")"
            : "it is another model or firmware than \(what): `parthe bus scan \(argument) --unit \(unit)`, "
                + "or points of its own"
    }
}
