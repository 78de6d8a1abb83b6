/// Where something stands. Lines and columns count from 1, columns in characters.
struct Place: Hashable, Sendable {
    var file: String
    var line: Int
    var column: Int

    /// Shown in hints: `parthe.yaml:12:5`.
    var text: String { "\(file):\(line):\(column)" }
}

/// One value of a YAML file as it was written: text is not yet a number, and every part knows its place.
struct Node {
    enum Content {
        /// Text; `isPlain` when it was written without quotes and not as a block.
        case scalar(String, isPlain: Bool)
        case sequence([Node])
        case mapping([Entry])
        /// Something that was refused and reported already; whoever reads it says nothing more.
        case refused
    }

    struct Entry {
        var key: String
        var place: Place
        var value: Node
    }

    var content: Content
    var place: Place
    /// Written as `{…}` or `[…]`.
    var isFlow = false

    /// What it is, in the technician's words.
    var kind: String {
        switch content {
        case .scalar("", isPlain: true): "nothing"
        case .scalar(let text, _): quoted(text)
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .refused: "something refused"
        }
    }

    /// Whether nothing stands there: `points:` and then the next key.
    var isEmpty: Bool {
        if case .scalar("", isPlain: true) = content { true } else { false }
    }
}

/// Text of a file for use in a message: clipped, and without control characters that could confuse a terminal.
func quoted(_ text: some StringProtocol) -> String {
    "\"" + clipped(text) + "\""
}

/// At most `limit` characters of `text`, with `?` for control characters.
func clipped(_ text: some StringProtocol, limit: Int = 60) -> String {
    var result = ""
    for (index, scalar) in text.unicodeScalars.enumerated() {
        if index == limit { return result + "…" }
        let isControl = scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
        result.unicodeScalars.append(isControl ? "?" : scalar)
    }
    return result
}
