// A remark as the spool has it, text and instants, becomes what it was: what is thinned already is thinned again.

extension Remark {
    /// The remark on a reading that has `value`, from what a spool has of it.
    ///
    /// An aggregate becomes one again, whose least and greatest value are of the kind of `value`: that is what they were.
    /// Whatever else is an event, of which the text is kept as it is.
    public init(members: String, from: Instant?, to: Instant?, value: Value) {
        self = Self.aggregate(members: members, from: from, to: to, value: value) ?? .stored(members: members)
    }

    /// The aggregate that `members` say; nil for any other text, and without the instants between which it was gathered.
    static func aggregate(members: String, from: Instant?, to: Instant?, value: Value) -> Remark? {
        guard let from, let to, from <= to else { return nil }
        var rest = Substring(members)
        guard let name = rest.member("aggregate"), let aggregate = Aggregate(quoted: name),
            let minimum = rest.member("min").flatMap({ Value($0, like: value) }),
            let maximum = rest.member("max").flatMap({ Value($0, like: value) }),
            let count = rest.member("count").flatMap({ Int($0) }), count > 0, rest.isEmpty
        else { return nil }
        return .aggregate(aggregate, from: from, to: to, minimum: minimum, maximum: maximum, count: count)
    }

    /// The word for the event that `members` begin with.
    static func event(in members: String) -> String? {
        var rest = Substring(members)
        guard let word = rest.member("event"), word.count > 2, word.first == "\"", word.last == "\"" else { return nil }
        return String(word.dropFirst().dropLast())
    }
}

extension Aggregate {
    fileprivate init?(quoted text: Substring) {
        guard text.count > 2, text.first == "\"", text.last == "\"" else { return nil }
        self.init(rawValue: String(text.dropFirst().dropLast()))
    }
}

extension Substring {
    /// Takes the member called `name` from the front, and the comma behind it; nil when it is not the first. No text with
    /// a comma is a member that is asked for.
    fileprivate mutating func member(_ name: String) -> Substring? {
        let start = "\"\(name)\":"
        guard hasPrefix(start) else { return nil }
        let value = dropFirst(start.count).prefix { $0 != "," }
        self = self[value.endIndex...].dropFirst()
        return value
    }
}

extension Value {
    /// The number that a JSON text says, of the kind of `other`.
    fileprivate init?(_ text: Substring, like other: Value) {
        // Swift's own numbers may also be hexadecimal, infinite or none.
        guard text.utf8.allSatisfy({ "+-.0123456789eE".utf8.contains($0) }) else { return nil }
        switch other {
        case .text: return nil
        case .decimal:
            guard let number = ExactDecimal(text) else { fallthrough }
            self = .decimal(number)
        case .double:
            guard let number = Double(text), number.isFinite else { return nil }
            self = .double(number)
        case .float:
            guard let number = Float(text), number.isFinite else { return nil }
            self = .float(number)
        }
    }
}
