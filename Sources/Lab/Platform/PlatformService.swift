internal import Metering
internal import Posix
internal import Synchronization

/// The platform between HTTP and its routes: credentials, faults, the lab's own endpoints, late commits.
final class PlatformService: HTTPService {
    let store: Store
    let faults: Mutex<FaultSource>
    let requests = Mutex(0)
    private let persona: Persona
    private let credentials: ReferencePlatform.Credentials
    /// Set once the port is known, before the first answer.
    private let root = Mutex("")
    private let lateCommits = LateCommits()

    init(store: Store, persona: Persona, credentials: ReferencePlatform.Credentials, faults: FaultPlan) {
        self.store = store
        self.persona = persona
        self.credentials = credentials
        self.faults = Mutex(FaultSource(faults))
    }

    /// Says where the service root is.
    func open(at root: String) {
        self.root.withLock { $0 = root }
    }

    /// Drops the requests that were to be committed after their client had gone.
    func giveUpLateCommits() {
        lateCommits.stop()
    }

    func fault(method: String, path: String) -> Fault? {
        guard !path.hasPrefix("/_") else { return nil }
        requests.withLock { $0 += 1 }
        return faults.withLock { $0.next(method: method, path: path) }
    }

    func respond(to request: HTTPRequest, patience: Patience) -> HTTPOutcome {
        if request.path.hasPrefix("/_") { return .answer(dated(lab(request))) }
        switch outcome(request, patience) {
        case .answer(let answer): return .answer(dated(answer))
        case .half(let answer): return .half(dated(answer))
        case .cut: return .cut
        }
    }

    // MARK: - Faults

    private func outcome(_ request: HTTPRequest, _ patience: Patience) -> HTTPOutcome {
        let routes = Routes(store: store, persona: persona, root: root.withLock { $0 })
        func refusal(_ status: Int, _ message: String, _ headers: [(name: String, value: String)] = []) -> HTTPOutcome {
            let body = persona.body(of: RequestError(status, message))
            return .answer(HTTPResponse(status: status, headers: [Self.json] + headers, body: body))
        }
        guard isAllowed(request) else { return refusal(401, "Unauthorized.", [challenge]) }
        guard request.body.count <= HTTPServer.maximumBody else { return refusal(413, "Content too large.") }
        switch request.fault {
        case nil, .rowErrors: return .answer(routes.serve(request))
        case .refuse, .cutRequest: return .cut
        case .commitThenCut:
            _ = routes.serve(request)
            return .cut
        case .halfAnswer: return .half(routes.serve(request))
        case .lateCommit(let delay):
            lateCommits.add(after: delay) { _ = routes.serve(request) }
            return .cut
        case .blackHole:
            _ = patience.wait(nil, untilClientLeaves: true)
            return .cut
        case .slow(let delay):
            if patience.wait(delay, untilClientLeaves: false) == .stopped { return .cut }
            return .answer(routes.serve(request))
        case .unauthorized: return refusal(401, "Unauthorized.", [challenge])
        case .tooLarge(let limit):
            return request.body.count > limit ? refusal(413, "Content too large.") : .answer(routes.serve(request))
        case .tooManyRequests(let seconds):
            return refusal(429, "Too many requests.", [("Retry-After", String(seconds))])
        case .unavailable(let seconds):
            return refusal(503, "Service unavailable.", [("Retry-After", String(seconds))])
        case .serverError: return refusal(500, "Failed to store data.")
        case .serverErrorAfterCommit:
            _ = routes.serve(request)
            return refusal(500, "Failed to store data.")
        case .wrongLengthArray: return .answer(Self.shortened(routes.serve(request)))
        case .garbage201:
            var answer = routes.serve(request)
            answer.body = Array("<html>Bad gateway</html>".utf8)
            return .answer(answer)
        }
    }

    private static func shortened(_ answer: HTTPResponse) -> HTTPResponse {
        guard case .array(let elements)? = try? JSONParser.parse(answer.body) else { return answer }
        var answer = answer
        answer.body = JSON.array(elements.dropLast()).bytes
        return answer
    }

    // MARK: - Who may

    private func isAllowed(_ request: HTTPRequest) -> Bool {
        switch credentials {
        case .none: return true
        case .bearer(let token): return request.authorization == "Bearer \(token)"
        case .basic(let user, let password):
            return request.authorization == "Basic \(Base64.encode(Array("\(user):\(password)".utf8)))"
        }
    }

    private var challenge: (name: String, value: String) {
        if case .bearer = credentials { return ("WWW-Authenticate", "Bearer") }
        return ("WWW-Authenticate", "Basic realm=\"FROST-Server\"")
    }

    // MARK: - The lab's own endpoints

    private static let json = (name: "Content-Type", value: "application/json;charset=UTF-8")

    private func lab(_ request: HTTPRequest) -> HTTPResponse {
        do {
            switch (request.method, request.path) {
            case ("GET", "/_audit"):
                return HTTPResponse(status: 200, headers: [Self.json], body: try store.audit().json.bytes)
            case ("PUT", "/_faults"):
                let plan = try FaultPlan(json: request.body)
                faults.withLock { $0 = FaultSource(plan) }
                return HTTPResponse(status: 204)
            case ("GET", "/_faults"):
                let counts = faults.withLock { $0.counts }.sorted { $0.key < $1.key }
                let answer: JSON = [
                    "requests": .integer(requests.withLock { $0 }),
                    "faults": .object(counts.map { JSON.Member(name: $0.key, value: .integer($0.value)) }),
                ]
                return HTTPResponse(status: 200, headers: [Self.json], body: answer.bytes)
            default:
                throw RequestError(404, "The lab has GET /_audit, GET /_faults and PUT /_faults.")
            }
        } catch {
            let wrong = error as? RequestError ?? RequestError(error is LabError ? 400 : 500, "\(error)")
            return HTTPResponse(status: wrong.status, headers: [Self.json], body: persona.body(of: wrong))
        }
    }

    // MARK: - Date

    private func dated(_ answer: HTTPResponse) -> HTTPResponse {
        let offset = faults.withLock { $0.plan.clockOffset }
        var answer = answer
        let now = BootClock.offset.timestamp(of: BootClock.now + offset)
        answer.headers.append(("Date", now.httpDate))
        return answer
    }
}
