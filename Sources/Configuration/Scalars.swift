internal import Metering

// The typed readings of one scalar. Each returns nil after it has said what is wrong and what to write instead.
// Numbers are read from their text, never through Double.

extension Field {
    /// Plain text as it was written; nil with a problem for everything else, and for quoted text where `plain` is asked.
    private func plainText(_ what: String, hint: String) -> String? {
        guard case .scalar(let text, let isPlain) = node.content, !text.isEmpty else {
            return expected(what, hint: hint)
        }
        guard isPlain else {
            error("expected \(what), found the quoted text \(quoted(text))", hint: "remove the quotes")
            return nil
        }
        return text
    }

    /// Text of at most `limit` characters, quoted or not.
    func text(_ what: String = "text", limit: Int = 200) -> String? {
        guard case .scalar(let text, let isPlain) = node.content else { return expected(what) }
        guard !text.isEmpty, !(isPlain && (text == "~" || text == "null")) else {
            error("expected \(what), found nothing", hint: "write a value after the colon, or remove the key")
            return nil
        }
        guard text.unicodeScalars.count <= limit else {
            error("longer than \(limit) characters")
            return nil
        }
        guard !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            error("\(what) may not have line breaks or control characters", hint: "write it on one line")
            return nil
        }
        return text
    }

    /// A name: lower case letters a–z, digits and hyphens, 1…63 of them. Names become parts of keys that never change.
    func name() -> String? {
        guard let text = text("a name", limit: 1000) else { return nil }
        guard let proper = Name.proper(text), proper == text else {
            let hint = Name.proper(text).map { "write \"\($0)\"" }
            error("\(quoted(text)) is no name: only a–z, 0–9 and hyphens between them, at most 63", hint: hint)
            return nil
        }
        return text
    }

    /// A whole number, decimal or `0x…`, within `range`.
    func integer(in range: ClosedRange<Int>, _ what: String = "a whole number") -> Int? {
        let span = "\(range.lowerBound)…\(range.upperBound)"
        guard let text = plainText(what, hint: "a number in \(span)") else { return nil }
        guard let number = Number.integer(text) else {
            return expected(what, hint: Number.hint(for: text) ?? "a number in \(span), decimal or 0x…")
        }
        guard let small = Int(exactly: number), range.contains(small) else {
            error("\(clipped(text)) is outside \(span)")
            return nil
        }
        return small
    }

    /// An exact decimal number.
    func decimal() -> ExactDecimal? {
        guard let text = plainText("a number", hint: "such as 0.1") else { return nil }
        guard let first = text.utf8.last, Number.isDigit(first), let number = ExactDecimal(text) else {
            let hint = text.contains(",") ? "write the decimal point as \".\"" : "such as 0.1, with at most 19 digits"
            return expected("a number", hint: hint)
        }
        return number
    }

    /// An exact decimal number from −limit to limit.
    func decimal(within limit: UInt64) -> ExactDecimal? {
        guard let number = decimal() else { return nil }
        guard number.isWithin(limit) else {
            error("\(number) is outside -\(limit)…\(limit)", hint: "degrees with a decimal point, such as 51.3397")
            return nil
        }
        return number
    }

    /// A duration such as `250ms`, `10s`, `15m`, `24h`, `2d`.
    func duration(in range: ClosedRange<Duration>) -> Duration? {
        let span = "\(Span.text(range.lowerBound))…\(Span.text(range.upperBound))"
        let hint = "a whole number with ms, s, m, h or d, in \(span): \"10s\""
        guard let text = plainText("a duration", hint: hint) else { return nil }
        guard let duration = Span.duration(text) else { return expected("a duration", hint: hint) }
        guard range.contains(duration) else {
            error("\(clipped(text)) is outside \(span)")
            return nil
        }
        return duration
    }

    /// A size in bytes such as `256MB` or `1GiB`.
    func size(in range: ClosedRange<Int64>) -> Int64? {
        let span = "\(Span.text(bytes: range.lowerBound))…\(Span.text(bytes: range.upperBound))"
        let hint = "a whole number with kB, MB, GB, KiB, MiB or GiB, in \(span): \"256MB\""
        guard let text = plainText("a size", hint: hint) else { return nil }
        guard let bytes = Span.bytes(text) else { return expected("a size", hint: hint) }
        guard range.contains(bytes) else {
            error("\(clipped(text)) is outside \(span)")
            return nil
        }
        return bytes
    }

    /// One of a few words.
    func choice<Word: RawRepresentable<String> & CaseIterable>(_: Word.Type = Word.self, _ what: String) -> Word? {
        guard let text = text(what) else { return nil }
        if let word = Word(rawValue: text) { return word }
        error(
            "unknown \(what) \(quoted(text))",
            hint: Suggestion.hint(for: text, among: Word.allCases.map(\.rawValue), called: "known"))
        return nil
    }
}

/// Names of gateways, buses, meters, points, uplinks and models.
enum Name {
    /// What `text` becomes as a name: `Schule Süd` → `schule-sued`; nil when nothing is left of it.
    static func proper(_ text: String) -> String? {
        var letters: [UInt8] = []
        for scalar in text.lowercased().unicodeScalars {
            switch scalar {
            case "a"..."z", "0"..."9": letters.append(UInt8(scalar.value))
            case "ä": letters += Array("ae".utf8)
            case "ö": letters += Array("oe".utf8)
            case "ü": letters += Array("ue".utf8)
            case "ß": letters += Array("ss".utf8)
            case "-": if !letters.isEmpty { letters.append(UInt8(ascii: "-")) }
            default: if letters.last != UInt8(ascii: "-"), !letters.isEmpty { letters.append(UInt8(ascii: "-")) }
            }
            if letters.count > 63 { break }
        }
        letters = Array(letters.prefix(63))
        while letters.last == UInt8(ascii: "-") { letters.removeLast() }
        return letters.isEmpty ? nil : String(decoding: letters, as: UTF8.self)
    }
}

/// Whole numbers as they are written.
enum Number {
    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// `-5`, `12`, `0x1A`; nil for `010`, which YAML 1.1 reads as eight, for `+1`, `1_000` and all else.
    static func integer(_ text: String) -> Int128? {
        if text.hasPrefix("0x") || text.hasPrefix("0X") {
            let digits = text.dropFirst(2)
            guard (1...16).contains(digits.utf8.count), digits.utf8.allSatisfy(isHexDigit) else { return nil }
            return UInt64(digits, radix: 16).map { Int128($0) }
        }
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard (1...20).contains(digits.utf8.count), digits.utf8.allSatisfy(isDigit) else { return nil }
        guard digits.utf8.count == 1 || digits.utf8.first != UInt8(ascii: "0") else { return nil }
        return Int128(text)
    }

    /// What is odd about a number that is none.
    static func hint(for text: String) -> String? {
        guard text.utf8.allSatisfy(isDigit), text.hasPrefix("0") else { return nil }
        let rest = text.drop { $0 == "0" }
        return "remove the leading zero: \(rest.isEmpty ? "0" : clipped(rest))"
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }
}
