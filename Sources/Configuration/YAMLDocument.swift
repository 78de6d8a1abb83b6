internal import CYAML
internal import Glibc
internal import Posix

/// Reads one YAML document through libyaml's events into nodes that know their places.
///
/// Only what a configuration needs is let through: one document of mappings, lists and text. Anchors, aliases, tags
/// and directives are refused, because each of them lets a file mean something else than what it shows.
struct YAMLDocument {
    /// Largest file in bytes.
    static let sizeLimit = 1 << 20
    /// Deepest nesting; the deepest value of a configuration is at depth 7.
    static let depthLimit = 16

    /// The value that the file holds, or nil when the file could not be read; `findings` then says why.
    static func read(file: String, findings: Findings) -> Node? {
        findings.announce(file: file)
        let bytes: [UInt8]
        do {
            bytes = try File.read(file, limit: sizeLimit)
        } catch {
            let hint =
                error.isTooLarge
                ? "a configuration file may have 1 MiB; is this the right file?"
                : "check the path and its permissions; the agent reads it as its own user"
            findings.error(at: Place(file: file, line: 1, column: 1), path: "", error.reason, hint: hint)
            return nil
        }
        return parse(bytes, file: file, findings: findings)
    }

    /// The value that `bytes` hold, or nil; see `read(file:findings:)`.
    static func parse(_ bytes: [UInt8], file: String, findings: Findings) -> Node? {
        findings.announce(file: file)
        if let place = placeOfBadUTF8(bytes, file: file) {
            findings.error(
                at: place, path: "", "not UTF-8", hint: "save the file as UTF-8; umlauts in Latin-1 are the usual cause"
            )
            return nil
        }
        // The mark that some editors put first is no part of the text.
        let bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes[3...]) : bytes
        return bytes.withUnsafeBufferPointer { buffer in
            // libyaml keeps pointers to the parser inside the parser: it needs an address that stays.
            let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
            defer { parser.deallocate() }
            guard yaml_parser_initialize(parser) == 1 else {
                findings.error(at: Place(file: file, line: 1, column: 1), path: "", "no memory to read the file")
                return nil
            }
            defer { yaml_parser_delete(parser) }
            yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(parser, buffer.baseAddress, buffer.count)
            let composer = YAMLComposer(parser: parser, bytes: bytes, file: file, findings: findings)
            return try? composer.document()
        }
    }

    /// The place of the first byte that is not UTF-8.
    private static func placeOfBadUTF8(_ bytes: [UInt8], file: String) -> Place? {
        guard String(validating: bytes, as: UTF8.self) == nil else { return nil }
        var place = Place(file: file, line: 1, column: 1)
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            place.column += 1
            if scalar == "\n" {
                place.line += 1
                place.column = 1
            }
        }
        return place
    }
}

extension PosixError {
    /// Whether the file was too large rather than out of reach.
    var isTooLarge: Bool { code == EFBIG }

    /// `cannot open: No such file or directory`.
    var reason: String { "cannot \(operation): \(PosixError.text(code))" }
}
