import Metering
import Testing

@testable import Lab

@Suite struct PlatformLifeTests {
    @Test func itComesBackOnItsFileAndPort() throws {
        let folder = try TemporaryFolder()
        let file = folder.path + "/platform.sqlite"
        let held = try HeldPort()
        let port = held.number
        let first = try PlatformFixture(file: file, port: port)
        #expect(try first.create([(1, "230.1"), (2, "2")]).status == 201)
        let before = try first.platform.audit()
        first.platform.stop()
        first.platform.stop()
        #expect(throws: LabError.self) { try first.platform.audit() }
        #expect(throws: LabError.self) { try PlainHTTP.request("GET", first.platform.url) }
        let second = try ReferencePlatform(file: file, port: port)
        defer { second.stop() }
        #expect(second.url == first.platform.url)
        #expect(try second.audit() == before)
        #expect(try first.create([(3, "3")]).text.contains("Observations(3)"))
        #expect(try second.audit().rows == 3)
        #expect(throws: LabError.self) { try ReferencePlatform(port: port) }
    }

    @Test func stoppingEndsConnectionsThatStand() throws {
        let fixture = try PlatformFixture()
        let idle = try Loopback.connect(to: fixture.platform.port)
        defer { Loopback.reset(idle) }
        fixture.platform.stop()
    }

    @Test func theAuditOnTheWireIsTheAudit() throws {
        let fixture = try PlatformFixture(streams: 3)
        defer { fixture.platform.stop() }
        #expect(try fixture.create([(1, "1.5"), (2, "-7"), (2, "\"text\"")], in: 2).status == 201)
        let text = try PlainHTTP.request("GET", "\(fixture.base)/_audit").text
        #expect(try PlatformAudit(json: text) == fixture.platform.audit())
        let totals = try JSONParser.parse(Array(text.utf8))["totals"]
        #expect(totals?["rows"]?.integer == 3)
        #expect(totals?["copies"]?.integer == 1)
        #expect(totals?["conflicts"]?.integer == 1)
        #expect(throws: LabError.self) { try PlatformAudit(json: "{}") }
        #expect(throws: LabError.self) { try PlatformAudit(json: #"{"datastreams":[{"name":"x"}]}"#) }
    }

    @Test func credentialsAreAskedFor() throws {
        let basic = try ReferencePlatform(credentials: .basic(user: "Aladdin", password: "open sesame"))
        defer { basic.stop() }
        // The example of RFC 7617, section 2.
        let right = [("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]
        #expect(try PlainHTTP.request("GET", basic.url).status == 401)
        #expect(try PlainHTTP.request("GET", basic.url, headers: right).status == 200)
        #expect(try PlainHTTP.request("GET", "http://127.0.0.1:\(basic.port)/_audit").status == 200)
        let bearer = try ReferencePlatform(credentials: .bearer(token: "abc"))
        defer { bearer.stop() }
        #expect(
            try PlainHTTP.request("GET", bearer.url, headers: [("Authorization", "Bearer abd")])["www-authenticate"]
                == "Bearer")
        #expect(try PlainHTTP.request("GET", bearer.url, headers: [("Authorization", "Bearer abc")]).status == 200)
    }

    @Test func itSpeaksTLS() throws {
        let folder = try TemporaryFolder()
        let (certificate, key) = (folder.path + "/cert.pem", folder.path + "/key.pem")
        let made = shell(
            """
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 \
            -addext subjectAltName=IP:127.0.0.1 -keyout '\(key)' -out '\(certificate)' 2>&1
            """)
        try #require(made.status == 0, "\(made.output)")
        let platform = try ReferencePlatform(tls: .init(certificate: certificate, key: key))
        defer { platform.stop() }
        #expect(platform.url.hasPrefix("https://"))
        let trusted = shell("curl -sS --max-time 10 --cacert '\(certificate)' '\(platform.url)' 2>&1")
        #expect(trusted.status == 0, "\(trusted.output)")
        #expect(trusted.output.contains("conformance"))
        // curl's 60: the certificate is not trusted.
        #expect(shell("curl -sS --max-time 10 '\(platform.url)' 2>/dev/null").status == 60)
        #expect(throws: LabError.self) { try ReferencePlatform(tls: .init(certificate: key, key: certificate)) }
        #expect(throws: LabError.self) { try ReferencePlatform(tls: .init(certificate: "/nowhere", key: key)) }
    }

    @Test func manyClientsAtOnceLoseNothing() throws {
        let fixture = try PlatformFixture(streams: 8)
        defer { fixture.platform.stop() }
        let threads = try (1...8).map { stream in
            try WorkerThread {
                for round in 0..<20 {
                    _ = try? fixture.create((0..<10).map { (round * 10 + $0, "\(stream)") }, in: stream)
                }
            }
        }
        for thread in threads { thread.join() }
        let audit = try fixture.platform.audit()
        #expect(audit.distinct == 1600)
        #expect(audit.copies == 0)
        #expect(audit.lines.allSatisfy { $0.rows == 200 })
    }
}
