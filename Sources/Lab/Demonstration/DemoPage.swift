internal import Gateway
internal import Metering
internal import Posix

/// The table that the demonstration shows while it runs.
struct DemoPage {
    let lines: [String]

    init(
        clock: String, news: String, values: [String: String], units: [String: String], served: Int,
        agent: AgentHarness, committed: Int64, platform: PlatformAudit, isPlatformHere: Bool
    ) {
        var lines = ["", "parthe demo  \(clock)  \(news)", ""]
        lines.append("METER      MODEL                       VOLTAGE             POWER       ENERGY IMPORT")
        for place in DemoTown.shared + DemoTown.single {
            let shown = place.shown.map { point in
                let key = "\(place.id)/\(point)"
                return Self.right("\(values[key] ?? "–") \(units[key] ?? "")", 18)
            }
            lines.append(Self.left(place.id, 11) + Self.left(place.model, 20) + shown.joined())
        }
        lines.append("")
        lines.append("meters    \(served) values served")
        let status = agent.status
        if let process = agent.processID, let status {
            lines.append("agent     running as process \(process): " + (status.problems.first?.what ?? "all is well"))
        } else if agent.processID != nil {
            lines.append("agent     starting")
        } else {
            lines.append("agent     dead")
        }
        let held = committed - Int64(platform.distinct)
        lines.append(
            "spool     \(committed) readings committed  \(Self.bar(held)) \(max(0, held)) not yet on the platform")
        lines.append(
            isPlatformHere
                ? "platform  \(platform.distinct) readings, \(platform.copies) twice"
                : "platform  away; it had \(platform.distinct) readings")
        self.lines = lines
    }

    /// A bar of 20 for up to 10 000 readings.
    private static func bar(_ readings: Int64) -> String {
        let filled = min(20, Int(max(0, readings)) * 20 / 10_000)
        return String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
    }

    private static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
