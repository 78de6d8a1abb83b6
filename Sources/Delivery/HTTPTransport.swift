internal import CCurl
internal import Metering
internal import Synchronization

/// HTTP(S) requests over one kept-alive connection, one at a time, blocking: on libcurl.
///
/// What it takes care of beyond libcurl's defaults:
/// - `abort()` from any thread ends a running request within milliseconds (curl_multi_poll and curl_multi_wakeup).
/// - A POST is never sent twice: libcurl resends on a fresh connection when a kept-alive one dies, even when the server
///   has had the whole request. The body comes from a reader that cannot be rewound, which makes that an error.
/// - `.notSent` and `.unclear` are told apart by whether libcurl has taken the whole body.
/// - Redirects are reported and not followed; `http_proxy` and the like are ignored; HTTP/1.1 only; no `Expect:`.
///
/// The process must ignore SIGPIPE: OpenSSL writes without MSG_NOSIGNAL.
final class HTTPTransport: @unchecked Sendable {
    // SAFETY: the handles are used by one thread only, the actor's, but for curl_multi_wakeup, which libcurl allows from
    // any thread. They are freed in deinit, when no other thread can hold a reference.
    private let multi: UnsafeMutableRawPointer
    private let easy: UnsafeMutableRawPointer
    private let aborted = Atomic<Bool>(false)
    private let exchange: Exchange
    private let settings: Settings

    /// How requests are made.
    struct Settings: Sendable {
        var userAgent: String
        /// Time for name lookup, connection and TLS.
        var connectTimeout = Duration.seconds(10)
        /// Time for the whole request, connection included.
        var responseTimeout = Duration.seconds(30)
        /// A file of certificate authorities instead of the system's.
        var certificateAuthority: String?
        /// Longest answer that is read; a longer one is cut off and is an error.
        var longestAnswer = 8 << 20
    }

    /// One request. With a body it is a POST, without one a GET.
    struct Request {
        var url: String
        var body: [UInt8]?
        var authorization: String?
    }

    /// What came back, whatever its status.
    struct Answer: Hashable, Sendable {
        var status: Int
        var body: [UInt8]
        var headers: AnswerHeaders
    }

    /// A transport whose first request makes the connection.
    init(_ settings: Settings) {
        _ = Self.initialized
        guard let multi = curl_multi_init(), let easy = curl_easy_init() else {
            preconditionFailure("libcurl gives no handle: out of memory")
        }
        self.multi = multi
        self.easy = easy
        self.settings = settings
        exchange = Exchange(longestAnswer: settings.longestAnswer)
        configure()
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_multi_cleanup(multi)
    }

    /// Ends the running request, and every later one, with `.stopped`. Callable from any thread.
    func abort() {
        aborted.store(true, ordering: .sequentiallyConsistent)
        curl_multi_wakeup(multi)
    }

    /// Sends a request and waits for its answer.
    func perform(_ request: Request) throws(DeliveryFailure) -> Answer {
        exchange.begin(request.body)
        defer { exchange.end() }
        var headers = header(nil, "Accept: application/json")
        if request.body != nil {
            // An empty Expect header keeps libcurl from asking first and waiting a second for "100 Continue".
            headers = header(header(headers, "Content-Type: application/json"), "Expect:")
        }
        if let authorization = request.authorization { headers = header(headers, "Authorization: " + authorization) }
        defer { curl_slist_free_all(headers) }
        ccurl_set_pointer(easy, CURLOPT_HTTPHEADER, headers)
        ccurl_set_string(easy, CURLOPT_URL, request.url)
        if let body = request.body {
            ccurl_set_long(easy, CURLOPT_POST, 1)
            ccurl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
        } else {
            ccurl_set_long(easy, CURLOPT_HTTPGET, 1)
        }
        let result = transfer()
        guard let result else { throw DeliveryFailure(.stopped, "the uplink is being stopped") }
        // libcurl takes headers that end in the middle for an answer.
        let isCut = result == CURLE_OK && !exchange.headers.isComplete
        guard result == CURLE_OK, !isCut else { throw failure(isCut ? CURLE_PARTIAL_FILE : result, request) }
        var status = 0
        ccurl_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
        return Answer(status: status, body: exchange.answer, headers: exchange.headers)
    }

    /// Runs the transfer; nil when it was aborted.
    private func transfer() -> CURLcode? {
        guard curl_multi_add_handle(multi, easy) == CURLM_OK else { return CURLE_FAILED_INIT }
        defer { curl_multi_remove_handle(multi, easy) }
        while !aborted.load(ordering: .sequentiallyConsistent) {
            var running: Int32 = 0
            guard curl_multi_perform(multi, &running) == CURLM_OK else { return CURLE_FAILED_INIT }
            if running == 0 { return ccurl_result(multi, easy) }
            // libcurl shortens the wait to its own next timeout.
            curl_multi_poll(multi, nil, 0, 1000, nil)
        }
        return nil
    }

