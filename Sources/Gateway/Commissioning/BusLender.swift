internal import Fieldbus
internal import FoundationEssentials
internal import Metering
internal import Posix

/// A question for a bus of the running agent, on the control socket: `bus ` and this as JSON.
struct BusQuestion: Codable, Equatable, Sendable {
    var bus: String
    var step: BusStep

    /// The word before it.
    static let word = "bus "

    /// As it is sent: one line.
    var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        // Steps hold nothing that JSON cannot say.
        let data = (try? encoder.encode(self)) ?? Data()
        return Self.word + String(decoding: data, as: UTF8.self)
    }

    /// Reads a question; nil when it is none.
    init?(text: String) {
        guard text.hasPrefix(Self.word), let question = Self.decode(Array(text.utf8.dropFirst(Self.word.utf8.count)))
        else { return nil }
        self = question
    }

    init(bus: String, step: BusStep) {
        self.bus = bus
        self.step = step
    }

    private static func decode(_ json: [UInt8]) -> BusQuestion? {
        try? JSONDecoder().decode(BusQuestion.self, from: Data(json))
    }
}

/// The agent's answer to a `BusQuestion`.
enum BusReply: Codable, Equatable, Sendable {
    /// What came back.
    case answer(BusAnswer)
    /// The agent does not use such a bus: whoever asks may.
    case noBus

    var json: [UInt8] {
        // Frames, texts and numbers: nothing that JSON cannot say.
        (try? JSONEncoder().encode(self)).map(Array.init) ?? []
    }

    init?(json: [UInt8]) {
        guard let reply = try? JSONDecoder().decode(BusReply.self, from: Data(json)) else { return nil }
        self = reply
    }
}

extension [ModbusBus] {
    /// Puts `question` to its bus when it is between two polls; the answer goes to `asker` from the bus's thread.
    func ask(_ question: BusQuestion, for asker: UnixAsker) {
        guard let bus = first(where: { $0.settings.id == question.bus }) else {
            _ = asker.send(BusReply.noBus.json)
            return
        }
        bus.lend { link, settings in
            // Whoever gave up waiting needs no answer, and the meters have their turn.
            guard asker.isThere else { return }
            _ = asker.send(BusReply.answer(question.step.take(on: &link, settings)).json)
        }
    }
}
