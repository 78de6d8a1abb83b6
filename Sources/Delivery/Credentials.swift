internal import Metering
internal import Posix

/// The Authorization header of an uplink, from the files where its secrets stand.
struct Credentials {
    private let settings: UplinkSettings.Credentials
    private var header: String?

    init(_ settings: UplinkSettings.Credentials) {
        self.settings = settings
    }

    /// The header's value; nil where none is needed. The file is read once, and again after `forget()`.
    mutating func authorization() throws(DeliveryFailure) -> String? {
        if let header { return header }
        switch settings {
        case .none: return nil
        case .basic(let user, let file):
            header = "Basic " + Self.base64(Array("\(user):\(try Self.secret(file, key: "password_file"))".utf8))
        case .bearer(let file):
            header = "Bearer " + (try Self.secret(file, key: "token_file"))
        }
        return header
    }

    /// Reads the secret anew before the next request: the platform refused it, so it may have been changed.
    mutating func forget() {
        header = nil
    }

    /// What to look at when the platform refuses.
    var hint: String {
        switch settings {
        case .none:
            "the platform asks for credentials: give the uplink `basic: {user: …, password_file: …}` or "
                + "`bearer: {token_file: …}`"
        case .basic: "the platform refuses user or password: check `basic`, and the file password_file"
        case .bearer: "the platform refuses the token: check the file token_file; it may have expired"
        }
    }

    private static func secret(_ file: String, key: String) throws(DeliveryFailure) -> String {
        let bytes: [UInt8]
        do {
            bytes = try File.read(file, limit: 65_536)
        } catch {
            throw DeliveryFailure(
                .credentials, "\(error)", hint: "\(key) must name a file that the agent's user may read")
        }
        let isBlank: (UInt8) -> Bool = { $0 <= 0x20 }
        let text = bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
        // A line break inside would end the header and begin another.
        guard !text.isEmpty, !text.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw DeliveryFailure(.credentials, "\(file): not one line of text", hint: "\(key) holds the secret alone")
        }
        return String(decoding: Array(text), as: UTF8.self)
    }

    /// RFC 4648, section 4.
    static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits = 0
            for offset in 0..<3 { bits = bits << 8 | (offset < group.count ? Int(group[start + offset]) : 0) }
            for index in 0..<4 {
                text.append(
                    index <= group.count ? alphabet[bits >> (18 - 6 * index) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
