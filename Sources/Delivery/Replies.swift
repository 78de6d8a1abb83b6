internal import Glibc
internal import Metering

/// What the platform's answers mean. Pure functions over bytes: any input ends in a value or a `DeliveryFailure`.
enum Replies {
    /// The rows of a CreateObservations answer that failed, in order: empty when all are stored.
    ///
    /// The answer is an array with one string a row: the URL of the Observation, or anything else. Status 201 alone
    /// proves nothing (FROST-Server #2026), and error texts differ from server to server, so success is what a URL
    /// with `Observations(` says, and nothing else. An answer of another shape or length is unclear.
    static func failedRows(_ body: [UInt8], rows: Int) throws(DeliveryFailure) -> [DeliveryMachine.FailedRow] {
        var failed: [DeliveryMachine.FailedRow] = []
        var count = 0
        var reader = JSONReader(body)
        do {
            reader.skipSpace()
            guard reader.next == UInt8(ascii: "[") else { throw reader.malformed("an array is expected") }
            reader.position += 1
            reader.skipSpace()
            var isAtEnd = reader.next == UInt8(ascii: "]")
            while !isAtEnd {
                reader.skipSpace()
                let element = scanElement(body, from: reader.position)
                if element.isStored {
                    reader.position = element.end
                } else {
                    let start = reader.position
                    let value = try reader.value()
                    let reason = value.string ?? String(decoding: body[start..<reader.position], as: UTF8.self)
                    if count < rows, !isStored(value.string) {
                        failed.append(DeliveryMachine.FailedRow(index: count, reason: Text.excerpt(reason)))
                    }
                }
                count += 1
                reader.skipSpace()
                isAtEnd = reader.next == UInt8(ascii: "]")
                if !isAtEnd, reader.next != UInt8(ascii: ",") { throw reader.malformed("a comma or ] is missing") }
                if !isAtEnd { reader.position += 1 }
            }
            reader.position += 1
            try reader.end()
        } catch {
            throw DeliveryFailure(.unclear, "the answer to \(rows) readings is \(error)")
        }
        guard count == rows else {
            throw DeliveryFailure(.unclear, "the answer to \(rows) readings has \(count) elements")
        }
        return failed
    }

    /// Looks whether the element at `start` is a string with an Observation's URL, and where it ends, without building
    /// the string: nearly all elements are.
    private static func scanElement(_ body: [UInt8], from start: Int) -> (isStored: Bool, end: Int) {
        body.withUnsafeBytes { bytes in
            guard start + 1 < bytes.count, bytes[start] == UInt8(ascii: "\""), let base = bytes.baseAddress else {
                return (false, start)
            }
            let text = base + start + 1
            // A URL has no spaces and is no sentence that begins with "error".
            guard bytes[start + 1] == UInt8(ascii: "h") || bytes[start + 1] == UInt8(ascii: "/"),
                let quote = memchr(text, Int32(UInt8(ascii: "\"")), bytes.count - start - 1)
            else { return (false, start) }
            let length = UnsafeRawPointer(quote) - text
            // An escape makes the string another one than its bytes, and perhaps longer, and a control character none at
            // all: the reader of JSON knows.
            for offset in 0..<length {
                let byte = text.load(fromByteOffset: offset, as: UInt8.self)
                if byte <= 0x20 || byte == UInt8(ascii: "\\") { return (false, start) }
            }
            return (hasObservation(text, length), start + 1 + length + 1)
        }
    }

    /// The same of a string that had to be built.
    private static func isStored(_ text: String?) -> Bool {
        guard var text, text.hasPrefix("h") || text.hasPrefix("/"), !text.utf8.contains(where: { $0 <= 0x20 }) else {
            return false
        }
        return text.withUTF8 { bytes in bytes.baseAddress.map { hasObservation($0, bytes.count) } ?? false }
    }

