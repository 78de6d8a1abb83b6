/// The keys that one kind of mapping knows.
protocol SectionKey: RawRepresentable<String>, CaseIterable, Hashable, Sendable {
    /// How the key is written, for the hint where it is missing.
    var example: String { get }
    /// Words that people write instead, and the key that they mean.
    static var synonyms: [String: String] { get }
}

extension SectionKey {
    static var synonyms: [String: String] { [:] }
}

/// One value that is being read, with the way that leads to it.
struct Field {
    let node: Node
    let path: String
    let findings: Findings

    func error(_ message: String, hint: String? = nil) {
        findings.error(at: node.place, path: path, message, hint: hint)
    }

    func warning(_ message: String, hint: String? = nil) {
        findings.warning(at: node.place, path: path, message, hint: hint)
    }

    /// Says what was expected, unless the value was refused already.
    func reportExpected(_ what: String, hint: String? = nil) {
        if case .refused = node.content { return }
        error("expected \(what), found \(node.kind)", hint: hint)
    }

    /// Says what was expected and returns nil, so that a reader can return it.
    func expected<T>(_ what: String, hint: String? = nil) -> T? {
        reportExpected(what, hint: hint)
        return nil
    }

    /// The value of a key of a mapping that was read already.
    func member(_ key: String) -> Field? {
        guard case .mapping(let entries) = node.content, let entry = entries.first(where: { $0.key == key }) else {
            return nil
        }
        return Field(node: entry.value, path: path.isEmpty ? key : path + "." + key, findings: findings)
    }

    /// The items of a list.
    func items(example: String) -> [Field]? {
        guard case .sequence(let nodes) = node.content else {
            return expected("a list", hint: "write \(example)")
        }
        return nodes.enumerated().map { Field(node: $1, path: "\(path)[\($0)]", findings: findings) }
    }
}

/// A mapping that is read strictly: every key is known and stands once.
struct Section<Key: SectionKey> {
    let field: Field
    private var fields: [Key: Field] = [:]
    /// Keys that an unknown one most likely meant: they are not missed as well.
    private var meant: Set<Key> = []

    /// Reports keys that are unknown or stand twice. Nil when the value is no mapping at all.
    ///
    /// `advice` may explain an unknown key better than a list of the known ones.
    init?(_ field: Field, _: Key.Type = Key.self, advice: (String) -> String? = { _ in nil }) {
        guard case .mapping(let entries) = field.node.content else {
            field.reportExpected("a mapping", hint: "known keys: \(Self.words.joined(separator: ", "))")
            return nil
        }
        self.field = field
        var seen: [String: Place] = [:]
        for (index, entry) in entries.enumerated() {
            let path = field.path.isEmpty ? clipped(entry.key) : field.path + "." + clipped(entry.key)
            if let first = seen[entry.key] {
                field.findings.error(
                    at: entry.place, path: path, "the key stands here a second time",
                    hint: "first in line \(first.line); keep one of them")
                continue
            }
            seen[entry.key] = entry.place
            if let key = Key(rawValue: entry.key) {
                fields[key] = Field(node: entry.value, path: path, findings: field.findings)
            } else if !field.findings.isFull {
                let hint = advice(entry.key) ?? Self.commaHint(entries, index, field.node) ?? hint(for: entry.key)
                field.findings.error(at: entry.place, path: path, "unknown key", hint: hint)
            }
        }
    }

    /// The value of a key that may be left out.
    func optional(_ key: Key) -> Field? { fields[key] }

    /// Whether the key stands there, be it misspelt.
    func has(_ key: Key) -> Bool { fields[key] != nil || meant.contains(key) }

    /// The value of a key that must be there.
    func required(_ key: Key) -> Field? {
        if let field = fields[key] { return field }
        if !meant.contains(key) {
            field.error("missing key \"\(key.rawValue)\"", hint: "add \"\(key.example)\"")
        }
        return nil
    }

    /// What `read` makes of a key's value; `standard` where the key is left out; nil where the value is wrong.
    func value<T>(_ key: Key, or standard: T, _ read: (Field) -> T?) -> T? {
        guard let field = fields[key] else { return standard }
        return read(field)
    }

    private static var words: [String] { Key.allCases.map(\.rawValue) }

    /// What an unknown key most likely means, and which keys there are.
    private mutating func hint(for word: String) -> String {
        let synonym = Key.synonyms[word.lowercased()]
        if let guess = (synonym ?? Suggestion.best(for: word, among: Self.words)).flatMap(Key.init(rawValue:)) {
            meant.insert(guess)
        }
        return synonym.map { "did you mean \"\($0)\"?" }
            ?? Suggestion.hint(for: word, among: Self.words, called: "known keys")
    }

    /// `{name: Schule Nord, Keller}` reads as a key `Keller` without a value, and `{scale: 0,1}` as a key `1`.
    private static func commaHint(_ entries: [Node.Entry], _ index: Int, _ node: Node) -> String? {
        guard node.isFlow, index > 0, entries[index].value.isEmpty,
            case .scalar(let text, isPlain: true) = entries[index - 1].value.content
        else { return nil }
        let (key, before, after) = (clipped(entries[index - 1].key), clipped(text), clipped(entries[index].key))
        if after.utf8.allSatisfy(Number.isDigit), Number.integer(text) != nil {
            return "write the decimal point as \".\": \(key): \(before).\(after)"
        }
        return "text with a comma needs quotes here: \(key): \"\(before), \(after)\""
    }
}
