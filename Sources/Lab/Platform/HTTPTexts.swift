internal import Metering

extension Timestamp {
    /// The form that HTTP headers use (RFC 9110, section 5.6.7): `Sun, 01 Nov 2026 00:00:10 GMT`.
    var httpDate: String {
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        // 1970-01-01 was a Thursday.
        let days = milliseconds >= 0 ? milliseconds / 86_400_000 : (milliseconds - 86_399_999) / 86_400_000
        let weekday = weekdays[Int(((days % 7) + 7) % 7)]
        let iso = Array(description.utf8)
        func part(_ range: Range<Int>) -> String { String(decoding: iso[range], as: UTF8.self) }
        let month = months[(Int(part(5..<7)) ?? 1) - 1]
        return "\(weekday), \(part(8..<10)) \(month) \(part(0..<4)) \(part(11..<19)) GMT"
    }
}

/// Base64 as HTTP Basic needs it (RFC 4648, section 4).
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

    static func encode(_ bytes: [UInt8]) -> String {
        var text = ""
        var index = 0
        while index < bytes.count {
            let rest = bytes[index...].prefix(3)
            let group = rest.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - rest.count))
            for place in 0..<4 {
                text.append(place <= rest.count ? alphabet[(group >> (18 - 6 * place)) & 63] : "=")
            }
            index += 3
        }
        return text
    }
}
