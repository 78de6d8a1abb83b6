/// Whether `text` is a name as gateways, buses, meters, inputs and points have: a–z, 0–9 and hyphens between them, 1…63.
public func isName(_ text: String) -> Bool {
    Name.proper(text) == text
}

/// The names of one kind of thing: each may be given once.
struct Names {
    let kind: String
    private var places: [String: Place] = [:]
    private(set) var hasDuplicates = false
    /// Some of the names could not be read; references to a missing one may then be right.
    private(set) var isIncomplete = false

    init(of kind: String) {
        self.kind = kind
    }

    /// All names, sorted.
    var all: [String] { places.keys.sorted() }

    func contains(_ name: String) -> Bool { places[name] != nil }

    /// Nothing is known of these names: references to them cannot be judged.
    mutating func giveUp() { isIncomplete = true }

    /// Reads a name and keeps it; a name that is taken is reported, and still returned.
    mutating func claim(_ field: Field) -> String? {
        guard let name = field.name() else {
            isIncomplete = true
            return nil
        }
        if let first = places[name] {
            hasDuplicates = true
            field.error("a second \(kind) named \"\(name)\"", hint: "the first stands at \(first.text)")
        } else {
            places[name] = field.node.place
        }
        return name
    }

    /// Reads a reference to one of the names.
    func reference(_ field: Field) -> String? {
        guard let text = field.text("the name of a \(kind)") else { return nil }
        if contains(text) || isIncomplete { return text }
        let hint =
            places.isEmpty
            ? "there is no \(kind) at all yet" : Suggestion.hint(for: text, among: all, called: "known")
        field.error("unknown \(kind) \(quoted(text))", hint: hint)
        return nil
    }
}
