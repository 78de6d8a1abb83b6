import Testing

@testable import Lab

@Suite struct JSONTests {
    @Test(arguments: [
        #"{"a":[1,2.50,-0.1e+5,18446744073709551615],"b":null,"c":true,"d":"x"}"#, "[]", "{}", "0", #""""#, "[[[]]]",
    ])
    func numbersKeepTheirCharacters(_ text: String) throws {
        let value = try JSONParser.parse(Array(text.utf8))
        #expect(String(decoding: value.bytes, as: UTF8.self) == text)
    }

    @Test func escapesAreRead() throws {
        let value = try JSONParser.parse(Array(#""a\n\"\\\/\u00fc\ud83d\ude00""#.utf8))
        #expect(value.text == "a\n\"\\/ü😀")
        #expect(try JSONParser.parse(value.bytes) == value)
    }

    @Test(arguments: [
        "", " ", "{", "[1,]", "{\"a\":1,}", "01", "1.", ".5", "+1", "-", "1e", "NaN", "Infinity", "tru", "'a'", "[1 2]",
        "\"a", "\"\\x\"", "\"\\u12\"", "\"\\ud83d\"", "\"\\ud83d\\u0041\"", "\"\\udc00\"", "{\"a\":1,\"a\":2}", "1 1",
        "{1:2}",
        "\"\u{01}\"", "nulll",
    ])
    func whatIsNoJSONIsRefused(_ text: String) {
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(Array(text.utf8)) }
    }

    @Test func invalidUTF8IsRefused() {
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse([0x22, 0xFF, 0x22]) }
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse([0xFF]) }
    }

    @Test func depthIsLimited() throws {
        let deep = Array(repeating: UInt8(ascii: "["), count: 100_000)
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(deep) }
        let fits = String(repeating: "[", count: 60) + String(repeating: "]", count: 60)
        #expect(try JSONParser.parse(Array(fits.utf8)).elements?.count == 1)
    }

    @Test func everyPrefixAndEveryDamagedByteIsSurvived() throws {
        let text = Array(PlatformFixture.arrays([(1, "230.1"), (2, #"{"a":"\u00fc"}"#)]).utf8)
        var refused = 0
        for end in 0..<text.count {
            #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(Array(text[..<end])) }
        }
        var random = SplitMix(seed: 3)
        for _ in 0..<5000 {
            var damaged = text
            damaged[Int(random.next() % UInt64(text.count))] = UInt8(truncatingIfNeeded: random.next())
            if (try? JSONParser.parse(damaged)) == nil { refused += 1 }
        }
        #expect(refused > 1000)
    }
}
