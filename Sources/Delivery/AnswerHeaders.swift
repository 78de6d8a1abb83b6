internal import Metering

/// The headers of an answer that matter here.
struct AnswerHeaders: Hashable, Sendable {
    /// `Location`: where the new entity is.
    private(set) var location: String?
    /// Whether the blank line after the last header has come.
    private(set) var isComplete = false
    private var retryAfterText: String?
    private var dateText: String?
    private var isFromCache = false

    /// Longest header value that is kept.
    static let longestValue = 4096

    /// The platform's wish for the next attempt: seconds, or a date, which counts from the platform's own `Date`.
    var retryAfter: Duration? {
        guard let retryAfterText else { return nil }
        if let seconds = Int64(retryAfterText) { return seconds < 0 ? nil : .seconds(min(seconds, 1_000_000)) }
        guard let then = HTTPDate.seconds(retryAfterText), let dateText, let now = HTTPDate.seconds(dateText) else {
            return nil
        }
        return .seconds(max(0, then - now))
    }

    /// When the platform made the answer; nil when it does not say so, or a cache on the way gave an old one.
    var date: Timestamp? {
        guard !isFromCache, let seconds = dateText.flatMap(HTTPDate.seconds) else { return nil }
        return Timestamp(milliseconds: seconds * 1000)
    }

    /// Takes one line. A status line begins new headers: those of "100 Continue" do not count.
    mutating func take(line: UnsafeRawBufferPointer) {
        if line.starts(with: "HTTP/".utf8) {
            self = AnswerHeaders()
            return
        }
        if line.elementsEqual("\r\n".utf8) || line.elementsEqual("\n".utf8) { isComplete = true }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), line.count <= Self.longestValue else { return }
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        guard ["location", "retry-after", "date", "age"].contains(name) else { return }
        let value = line[(colon + 1)...].drop { $0 <= 0x20 }
        let length = value.count - value.reversed().prefix { $0 <= 0x20 }.count
        let text = String(decoding: value.prefix(length), as: UTF8.self)
        switch name {
        case "location": location = text
        case "retry-after": retryAfterText = text
        case "age": isFromCache = text != "0"
        default: dateText = text
        }
    }
}

/// The one date form that servers must send (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
enum HTTPDate {
    /// Seconds since 1970, or nil for any other text.
    static func seconds(_ text: String) -> Int64? {
        let words = text.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard words.count == 6, words[5] == "GMT", let month = months.firstIndex(where: { $0 == words[2] }) else {
            return nil
        }
        let number = month + 1 < 10 ? "0\(month + 1)" : "\(month + 1)"
        return Timestamp(iso8601: "\(words[3])-\(number)-\(words[1])T\(words[4])Z").map { $0.milliseconds / 1000 }
    }
}
