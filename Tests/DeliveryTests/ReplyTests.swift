import Lab
import Metering
import Testing

@testable import Delivery

@Suite struct ReplyTests {
    private func rows(_ text: String, _ count: Int) -> [Int]? {
        (try? Replies.failedRows(Array(text.utf8), rows: count))?.map(\.index)
    }

    @Test(arguments: [
        (#"["http://h/v1.1/Observations(1)","http://h/v1.1/Observations('a-b')"]"#, []),
        (#" [ "https:\/\/h\/Observations(1)" , "/v1.1/Observations(2)" ] "#, []),
        (#"["http://h/v1.1/Observations(1)","error No such entity 'Datastream' with id [6]"]"#, [1]),
        (#"["error","error"]"#, [0, 1]),
        // Sentences, other types and other URLs are no success, whatever they mention.
        (#"["http: no Observations(1) made","http://h/v1.1/Things(1)"]"#, [0, 1]),
        (#"[null,{"a":["Observations(1)"]}]"#, [0, 1]),
        (#"[NaN,"error in http://h/Observations(1)"]"#, [0, 1]),
        (#"["","http://h/v1.1/Observations"]"#, [0, 1]),
        (#"["h\"Observations(1)","http://h/Observations(2)"]"#, []),
        (#"["http://h/v1.1/Observations('a(b')","https://h/Observation(2)"]"#, [1]),
    ])
    func rowsAreJudgedOneByOne(text: String, failed: [Int]) {
        #expect(rows(text, 2) == failed)
    }

    @Test func reasonsAreThePlatformsWords() throws {
        let text = #"["http://h/Observations(1)","error \"no\"\nsuch thing","error"]"#
        let failed = try Replies.failedRows(Array(text.utf8), rows: 3)
        #expect(failed.map(\.reason) == [#"error "no" such thing"#, "error"])
    }

    @Test(arguments: [
        "", "[", "]", "{}", "null", #""http://h/Observations(1)""#, "[]", #"["http://h/Observations(1)"]"#,
        #"["a","b","c"]"#, #"["a","b"] x"#, #"["a""b"]"#, #"["a",,"b"]"#, #"["a","b",]"#, #"["a","b"#, #"["a","b\"#,
        "[\"a\",\"b\u{1}\"]", "[\"http://h/Observations(1)\n\",\"http://h/Observations(2)\"]", "[1,2", "[tru,e]",
        "[\"a\",\"\\uD8\"]", "<html>502 Bad Gateway</html>",
    ])
    func otherShapesAreUnclear(text: String) throws {
        #expect(rows(text, 2) == nil)
        let failure = try #require(throws: DeliveryFailure.self) {
            try Replies.failedRows(Array(text.utf8), rows: 2)
        }
        #expect(failure.code == .unclear)
    }

    @Test func everyTruncationIsUnclear() {
        let text = #"["http://h/Observations(1)","error \u00e9\ud83d\ude00 \"x\"",{"a":[1,-2.5e3,true,null,NaN]}]"#
        #expect(rows(text, 3) == [1, 2])
        let bytes = Array(text.utf8)
        for length in 0..<bytes.count {
            #expect(throws: DeliveryFailure.self) { try Replies.failedRows(Array(bytes[..<length]), rows: 3) }
        }
    }

    /// Whatever arrives: an answer or an error, never a trap, and never more rows than were sent.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func mutationsNeverTrap(seed: UInt64) {
        let good =
            Array(
                #"{"@iot.nextLink":"http://h/x?$skip=1","value":[{"@iot.id":12,"name":"é\u00e9","phenomenonTime":"#.utf8
            )
            + Array(
                #""2026-11-01T00:00:10.000Z/2026-11-01T00:00:11Z","result":-1.5e-3},["http://Observations(1)"]]}"#.utf8)
        var random = RandomSource(seed: seed)
        for _ in 0..<500 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(contentsOf: bytes[..<place].suffix(9), at: place)
                default: bytes[place] = Array("[]{}\",:\\u-0eN".utf8).randomElement(using: &random) ?? 0
                }
            }
            if let failed = try? Replies.failedRows(bytes, rows: 2) { #expect(failed.allSatisfy { $0.index < 2 }) }
            _ = try? Replies.observations(bytes, pageSize: 100)
            _ = try? Replies.page(bytes, of: "Things")
            _ = try? Replies.entity(bytes)
            #expect((Replies.words(bytes)?.count ?? 0) <= 201)
            _ = EntityID(location: String(decoding: bytes, as: UTF8.self))
            bytes.withUnsafeBytes {
                var headers = AnswerHeaders()
                headers.take(line: $0)
            }
        }
    }

    @Test func observationsAreReadAsServersPrintThem() throws {
        let text = #"""
            {"value":[
              {"@iot.id":1,"phenomenonTime":"2026-11-01T00:00:10.000Z","result":12.30,"resultQuality":NaN},
              {"@iot.id":"b","phenomenonTime":"2026-11-01T01:00:11+01:00","result":"NaN"},
              {"phenomenonTime":"2026-11-01T00:00:12Z/2026-11-01T00:00:13Z","result":NaN},
              {"phenomenonTime":"2026-11-01T00:00:13.123456Z","result":1e400}]}
            """#
        let (found, isComplete) = try Replies.observations(Array(text.utf8), pageSize: 100)
        #expect(isComplete)
        #expect(
            found.map(\.time.description) == [
                "2026-11-01T00:00:10.000Z", "2026-11-01T00:00:11.000Z", "2026-11-01T00:00:12.000Z",
                "2026-11-01T00:00:13.123Z",
            ])
        #expect(found.map { $0.value?.normalized } == [ExactDecimal(123, exponent: -1), nil, nil, nil])
    }

    @Test func resultsThatAreTextsAreRead() throws {
        let text = #"""
            {"value":[
              {"phenomenonTime":"2026-11-01T00:00:10Z","result":"St\u00f6rung \"3\""},
              {"phenomenonTime":"2026-11-01T00:00:11Z","result":"12.30"},
              {"phenomenonTime":"2026-11-01T00:00:12Z","result":12.30},
              {"phenomenonTime":"2026-11-01T00:00:13Z","result":""},
              {"phenomenonTime":"2026-11-01T00:00:14Z","result":"a\nb"},
              {"phenomenonTime":"2026-11-01T00:00:15Z","result":true}]}
            """#
        let found = try Replies.observations(Array(text.utf8), pageSize: 100).found
        #expect(
            found.map(\.value) == [
                .text(ExactText("Störung \"3\"")!), .text(ExactText("12.30")!),
                .decimal(ExactDecimal(1230, exponent: -2)), nil, nil, nil,
            ])
    }

    @Test func aFullPageOrALinkIsNotComplete() throws {
        let entity = #"{"phenomenonTime":"2026-11-01T00:00:10Z","result":1}"#
        let full = Array("{\"value\":[\(entity),\(entity)]}".utf8)
        #expect(try Replies.observations(full, pageSize: 2).isComplete == false)
        #expect(try Replies.observations(full, pageSize: 3).isComplete)
        let linked = Array(#"{"value":[],"@iot.nextLink":"http://evil.example/v1.1/x?$skip=20&a=b c"}"#.utf8)
        #expect(try Replies.observations(linked, pageSize: 3).isComplete == false)
        #expect(try Replies.page(linked, of: "Things").nextQuery == "$skip=20&a=b%20c")
        let blind = Array(#"{"value":[],"@iot.nextLink":"http://evil.example/next"}"#.utf8)
        #expect(try Replies.observations(blind, pageSize: 3).isComplete == false)
    }

    @Test(arguments: [
        (#"{"value":[{"phenomenonTime":"yesterday","result":1}]}"#, DeliveryFailure.Code.misdirected),
        (#"{"value":[{"result":1}]}"#, .misdirected), (#"{"value":7}"#, .misdirected), ("[]", .misdirected),
        ("<html>", .notSent), ("", .notSent), (#"{"value":[]"#, .notSent),
    ])
    func answersThatAreNoList(text: String, code: DeliveryFailure.Code) throws {
        let failure = try #require(throws: DeliveryFailure.self) {
            try Replies.observations(Array(text.utf8), pageSize: 100)
        }
        #expect(failure.code == code)
    }

    @Test func depthAndNumberAreBounded() throws {
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 5_000_000)
        #expect(throws: JSON.Malformed.self) { try JSON(deep) }
        #expect(throws: DeliveryFailure.self) { try Replies.failedRows(deep, rows: 1) }
        let nested = { (depth: Int) in
            [UInt8](repeating: UInt8(ascii: "["), count: depth) + [UInt8](repeating: UInt8(ascii: "]"), count: depth)
        }
        #expect(throws: Never.self) { try JSON(nested(JSON.deepest)) }
        #expect(throws: JSON.Malformed.self) { try JSON(nested(JSON.deepest + 1)) }
        let many = Array("[0".utf8) + Array(repeatElement(Array(",0".utf8), count: JSON.mostValues).joined()) + [0x5D]
        #expect(throws: JSON.Malformed.self) { try JSON(many) }
        let long = [UInt8](repeating: UInt8(ascii: "9"), count: 100_000)
        #expect(throws: JSON.Malformed.self) { try JSON(long) }
    }

    @Test func wordsOfRefusals() {
        #expect(
            Replies.words(Array(#"{"code":400,"type":"error","message":"Not  a\nvalid thing"}"#.utf8))
                == "Not a valid thing")
        #expect(Replies.words(Array(#"{"detail":"Internal server error"}"#.utf8)) == "Internal server error")
        #expect(Replies.words(Array("<h1>nginx</h1>\u{1B}[31m".utf8)) == "<h1>nginx</h1> [31m")
        #expect(Replies.words([]) == nil)
        #expect(Replies.words([UInt8](repeating: 0x41, count: 5000))?.count == 201)
    }

    @Test func anEntityHasAnID() throws {
        #expect(try Replies.entity(Array(#"{"@iot.id":7}"#.utf8)) == EntityID(integer: "7"))
        #expect(try Replies.entity(Array(#"{"id":"7"}"#.utf8)) == EntityID(text: "7"))
        #expect(throws: DeliveryFailure.self) { try Replies.entity(Array(#"{"value":[]}"#.utf8)) }
    }
}
