internal import DigitalInputs
internal import FoundationEssentials
internal import Metering
internal import Posix

/// One line of a watch on the control socket.
enum EdgeLine: Codable, Hashable, Sendable {
    /// The agent has no such input.
    case noInput
    /// Edges follow; the line is at this level now, as far as is known.
    case began(level: Bool)
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
    /// Shows the edges of the input called `id` to `asker` from now on. The inputs' thread never waits for it: an asker
    /// that lets too much pile up is told so and dropped.
    nonisolated func show(_ id: String, to asker: UnixAsker) {
        guard let input = status.first(where: { $0.id == id }) else {
            _ = asker.send(EdgeLine.noInput.json)
            return
        }
        if let error = input.error {
            _ = asker.send(EdgeLine.ended("\(error)").json)
            return
        }
        guard asker.send(EdgeLine.began(level: input.isActive ?? false).json) else { return }
        let isShown = watch(id) { edge in
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