    private func configure() {
        ccurl_set_web_only(easy)
        ccurl_set_quick_exit(easy)
        ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        ccurl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        ccurl_set_string(easy, CURLOPT_PROXY, "")
        ccurl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        ccurl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 1)
        ccurl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 2)
        if let file = settings.certificateAuthority { ccurl_set_string(easy, CURLOPT_CAINFO, file) }
        ccurl_set_string(easy, CURLOPT_USERAGENT, settings.userAgent)
        ccurl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
        let timeout = max(1, settings.responseTimeout.wholeMilliseconds)
        ccurl_set_long(easy, CURLOPT_TIMEOUT_MS, Int(timeout))
        ccurl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, Int(min(timeout, settings.connectTimeout.wholeMilliseconds)))
        let context = Unmanaged.passUnretained(exchange).toOpaque()
        ccurl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        ccurl_set_pointer(easy, CURLOPT_READDATA, context)
        ccurl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        ccurl_set_pointer(easy, CURLOPT_SEEKDATA, context)
        ccurl_set_transfer(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            Exchange.at(context).takeBody(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        ccurl_set_transfer(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            Exchange.at(context).takeHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        ccurl_set_transfer(easy, CURLOPT_READFUNCTION) { bytes, size, count, context in
            Exchange.at(context).giveBody(UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
        }
        ccurl_set_seek(easy) { _, _, _ in CURL_SEEKFUNC_FAIL }
    }

    /// What a failed transfer means. Once libcurl has the whole body, the platform may have it too.
    private func failure(_ result: CURLcode, _ request: Request) -> DeliveryFailure {
        let method = request.body == nil ? "GET" : "POST"
        let words =
            exchange.isTooLong ? "the answer is longer than \(settings.longestAnswer) bytes" : Self.words(result)
        let summary = "\(words) (\(method) \(request.url.prefix { $0 != "?" }))"
        if request.body != nil, exchange.isWholeBodyTaken {
            return DeliveryFailure(result == CURLE_OPERATION_TIMEDOUT ? .timedOut : .unclear, summary)
        }
        switch result {
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
            return DeliveryFailure(
                .misdirected, summary, hint: "check the uplink's `sensorthings`: http:// or https://, host, path")
        case CURLE_SSL_CACERT_BADFILE:
            let file = settings.certificateAuthority ?? "ca-certificates"
            return DeliveryFailure(
                .misdirected, summary, hint: "it cannot be read, or holds no certificate: \(file) (`ca_file`)")
        case CURLE_PEER_FAILED_VERIFICATION:
            return DeliveryFailure(
                .notSent, summary,
                hint: "check the gateway's clock, that the host in `sensorthings` is the certificate's, and `ca_file`")
        case CURLE_SSL_CONNECT_ERROR:
            return DeliveryFailure(.notSent, summary, hint: "is it http:// and not https://?")
        case CURLE_GOT_NOTHING:
            return DeliveryFailure(.notSent, summary, hint: "the platform hangs up: is it https:// and not http://?")
        case CURLE_COULDNT_RESOLVE_HOST:
            return DeliveryFailure(
                .notSent, summary, hint: "check the host in the uplink's `sensorthings` and the gateway's DNS")
        case CURLE_COULDNT_CONNECT:
            return DeliveryFailure(
                .notSent, summary, hint: "the platform or the way to it is down, or a firewall closes the port")
        case CURLE_OPERATION_TIMEDOUT:
            return DeliveryFailure(.notSent, summary, hint: "no way to the platform, or it is overloaded")
        default:
            return DeliveryFailure(.notSent, summary)
        }
    }

    private func header(_ list: UnsafeMutablePointer<curl_slist>?, _ line: String) -> UnsafeMutablePointer<curl_slist>?
    {
        curl_slist_append(list, line) ?? list
    }

    private static func words(_ result: CURLcode) -> String {
        switch result {
        case CURLE_PEER_FAILED_VERIFICATION: "the platform's certificate is not trusted"
        case CURLE_PARTIAL_FILE: "the answer was cut off"
        case CURLE_SEND_FAIL_REWIND: "the connection was closed while the request was on its way"
        default: String(cString: curl_easy_strerror(result))
        }
    }

    private static let initialized: CURLcode = curl_global_init(Int(CURL_GLOBAL_DEFAULT))
}

/// The bytes of one request and its answer, which libcurl's callbacks give and take.
private final class Exchange {
    let longestAnswer: Int
    private(set) var isTooLong = false
    private(set) var headers = AnswerHeaders()
    private var body: [UInt8]?
    private var given = 0
    private(set) var answer: [UInt8] = []

    init(longestAnswer: Int) {
        self.longestAnswer = longestAnswer
    }

    static func at(_ context: UnsafeMutableRawPointer?) -> Exchange {
        guard let context else { preconditionFailure("libcurl has lost its callback's context") }
        return Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
    }

    var isWholeBodyTaken: Bool { given == (body?.count ?? 0) }

    func begin(_ body: [UInt8]?) {
        self.body = body
        given = 0
        isTooLong = false
        headers = AnswerHeaders()
        answer.removeAll(keepingCapacity: true)
    }

    /// Lets go of the body, so that its memory can be used again in place.
    func end() {
        body = nil
    }

    func takeBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard answer.count + bytes.count <= longestAnswer else {
            isTooLong = true
            return 0
        }
        answer.append(contentsOf: bytes)
        return bytes.count
    }

    func takeHeader(_ bytes: UnsafeRawBufferPointer) -> Int {
        headers.take(line: bytes)
        return bytes.count
    }

    func giveBody(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let body else { return 0 }
        let count = min(buffer.count, body.count - given)
        body[given..<given + count].withUnsafeBytes { buffer.copyMemory(from: $0) }
        given += count
        return count
    }
}
