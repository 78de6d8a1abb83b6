/// The platform's id of an entity: an integer or any text, opaque to us.
struct EntityID: Hashable, Sendable {
    /// The digits or the text. Up to 15 bytes stand in the value itself, so the usual id costs no memory of its own.
    private let text: String
    private let isInteger: Bool

    /// An integer id, by its digits; nil when it is no integer.
    init?(integer digits: some StringProtocol) {
        let number = digits.utf8.first == UInt8(ascii: "-") ? digits.utf8.dropFirst() : digits.utf8[...]
        guard !number.isEmpty, number.count <= 20, number.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        text = String(digits)
        isInteger = true
    }

    /// A text id.
    init(text: String) {
        self.text = text
        isInteger = false
    }

    /// Appends the id as JSON: `12` or `"3f2a"`.
    func append(to bytes: inout [UInt8]) {
        guard !isInteger else { return bytes.append(contentsOf: text.utf8) }
        var writer = JSONText()
        writer.string(text)
        bytes.append(contentsOf: writer.bytes)
    }

    /// The id as JSON.
    var json: [UInt8] {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes
    }

    /// The id in a path, percent-encoded: `12` or `'3f2a'`.
    var path: String {
        guard !isInteger else { return text }
        let doubled = text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
        return "'" + URLText.encoded(doubled) + "'"
    }

    /// The id of an entity in an answer: `@iot.id`, or `id` as SensorThings 2.0 and some servers write it.
    init?(of entity: JSON) {
        switch entity["@iot.id"] ?? entity["id"] {
        case .number(let digits): self.init(integer: digits)
        case .string(let text): self.init(text: text)
        default: return nil
        }
    }

    /// The id at the end of a Location header: `http://host/v1.1/Things(12)`. The host means nothing: behind proxies it
    /// is often wrong.
    init?(location: String) {
        let bytes = Array(location.utf8)
        guard bytes.last == UInt8(ascii: ")"), let open = bytes.lastIndex(of: UInt8(ascii: "(")) else { return nil }
        let inner = bytes[(open + 1)..<(bytes.count - 1)]
        guard inner.first == UInt8(ascii: "'") || inner.starts(with: "%27".utf8) else {
            self.init(integer: String(decoding: inner, as: UTF8.self))
            return
        }
        let text = URLText.decoded(Array(inner))
        guard text.count >= 2, text.first == UInt8(ascii: "'"), text.last == UInt8(ascii: "'") else { return nil }
        let quoted = String(decoding: text.dropFirst().dropLast(), as: UTF8.self)
        self.init(text: Self.unquoted(quoted))
    }

    /// Whether this id is older than another, as far as ids can tell: of copies the first is used.
    func precedes(_ other: EntityID) -> Bool {
        path.utf8.count != other.path.utf8.count ? path.utf8.count < other.path.utf8.count : path < other.path
    }

    private static func unquoted(_ text: String) -> String {
        var result = ""
        var previousWasQuote = false
        for character in text {
            if character == "'", previousWasQuote {
                previousWasQuote = false
                continue
            }
            previousWasQuote = character == "'"
            result.append(character)
        }
        return result
    }
}

/// Percent-encoding (RFC 3986, section 2).
enum URLText {
    /// A text as it may stand in a query or a path: all but the unreserved characters encoded.
    static func encoded(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.append(byte)
            default: append(byte, to: &result)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// A query that a server wrote, made safe for a request line: spaces, controls and bytes beyond ASCII encoded.
    static func safe(query: some StringProtocol) -> String {
        var result: [UInt8] = []
        for byte in query.utf8 {
            if byte <= 0x20 || byte >= 0x7F || byte == UInt8(ascii: "#") {
                append(byte, to: &result)
            } else {
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The bytes that percent-encoded bytes stand for; what is no encoding stays.
    static func decoded(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let value = UInt8(String(decoding: bytes[(index + 1)...(index + 2)], as: UTF8.self), radix: 16)
            {
                result.append(value)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }

    private static func append(_ byte: UInt8, to result: inout [UInt8]) {
        let digits = Array("0123456789ABCDEF".utf8)
        result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
}
