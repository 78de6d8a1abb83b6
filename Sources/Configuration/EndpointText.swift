public import Metering

/// Reads where a bus is from one word, for commands that work without a configuration: `tcp:HOST`, `tcp:HOST:PORT`,
/// `rtu_over_tcp:HOST:PORT` and `serial:/dev/…`, by the keys of the configuration, or just the path of a port.
public enum EndpointText {
    /// What a word turns out to be.
    public enum Reading: Hashable, Sendable {
        /// A place.
        case endpoint(BusSettings.Endpoint)
        /// No place: the name of a bus in the configuration, perhaps.
        case name
        /// Meant as a place, but wrong; the words say how.
        case wrong(String)
    }

    /// How places are written, for messages.
    public static let forms = "tcp:HOST:PORT, rtu_over_tcp:HOST:PORT or /dev/serial/by-id/…"

    /// What `text` says.
    public static func read(_ text: String) -> Reading {
        if text.hasPrefix("/") { return .endpoint(.serial(path: text)) }
        guard let colon = text.firstIndex(of: ":") else { return .name }
        let rest = String(text[text.index(after: colon)...])
        switch text[..<colon] {
        case "serial":
            return rest.hasPrefix("/")
                ? .endpoint(.serial(path: rest)) : .wrong("\(rest) is no path of a port, such as /dev/ttyS1")
        case "tcp": return place(rest, standardPort: 502) { .tcp(host: $0, port: $1) }
        case "rtu_over_tcp", "rtu-over-tcp":
            return place(rest, standardPort: nil) { .rtuOverTCP(host: $0, port: $1) }
        default: return .wrong("that is neither a name nor a place")
        }
    }

    /// `endpoint` as it stands in a configuration: `tcp: "192.168.1.20:502"`.
    public static func yaml(_ endpoint: BusSettings.Endpoint) -> String {
        func place(_ host: String, _ port: UInt16) -> String {
            host.contains(":") ? "\"[\(host)]:\(port)\"" : "\"\(host):\(port)\""
        }
        return switch endpoint {
        case .tcp(let host, let port): "tcp: \(place(host, port))"
        case .rtuOverTCP(let host, let port): "rtu_over_tcp: \(place(host, port))"
        case .serial(let path): "serial: \(path)"
        }
    }

    private static func place(
        _ text: String, standardPort: UInt16?, _ make: (String, UInt16) -> BusSettings.Endpoint
    ) -> Reading {
        guard let (host, port) = Address.split(text) else {
            return .wrong(Address.isIPv6(text) ? "put IPv6 into brackets: [\(text)]:502" : "\"\(text)\" is no host")
        }
        guard let port else {
            return standardPort.map { .endpoint(make(host, $0)) }
                ?? .wrong("the port is missing: the converter's manual or web page shows it")
        }
        guard let number = Number.integer(String(port)), let small = UInt16(exactly: number), small > 0 else {
            return .wrong("\(port) is no port: a number in 1…65535")
        }
        return .endpoint(make(host, small))
    }
}
