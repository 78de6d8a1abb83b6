import Glibc
import Metering
import Posix
import Testing

@testable import Lab

/// The program as scripts use it: its first line, its signals, its exit codes.
@Suite struct CommandTests {
    /// A server command in a process of its own.
    private final class Server {
        let process: ChildProcess
        let firstLine: String

        init(_ arguments: [String], log: String) throws {
            process = try ChildProcess(AgentHarness.siblingProgram("parthe-lab"), arguments, log: log)
            var line = ""
            _ = eventually {
                let text = (try? File.read(log)).map { String(decoding: $0, as: UTF8.self) } ?? ""
                guard text.contains("\n") else { return false }
                line = String(text.prefix { $0 != "\n" })
                return true
            }
            firstLine = line
        }

        deinit {
            process.kill()
        }
    }

    @Test func aPlatformIsReadyWhenItSaysSoAndEndsOnSIGTERM() throws {
        let folder = try TemporaryFolder()
        let arguments = ["platform", "--file", folder.path + "/p.sqlite", "--faults", #"{"script":["serverError"]}"#]
        let server = try Server(arguments, log: folder.path + "/log")
        try #require(server.firstLine.hasPrefix("platform http://127.0.0.1:"), "\(server.firstLine)")
        let url = String(server.firstLine.dropFirst("platform ".count))
        #expect(try PlainHTTP.request("GET", url).status == 500)
        #expect(try PlainHTTP.request("GET", url).status == 200)
        #expect(server.process.terminate() == 0)
        #expect(throws: LabError.self) { try PlainHTTP.request("GET", url) }
    }

    @Test func metersOfTheCatalogueAreServed() throws {
        let folder = try TemporaryFolder()
        let truth = folder.path + "/truth"
        let server = try Server(
            ["meters", "--model", "eastron-sdm630", "--count", "3", "--json", "--truth", truth],
            log: folder.path + "/log")
        let ready = try JSONParser.parse(Array(server.firstLine.utf8))
        let ports = (ready["ports"]?.elements ?? []).compactMap { $0.integer }
        try #require(ports.count == 3)
        let client = try #require(ModbusClient(port: UInt16(ports[2])))
        #expect(try client.read(.input, 0, 4).get().count == 4)
        #expect(server.process.terminate() == 0)
        #expect(shell("grep -c '^[0-9]* meter-3 voltage-l[12] [0-9a-f]* 2' '\(truth)'").output == "2\n")
    }

    @Test func aProxyGoesAwayAndComesBackOnSignals() throws {
        let folder = try TemporaryFolder()
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let server = try Server(["proxy", "--target", "\(platform.port)"], log: folder.path + "/log")
        let port = try #require(server.firstLine.split(separator: ":").last)
        let url = "http://127.0.0.1:\(port)/v1.1"
        func answers() -> Bool { (try? PlainHTTP.request("GET", url).status) == 200 }
        #expect(answers())
        server.process.signal(SIGUSR1)
        #expect(eventually { !answers() })
        server.process.signal(SIGUSR1)
        #expect(eventually { answers() })
        server.process.signal(SIGHUP)
        #expect(server.process.terminate() == 0)
    }

    @Test func mistakesAreSaidAndNeverExitCodeZero() throws {
        let program = AgentHarness.siblingProgram("parthe-lab")
        for (arguments, words) in [
            ("meters --model eastron-sdm63", "eastron-sdm630"), ("platform --persona oracle", "oracle"),
            ("platform --faults '{\"script\":[\"x\"]}'", "unknown fault 'x'"),
            ("platform --tls-key x", "--tls-certificate"),
            ("proxy", "--target"), ("audit --spool /nowhere --platform http://127.0.0.1:1/v1.1", "/nowhere"),
            ("meters --count 300 --units", "247"), ("platform --file /nowhere/x", "/nowhere/x"),
        ] {
            let (status, output) = shell("'\(program)' \(arguments) 2>&1")
            #expect(status != 0, "\(arguments)")
            #expect(output.contains(words), "\(arguments): \(output)")
        }
        #expect(shell("'\(program)' --help").status == 0)
    }
}
