import Metering
import Posix
import Synchronization
import Testing

@testable import Delivery

@Suite struct HTTPTransportTests {
    static let body = Array(#"[{"Datastream":{"@iot.id":1}}]"#.utf8)

    private func transport(timeout: Duration = .seconds(30), longestAnswer: Int = 8 << 20) -> HTTPTransport {
        var settings = HTTPTransport.Settings(userAgent: "parthe/test")
        settings.responseTimeout = timeout
        settings.longestAnswer = longestAnswer
        return HTTPTransport(settings)
    }

    private func post(_ transport: HTTPTransport, _ url: String, _ body: [UInt8] = body) throws -> HTTPTransport.Answer
    {
        try transport.perform(.init(url: url, body: body, authorization: nil))
    }

    /// The code of the failure that a POST ends with.
    private func code(
        _ transport: HTTPTransport, _ url: String, _ body: [UInt8] = body
    ) -> DeliveryFailure.Code? {
        do {
            _ = try transport.perform(.init(url: url, body: body, authorization: nil))
            return nil
        } catch {
            return error.code
        }
    }

    @Test func sendsWhatIsAgreedAndKeepsTheConnection() throws {
        let server = RawServer { _ in .send(RawServer.answer("201 Created", "[]", headers: "Location: /x(1)\r\n")) }
        defer { server.stop() }
        let transport = transport()
        for _ in 0..<3 {
            let answer = try transport.perform(.init(url: server.url, body: Self.body, authorization: "Bearer t0ken"))
            #expect(answer.status == 201)
            #expect(answer.body == Array("[]".utf8))
            #expect(answer.headers.location == "/x(1)")
        }
        #expect(server.requests.map(\.connection) == [1, 1, 1])
        #expect(server.requests.allSatisfy { $0.body == Self.body })
        let head = try #require(server.requests.first).head
        for line in [
            "POST /v1.1 HTTP/1.1", "User-Agent: parthe/test", "Content-Type: application/json",
            "Authorization: Bearer t0ken", "Content-Length: \(Self.body.count)",
        ] {
            #expect(head.contains(line), "\(head)")
        }
        #expect(!head.contains("Expect"))
    }

    @Test func aGetHasNoBody() throws {
        let server = RawServer { _ in .send(RawServer.answer("200 OK", "{}")) }
        defer { server.stop() }
        let transport = transport()
        _ = try post(transport, server.url)
        _ = try transport.perform(.init(url: server.url + "/Things?a=b", body: nil, authorization: nil))
        #expect(server.requests[1].line == "GET /v1.1/Things?a=b HTTP/1.1")
        #expect(!server.requests[1].head.contains("Content-"))
        _ = try post(transport, server.url)
        #expect(server.requests[2].body == Self.body)
    }

    /// libcurl would send the request again by itself: the platform would have it twice.
    @Test func aKeptConnectionThatDiesAfterTheRequestIsUnclearAndNotResent() throws {
        let server = RawServer { request in
            request.line.contains("/die") ? .sendAndClose([]) : .send(RawServer.answer("201 Created", "[]"))
        }
        defer { server.stop() }
        let transport = transport()
        _ = try post(transport, server.url)
        #expect(code(transport, server.url + "/die") == .unclear)
        #expect(server.requests.count == 2)
        // A large body, of which libcurl has sent a part when the connection dies, neither.
        _ = try post(transport, server.url)
        #expect(code(transport, server.url + "/die", [UInt8](repeating: 0x20, count: 1_000_000)) == .unclear)
        #expect(server.requests.count == 4)
    }

    /// Servers close idle connections after some seconds: that is noticed before a request goes into the void.
    @Test func aConnectionThatWasClosedMeanwhileIsReplaced() async throws {
        let server = RawServer { _ in .sendAndClose(RawServer.answer("201 Created", "[]")) }
        defer { server.stop() }
        let transport = transport()
        for _ in 0..<5 {
            #expect(try post(transport, server.url).status == 201)
            while server.hasConnections { try await Task.sleep(for: .milliseconds(5)) }
        }
        #expect(server.requests.map(\.connection) == [1, 2, 3, 4, 5])
    }

    @Test func theSameForARequestAlone() throws {
        let server = RawServer { _ in .sendAndClose([]) }
        defer { server.stop() }
        #expect(code(transport(), server.url) == .unclear)
        #expect(server.requests.count == 1)
    }

    @Test func aBodyThatCouldNotBeSentWholeIsNotSent() throws {
        let server = RawServer { _ in .closeBeforeBody }
        defer { server.stop() }
        let large = [UInt8](repeating: 0x20, count: 30_000_000)
        #expect(code(transport(), server.url, large) == .notSent)
        #expect(server.requests.isEmpty)
    }

    @Test func nobodyListens() throws {
        let server = RawServer { _ in .silence }
        server.stop()
        #expect(code(transport(), server.url) == .notSent)
        #expect(code(transport(), "http://parthe.invalid/v1.1") == .notSent)
        #expect(code(transport(), "gopher://127.0.0.1/") == .misdirected)
        #expect(code(transport(), "no url at all") == .misdirected)
    }

    @Test func silenceTimesOut() throws {
        let server = RawServer { _ in .silence }
        defer { server.stop() }
        #expect(code(transport(timeout: .seconds(1)), server.url) == .timedOut)
        let slow = RawServer { _ in .drip(RawServer.answer("201 Created", "[]"), pause: .milliseconds(50)) }
        defer { slow.stop() }
        #expect(code(transport(timeout: .seconds(1)), slow.url) == .timedOut)
    }

    @Test func aSlowAnswerInTimeIsAnAnswer() throws {
        let server = RawServer { _ in .drip(RawServer.answer("201 Created", "[]"), pause: .milliseconds(1)) }
        defer { server.stop() }
        #expect(try post(transport(), server.url).body == Array("[]".utf8))
    }

    @Test(arguments: [
        "garbage\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/9.9 201 Created\r\n\r\n", "\0\0\0\0\0\0\0\0\r\n\r\n",
        "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nshort", "HTTP/1.1 201 Created\r\nContent-Le",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "",
        "HTTP/1.1 201 Created\r\nContent-Length: -7\r\nContent-Length: x\r\n\r\n[",
    ])
    func aBrokenAnswerIsUnclear(text: String) throws {
        let server = RawServer { _ in .sendAndClose(Array(text.utf8)) }
        defer { server.stop() }
        let code = code(transport(timeout: .seconds(10)), server.url)
        #expect(code == .unclear || code == .timedOut, "\(text)")
        #expect(server.requests.count == 1)
    }

    @Test func anAnswerWithoutEndIsCutOff() throws {
        let flood = Array("HTTP/1.1 201 Created\r\n\r\n".utf8) + [UInt8](repeating: 0x20, count: 3_000_000)
        let server = RawServer { _ in .sendAndClose(flood) }
        defer { server.stop() }
        #expect(code(transport(longestAnswer: 1_000_000), server.url) == .unclear)
        #expect(try post(transport(), server.url).body.count == 3_000_000)
    }

    @Test func redirectsAreNotFollowed() throws {
        let server = RawServer { _ in
            .send(RawServer.answer("307 Temporary Redirect", headers: "Location: http://127.0.0.1:1/\r\n"))
        }
        defer { server.stop() }
        let answer = try post(transport(), server.url)
        #expect(answer.status == 307)
        #expect(answer.headers.location == "http://127.0.0.1:1/")
        #expect(server.requests.count == 1)
    }

    @Test func readsRetryAfter() throws {
        func retryAfter(_ headers: String) throws -> Duration? {
            let server = RawServer { _ in .send(RawServer.answer("429 Too Many", headers: headers)) }
            defer { server.stop() }
            return try post(transport(), server.url).headers.retryAfter
        }
        #expect(try retryAfter("Retry-After: 17\r\n") == .seconds(17))
        #expect(try retryAfter("retry-after:   99999999999 \r\n") == .seconds(1_000_000))
        #expect(try retryAfter("Retry-After: soon\r\n") == nil)
        #expect(try retryAfter("Retry-After: -5\r\n") == nil)
        let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        #expect(try retryAfter(date + "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n") == .seconds(30))
        #expect(try retryAfter(date + "Retry-After: Sun, 06 Nov 1994 08:00:00 GMT\r\n") == .zero)
        #expect(try retryAfter("Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n") == nil)
    }

    @Test func abortEndsARunningRequestFromAnotherThread() async throws {
        let server = RawServer { _ in .silence }
        defer { server.stop() }
        let transport = transport(timeout: .seconds(60))
        let url = server.url
        let end = Task.detached { code(transport, url) }
        while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        let start = BootClock.now
        transport.abort()
        #expect(await end.value == .stopped)
        // The request alone would have taken a minute.
        #expect(BootClock.now - start < .seconds(30))
        #expect(code(transport, server.url) == .stopped)
    }
}
