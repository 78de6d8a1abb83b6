import Metering
import Testing

@Suite struct SpoolReliefTests {
    /// Chunks of 100 readings, one for each character: its level as a digit; `|` begins another stretch.
    private func chunks(_ text: String) -> [WaitingChunk] {
        var chunks: [WaitingChunk] = []
        var stretch = 0
        for character in text {
            guard let level = character.wholeNumberValue.flatMap(ThinningLevel.init) else {
                stretch += 1
                continue
            }
            let first = Int64(chunks.count) * 100 + 1
            chunks.append(
                WaitingChunk(
                    first: SequenceNumber(rawValue: first), last: SequenceNumber(rawValue: first + 99), count: 100,
                    level: level, stretch: stretch))
        }
        return chunks
    }

    private func search(
        _ chunks: [WaitingChunk], _ step: SpoolAdmission.Step, hasPreferred: Bool = false, limit: Int = 1000
    ) -> (relief: SpoolRelief?, looks: Int) {
        var search = ReliefSearch(at: step, hasPreferred: hasPreferred, maximumReadings: limit)
        var looks = 0
        for chunk in chunks {
            looks += 1
            if !search.look(at: chunk) { break }
        }
        return (search.relief, looks)
    }

    /// `2-4→3`: the second to the fourth chunk are thinned to level 3; `-1`: the first is dropped.
    private func text(_ relief: SpoolRelief?) -> String {
        func number(_ sequence: SequenceNumber) -> Int64 { (sequence.rawValue + 99) / 100 }
        switch relief {
        case nil: return ""
        case .thin(let first, let last, let level): return "\(number(first))-\(number(last))→\(level.rawValue)"
        case .drop(let first, _): return "-\(number(first))"
        }
    }

    @Test(arguments: [
        // Everything to 1 min, then to 15 min, then to 1 h, the oldest first.
        ("0000", "1-4→2"), ("2200", "3-4→2"), ("2222", "1-4→3"), ("3322", "3-4→3"), ("3333", "1-4→4"),
        ("4433", "3-4→4"), ("4444", ""), ("3320", "4-4→2"), ("", ""),
        // What was thinned early goes on with the others.
        ("1100", "1-4→2"), ("1010", "1-4→2"),
        // Runs end where something is leased, or another boot begins, and where chunks are thinned already.
        ("00|00", "1-2→2"), ("4|4|2|2", "3-3→3"), ("0200", "1-1→2"), ("42|24", "2-2→3"),
        ("33|3|20", "5-5→2"),
    ])
    func theFinestAndOldestIsThinnedNext(levels: String, expected: String) {
        #expect(text(search(chunks(levels), .thin).relief) == expected)
    }

    @Test func onlyWhatCannotBeThinnedIsDropped() {
        #expect(text(search(chunks("4443"), .drop).relief) == "4-4→4")
        #expect(text(search(chunks("4444"), .drop).relief) == "-1")
        #expect(search([], .drop).relief == nil)
    }

    @Test func aSlowSpoolThinsWhatIsPreferredOnly() {
        #expect(text(search(chunks("0000"), .slow).relief) == "")
        #expect(text(search(chunks("1100"), .slow, hasPreferred: true).relief) == "3-4→1")
        #expect(text(search(chunks("1142"), .slow, hasPreferred: true).relief) == "")
        #expect(text(search(chunks("0000"), .normal, hasPreferred: true).relief) == "")
    }

    @Test func aRunHasALimit() {
        #expect(text(search(chunks("00000"), .thin, limit: 300).relief) == "1-3→2")
        #expect(text(search(chunks("00000"), .thin, limit: 50).relief) == "1-1→2", "a chunk is not divided")
    }

    /// However many readings wait, the search ends with the first run that was not thinned.
    @Test func theSearchEndsEarly() {
        let backlog = chunks("222" + String(repeating: "0", count: 10_000))
        let found = search(backlog, .thin)
        #expect(text(found.relief) == "4-13→2" && found.looks == 14)
        #expect(search(backlog, .normal).looks == 1 && search(backlog, .slow).looks == 1)
    }

    /// Thinning again and again comes to an end, and nothing is thinned twice to the same level.
    @Test(arguments: 0..<50 as Range<UInt64>) func everythingBecomesHours(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let levels = (0..<30).map { _ in String("0012|".randomElement(using: &random)!) }.joined()
        var chunks = chunks(levels)
        var rounds = 0
        while case .thin(let first, let last, let level) = search(chunks, .drop, limit: 500).relief {
            for index in chunks.indices where chunks[index].first >= first && chunks[index].last <= last {
                #expect(chunks[index].level < level)
                chunks[index].level = level
            }
            rounds += 1
        }
        #expect(chunks.allSatisfy { $0.level == .hour } && rounds <= 90)
    }
}
