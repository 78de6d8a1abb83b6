import Metering
import Spooling
import Testing

@testable import Lab

@Suite struct AuditComparisonTests {
    private func digest(_ values: [Int64]) -> ReadingDigest {
        var digest = ReadingDigest()
        for (index, value) in values.enumerated() {
            digest.add(Timestamp(milliseconds: Int64(index) * 1000), ExactDecimal(value))
        }
        return digest
    }

    private func stream(_ name: String, _ values: [Int64], copies: Int = 0, id: Int64 = 1) -> PlatformAudit.Line {
        PlatformAudit.Line(
            id: id, name: name, rows: values.count + copies, distinct: values.count, copies: copies, conflicts: 0,
            notNumbers: 0, hash: digest(values).hash)
    }

    @Test func equalIsClean() {
        let comparison = AuditComparison(
            spool: [AuditLine(key: "m/a", digest: digest([1, 2, 3])), AuditLine(key: "m/b", digest: digest([]))],
            platform: PlatformAudit(lines: [stream("gw/m/a", [1, 2, 3]), stream("other/m/a", [9])]), gateway: "gw")
        #expect(comparison.isClean)
        #expect(comparison.summary == "committed 3  delivered 3  missing 0  twice 0")
        #expect(comparison.offenders.isEmpty)
    }

    @Test func everyDefectHasItsName() {
        let comparison = AuditComparison(
            spool: [
                AuditLine(key: "m/copies", digest: digest([1, 2])),
                AuditLine(key: "m/lost", digest: digest([1, 2, 3])),
                AuditLine(key: "m/nowhere", digest: digest([1])), AuditLine(key: "m/other", digest: digest([1, 2])),
                AuditLine(key: "m/waiting", digest: digest([1]), unfrozen: 4),
            ],
            platform: PlatformAudit(lines: [
                stream("gw/m/copies", [1, 2], copies: 5), stream("gw/m/lost", [1]), stream("gw/m/other", [1, 3]),
                stream("gw/m/waiting", [1]), stream("gw/m/strange", [1, 2]),
            ]), gateway: "gw")
        #expect(!comparison.isClean)
        #expect(comparison.committed == 13)
        #expect(comparison.missing == 2 + 1)
        #expect(comparison.waiting == 4)
        #expect(comparison.delivered == 13 - 7)
        #expect(comparison.twice == 5)
        #expect(comparison.unknown == 2)
        #expect(comparison.mismatches == 1)
        #expect(
            comparison.offenders.map(\.key) == ["m/copies", "m/lost", "m/strange", "m/nowhere", "m/waiting", "m/other"])
        #expect("\(comparison.offenders[5])" == "m/other: committed 2, delivered 2, values or times differ")
        #expect("\(comparison.offenders[4])" == "m/waiting: committed 5, delivered 1, not sent yet 4")
        #expect("\(comparison.offenders[3])".contains("no Datastream"))
    }

    @Test func aReadingInTwoDatastreamsOfOneNameIsNotOverlooked() {
        let comparison = AuditComparison(
            spool: [AuditLine(key: "m/a", digest: digest([1, 2]))],
            platform: PlatformAudit(lines: [stream("gw/m/a", [1, 2]), stream("gw/m/a", [1], id: 2)]), gateway: nil)
        #expect(!comparison.isClean)
        #expect(comparison.unknown == 1)
        #expect(comparison.points[0].datastreams == 2)
    }

    @Test func aRealSpoolAgainstARealPlatform() throws {
        let folder = try TemporaryFolder()
        let fixture = try PlatformFixture(streams: 2)
        defer { fixture.platform.stop() }
        let store = try SpoolStore(
            directory: folder.path + "/spool", settings: SpoolSettings(), uplinks: ["city"], bootID: "boot")
        let points = try store.identify(["meter/p1", "meter/p2"])
        try store.know(KnownTime(ClockOffset(nanoseconds: 1_793_491_200_000_000_000)))
        var readings: [Reading] = []
        for number in 0..<40 {
            let instant = Instant(nanoseconds: Int64(number / 2 + 1) * 1_000_000_000)
            let value: Value
            if number % 2 == 0 {
                value = .float(230 + Float(number) * 0.1)
            } else {
                value = .decimal(ExactDecimal(Int64(number), exponent: -1))
            }
            readings.append(Reading(point: points[number % 2], instant: instant, value: value))
        }
        try store.append(readings)
        let leased = try store.lease(uplink: "city", maximumReadings: 100)
        let lease = try #require(leased)
        try store.append([])
        let reader = try SpoolStore.openForReading(directory: folder.path + "/spool")
        func compare() throws -> AuditComparison {
            AuditComparison(spool: try reader.audit(), platform: try .fetch(from: fixture.platform.url), gateway: "gw")
        }
        #expect(try compare().missing == 40)
        for stream in 1...2 {
            let own = lease.readings.filter { $0.point == points[stream - 1] }
            let rows = own.map { #"["\#($0.phenomenonTime)",\#($0.value)]"# }.joined(separator: ",")
            let body =
                #"[{"Datastream":{"@iot.id":\#(stream)},"components":["phenomenonTime","result"],"dataArray":[\#(rows)]}]"#
            #expect(try fixture.post("CreateObservations", text: body).status == 201)
        }
        let comparison = try compare()
        #expect(comparison.isClean, "\(comparison.offenders)")
        #expect(comparison.summary == "committed 40  delivered 40  missing 0  twice 0")
        #expect(try fixture.create([(100, "1")]).status == 201)
        #expect(try compare().unknown == 1)
    }

    @Test func whatIsNoPlatformIsSaidSo() throws {
        let platform = try ReferencePlatform()
        platform.stop()
        #expect(throws: LabError.self) { try PlatformAudit.fetch(from: platform.url) }
        #expect(throws: LabError.self) { try PlatformAudit.fetch(from: "https://api.city.example/v1.1") }
    }
}
