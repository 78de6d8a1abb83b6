import Configuration
import Metering
import Testing

@testable import Fieldbus
@testable import Gateway
@testable import Lab

/// Which model is it? Asked of every model of the catalogue, simulated.
struct ModelGuessTests {
    /// All models with registers of their own; SunSpec devices name theirs.
    private static let definitions: [MeterDefinition] = {
        let catalogue = Catalogue(share: nil)
        return catalogue.models().compactMap { (try? catalogue.definition(model: $0.name)) ?? nil }
            .filter { $0.sunSpec == nil }
    }()

    @Test func everyModelIsAmongItsLikeliest() throws {
        let definitions = Self.definitions
        #expect(definitions.count > 90)
        let meters = try SimulatedMeters(
            definitions.enumerated().map {
                SimulatedMeters.Specification(name: $1.model, definition: $1, unit: UInt8($0 + 1))
            }, layout: .units)
        defer { meters.stop() }
        var link = ModbusLink(BusSettings(id: "b", endpoint: .tcp(host: "127.0.0.1", port: meters.ports[0])))
        var judged = 0
        var best = 0
        for (index, definition) in definitions.enumerated() {
            let isNamed = definition.identity?.model.map { !$0.values.isEmpty } ?? false
            let guesses = ModelGuess.all(of: definitions, identification: [:]) { span in
                // A silent second would make the test slow; these meters answer at once or never.
                let timing = Timing(responseTimeout: .seconds(10))
                guard (try? link.read(span, unit: UInt8(index + 1), timing: timing)) != nil else { return nil }
                return link.words
            }
            guard isNamed || definition.points.contains(where: ModelGuess.canJudge) else {
                #expect(!guesses.contains { $0.confidence >= 90 }, "\(definition.model) is taken for \(guesses[0])")
                continue
            }
            judged += 1
            // A temperature alone says little, and is meant to count little.
            if let rank = guesses.firstIndex(where: { $0.model == definition.model }), guesses[rank].confidence < 30 {
                continue
            }
            guard let rank = guesses.firstIndex(where: { $0.model == definition.model }) else {
                Issue.record("\(definition.model) is not recognised; guesses: \(guesses.prefix(3))")
                continue
            }
            // Models of one maker share their registers: nothing but the plate tells them apart.
            #expect(
                guesses[0].confidence - guesses[rank].confidence <= 15,
                "\(definition.model) has \(guesses[rank]), but \(guesses[0])")
            if guesses[rank].confidence == guesses[0].confidence { best += 1 }
        }
        #expect(judged > 90 && best * 10 >= judged * 9, "\(best) of \(judged)")
    }

    /// What a device says of itself settles it, and costs no register.
    @Test func anIdentificationSettlesIt() throws {
        var definition = try #require(Self.definitions.first { $0.model == "schneider-pm5100" })
        #expect(guess([definition], [0: "Schneider Electric", 1: "METSEPM5110", 2: "V1"]) == 90)
        #expect(guess([definition], [0: "Schneider Electric", 1: "METSEPM8240", 4: "PM8000"]) == nil)
        definition.identity = MeterIdentity(vendorName: "Schneider", productCodes: ["METSEPM51"])
        #expect(guess([definition], [0: "Schneider Electric", 1: "METSEPM5110"]) == 97)
        #expect(guess([definition], [0: "Somebody", 1: "METSEPM5110"]) == nil)
        #expect(guess(Self.definitions, [0: "Nobody", 1: "X"]) == nil)
        #expect(guess(Self.definitions, [:]) == nil)
    }

    private func guess(_ definitions: [MeterDefinition], _ identification: [UInt8: String]) -> Int? {
        ModelGuess.all(of: definitions, identification: identification) { _ in nil }.first?.confidence
    }

    /// A meter whose registers all hold 0, or 1, is nobody's.
    @Test func emptyRegistersAreNoModel() {
        for word in [UInt16(0), 1, 0xFFFF] {
            let guesses = ModelGuess.all(of: Self.definitions, identification: [:]) {
                Array(repeating: word, count: $0.count)
            }
            #expect(guesses.allSatisfy { $0.confidence < MeterOffer.leastConfidence + 25 }, "\(word): \(guesses)")
        }
    }
}
