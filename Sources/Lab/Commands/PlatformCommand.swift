internal import ArgumentParser
internal import Posix

/// `parthe-lab platform`.
struct PlatformCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "platform",
        abstract: "A SensorThings 1.1 platform on loopback.",
        discussion: """
            Prints `platform http://127.0.0.1:PORT/v1.1` when it is ready. GET /_audit counts what it holds; PUT /_faults
            with a plan makes it fail, such as {"scope": "observations", "script": ["none", "commitThenCut"],
            "chances": [{"fault": "refuse", "probability": 0.1}], "seed": 7}; the word chaos is a ready-made plan.
            """)

    @Option(help: "SQLite file that keeps everything; without it everything is gone at the end.")
    var file: String?
    @Option(help: "Port on 127.0.0.1; 0 takes a free one.")
    var port: UInt16 = 0
    @Option(help: "Whose manners it has: \(Persona.allCases.map(\.rawValue).joined(separator: ", ")).")
    var persona = Persona.frost.rawValue
    @Option(help: "PEM file with a certificate: speaks HTTPS.")
    var tlsCertificate: String?
    @Option(help: "PEM file with the certificate's key.")
    var tlsKey: String?
    @Option(help: "Asks for HTTP Basic: USER:PASSWORD.")
    var basic: String?
    @Option(help: "Asks for this bearer token.")
    var token: String?
    @Option(help: "Fault plan as JSON, or chaos, or @FILE.")
    var faults: String?
    @Flag(help: "Prints the address as JSON.")
    var json = false

    func validate() throws {
        if Persona(rawValue: persona) == nil { throw ValidationError("There is no persona '\(persona)'.") }
        if (tlsCertificate == nil) != (tlsKey == nil) {
            throw ValidationError("--tls-certificate and --tls-key go together.")
        }
        if basic != nil, token != nil { throw ValidationError("--basic or --token, not both.") }
        if let basic, !basic.contains(":") { throw ValidationError("--basic is USER:PASSWORD.") }
    }

    func run() throws {
        Signals.prepare()
        let platform = try ReferencePlatform(
            file: file, port: port, persona: Persona(rawValue: persona) ?? .frost, tls: tls, credentials: credentials,
            faults: try plan())
        let ready: JSON = ["url": .string(platform.url), "port": .integer(platform.port)]
        Output.line(json ? String(decoding: ready.bytes, as: UTF8.self) : "platform \(platform.url)")
        Signals.waitForEnd()
        platform.stop()
    }

    private var tls: ReferencePlatform.TLS? {
        guard let tlsCertificate, let tlsKey else { return nil }
        return ReferencePlatform.TLS(certificate: tlsCertificate, key: tlsKey)
    }

    private var credentials: ReferencePlatform.Credentials {
        if let token { return .bearer(token: token) }
        guard let basic, let colon = basic.firstIndex(of: ":") else { return .none }
        return .basic(user: String(basic[..<colon]), password: String(basic[basic.index(after: colon)...]))
    }

    private func plan() throws -> FaultPlan {
        guard let faults else { return FaultPlan() }
        guard faults.first == "@" else { return try FaultPlan(json: faults) }
        return try FaultPlan(json: File.read(String(faults.dropFirst())))
    }
}
