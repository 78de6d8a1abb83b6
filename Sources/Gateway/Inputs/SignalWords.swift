internal import Metering

extension SignalJudgement.Finding {
    /// What was found, for a technician: `ok`, `failed` or `unknown`, what it looks like, and what to do next.
    var words: (result: String, verdict: String, next: String) {
        func text(_ time: Duration) -> String { "\(Double(time.wholeNanoseconds / 100_000) / 10) ms" }
        func text(_ range: ClosedRange<Duration>?) -> String {
            range.map { text($0.lowerBound) + ($0.lowerBound == $0.upperBound ? "" : "…" + text($0.upperBound)) } ?? ""
        }
        let seen = (pulses == 1 ? "1 pulse" : "\(pulses) pulses") + ", \(text(widths)) wide"
        let rest = restsActive ? "; the line is active between pulses: inverted turns that round" : ""
        let isTooShort = if case .leastWidth = remedy { true } else { false }
        let hidden = "the agent filters \(text(debounce)) before this"
        switch verdict {
        case .nothing:
            let look =
                "let the meter count, or bridge the contact: check the wires and their polarity (S0+ to the input, S0− "
                + "to ground), that something pulls the line (--bias pull-up tries that where nobody uses it), and that "
                + "it is this line"
            return (
                "unknown", "nothing: no edge was seen",
                debounce > .zero ? "\(hidden), so pulses that are as short are not seen; \(look)" : look
            )
        case .oneChange:
            return ("unknown", "the level changed, but no pulse ended", "watch longer: slow meters pulse once an hour")
        case .s0, .short, .slow:
            if debounce > .zero {
                return (
                    "unknown", "pulses, but whether they are clean cannot be told: \(hidden); \(seen)\(rest)",
                    "stop the agent and test the line alone, or reload it without the input's debounce"
                )
            }
            return clean(seen, rest)
        case .bouncing(let time):
            return (
                "ok", "a contact that bounces, \(text(time)) at most between its edges: \(seen)\(rest)",
                isTooShort
                    ? "a least width counts each closing once; for a debounce the pulses are too short"
                    : "a debounce counts each closing once; it must be shorter than the shortest pulse"
            )
        case .disturbed(let time):
            return (
                "ok", "pulses, and spikes of up to \(text(time)) between them: \(seen)\(rest)",
                "\(isTooShort ? "a least width" : "a debounce") leaves the spikes out; look where they come from: long "
                    + "wires beside motors want a shield"
            )
        case .noise:
            return (
                "failed", "noise: edges that come as no meter's do, pulses of \(text(widths))",
                "check that the wire is connected, that something pulls the line (--bias pull-up tries that where nobody "
                    + "uses it), and that it does not run beside a motor's"
            )
        }
    }

    private func clean(_ seen: String, _ rest: String) -> (result: String, verdict: String, next: String) {
        switch verdict {
        case .s0: ("ok", "a clean S0 signal: \(seen), no bounces\(rest)", "pulse: s0 fits")
        case .slow:
            (
                "ok", "a contact that changes slowly: \(seen), no bounces\(rest)",
                "for a slow meter pulses_per and unit, for a door or a pump contact: {active: open, inactive: closed}"
            )
        default:
            (
                "ok", "clean pulses, but not S0: \(seen)\(rest)",
                "S0 pulses and pauses last 30 ms at least: give the width that the meter's manual states"
            )
        }
    }
}
