internal import CMicroHTTPD
internal import Glibc

/// A request with its whole body.
struct HTTPRequest {
    var method: String
    /// The path without the query, unescaped.
    var path: String
    /// The query's options in their order, unescaped.
    var options: [(name: String, value: String)] = []
    var authorization: String?
    var contentEncoding: String?
    var body: [UInt8] = []
    /// What goes wrong with it.
    var fault: Fault?
}

/// An answer.
struct HTTPResponse {
    var status: Int
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
}

/// How a request ends.
enum HTTPOutcome {
    case answer(HTTPResponse)
    /// The head and half of the body go out, then the connection is closed.
    case half(HTTPResponse)
    /// The connection is closed without an answer.
    case cut
}

/// What answers requests; called on one thread a connection.
protocol HTTPService: Sendable {
    /// What is to go wrong with the request that begins.
    func fault(method: String, path: String) -> Fault?
    /// The end of a request; may block as long as `patience` allows.
    func respond(to request: HTTPRequest, patience: Patience) -> HTTPOutcome
}

/// libmicrohttpd on loopback: a thread per connection, TLS where a certificate is given.
final class HTTPServer: @unchecked Sendable {
    // SAFETY: the daemon is started before and stopped after all use by threads; `stop` is called by the owner, once.
    private let service: any HTTPService
    private var daemon: OpaquePointer?
    private let certificate: UnsafeMutablePointer<CChar>?
    private let key: UnsafeMutablePointer<CChar>?
    /// Watched by those who wait for their client.
    private let stopSignal: StopSignal
    /// Where it listens.
    private(set) var port: UInt16 = 0

    /// The most bytes a body may have: FROST behind nginx takes 1 MB by default; tests may want more.
    static let maximumBody = 32 << 20

    /// Listens on 127.0.0.1:`port`, or a free port where that is 0. The PEM texts make it speak TLS.
    init(port: UInt16, certificate: [UInt8]?, key: [UInt8]?, service: any HTTPService) throws(LabError) {
        self.service = service
        self.certificate = certificate.flatMap { strdup(String(decoding: $0, as: UTF8.self)) }
        self.key = key.flatMap { strdup(String(decoding: $0, as: UTF8.self)) }
        stopSignal = try StopSignal()
        errno = 0
        daemon = cmhd_start_on_loopback(
            port, handleRequest, handleCompletion, Unmanaged.passUnretained(self).toOpaque(), self.certificate, self.key
        )
        guard let daemon else {
            let reason = errno == 0 ? "the certificate or its key is not usable" : String(cString: strerror(errno))
            throw LabError(
                .cannotListen, "cannot listen on 127.0.0.1:\(port): \(reason)",
                hint: "choose another port, or 0 for a free one")
        }
        self.port = cmhd_port(daemon)
    }

    /// Ends every connection and waits for its thread.
    func stop() {
        guard let daemon else { return }
        self.daemon = nil
        stopSignal.give()
        MHD_stop_daemon(daemon)
    }

    deinit {
        stop()
        free(certificate)
        free(key)
    }

    // MARK: - One request

    /// A request while its body arrives.
    fileprivate final class Exchange {
        var request: HTTPRequest
        init(_ request: HTTPRequest) { self.request = request }
    }

    fileprivate func begin(_ connection: OpaquePointer, _ url: String, _ method: String) -> Exchange {
        var request = HTTPRequest(method: method, path: url)
        request.fault = service.fault(method: method, path: url)
        func header(_ name: String) -> String? {
            cmhd_header(connection, name).map { String(cString: $0) }
        }
        request.authorization = header("Authorization")
        request.contentEncoding = header("Content-Encoding")
        withUnsafeMutablePointer(to: &request.options) { options in
            cmhd_each_option(
                connection,
                { context, _, name, value in
                    let options = context!.assumingMemoryBound(to: [(name: String, value: String)].self)
                    options.pointee.append(
                        (name.map { String(cString: $0) } ?? "", value.map { String(cString: $0) } ?? ""))
                    return .YES
                }, options)
        }
        return Exchange(request)
    }

