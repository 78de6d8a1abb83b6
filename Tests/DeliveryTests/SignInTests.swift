import Delivery
import Glibc
import Lab
import Metering
import Testing

@Suite struct SignInTests {
    private let plan = TestInstallation.plan(TestInstallation.meters(1, points: 4))
    private let readings = TestInstallation.readings(points: 4, rounds: 3)

    @Test func aWrongPasswordPausesUntilTheFileIsRight() async throws {
        let folder = try TestFolder()
        let file = try folder.write("password", "wrong\n")
        let platform = try ReferencePlatform(credentials: .basic(user: "agent", password: "Grüße: 1 2"))
        defer { platform.stop() }
        let bench = Bench(
            url: platform.url, source: TestSource(readings), plan: plan,
            credentials: .basic(user: "agent", passwordFile: file))
        #expect(try await bench.until { bench.runner.status.condition == .paused })
        let trouble = try #require(bench.runner.status.trouble)
        #expect(trouble.code == .credentials)
        #expect(trouble.description.contains("401"))
        #expect(trouble.description.contains("the platform refuses user or password"))
        #expect(!trouble.description.contains("wrong"))
        _ = try folder.write("password", "  Grüße: 1 2\r\n")
        #expect(try await bench.drained())
        await bench.stop()
        try expectDelivered(readings, to: platform, plan: plan)
    }

    @Test func aSecretThatCannotBeReadIsNamed() async throws {
        let folder = try TestFolder()
        let platform = try ReferencePlatform(credentials: .bearer(token: "t0ken"))
        defer { platform.stop() }
        for (text, words) in [(nil, "No such file"), ("", "not one line"), ("a\nHost: b", "not one line")] {
            let file = try text.map { try folder.write("token", $0) } ?? folder.path + "/nowhere"
            let bench = Bench(
                url: platform.url, source: TestSource(readings), plan: plan, credentials: .bearer(tokenFile: file))
            #expect(try await bench.until { bench.runner.status.condition == .paused })
            let trouble = try #require(bench.runner.status.trouble)
            #expect(trouble.summary.contains(file))
            #expect(trouble.summary.contains(words), "\(trouble)")
            #expect(trouble.hint?.contains("token_file") == true)
            await bench.stop()
        }
        #expect(platform.requestCount == 0)
        let bench = Bench(
            url: platform.url, source: TestSource(readings), plan: plan,
            credentials: .bearer(tokenFile: try folder.write("token", "t0ken")))
        #expect(try await bench.drained())
        await bench.stop()
        try expectDelivered(readings, to: platform, plan: plan)
    }

    @Test func certificatesAreVerified() async throws {
        let folder = try TestFolder()
        let (certificate, key) = (folder.path + "/cert.pem", folder.path + "/key.pem")
        let command =
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
            + "-addext subjectAltName=IP:127.0.0.1 -keyout '\(key)' -out '\(certificate)' 2>/dev/null"
        try #require(system(command) == 0)
        let platform = try ReferencePlatform(tls: .init(certificate: certificate, key: key))
        defer { platform.stop() }
        let stranger = Bench(url: platform.url, source: TestSource(readings), plan: plan)
        #expect(try await stranger.until { stranger.runner.status.condition == .waiting })
        #expect(stranger.runner.status.trouble?.hint?.contains("ca_file") == true)
        await stranger.stop()
        #expect(try platform.audit().lines.isEmpty)
        // The certificate is right and its host is not.
        let wrongHost = Bench(
            url: "https://localhost:\(platform.port)/v1.1", source: TestSource(readings), plan: plan,
            certificateAuthority: certificate)
        #expect(try await wrongHost.until { wrongHost.runner.status.condition == .waiting })
        await wrongHost.stop()
        let friend = Bench(
            url: platform.url, source: TestSource(readings), plan: plan, certificateAuthority: certificate)
        #expect(try await friend.drained())
        await friend.stop()
        try expectDelivered(readings, to: platform, plan: plan)
        let noFile = Bench(
            url: platform.url, source: TestSource(readings), plan: plan, certificateAuthority: folder.path + "/none")
        #expect(try await noFile.until { noFile.runner.status.condition == .paused })
        #expect(noFile.runner.status.trouble?.hint?.contains("ca_file") == true)
        await noFile.stop()
    }
}
