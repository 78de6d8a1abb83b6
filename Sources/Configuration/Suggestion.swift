/// `did you mean …?` where something is close to `word`, and the known words (at most 24): what to say of a word that is
/// none of the `candidates`.
public func hint(for word: String, among candidates: [String], called plural: String) -> String {
    Suggestion.hint(for: word, among: candidates, called: plural)
}

/// Finds what somebody most likely meant.
enum Suggestion {
    /// The candidate closest to `word`, or nil when none is close.
    static func best(for word: String, among candidates: some Sequence<String>) -> String? {
        let wanted = Array(word.lowercased().utf8.prefix(64))
        guard !wanted.isEmpty else { return nil }
        let limit = max(1, min(3, wanted.count / 3))
        var best: (distance: Int, word: String)?
        for candidate in candidates {
            let letters = Array(candidate.lowercased().utf8.prefix(64))
            var distance = editDistance(wanted, letters)
            // `sdm630` means `eastron-sdm630`: a part counts as near, but less than a slip of the finger.
            if contains(letters, wanted) || contains(wanted, letters) { distance = min(distance, limit) }
            if distance < best?.distance ?? .max { best = (distance, candidate) }
        }
        guard let best, best.distance <= limit else { return nil }
        return best.word
    }

    /// `did you mean "interval"?`, or nil when nothing is close.
    static func hint(for word: String, among candidates: some Sequence<String>) -> String? {
        best(for: word, among: candidates).map { "did you mean \"\($0)\"?" }
    }

    /// `did you mean …?` where something is close, and the known words where they are few.
    static func hint(for word: String, among candidates: [String], called plural: String) -> String {
        let guess = hint(for: word, among: candidates)
        // A long list is for those whom no guess can help, and even then not all of it.
        if let guess, candidates.count > 14 { return guess }
        let rest = candidates.count > 24 ? " and \(candidates.count - 20) more" : ""
        let list = "\(plural): " + candidates.prefix(rest.isEmpty ? 24 : 20).joined(separator: ", ") + rest
        return [guess, list].compactMap { $0 }.joined(separator: " ")
    }

    /// How many letters must be put in, left out, exchanged or swapped with their neighbour (optimal string alignment).
    static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in 1...a.count {
            var row = [i] + repeatElement(0, count: b.count)
            for j in 1...b.count {
                row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    row[j] = min(row[j], beforeLast[j - 2] + 1)
                }
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }

    private static func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
        guard part.count >= 3, part.count <= text.count else { return false }
        return (0...(text.count - part.count)).contains { text[$0..<($0 + part.count)].elementsEqual(part) }
    }
}
