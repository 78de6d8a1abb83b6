import Glibc
import Testing

@testable import Lab

/// The Python client that data people use, against the platform. Needs the network once; part of the longer runs.
@Suite(.enabled(if: getenv("PARTHE_TEST_ALL") != nil)) struct FrostClientTests {
    @Test func frostStaClientReadsThePlatform() throws {
        let folder = try TemporaryFolder()
        let venv = folder.path + "/venv"
        let made = shell("python3 -m venv '\(venv)' 2>&1 && '\(venv)/bin/pip' -q install frost_sta_client 2>&1")
        try #require(made.status == 0, "no virtual environment with frost_sta_client: \(made.output)")
        let fixture = try PlatformFixture(streams: 120)
        defer { fixture.platform.stop() }
        for part in 0..<3 {
            #expect(try fixture.create((0..<500).map { (part * 500 + $0, "230.\($0)") }, in: 7).status == 201)
        }
        #expect(try fixture.create([(1, "1"), (1, "1")], in: 120).status == 201)
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let check = shell(
            "'\(venv)/bin/python' '/\(root)/scripts/frost-client-check.py' '\(fixture.platform.url)' 2>&1")
        #expect(check.status == 0, "\(check.output)")
        #expect(check.output == "frost_sta_client: 1 Things, 120 Datastreams, 1502 Observations, 0 wrong\n")
    }
}
