import Metering
import Synchronization
import Testing

@testable import Delivery

/// One reading that the platform cannot take blocks and loses no other, however the platform says so.
@Suite struct PoisonTests {
    /// How a server fails over a row that it cannot store.
    enum Manner: String, CaseIterable, Sendable {
        /// 400 for the whole request, nothing stored.
        case refusesTheRequest
        /// An "error" for every row of the row's Datastream; other Datastreams are stored.
        case failsTheGroup
        /// 500 for the whole request, rolled back.
        case breaksOverTheRequest
        /// An "error" for the row alone.
        case failsTheRow
    }

    @Test(arguments: Manner.allCases)
    func oneBadReading(manner: Manner) async throws {
        let server = StoringServer(manner: manner, poison: 666)
        defer { server.stop() }
        var readings = TestInstallation.readings(points: 2, rounds: 40)
        readings[31].value = .decimal(ExactDecimal(666))
        var timing = TestInstallation.quick
        timing.settle = .milliseconds(20)
        let bench = Bench(
            url: server.url, source: TestSource(readings),
            plan: TestInstallation.plan(TestInstallation.meters(1, points: 2)), rows: 16, timing: timing)
        #expect(try await bench.drained(), "\(bench.runner.status)")
        await bench.stop()
        #expect(bench.source.rejected.map(\.sequence) == [readings[31].sequence])
        #expect(try #require(bench.source.rejected.first).reason.contains("cannot store 666"))
        #expect(bench.source.settledCount == 79)
        #expect(server.stored.count == 79)
        #expect(Set(server.stored).count == 79)
    }
}

/// A SensorThings server of two Datastreams that keeps times, and breaks over one value.
private final class StoringServer: Sendable {
    private let manner: PoisonTests.Manner
    private let poison: Int
    private let rows = Mutex<[String]>([])
    private let server = Mutex<RawServer?>(nil)

    init(manner: PoisonTests.Manner, poison: Int) {
        self.manner = manner
        self.poison = poison
        let server = RawServer { [self] request in .send(answer(request)) }
        self.server.withLock { $0 = server }
    }

    var url: String { server.withLock { $0?.url ?? "" } }
    /// Datastream and time of each stored row.
    var stored: [String] { rows.withLock { $0 } }

    func stop() {
        server.withLock {
            $0?.stop()
            $0 = nil
        }
    }

    private func answer(_ request: RawServer.Request) -> [UInt8] {
        let path = String(request.line.split(separator: " ")[1])
        guard request.line.hasPrefix("POST"), let body = try? JSON(request.body) else { return list(path) }
        if path.hasSuffix("CreateObservations") { return create(body.array ?? []) }
        return single(body)
    }

    private func list(_ path: String) -> [UInt8] {
        if path.contains("/Observations?") {
            let id = path.split(separator: "(")[1].prefix { $0 != ")" }
            let entities = stored.filter { $0.hasPrefix(id + " ") }.map {
                #"{"phenomenonTime":"\#($0.dropFirst(id.count + 1))","result":1}"#
            }
            let (from, to) = Self.span(path)
            let found = entities.filter {
                $0 >= #"{"phenomenonTime":"\#(from)"# && $0 <= #"{"phenomenonTime":"\#(to)\""# + "~"
            }
            return RawServer.answer("200 OK", #"{"value":[\#(found.joined(separator: ","))]}"#)
        }
        if path.contains("Datastreams(") { return RawServer.answer("200 OK", #"{"@iot.id":1}"#) }
        let names = ["gw-test/m1", "gw-test/m1/p1", "gw-test/m1/p2"]
        let entities = names.enumerated().map { #"{"@iot.id":\#($0),"name":"\#($1)"}"# }
        return RawServer.answer("200 OK", #"{"value":[\#(entities.joined(separator: ","))]}"#)
    }

    private static func span(_ path: String) -> (String, String) {
        let text = String(decoding: URLText.decoded(Array(path.utf8)), as: UTF8.self)
        let words = text.split { $0 == " " || $0 == "&" }.map(String.init).filter { $0.hasPrefix("20") }
        return (words[0], words[1])
    }

    private func create(_ groups: [JSON]) -> [UInt8] {
        var elements: [String] = []
        var accepted: [String] = []
        for group in groups {
            guard case .number(let id) = group["Datastream"]?["@iot.id"] else { continue }
            let all = group["dataArray"]?.array ?? []
            let isBad = all.map { row in row.array?.last == .number("\(poison)") }
            if isBad.contains(true) {
                switch manner {
                case .refusesTheRequest: return RawServer.answer("400 Bad Request", #"{"message":"bad rows"}"#)
                case .breaksOverTheRequest: return RawServer.answer("500 Internal Server Error")
                case .failsTheGroup:
                    elements += all.map { _ in #""error""# }
                    continue
                case .failsTheRow: break
                }
            }
            for (row, bad) in zip(all, isBad) {
                elements.append(bad ? #""error""# : #""http://h/v1.1/Observations(1)""#)
                if !bad { accepted.append(id + " " + (row.array?.first?.string ?? "")) }
            }
        }
        rows.withLock { $0 += accepted }
        return RawServer.answer("201 Created", "[\(elements.joined(separator: ","))]")
    }

    private func single(_ body: JSON) -> [UInt8] {
        guard case .number(let id) = body["Datastream"]?["@iot.id"] else { return RawServer.answer("400 Bad Request") }
        if body["result"] == .number("\(poison)") {
            let status = manner == .breaksOverTheRequest ? "500 Internal Server Error" : "400 Bad Request"
            return RawServer.answer(status, #"{"message":"cannot store \#(poison)"}"#)
        }
        rows.withLock { $0.append(id + " " + (body["phenomenonTime"]?.string ?? "")) }
        return RawServer.answer("201 Created")
    }
}
