import Metering
import Testing

@testable import Lab

@Suite struct PlatformFaultTests {
    /// What the client sees of one fault, and what is stored.
    struct Case: CustomTestStringConvertible {
        var fault: Fault
        /// nil: no whole answer arrives.
        var status: Int?
        var stored: Int
        var testDescription: String { fault.name }

        init(_ fault: Fault, _ status: Int?, _ stored: Int) {
            self.fault = fault
            self.status = status
            self.stored = stored
        }
    }

    @Test(arguments: [
        Case(.refuse, nil, 0), Case(.cutRequest, nil, 0), Case(.commitThenCut, nil, 4), Case(.halfAnswer, nil, 4),
        Case(.unauthorized, 401, 0), Case(.tooLarge(over: 10), 413, 0), Case(.tooLarge(over: 10_000), 201, 4),
        Case(.tooManyRequests(retryAfter: 7), 429, 0), Case(.unavailable(retryAfter: 8), 503, 0),
        Case(.serverError, 500, 0), Case(.serverErrorAfterCommit, 500, 4), Case(.wrongLengthArray, 201, 4),
        Case(.garbage201, 201, 4), Case(.rowErrors(every: 2), 201, 2), Case(.slow(.milliseconds(20)), 201, 4),
    ])
    func eachFaultShowsAndStoresWhatItSays(_ one: Case) throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        fixture.platform.setFaults(FaultPlan(scope: .observations, script: [one.fault]))
        let answer = try? fixture.create([(1, "1"), (2, "2"), (3, "3"), (4, "4")])
        #expect(answer?.status == one.status)
        #expect(try fixture.platform.audit().rows == one.stored)
        #expect(fixture.platform.faultCounts == [one.fault.name: 1])
        switch one.fault {
        case .tooManyRequests, .unavailable:
            #expect(answer?["retry-after"] == (one.status == 429 ? "7" : "8"))
        case .unauthorized: #expect(answer?["www-authenticate"] != nil)
        case .wrongLengthArray: #expect(try JSONParser.parse(answer?.body ?? []).elements?.count == 3)
        case .garbage201: #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(answer?.body ?? []) }
        case .rowErrors:
            let rows = try JSONParser.parse(answer?.body ?? []).elements?.compactMap(\.text) ?? []
            #expect(rows.map { $0.hasPrefix("error ") } == [false, true, false, true])
        default: break
        }
        // The plan is over: the next request is served.
        #expect(try fixture.create([(9, "9")]).status == 201)
    }

    @Test func aLateCommitIsNotThereAtOnce() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        let faults = [Fault.lateCommit(after: .seconds(3600)), .lateCommit(after: .milliseconds(300))]
        fixture.platform.setFaults(FaultPlan(script: faults))
        #expect(throws: LabError.self) { try fixture.create([(1, "1")]) }
        #expect(try fixture.platform.audit().rows == 0)
        #expect(throws: LabError.self) { try fixture.create([(2, "1")]) }
        #expect(try eventually { try fixture.platform.audit().rows == 1 })
    }

    @Test func aSlowRequestIsStoredAfterItsClientHasGone() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        fixture.platform.setFaults(FaultPlan(script: [.slow(.seconds(3600)), .slow(.milliseconds(1300))]))
        func post(_ second: Int) throws {
            let text = PlatformFixture.arrays([(second, "1")])
            _ = try PlainHTTP.request(
                "POST", "\(fixture.platform.url)/CreateObservations", body: Array(text.utf8), timeout: 1)
        }
        #expect(throws: LabError.self) { try post(1) }
        #expect(try fixture.platform.audit().rows == 0)
        // On a busy machine the answer may still come in time.
        try? post(2)
        #expect(try eventually { try fixture.platform.audit().rows == 1 })
    }

    @Test func aBlackHoleEndsWithItsClientOrWithThePlatform() throws {
        let fixture = try PlatformFixture()
        fixture.platform.setFaults(FaultPlan(chances: [.init(.blackHole, 1)]))
        #expect(throws: LabError.self) {
            try PlainHTTP.request("GET", "\(fixture.platform.url)/Things", timeout: 1)
        }
        let url = fixture.platform.url
        let waiting = try WorkerThread { _ = try? PlainHTTP.request("GET", "\(url)/Things") }
        #expect(eventually { fixture.platform.faultCounts["blackHole"] == 2 })
        fixture.platform.stop()
        waiting.join()
    }

    @Test func theDateCanBeWrong() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        fixture.platform.setFaults(FaultPlan(clockOffset: .seconds(-20 * 365 * 86_400)))
        let date = try #require(try PlainHTTP.request("GET", fixture.platform.url)["date"])
        #expect(date.hasSuffix(" GMT"))
        let year = try #require(date.split(separator: " ").dropFirst(3).first.flatMap { Int($0) })
        #expect((2000..<2040).contains(year + 20) && year < 2020)
        #expect(Timestamp(milliseconds: 784_111_777_000).httpDate == "Sun, 06 Nov 1994 08:49:37 GMT")
    }

    @Test func faultsAreSetOverHTTPAndSpareTheLabsOwnEndpoints() throws {
        let fixture = try PlatformFixture()
        defer { fixture.platform.stop() }
        func put(_ plan: String) throws -> Int {
            try PlainHTTP.request("PUT", "\(fixture.base)/_faults", body: Array(plan.utf8)).status
        }
        #expect(try put(#"{"scope":"queries","chances":[{"fault":"serverError","probability":1}]}"#) == 204)
        #expect(try fixture.status(of: "Things") == 500)
        #expect(try fixture.create([(1, "1")]).status == 201)
        #expect(try PlainHTTP.request("GET", "\(fixture.base)/_audit").status == 200)
        let counts = try JSONParser.parse(PlainHTTP.request("GET", "\(fixture.base)/_faults").body)
        #expect(counts["faults"]?["serverError"]?.integer == 1)
        #expect(try put("{}") == 204)
        #expect(try fixture.status(of: "Things") == 200)
        #expect(try put("chaos") == 204)
        #expect(try put(#"{"script":["sleep"]}"#) == 400)
        #expect(
            try put(#"{"chances":[{"fault":"refuse","probability":0.7},{"fault":"slow","probability":0.7}]}"#) == 400)
        #expect(try put("garbage") == 400)
    }

    @Test func aPlanReadsWhatItSays() throws {
        let plan = try FaultPlan(
            json: """
                {"scope":"all","seed":7,"clockOffset":-3600,
                 "script":["none",null,"refuse",{"fault":"lateCommit","seconds":0.5},{"fault":"tooLarge","bytes":99}],
                 "chances":[{"fault":"rowErrors","every":3,"probability":0.25}]}
                """)
        #expect(
            plan
                == FaultPlan(
                    script: [nil, nil, .refuse, .lateCommit(after: .milliseconds(500)), .tooLarge(over: 99)],
                    chances: [.init(.rowErrors(every: 3), 0.25)], seed: 7, clockOffset: .seconds(-3600)))
    }

    @Test func oneSeedIsOneSequence() {
        func faults(_ seed: UInt64) -> [String] {
            var source = FaultSource(.chaos(seed: seed))
            return (0..<200).map { _ in source.next(method: "POST", path: "/v1.1/CreateObservations")?.name ?? "none" }
        }
        #expect(faults(4) == faults(4))
        #expect(faults(4) != faults(5))
        #expect((20..<110).contains(faults(4).count { $0 == "none" }))
    }
}
