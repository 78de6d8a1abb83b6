internal import DigitalInputs
internal import FoundationEssentials
internal import Metering
internal import Posix

/// A wish to set the total of a pulse input, on the control socket of the running agent: `total ` and this as JSON.
struct TotalQuestion: Codable, Hashable, Sendable {
    var input: String
    /// What the dial shows, in the total's unit.
    var dial: String
    /// Who says so: counts only where root asks, behind whom somebody may be; else it is who asks.
    var who: String

    /// The word before it.
    static let word = "total "

    /// As it is sent: one line.
    var text: String { Self.word + String(decoding: jsonLine(self).dropLast(), as: UTF8.self) }

    /// Reads a question; nil when it is none.
    init?(text: String) {
        guard text.hasPrefix(Self.word),
            let question = try? JSONDecoder().decode(
                TotalQuestion.self, from: Data(text.utf8.dropFirst(Self.word.utf8.count)))
        else { return nil }
        self = question
    }

    init(input: String, dial: String, who: String) {
        self.input = input
        self.dial = dial
        self.who = who
    }

    /// Sets the total, and tells `asker` what became of it.
    func ask(_ inputs: DigitalInputs?, for asker: UnixAsker) {
        guard let inputs, let dial = ExactDecimal(dial) else {
            _ = asker.send(TotalReply(text: nil).json)
            return
        }
        let who =
            switch asker.user {
            case 0, nil: self.who
            case .some(let user): User.name(of: user)
            }
        inputs.set(total: dial, of: input, by: who) { event in
            _ = asker.send(TotalReply(text: event?.kind.text).json)
        }
    }
}

/// The agent's answer.
struct TotalReply: Codable, Hashable, Sendable {
    /// What happened; nil when there is no such pulse input.
    var text: String?

    var json: [UInt8] { jsonLine(self) }

    init(text: String?) {
        self.text = text
    }

    init?(json: [UInt8]) {
        guard let reply = try? JSONDecoder().decode(TotalReply.self, from: Data(json)) else { return nil }
        self = reply
    }
}
