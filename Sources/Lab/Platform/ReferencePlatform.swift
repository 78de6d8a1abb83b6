internal import Metering
internal import Posix
internal import Synchronization

/// An OGC SensorThings 1.1 platform for tests, demonstrations and benchmarks.
///
/// It listens on loopback, keeps everything in one SQLite file and answers as FROST-Server does (`Persona`). Results
/// keep the characters they arrived with. Three things a real platform has not:
///
/// - `GET /_audit` counts rows, copies and hashes in the database (`PlatformAudit`): the judge of what was delivered;
/// - `PUT /_faults` with a fault plan makes it fail in the ways of `Fault`; `GET` tells how often it did;
/// - `stop()` and a new instance on the same file and port are an outage.
///
/// A way in: HTTPServer (libmicrohttpd, a thread per connection) reads the body; the fault source decides what goes
/// wrong; Routes finds the deed; Store does it as one transaction behind one lock. Not promised: PATCH, `$batch`, MQTT,
/// filters beyond comparisons joined by `and`, and that a power cut loses nothing.
public final class ReferencePlatform: Sendable {
    /// A certificate and its key, both PEM files.
    public struct TLS: Hashable, Sendable {
        /// The file with the certificate, and those above it.
        public var certificate: String
        /// The file with its key.
        public var key: String

        /// The files of a certificate and its key.
        public init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// Who may use the platform; `/_audit` and `/_faults` are open to everyone.
    public enum Credentials: Hashable, Sendable {
        /// Everyone.
        case none
        /// Who knows this user's password (HTTP Basic, RFC 7617).
        case basic(user: String, password: String)
        /// Who has this token (RFC 6750).
        case bearer(token: String)
    }

    private let server: HTTPServer
    private let service: PlatformService
    /// The service root with its version: `http://127.0.0.1:34567/v1.1`.
    public let url: String
    /// Where it listens.
    public let port: UInt16

    /// Opens the store and listens.
    ///
    /// - Parameters:
    ///   - file: the SQLite file, made when it is missing; nil keeps everything until `stop()`.
    ///   - port: 0 takes a free port; see `url`.
    ///   - persona: whose manners it has.
    ///   - tls: speaks HTTPS with this certificate.
    ///   - credentials: who may use it.
    ///   - faults: what goes wrong from the start.
    public init(
        file: String? = nil, port: UInt16 = 0, persona: Persona = .frost, tls: TLS? = nil,
        credentials: Credentials = .none, faults: FaultPlan = FaultPlan()
    ) throws(LabError) {
        let store = try Store(file: file)
        service = PlatformService(store: store, persona: persona, credentials: credentials, faults: faults)
        let certificate = try tls.map { (tls) throws(LabError) in try Self.pem(tls.certificate) }
        let key = try tls.map { (tls) throws(LabError) in try Self.pem(tls.key) }
        server = try HTTPServer(port: port, certificate: certificate, key: key, service: service)
        self.port = server.port
        url = "\(tls == nil ? "http" : "https")://127.0.0.1:\(server.port)\(Routes.base)"
        service.open(at: url)
    }

    /// What it holds.
    public func audit() throws -> PlatformAudit {
        try service.store.audit()
    }

    /// What goes wrong from now on.
    public func setFaults(_ plan: FaultPlan) {
        service.faults.withLock { $0 = FaultSource(plan) }
    }

    /// How often each fault has happened since the plan was set, by name.
    public var faultCounts: [String: Int] {
        service.faults.withLock { $0.counts }
    }

    /// Starts to note how long after its phenomenon time each Observation is stored.
    public func recordDelays() {
        service.store.delays.withLock { $0 = [] }
    }

    /// What was noted since `recordDelays()`, in milliseconds; nothing is noted any more.
    public func takeDelays() -> [Int64] {
        service.store.delays.withLock { noted in
            defer { noted = nil }
            return noted ?? []
        }
    }

    /// How many requests have begun, without those to `/_audit` and `/_faults`.
    public var requestCount: Int {
        service.requests.withLock { $0 }
    }

    /// Ends every connection, gives up what has not been committed, and closes the file. A second call does nothing.
    public func stop() {
        service.giveUpLateCommits()
        server.stop()
        service.store.close()
    }

    private static func pem(_ path: String) throws(LabError) -> [UInt8] {
        do { return try File.read(path) } catch { throw LabError(.file, error.description) }
    }
}
