import Metering
import Spooling
import Testing

/// Random lives of a gateway: boots with and without a clock, steps, synchronisations, suspends, restarts of the agent,
/// two uplinks of different speed, which take windows from both ends; against a small model of what must hold for every reading.
@Suite struct ClockWalkTests {
    /// What was given once stands for ever.
    private struct Model {
        var given: [Int64: SpooledReading] = [:]
        var counts: [String: [Int64: Int]] = [:]

        /// Takes what an uplink got; says what is wrong with it.
        mutating func take(_ readings: [SpooledReading], by uplink: String) -> String? {
            for reading in readings {
                let sequence = reading.sequence.rawValue
                counts[uplink, default: [:]][sequence, default: 0] += 1
                if let before = given[sequence], before != reading { return "\(before) became \(reading)" }
                given[sequence] = reading
            }
            return nil
        }

        /// Whether the times of every point rise with its sequence numbers: then none stands twice.
        var isOrdered: Bool {
            Dictionary(grouping: given.values, by: \.point).values.allSatisfy { own in
                let times = own.sorted { $0.sequence < $1.sequence }.map(\.phenomenonTime)
                return zip(times, times.dropFirst()).allSatisfy { $0 < $1 }
            }
        }
    }

    @Test(arguments: UInt64(1)...24) func identitiesAreUniqueAndStand(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        // Half of the walks have clocks that are right or impossible; then bounds hold the truth, and good is true.
        let isHonest = seed % 2 == 0
        try withFolder { folder in
            let board = try Board(folder, wall: 0)
            var model = Model()
            func wrong() -> Int64 {
                isHonest ? 0 : board.truth + Int64.random(in: -2 * Board.day...2 * Board.day, using: &random)
            }
            for _ in 0..<150 {
                switch Int.random(in: 0..<20, using: &random) {
                case 0..<8: try board.pass(Int.random(in: 1...20, using: &random))
                case 8..<11: try take(&model, board, "city", &random, seed)
                case 11: try take(&model, board, "works", &random, seed)
                case 12: try board.synchronise()
                case 13:
                    try board.set(to: isHonest ? board.truth + [0, -epoch].randomElement(using: &random)! : wrong())
                case 14: try board.suspend(Int64.random(in: 1...2000, using: &random))
                case 15: try board.restartAgent()
                case 16, 17:
                    let off = Int64.random(in: 1...5000, using: &random)
                    let isRight = Bool.random(using: &random)
                    try board.reboot(
                        after: off, wall: isRight ? board.truth + off * 1000 : wrong(),
                        synchronised: isRight && Bool.random(using: &random))
                case 18: board.hasBattery.toggle()
                default: try board.see()
                }
            }
            // In the end the time comes, and everything goes out.
            try board.synchronise()
            try board.pass(3)
            for uplink in ["city", "works"] {
                try take(&model, board, uplink, &random, seed, windows: .max)
                #expect(model.counts[uplink]!.count == board.taken.count, "seed \(seed): \(uplink)")
                #expect(model.counts[uplink]!.values.allSatisfy { $0 == 1 }, "seed \(seed): \(uplink)")
            }
            #expect(model.isOrdered, "seed \(seed)")
            #expect(try board.store.statistics().waitingForClock == 0, "seed \(seed)")
            if isHonest { expectHonesty(model, board, seed) }
        }
    }

    private func take(
        _ model: inout Model, _ board: Board, _ uplink: String, _ random: inout SeededGenerator, _ seed: UInt64,
        windows: Int? = nil
    ) throws {
        let windows = windows ?? [1, 2, .max].randomElement(using: &random)!
        let found = try board.deliver(to: uplink, atMost: .random(in: 1...100, using: &random), windows: windows) {
            [.oldest, .newest].randomElement(using: &random)!
        }
        let wrong = model.take(found, by: uplink)
        #expect(wrong == nil, "seed \(seed): \(wrong ?? "")")
        #expect(model.isOrdered, "seed \(seed)")
    }

    private func expectHonesty(_ model: Model, _ board: Board, _ seed: UInt64) {
        for reading in model.given.values {
            let truth = Timestamp(milliseconds: board.taken[Int(reading.sequence.rawValue) - 1])
            guard case .members(let text, _, _) = reading.parameters else {
                #expect(reading.quality == .good && reading.phenomenonTime == truth, "seed \(seed)")
                continue
            }
            #expect(reading.quality == .uncertain, "seed \(seed)")
            let parts = text.split(separator: "\"")
            let named = Dictionary(
                uniqueKeysWithValues: stride(from: 0, to: parts.count - 2, by: 4).map {
                    (parts[$0], String(parts[$0 + 2]))
                })
            #expect(named["clock"] == "never-set" || named["clock"] == "not-set", "seed \(seed): \(text)")
            if let earliest = named["earliest"] { #expect(earliest <= truth.description, "seed \(seed)") }
            if let latest = named["latest"] { #expect(truth.description <= latest, "seed \(seed)") }
        }
    }
}