    /// Whether `Observations(` stands in the text; looked for from its end, where the id is.
    private static func hasObservation(_ text: UnsafeRawPointer, _ length: Int) -> Bool {
        let word: StaticString = "Observations"
        var position = length - 1
        while position >= word.utf8CodeUnitCount {
            if text.load(fromByteOffset: position, as: UInt8.self) == UInt8(ascii: "("),
                memcmp(text + (position - word.utf8CodeUnitCount), word.utf8Start, word.utf8CodeUnitCount) == 0
            {
                return true
            }
            position -= 1
        }
        return false
    }

    /// The Observations of an answer to a question, and whether they are all there are.
    static func observations(
        _ body: [UInt8], pageSize: Int
    ) throws(DeliveryFailure) -> (found: [DeliveryMachine.FoundObservation], isComplete: Bool) {
        let page = try page(body, of: "Observations")
        var found: [DeliveryMachine.FoundObservation] = []
        for entity in page.entities {
            // An Observation without a time that can be read would be taken for absent and sent again.
            guard let text = entity["phenomenonTime"]?.string, let time = Timestamp(iso8601: text) else {
                throw DeliveryFailure(
                    .misdirected, "an Observation without a phenomenonTime that can be read",
                    hint: "the platform must answer $select=id,phenomenonTime,result with ISO 8601 times")
            }
            let value: Value? =
                switch entity["result"] {
                case .number(let digits): ExactDecimal(digits).map { .decimal($0) }
                case .string(let text): ExactText(text).map { .text($0) }
                default: nil
                }
            found.append(DeliveryMachine.FoundObservation(time: time, value: value))
        }
        return (found, page.nextQuery == nil && page.entities.count < pageSize)
    }

    /// The entities of one page, and the query of the next page: of `@iot.nextLink` only the query is used, its host
    /// is often wrong behind proxies. Nil on the last page; empty when there is a next page that cannot be named.
    static func page(_ body: [UInt8], of set: String) throws(DeliveryFailure) -> (entities: [JSON], nextQuery: String?)
    {
        let json: JSON
        do {
            json = try JSON(body)
        } catch {
            throw DeliveryFailure(.notSent, "the answer to a question for \(set) is \(error)")
        }
        guard let entities = json["value"]?.array else {
            throw DeliveryFailure(
                .misdirected, "the answer to a question for \(set) is not SensorThings: it has no \"value\" array",
                hint: "check the uplink's `sensorthings`: it must be the service root with its version, …/v1.1")
        }
        guard let link = json["@iot.nextLink"]?.string else { return (entities, nil) }
        guard let mark = link.firstIndex(of: "?") else { return (entities, "") }
        return (entities, URLText.safe(query: link[link.index(after: mark)...]))
    }

    /// The id of the one entity that an answer holds.
    static func entity(_ body: [UInt8]) throws(DeliveryFailure) -> EntityID {
        guard let json = try? JSON(body), let id = EntityID(of: json) else {
            throw DeliveryFailure(
                .misdirected, "the answer to a question for one entity is not SensorThings",
                hint: "check the uplink's `sensorthings`: it must be the service root with its version, …/v1.1")
        }
        return id
    }

    /// The platform's own words in the body of a refusal: FROST and istSOS write `message`, Django writes `detail`.
    static func words(_ body: [UInt8]) -> String? {
        if let json = try? JSON(body), let text = json["message"]?.string ?? json["detail"]?.string {
            return Text.excerpt(text)
        }
        let text = Text.excerpt(String(decoding: body.prefix(1000), as: UTF8.self))
        return text.isEmpty ? nil : text
    }
}

/// Text from elsewhere, made fit for a status line.
enum Text {
    /// At most 200 characters on one line, without control characters.
    static func excerpt(_ text: String) -> String {
        var result = ""
        var length = 0
        for scalar in text.unicodeScalars {
            let isSpace = scalar.value <= 0x20 || scalar.value == 0x7F || (0x80..<0xA0).contains(scalar.value)
            if isSpace, result.isEmpty || result.last == " " { continue }
            result.unicodeScalars.append(isSpace ? " " : scalar)
            length += 1
            if length == 200 { return result + "…" }
        }
        return result.last == " " ? String(result.dropLast()) : result
    }
}
