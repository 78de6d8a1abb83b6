internal import Metering

/// Writes JSON into bytes: only what requests need.
struct JSONText {
    private(set) var bytes: [UInt8] = []

    /// An object whose members `content` writes.
    static func object(_ content: (inout JSONText) -> Void) -> [UInt8] {
        var text = JSONText()
        text.nested(content)
        return text.bytes
    }

    /// A member with a string; nothing when there is no string.
    mutating func member(_ name: String, _ value: String?) {
        guard let value else { return }
        begin(name)
        string(value)
    }

    /// A member with an object.
    mutating func member(_ name: String, _ content: (inout JSONText) -> Void) {
        begin(name)
        nested(content)
    }

    /// A member with an array of one object.
    mutating func list(_ name: String, _ content: (inout JSONText) -> Void) {
        begin(name)
        bytes.append(UInt8(ascii: "["))
        nested(content)
        bytes.append(UInt8(ascii: "]"))
    }

    /// A member with a value that is JSON already.
    mutating func member(_ name: String, json: [UInt8]) {
        begin(name)
        bytes.append(contentsOf: json)
    }

    /// A string with its quotes and escapes.
    mutating func string(_ text: String) {
        JSONString(text).append(to: &bytes)
    }

    private mutating func begin(_ name: String) {
        if bytes.last != UInt8(ascii: "{") { bytes.append(UInt8(ascii: ",")) }
        string(name)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func nested(_ content: (inout JSONText) -> Void) {
        bytes.append(UInt8(ascii: "{"))
        content(&self)
        bytes.append(UInt8(ascii: "}"))
    }
}
