internal import Metering

/// A JSON value whose numbers keep the characters they arrived with: `230.1` and `18446744073709551615` go out as they
/// came in.
enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    /// The number's characters, checked against the grammar of RFC 8259.
    case number(String)
    case string(String)
    case array([JSON])
    /// The members in their order; names are unique.
    case object([Member])

    /// A name with its value.
    struct Member: Hashable, Sendable {
        var name: String
        var value: JSON
    }

    /// The value of the member `name`; nil when there is none or this is no object.
    subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The number as an integer; nil for fractions and for what does not fit.
    var integer: Int64? {
        if case .number(let token) = self { Int64(token) } else { nil }
    }

    var double: Double? {
        if case .number(let token) = self { Double(token) } else { nil }
    }

    var elements: [JSON]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    var members: [Member]? {
        if case .object(let members) = self { members } else { nil }
    }

    static func integer(_ number: some BinaryInteger) -> JSON {
        .number(String(number))
    }
}

// MARK: - Writing

extension JSON {
    /// The value as compact JSON.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes
    }

    /// Appends the value as compact JSON.
    func append(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let flag): bytes.append(contentsOf: (flag ? "true" : "false").utf8)
        case .number(let token): bytes.append(contentsOf: token.utf8)
        case .string(let text): JSONString(text).append(to: &bytes)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                element.append(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            Self.append(members, to: &bytes)
            bytes.append(UInt8(ascii: "}"))
        }
    }

    /// Appends members without the braces around them.
    static func append(_ members: [Member], to bytes: inout [UInt8]) {
        for (index, member) in members.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            JSONString(member.name).append(to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            member.value.append(to: &bytes)
        }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    init(stringLiteral text: String) {
        self = .string(text)
    }

    init(arrayLiteral elements: JSON...) {
        self = .array(elements)
    }

    init(dictionaryLiteral members: (String, JSON)...) {
        self = .object(members.map { Member(name: $0.0, value: $0.1) })
    }
}