    fileprivate func finish(_ exchange: Exchange, _ connection: OpaquePointer) -> MHD_Result {
        let patience = Patience(socket: cmhd_socket(connection), stop: stopSignal.descriptor)
        switch service.respond(to: exchange.request, patience: patience) {
        case .cut: return .NO
        case .answer(let answer): return send(answer, connection, half: false)
        case .half(let answer): return send(answer, connection, half: true)
        }
    }

    private func send(_ answer: HTTPResponse, _ connection: OpaquePointer, half: Bool) -> MHD_Result {
        let response: OpaquePointer?
        if half {
            let cut = Unmanaged.passRetained(HalfBody(answer.body))
            response = MHD_create_response_from_callback(
                UInt64(max(2, answer.body.count)), 4096, readHalf, cut.toOpaque(), releaseHalf)
        } else {
            response = answer.body.withUnsafeBytes { cmhd_response($0.baseAddress, $0.count) }
        }
        guard let response else { return .NO }
        defer { MHD_destroy_response(response) }
        for header in answer.headers { MHD_add_response_header(response, header.name, header.value) }
        return MHD_queue_response(connection, UInt32(answer.status), response)
    }
}

/// The first half of a body, after which the reader fails.
private final class HalfBody {
    let bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = Array(bytes.prefix(max(1, bytes.count / 2))) }
}

private func readHalf(
    _ context: UnsafeMutableRawPointer?, _ position: UInt64, _ buffer: UnsafeMutablePointer<CChar>?, _ limit: Int
) -> Int {
    guard let context, let buffer else { return -2 }
    let rest = Unmanaged<HalfBody>.fromOpaque(context).takeUnretainedValue().bytes.dropFirst(Int(position)).prefix(
        limit)
    // MHD_CONTENT_READER_END_WITH_ERROR: the connection is closed.
    guard !rest.isEmpty else { return -2 }
    for (index, byte) in rest.enumerated() { buffer[index] = CChar(bitPattern: byte) }
    return rest.count
}

private func releaseHalf(_ context: UnsafeMutableRawPointer?) {
    if let context { Unmanaged<HalfBody>.fromOpaque(context).release() }
}

/// libmicrohttpd calls it when the head is there, for every piece of the body, and once more at its end.
private func handleRequest(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?,
    _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?, _ upload: UnsafePointer<CChar>?,
    _ uploadSize: UnsafeMutablePointer<Int>?, _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let context, let connection, let url, let method, let uploadSize, let state else { return .NO }
    let server = Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue()
    guard let known = state.pointee else {
        let exchange = server.begin(connection, String(cString: url), String(cString: method))
        if exchange.request.fault == .refuse { return .NO }
        state.pointee = Unmanaged.passRetained(exchange).toOpaque()
        return .YES
    }
    let exchange = Unmanaged<HTTPServer.Exchange>.fromOpaque(known).takeUnretainedValue()
    if uploadSize.pointee > 0 {
        if exchange.request.fault == .cutRequest { return .NO }
        if let upload, exchange.request.body.count <= HTTPServer.maximumBody {
            upload.withMemoryRebound(to: UInt8.self, capacity: uploadSize.pointee) {
                exchange.request.body.append(contentsOf: UnsafeBufferPointer(start: $0, count: uploadSize.pointee))
            }
        }
        uploadSize.pointee = 0
        return .YES
    }
    if exchange.request.fault == .cutRequest { return .NO }
    return server.finish(exchange, connection)
}

private func handleCompletion(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ reason: MHD_RequestTerminationCode
) {
    guard let state, let known = state.pointee else { return }
    state.pointee = nil
    Unmanaged<HTTPServer.Exchange>.fromOpaque(known).release()
}
