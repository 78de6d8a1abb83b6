internal import Metering
internal import Posix

/// The platform as an uplink sees it: paths below the service root, statuses turned into failures.
///
/// Belongs to one uplink's actor; every call blocks its thread.
final class Platform {
    /// Requests so far, answered or not.
    private(set) var requests = 0
    /// The newest time that the platform gave, and that says something about clocks.
    private(set) var time: PlatformTime?

    private let root: String
    private let transport: HTTPTransport
    private var credentials: Credentials

    /// Page size of lists and questions: the most that all servers tried allow (one refuses more than 100).
    static let pageSize = 100

    init(_ settings: UplinkSettings, transport: HTTPTransport) {
        root = String(settings.url.reversed().drop { $0 == "/" }.reversed())
        credentials = Credentials(settings.credentials)
        self.transport = transport
    }

    /// The body of what stands at `path`, which includes the query. Every failure leaves the platform as it is.
    func get(_ path: String) throws(DeliveryFailure) -> [UInt8] {
        try request(path, body: nil).body
    }

    /// Creates; the answer has a status of 200 or 201.
    func post(_ path: String, _ body: [UInt8]) throws(DeliveryFailure) -> HTTPTransport.Answer {
        try request(path, body: body)
    }

    private func request(_ path: String, body: [UInt8]?) throws(DeliveryFailure) -> HTTPTransport.Answer {
        let url = "\(root)/\(path)"
        let request = HTTPTransport.Request(url: url, body: body, authorization: try credentials.authorization())
        requests += 1
        let sent = BootClock.now
        let answer = try transport.perform(request)
        let given = answer.headers.date.flatMap { PlatformTime(date: $0, sent: sent, received: BootClock.now) }
        time = given ?? time
        guard let failure = judge(answer, url: url, isQuestion: body == nil) else { return answer }
        if failure.code == .credentials { credentials.forget() }
        throw failure
    }

    /// What a status means (PLATFORM: outcome table); nil for success.
    private func judge(_ answer: HTTPTransport.Answer, url: String, isQuestion: Bool) -> DeliveryFailure? {
        let status = answer.status
        if status == 200 || status == 201 { return nil }
        let request = "(\(isQuestion ? "GET" : "POST") \(url.prefix { $0 != "?" }))"
        let summary = [String(status), Replies.words(answer.body), request].compactMap { $0 }.joined(separator: " ")
        func failure(_ code: DeliveryFailure.Code, _ hint: String? = nil) -> DeliveryFailure {
            DeliveryFailure(code, summary, hint: hint, retryAfter: answer.headers.retryAfter)
        }
        switch status {
        case 300..<400:
            let target = answer.headers.location.map { " to \(Text.excerpt($0))" } ?? ""
            return DeliveryFailure(
                .misdirected, "\(status) a redirect\(target) \(request)",
                hint: "put the service's final address into the uplink's `sensorthings`")
        case 401, 403, 407:
            return failure(.credentials, credentials.hint)
        case 404, 405, 410, 501: return failure(.missing)
        case 409: return failure(.conflict)
        case 413, 414, 431: return failure(.tooLarge)
        case 429: return failure(.busy, "the platform asks for patience; it is tried again")
        // A proxy gave up waiting; what is behind it may still be at work.
        case 408, 504: return failure(isQuestion ? .notSent : .timedOut)
        case 400..<500: return failure(.badRequest)
        // 1xx, other 2xx and 5xx say nothing about what was stored; a question stores nothing.
        default:
            let hint =
                status >= 500 ? "the platform has a fault of its own: its operator must look; it is tried again" : nil
            return failure(isQuestion ? .notSent : .unclear, hint)
        }
    }
}
