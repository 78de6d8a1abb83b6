internal import Metering

/// A request that the platform refuses as wrong, with its status.
struct RequestError: Error, Hashable {
    var status: Int
    var message: String

    init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }
}

/// The query options of one collection (OGC 18-088, section 9.3), as far as the platform knows them.
struct Query {
    /// SQL conditions on the collection's table, with their arguments.
    var conditions: [String] = []
    var arguments: [SQLValue] = []
    /// The properties to show; nil shows all.
    var select: [String]?
    var top = Query.defaultTop
    var skip = 0
    var count = false
    /// SQL terms.
    var order: [String] = []
    /// The navigation properties to show in full.
    var expand: [Expansion] = []

    /// A navigation property with the options in its parentheses.
    struct Expansion {
        var relation: EntitySet.Relation
        var query: Query
    }

    /// FROST's defaults: a page of 100, and never more than 1000 at once.
    static let defaultTop = 100
    static let maximumTop = 1000
    private static let maximumDepth = 4

    /// Reads options for a collection of `set`.
    init(_ options: [(name: String, value: String)], on set: EntitySet, depth: Int = 0) throws(RequestError) {
        guard depth < Self.maximumDepth else { throw RequestError(400, "$expand is nested too deep.") }
        for (name, value) in options {
            switch name {
            case "$filter": try addFilter(value, on: set)
            case "$select":
                select = value.split(separator: ",").map { $0.trimmingSpaces() }
            case "$top": top = min(try Self.number(value, of: name), Self.maximumTop)
            case "$skip": skip = try Self.number(value, of: name)
            case "$count":
                guard let flag = Bool(value) else { throw RequestError(400, "$count must be true or false.") }
                count = flag
            case "$orderby": try addOrder(value, on: set)
            case "$expand": try addExpansions(value, on: set, depth: depth)
            default: throw RequestError(400, "Unknown query option: \(name)")
            }
        }
    }

    /// `WHERE …`, or nothing.
    var whereClause: String {
        conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
    }

    /// `ORDER BY …`; rows that are equal in it come in the order of their ids, so that pages never overlap.
    var orderClause: String {
        " ORDER BY " + (order + ["id"]).joined(separator: ", ")
    }

    private static func number(_ text: String, of name: String) throws(RequestError) -> Int {
        guard let number = Int(text), (0...1_000_000_000).contains(number) else {
            throw RequestError(400, "\(name) must be a number from 0: \(text)")
        }
        return number
    }

    private mutating func addOrder(_ text: String, on set: EntitySet) throws(RequestError) {
        for term in text.split(separator: ",") {
            let words = term.split(separator: " ")
            // frost_sta_client writes DESC in capitals.
            let direction = words.dropFirst().first?.lowercased() ?? "asc"
            guard let property = words.first, let column = set.column(property), words.count <= 2,
                direction == "asc" || direction == "desc"
            else { throw RequestError(400, "$orderby is not understood: \(term)") }
            order.append(column.name + (direction == "desc" ? " DESC" : ""))
        }
    }

    private mutating func addExpansions(_ text: String, on set: EntitySet, depth: Int) throws(RequestError) {
        for item in Self.split(text, at: ",") {
            var path = item[...]
            var options: [(name: String, value: String)] = []
            if path.last == ")", let open = path.firstIndex(of: "(") {
                for option in Self.split(String(path[path.index(after: open)...].dropLast()), at: ";") {
                    guard let equals = option.firstIndex(of: "=") else {
                        throw RequestError(400, "$expand is not understood: \(option)")
                    }
                    options.append((String(option[..<equals]), String(option[option.index(after: equals)...])))
                }
                path = path[..<open]
            }
            // `Datastreams/Sensor` is short for `Datastreams($expand=Sensor)`.
            if let slash = path.firstIndex(of: "/") {
                options.append(("$expand", String(path[path.index(after: slash)...])))
                path = path[..<slash]
            }
            guard let relation = set.relation(path) else {
                throw RequestError(400, "\(set.singular) has no navigation property \(path)")
            }
            let query = try Query(options, on: relation.target, depth: depth + 1)
            expand.append(Expansion(relation: relation, query: query))
        }
    }

    /// Splits at a separator outside of parentheses and quotes.
    private static func split(_ text: String, at separator: Character) -> [String] {
        var parts = [""]
        var depth = 0
        var isQuoted = false
        for character in text {
            if character == "'" { isQuoted.toggle() }
            if !isQuoted, character == "(" { depth += 1 }
            if !isQuoted, character == ")" { depth -= 1 }
            if character == separator, depth == 0, !isQuoted {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        return parts.map { $0.trimmingSpaces() }.filter { !$0.isEmpty }
    }
}

extension StringProtocol {
    func trimmingSpaces() -> String {
        var text = self[...]
        while text.first == " " { text = text.dropFirst() }
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}

// MARK: - $filter

extension Query {
    /// Reads comparisons joined by `and`: `name eq 'a'`, `phenomenonTime ge 2026-11-01T00:00:00Z`.
    private mutating func addFilter(_ text: String, on set: EntitySet) throws(RequestError) {
        let tokens = try Self.tokens(text)
        guard tokens.count % 4 == 3 else { throw RequestError(400, "$filter is not understood: \(text)") }
        var rest = tokens[...]
        while rest.count >= 3 {
            let first = rest.startIndex
            try addComparison(rest[first], rest[first + 1], rest[first + 2], on: set)
            rest = rest.dropFirst(3)
            if let joint = rest.first {
                guard joint == "and" else { throw RequestError(400, "$filter knows 'and' only, not '\(joint)'.") }
                rest = rest.dropFirst()
            }
        }
    }

    private mutating func addComparison(
        _ property: String, _ name: String, _ literal: String, on set: EntitySet
    ) throws(RequestError) {
        guard let column = set.column(property) else {
            throw RequestError(400, "\(set.singular) cannot be filtered by \(property)")
        }
        let operators = ["eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="]
        guard let sql = operators[name] else { throw RequestError(400, "Unknown operator: \(name)") }
        switch column.kind {
        case .integer:
            guard let number = Int64(literal) else { throw RequestError(400, "Not an id: \(literal)") }
            arguments.append(.integer(number))
        case .time:
            guard let time = Timestamp(iso8601: literal) else { throw RequestError(400, "Not a time: \(literal)") }
            arguments.append(.integer(time.milliseconds))
        case .text:
            guard literal.first == "'", literal.last == "'", literal.count >= 2 else {
                throw RequestError(400, "Not a string: \(literal)")
            }
            arguments.append(.text(String(literal.dropFirst().dropLast())))
        }
        conditions.append("\(column.name) \(sql) ?")
    }

    /// Words, and strings in quotes with `''` for one quote inside. A string keeps its outer quotes.
    private static func tokens(_ text: String) throws(RequestError) -> [String] {
        var tokens: [String] = []
        var rest = Array(text)[...]
        while let character = rest.first {
            if character == " " {
                rest = rest.dropFirst()
            } else if character == "'" {
                var token = "'"
                rest = rest.dropFirst()
                while let inner = rest.popFirst() {
                    if inner != "'" {
                        token.append(inner)
                    } else if rest.first == "'" {
                        token.append(inner)
                        rest = rest.dropFirst()
                    } else {
                        tokens.append(token + "'")
                        token = ""
                        break
                    }
                }
                guard token.isEmpty else { throw RequestError(400, "A string without end in $filter: \(text)") }
            } else {
                let word = rest.prefix { $0 != " " }
                tokens.append(String(word))
                rest = rest.dropFirst(word.count)
            }
        }
        return tokens
    }
}
