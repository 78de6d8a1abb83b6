import Glibc
import Metering
import Testing

@testable import Lab

@Suite struct ProxyTests {
    /// A platform behind a proxy, asked by `get`.
    private func url(_ proxy: ChaosProxy) -> String { "http://127.0.0.1:\(proxy.port)/v1.1" }

    @Test func itCarriesBothWays() throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let proxy = try ChaosProxy(target: platform.port)
        defer { proxy.stop() }
        let through = try PlainHTTP.request("GET", url(proxy))
        #expect(try through.body == PlainHTTP.request("GET", platform.url).body)
        #expect(proxy.acceptedConnections == 1)
        let bulk = [UInt8](repeating: 0x20, count: 5 << 20)
        #expect(try PlainHTTP.request("POST", url(proxy) + "/CreateObservations", body: bulk).status == 400)
    }

    @Test func itCutsWhereThePlanSays() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        let proxy = try ChaosProxy(
            target: fixture.platform.port,
            plan: ProxyPlan(script: [.refuse, .cutUp(after: 100), .cutDown(after: 30), nil, .stallDown(after: 10)]))
        defer { proxy.stop() }
        func post(_ second: Int, timeout: Int = 30) throws -> Int {
            let body = Array(PlatformFixture.arrays([(second, "1")]).utf8)
            return try PlainHTTP.request(
                "POST", url(proxy) + "/CreateObservations", body: body, timeout: timeout
            ).status
        }
        #expect(throws: LabError.self) { try post(1) }
        #expect(throws: LabError.self) { try post(2) }
        #expect(try fixture.platform.audit().rows == 0)
        #expect(throws: LabError.self) { try post(3) }
        // The answer was cut: the row stands.
        #expect(try eventually { try fixture.platform.audit().rows == 1 })
        #expect(try post(4) == 201)
        #expect(throws: LabError.self) { try post(5, timeout: 1) }
        #expect(proxy.faultCounts == ["refuse": 1, "cutUp": 1, "cutDown": 1, "stallDown": 1])
        #expect(try fixture.platform.audit().copies == 0)
    }

    @Test func aCutDeliversExactlyItsBytes() throws {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 1)
        defer { meters.stop() }
        let proxy = try ChaosProxy(target: meters.ports[0], plan: ProxyPlan(script: [.cutDown(after: 5)]))
        defer { proxy.stop() }
        let descriptor = try Loopback.connect(to: proxy.port)
        defer { close(descriptor) }
        #expect(Loopback.send([0, 1, 0, 0, 0, 6, 1, 4, 0, 100, 0, 2], to: descriptor))
        #expect(receive(64, from: descriptor) == [0, 1, 0, 0, 0])
    }

    @Test func itGoesAwayAndComesBack() throws {
        let platform = try ReferencePlatform()
        defer { platform.stop() }
        let proxy = try ChaosProxy(target: platform.port)
        defer { proxy.stop() }
        let standing = try Loopback.connect(to: proxy.port)
        defer { close(standing) }
        #expect(eventually { proxy.acceptedConnections == 1 })
        proxy.suspend()
        var byte: UInt8 = 0
        #expect(recv(standing, &byte, 1, 0) <= 0)
        #expect(throws: LabError.self) { try Loopback.connect(to: proxy.port) }
        try proxy.resume()
        try proxy.resume()
        #expect(try PlainHTTP.request("GET", url(proxy)).status == 200)
    }

    @Test func connectionsAreDroppedWhileThePortStays() throws {
        let meters = try SimulatedMeters(MeterFixture.definition, count: 1)
        defer { meters.stop() }
        let proxy = try ChaosProxy(target: meters.ports[0])
        defer { proxy.stop() }
        let client = try #require(ModbusClient(port: proxy.port))
        #expect(try client.read(.input, 100, 2).get().count == 2)
        proxy.dropConnections()
        guard case .failure = client.read(.input, 100, 2) else {
            Issue.record("a dropped connection still answers")
            return
        }
        let again = try #require(ModbusClient(port: proxy.port))
        #expect(try again.read(.input, 100, 2).get().count == 2)
    }

    @Test func anAbsentTargetIsAReset() throws {
        let proxy = try ChaosProxy(target: 1)
        defer { proxy.stop() }
        #expect(throws: LabError.self) { try PlainHTTP.request("GET", url(proxy)) }
    }

    @Test func oneSeedIsOneSequence() throws {
        let text =
            #"{"seed":9,"chances":[{"fault":"cutSomewhere","bytes":50,"probability":0.5},{"fault":"refuse","probability":0.2}]}"#
        func faults() throws -> [ProxyFault?] {
            var source = ProxyFaultSource(try ProxyPlan(json: text))
            return (0..<100).map { _ in source.next() }
        }
        #expect(try faults() == faults())
        #expect(Set(try faults()).count > 10)
        for wrong in ["[]", #"{"x":1}"#, #"{"script":["fly"]}"#, #"{"chances":["refuse"]}"#, "x"] {
            #expect(throws: LabError.self) { try ProxyPlan(json: wrong) }
        }
    }
}
