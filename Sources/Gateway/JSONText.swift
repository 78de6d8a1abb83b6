internal import FoundationEssentials

/// `value` as JSON for people and scripts: indented, keys sorted, one line end at the end.
func jsonBytes(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // Encoding fails on NaN and infinities only, and no report holds one.
    guard let data = try? encoder.encode(value) else { return Array(#"{"error":"the report cannot be written"}"#.utf8) }
    return Array(data) + [UInt8(ascii: "\n")]
}

/// `value` as one line of JSON, its end included.
func jsonLine(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else { return Array("{}\n".utf8) }
    return Array(data) + [UInt8(ascii: "\n")]
}
