internal import Metering

/// A JSON value that a platform sent.
///
/// The reader is total: whatever arrives ends in a value or in an error with its place. It is bounded in depth and in
/// the number of values, and it reads the bare NaN and Infinity that some servers write, as numbers that are none.
enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    /// The number's characters.
    case number(String)
    case string(String)
    case array([JSON])
    case object([Member])

    struct Member: Hashable, Sendable {
        var name: String
        var value: JSON
    }

    /// What is wrong with a text, and where.
    struct Malformed: Error, Hashable, Sendable, CustomStringConvertible {
        var offset: Int
        var what: String
        var description: String { "not JSON at byte \(offset): \(what)" }
    }

    /// Deepest nesting that is read; SensorThings answers need six.
    static let deepest = 32
    /// Most values that are read: a page of a thousand entities has about ten each.
    static let mostValues = 100_000

    /// Reads one value that takes up the whole text.
    init(_ bytes: [UInt8]) throws(Malformed) {
        var reader = JSONReader(bytes)
        self = try reader.value()
        try reader.end()
    }

    /// An object's member; nil for others and when there is none.
    subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    var array: [JSON]? {
        if case .array(let values) = self { values } else { nil }
    }

    var string: String? {
        if case .string(let text) = self { text } else { nil }
    }
}

/// Reads JSON from a place on; used by the judging of rows too, which needs no values for rows that are well.
struct JSONReader {
    let bytes: [UInt8]
    var position = 0
    private var valuesLeft = JSON.mostValues

    init(_ bytes: [UInt8], at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    mutating func end() throws(JSON.Malformed) {
        skipSpace()
        if next != nil { throw malformed("more than one value") }
    }

    mutating func value(depth: Int = 0) throws(JSON.Malformed) -> JSON {
        guard depth < JSON.deepest else { throw malformed("nested deeper than \(JSON.deepest)") }
        guard valuesLeft > 0 else { throw malformed("more than \(JSON.mostValues) values") }
        valuesLeft -= 1
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "N"): return try word("NaN", .number("NaN"))
        case UInt8(ascii: "I"): return try word("Infinity", .number("Infinity"))
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(JSON.Malformed) -> JSON {
        var members: [JSON.Member] = []
        position += 1
        skipSpace()
        if skip("}") { return .object(members) }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw malformed("a name is missing") }
            let name = try string()
            skipSpace()
            guard skip(":") else { throw malformed("a colon is missing") }
            members.append(JSON.Member(name: name, value: try value(depth: depth + 1)))
            skipSpace()
            if skip("}") { return .object(members) }
            guard skip(",") else { throw malformed("a comma or } is missing") }
        }
    }

    private mutating func array(depth: Int) throws(JSON.Malformed) -> JSON {
        var values: [JSON] = []
        position += 1
        skipSpace()
        if skip("]") { return .array(values) }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            if skip("]") { return .array(values) }
            guard skip(",") else { throw malformed("a comma or ] is missing") }
        }
    }

    private mutating func number() throws(JSON.Malformed) -> JSON {
        let start = position
        if skip("-"), next == UInt8(ascii: "I") { return try word("Infinity", .number("-Infinity")) }
        while let byte = next, Self.isOfNumber(byte) { position += 1 }
        guard let last = bytes[start..<position].last, Self.isDigit(last), position - start <= 400 else {
            throw malformed(next == nil ? "it ends too early" : "a value is missing")
        }
        return .number(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    /// The string at the position, which stands on its first quote.
    mutating func string() throws(JSON.Malformed) -> String {
        position += 1
        var text: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text.append(contentsOf: try escape())
            case 0..<0x20: throw malformed("a control character in a string")
            default: text.append(byte)
            }
        }
        throw malformed("a string does not end")
    }

    private mutating func escape() throws(JSON.Malformed) -> [UInt8] {
        guard let byte = next else { throw malformed("a string does not end") }
        position += 1
        switch byte {
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "u"):
            var unit = try hexadecimal()
            // A pair of surrogates makes one character; a lone one becomes U+FFFD.
            if (0xD800..<0xDC00).contains(unit), next == UInt8(ascii: "\\"), position + 1 < bytes.count,
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try hexadecimal()
                unit = (0xDC00..<0xE000).contains(low) ? 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00) : 0xFFFD
            }
            return Array(String(Character(Unicode.Scalar(unit) ?? "\u{FFFD}")).utf8)
        default: throw malformed("an unknown escape")
        }
    }

    private mutating func hexadecimal() throws(JSON.Malformed) -> UInt32 {
        guard position + 4 <= bytes.count else { throw malformed("a string does not end") }
        var unit: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw malformed("a \\u without four digits")
            }
            unit = unit << 4 | UInt32(digit)
        }
        position += 4
        return unit
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(JSON.Malformed) -> JSON {
        let length = word.utf8CodeUnitCount
        let isThere = word.withUTF8Buffer { bytes[position...].prefix(length).elementsEqual($0) }
        guard isThere else { throw malformed("an unknown word") }
        position += length
        return value
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    func malformed(_ what: String) -> JSON.Malformed {
        JSON.Malformed(offset: position, what: what)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isOfNumber(_ byte: UInt8) -> Bool {
        isDigit(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
            || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
    }
}
