internal import Glibc
internal import Metering

// Where things are on the network: a bus's TCP endpoint and an uplink's service root.

extension Field {
    /// `host`, `host:port` or `[v6]:port`; the port is 502 where none is given (Modbus Messaging on TCP/IP, 4.2.2).
    ///
    /// The converters of RTU over TCP have no such standard port: `standardPort` is nil for them.
    func hostAndPort(standardPort: UInt16?) -> (host: String, port: UInt16)? {
        guard let text = text("an address") else { return nil }
        let hint = "write host, host:port or [IPv6]:port, such as 192.168.1.20:502"
        if let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") {
            error("\(quoted(text)) is no host", hint: "leave out \"\(clipped(text[..<colon]))://\"; " + hint)
            return nil
        }
        guard let (host, port) = Address.split(text) else {
            let isBareIPv6 = Address.isIPv6(text)
            error(
                "\(quoted(text)) is no host", hint: isBareIPv6 ? "put IPv6 into brackets: [\(clipped(text))]:502" : hint
            )
            return nil
        }
        guard let port else {
            if let standardPort { return (host, standardPort) }
            error(
                "the port is missing",
                hint: "such as \(clipped(text)):4001; the converter's manual or web page shows it")
            return nil
        }
        guard let number = Number.integer(String(port)), let small = UInt16(exactly: number), small > 0 else {
            error("\(quoted(port)) is no port", hint: "a number in 1…65535; Modbus TCP uses 502")
            return nil
        }
        return (host, small)
    }

    /// The root of a SensorThings service, without a slash at the end.
    func serviceRoot() -> String? {
        guard let text = text("an address", limit: 1000) else { return nil }
        let hint = "such as https://api.city.example/frost/v1.1"
        guard let scheme = ["https://", "http://"].first(where: text.hasPrefix) else {
            return expected("an address with https://", hint: hint)
        }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        var path = rest[authority.endIndex...]
        if authority.contains("@") {
            error("a password may not stand in the address", hint: "use basic: {user: …, password_file: …}")
            return nil
        }
        guard !path.contains("?"), !path.contains("#"), path.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            error("an address has no \"?\", \"#\", spaces or umlauts here", hint: "give the service root, " + hint)
            return nil
        }
        guard let (host, port) = Address.split(String(authority)), Address.isPort(port) else {
            error("\(quoted(authority)) is no host", hint: hint)
            return nil
        }
        while path.last == "/" { path.removeLast() }
        if !Address.endsInVersion(path) {
            warning("the address does not end in a version", hint: "a SensorThings service root ends in /v1.1 or /v1.0")
        }
        if scheme == "http://", !Address.isLoopback(host) {
            warning("readings and passwords go over the network in the clear", hint: "use https://")
        }
        return scheme + authority + path
    }
}

/// Hosts and ports as text.
enum Address {
    /// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`; nil when the host is none. The port is not checked.
    static func split(_ text: String) -> (host: String, port: Substring?)? {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            guard isIPv6(host), rest.isEmpty || rest.hasPrefix(":") else { return nil }
            return (host, rest.isEmpty ? nil : rest.dropFirst())
        }
        let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count <= 2, isHost(parts[0]) else { return nil }
        return (String(parts[0]), parts.count == 2 ? parts[1] : nil)
    }

    static func isPort(_ text: Substring?) -> Bool {
        guard let text else { return true }
        return Number.integer(String(text)).map { (1...65_535).contains($0) } ?? false
    }

    /// An IPv4 address or a name of the DNS (RFC 1123, section 2.1); what looks like IPv4 must be IPv4.
    static func isHost(_ text: Substring) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        if text.utf8.allSatisfy({ Number.isDigit($0) || $0 == UInt8(ascii: ".") }) {
            var address = in_addr()
            return inet_pton(AF_INET, String(text), &address) == 1
        }
        return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.unicodeScalars.allSatisfy { scalar in
                    switch scalar {
                    case "a"..."z", "A"..."Z", "0"..."9", "-", "_": true
                    default: false
                    }
                }
        }
    }

    /// An IPv6 address, with or without a zone: `fe80::1%eth0`.
    static func isIPv6(_ text: String) -> Bool {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return false }
        var address = in6_addr()
        return inet_pton(AF_INET6, String(first), &address) == 1 && (parts.count == 1 || !parts[1].isEmpty)
    }

    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && isHost(host[...]))
    }

    /// Whether a path's last part is `v1.1` or the like.
    static func endsInVersion(_ path: Substring) -> Bool {
        guard let last = path.split(separator: "/").last, last.first == "v" else { return false }
        return last.count > 1 && last.utf8.dropFirst().allSatisfy { Number.isDigit($0) || $0 == UInt8(ascii: ".") }
    }
}
