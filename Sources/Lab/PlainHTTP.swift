internal import Glibc

/// One HTTP/1.1 request a connection, without TLS: what the lab and its tests need to ask a platform on loopback.
enum PlainHTTP {
    /// An answer as it arrived.
    struct Answer: Hashable {
        var status: Int
        var headers: [String: String]
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }
        /// A header by its name in small letters.
        subscript(header: String) -> String? { headers[header] }
    }

    /// Sends a request to `url` (`http://127.0.0.1:PORT/path`) and reads the whole answer.
    ///
    /// Throws when there is no answer, or less of it than it announces.
    static func request(
        _ method: String = "GET", _ url: String, body: [UInt8] = [], headers: [(String, String)] = [],
        timeout seconds: Int = 30
    ) throws(LabError) -> Answer {
        let (port, path) = try parts(of: url)
        let descriptor = try Loopback.connect(to: port)
        defer { close(descriptor) }
        Loopback.limit(descriptor, seconds: seconds)
        var head = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n"
        if !body.isEmpty || method != "GET" { head += "Content-Length: \(body.count)\r\n" }
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        head += "\r\n"
        _ = Loopback.send(Array(head.utf8) + body, to: descriptor)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            bytes.append(contentsOf: buffer.prefix(count))
        }
        guard let answer = parse(bytes) else {
            throw LabError(.platform, "\(url): the connection ended after \(bytes.count) bytes of the answer")
        }
        return answer
    }

    private static func parts(of url: String) throws(LabError) -> (port: UInt16, path: String) {
        let prefix = "http://"
        let rest = url.hasPrefix(prefix) ? url.dropFirst(prefix.count) : ""
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<slash].split(separator: ":")
        guard authority.count == 2, authority[0] == "127.0.0.1" || authority[0] == "localhost",
            let port = UInt16(authority[1])
        else {
            throw LabError(.format, "not a platform of the lab: \(url)", hint: "such as http://127.0.0.1:8080/v1.1")
        }
        return (port, slash == rest.endIndex ? "/" : String(rest[slash...]))
    }

    private static func parse(_ bytes: [UInt8]) -> Answer? {
        let end = Array("\r\n\r\n".utf8)
        guard let split = bytes.indices.first(where: { bytes[$0...].starts(with: end) }) else { return nil }
        let lines = String(decoding: bytes[..<split], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingSpaces()
        }
        let body = Array(bytes[(split + 4)...])
        if let length = headers["content-length"].flatMap({ Int($0) }), length != body.count { return nil }
        return Answer(status: status, headers: headers, body: body)
    }
}
