import Delivery
import Metering
import Synchronization
import Testing

/// Servers that are unlike the reference platform, imitated answer by answer.
@Suite struct OddServerTests {
    private let plan = TestInstallation.plan(TestInstallation.meters(1, points: 2))

    /// Text ids with quotes, pages of one, links to another host, copies of entities, and no CreateObservations.
    @Test func textIDsPagesCopiesAndSingles() async throws {
        let server = RawServer { request in
            let words = request.line.split(separator: " ")
            switch (words[0], words[1].split(separator: "/", maxSplits: 1)[1]) {
            case ("GET", let path) where path.hasPrefix("Things?"):
                return .send(.list(#"{"@iot.id":"t''2","name":"gw-test/m1"},{"@iot.id":"t'1","name":"gw-test/m1"}"#))
            case ("GET", let path) where path.hasPrefix("Things('t%27%271')/Datastreams?$skip=1"):
                return .send(.list(#"{"@iot.id":"d1-copy","name":"gw-test/m1/p1"}"#))
            case ("GET", let path) where path.hasPrefix("Things('t%27%271')/Datastreams?"):
                let link = #""@iot.nextLink":"http://evil.invalid:1/v1.1/x?$skip=1""#
                return .send(.list(#"{"@iot.id":"d1","name":"gw-test/m1/p1"}"#, link))
            case ("GET", let path) where path.hasPrefix("Datastreams?"):
                return .send(.list(#"{"id":"d2","name":"gw-test/m1/p2"}"#))
            case ("GET", "Datastreams('d1')?$select=id,name"):
                return .send(RawServer.answer("200 OK", #"{"@iot.id":"d1","name":"gw-test/m1/p1"}"#))
            case ("POST", "Observations"): return .send(RawServer.answer("201 Created"))
            default: return .send(RawServer.answer("404 Not Found", #"{"message":"Nothing found."}"#))
            }
        }
        defer { server.stop() }
        let bench = Bench(
            url: server.url, source: TestSource(TestInstallation.readings(points: 2, rounds: 2)), plan: plan)
        #expect(try await bench.drained())
        await bench.stop()
        #expect(bench.source.settledCount == 4)
        #expect(bench.runner.status.usesSingles)
        let posts = server.requests.filter { $0.line.hasPrefix("POST /v1.1/Observations ") }
        let bodies = posts.map { String(decoding: $0.body, as: UTF8.self) }
        #expect(bodies.filter { $0.hasSuffix(#""Datastream":{"@iot.id":"d1"}}"#) }.count == 2)
        #expect(bodies.filter { $0.hasSuffix(#""Datastream":{"@iot.id":"d2"}}"#) }.count == 2)
        // One look at CreateObservations was enough, and nothing that is there was made.
        #expect(server.requests.filter { $0.line.contains("CreateObservations") }.count == 1)
        #expect(server.requests.filter { $0.line.hasPrefix("POST") }.count == 5)
    }

    /// Names are unique there: whoever loses the race takes what is there.
    @Test func aConflictWhileMakingIsLookedUp() async throws {
        let made = Mutex<Set<String>>([])
        let server = RawServer { request in
            let words = request.line.split(separator: " ")
            let set = String(words[1].split(separator: "/", maxSplits: 1)[1].prefix { $0 != "?" })
            if set == "CreateObservations" {
                return .send(
                    RawServer.answer("201 Created", #"["http://h/Observations(1)","http://h/Observations(2)"]"#))
            }
            if words[0] == "POST" {
                made.withLock { _ = $0.insert(set) }
                return .send(RawServer.answer("409 Conflict", #"{"code":409,"message":"Entity already exists."}"#))
            }
            let isThere = made.withLock { $0.contains(set) }
            let names = ["gw-test/m1", "gw-test/m1/p1", "gw-test/m1/p2", "test-meter"] + Quantity.allCases.map(\.title)
            let entities = names.enumerated().map { #"{"@iot.id":\#($0 + 1),"name":"\#($1)"}"# }
            return .send(.list(isThere ? entities.joined(separator: ",") : ""))
        }
        defer { server.stop() }
        let bench = Bench(
            url: server.url, source: TestSource(TestInstallation.readings(points: 2, rounds: 1)), plan: plan)
        #expect(try await bench.drained())
        await bench.stop()
        #expect(bench.source.settledCount == 2)
    }

    /// An entity that is refused concerns its points only.
    @Test func aDatastreamThatIsRefusedHoldsUpNobody() async throws {
        let server = RawServer { request in
            if request.line.contains("CreateObservations") {
                return .send(RawServer.answer("201 Created", #"["http://h/Observations(1)"]"#))
            }
            if request.line.hasPrefix("GET") { return .send(.list("")) }
            let isBad = String(decoding: request.body, as: UTF8.self).contains("gw-test/m1/p2")
            return .send(
                isBad
                    ? RawServer.answer("400 Bad Request", #"{"message":"no such unit here"}"#)
                    : RawServer.answer("201 Created", headers: "Location: http://h/v1.1/X(7)\r\n"))
        }
        defer { server.stop() }
        let bench = Bench(
            url: server.url, source: TestSource(TestInstallation.readings(points: 2, rounds: 1)), plan: plan)
        #expect(try await bench.drained())
        await bench.stop()
        #expect(bench.source.settledCount == 1)
        #expect(bench.source.rejected.count == 1)
        #expect(try #require(bench.source.rejected.first).reason.contains("no such unit here"))
    }

    /// A proxy that gave up waiting (504): what is behind it may still be at work on the readings; a question harms nobody.
    @Test(arguments: [("Things", DeliveryFailure.Code.notSent), ("CreateObservations", .timedOut)])
    func aProxyThatGaveUp(word: String, code: DeliveryFailure.Code) async throws {
        let server = RawServer { request in
            if request.line.contains(word) { return .send(RawServer.answer("504 Gateway Time-out")) }
            if request.line.hasPrefix("GET") { return .send(.list("")) }
            return .send(RawServer.answer("201 Created", headers: "Location: http://h/v1.1/X(7)\r\n"))
        }
        defer { server.stop() }
        let readings = TestInstallation.readings(points: 1, rounds: 1)
        let bench = Bench(url: server.url, source: TestSource(readings), plan: plan)
        #expect(try await bench.until { bench.runner.status.lastFailure?.code == code }, "\(bench.runner.status)")
        await bench.stop()
        #expect(bench.source.settledCount == 0)
    }

    /// Whatever answers there is no SensorThings service: the status says so, nothing is lost, nothing is hammered.
    @Test(arguments: [
        RawServer.answer("404 Not Found", "<html>nginx</html>"), RawServer.answer("200 OK", "<html>It works!</html>"),
        RawServer.answer("200 OK", "{}"), RawServer.answer("200 OK", #"{"value":[{"name":"gw-test/m1"}]}"#),
        RawServer.answer("301 Moved Permanently", headers: "Location: https://elsewhere.example/v1.1\r\n"),
        RawServer.answer("503 Service Unavailable", headers: "Retry-After: 600\r\n"),
        RawServer.answer("400 Bad Request", "The plain HTTP request was sent to HTTPS port"),
        RawServer.answer("299 Whatever"), Array("SSH-2.0-OpenSSH_9.2\r\n".utf8), [],
    ])
    func whateverAnswersThere(answer: [UInt8]) async throws {
        let server = RawServer { _ in .sendAndClose(answer) }
        defer { server.stop() }
        var timing = TestInstallation.quick
        timing.backoff.first = .seconds(100)
        timing.backoff.largest = .seconds(100)
        timing.pause = timing.backoff
        let readings = TestInstallation.readings(points: 2, rounds: 1)
        let bench = Bench(url: server.url, source: TestSource(readings), plan: plan, timing: timing)
        #expect(
            try await bench.until { [.waiting, .paused].contains(bench.runner.status.condition) },
            "\(bench.runner.status)")
        for _ in 0..<100 { bench.runner.notify() }
        try await Task.sleep(for: .milliseconds(50))
        let status = bench.runner.status
        await bench.stop()
        #expect(status.trouble != nil)
        #expect(status.until != nil)
        #expect(status.requests <= 3)
        #expect(bench.source.settledCount == 0)
        #expect(bench.source.rejected.isEmpty)
    }
}

extension [UInt8] {
    /// An answer with a page of entities.
    fileprivate static func list(_ entities: String, _ link: String? = nil) -> [UInt8] {
        RawServer.answer("200 OK", "{\(link.map { $0 + "," } ?? "")\"value\":[\(entities)]}")
    }
}
