internal import DigitalInputs
internal import FoundationEssentials
internal import Metering
internal import Posix

/// One line of a watch on the control socket.
enum EdgeLine: Codable, Hashable, Sendable {
    /// The agent has no such input.
    case noInput
    /// The agent has the input, but cannot watch its line: why, and what to do.
    case failing(what: String, hint: String)
    /// Edges follow; the line is at this level now, as far as is known. `debounce` (ns) has filtered the edges: zero where
    /// they are shown as they come.
    case began(level: Bool, debounce: Int64)
    /// An edge.
    case edge(nanoseconds: Int64, isActive: Bool)
    /// It ends here, and why.
    case ended(String)

    /// The word that asks for it, before the input's name.
    static let word = "edges "

    var json: [UInt8] { jsonLine(self) }

    init?(json: some Sequence<UInt8>) {
        guard let line = try? JSONDecoder().decode(EdgeLine.self, from: Data(json)) else { return nil }
        self = line
    }
}

extension DigitalInputs {
    /// Shows the edges of `settings`, one of these inputs, to `asker` from now on. The inputs' thread never waits for it:
    /// an asker that lets too much pile up is told so and dropped.
    nonisolated func show(_ settings: InputSettings, to asker: UnixAsker) {
        guard let input = status.first(where: { $0.id == settings.id }) else {
            _ = asker.send(EdgeLine.noInput.json)
            return
        }
        if let error = input.error {
            _ = asker.send(EdgeLine.failing(what: "\(error)", hint: error.hint).json)
            return
        }
        // Where this program debounces, edges are shown as they come, before it does.
        let debounce = GPIOChips.interface > 1 ? settings.debounce.wholeNanoseconds : 0
        guard asker.send(EdgeLine.began(level: input.isActive ?? false, debounce: debounce).json) else { return }
        let isShown = watch(settings.id) { sight in
            let edge: LineEdge
            switch sight {
            case .edge(let seen): edge = seen
            case .failed(let error):
                asker.push(EdgeLine.ended("\(error)").json)
                return false
            }
            let line = EdgeLine.edge(nanoseconds: edge.instant.nanoseconds, isActive: edge.isActive)
            switch asker.offer(line.json) {
            case .taken: return true
            case .gone: return false
            case .full:
                asker.push(EdgeLine.ended("this reader is too slow: edges would be missing from here on").json)
                return false
            }
        }
        if !isShown { asker.push(EdgeLine.ended("\(DigitalInputs.mostWatchers) others watch this input already").json) }
    }
}
