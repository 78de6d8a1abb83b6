import Metering
import Testing

@Suite struct ExactTextTests {
    @Test func valuesStaySmall() {
        // A text is a word; the largest value is a decimal, as before there were texts.
        #expect(MemoryLayout<ExactText>.size == MemoryLayout<Int>.size)
        #expect(MemoryLayout<Value>.size <= MemoryLayout<ExactDecimal>.size + 1)
        #expect(MemoryLayout<Value>.stride == 24)
    }

    @Test(arguments: ["", "a\u{0}b", "a\nb", "\u{7F}", "\u{85}", String(repeating: "a", count: 241)])
    func noTexts(text: String) {
        #expect(ExactText(text) == nil)
    }

    @Test func bytesThatAreNoUTF8AreNoText() {
        #expect(ExactText(utf8: [0x41, 0xFC]) == nil)
        #expect(ExactText(utf8: [0xC3, 0xBC])?.description == "ü")
        #expect(ExactText(String(repeating: "a", count: 240)) != nil)
    }

    @Test func bytesAreCompared() {
        let (one, two) = (ExactText("\u{E9}")!, ExactText("e\u{301}")!)
        // Swift's strings are equal here.
        #expect(one.description == two.description)
        #expect(one != two && Value.text(one) != .text(two) && !Value.text(one).isSame(as: .text(two)))
    }

    @Test func aTextIsNoNumber() {
        let value = Value.text(ExactText("12.3")!)
        #expect(value.normalized == nil && value.isFinite && value.approximate.isNaN)
        #expect(!value.isSame(as: .decimal(ExactDecimal("12.3")!)) && !Value.float(12.3).isSame(as: value))
        #expect(Value.float(12.5).isSame(as: .decimal(ExactDecimal("12.50")!)))
    }

    @Test(arguments: [
        (#"V2.01 "beta" \x"#, #""V2.01 \"beta\" \\x""#), ("Ä/é\u{1F600}", "\"Ä/é\u{1F600}\""), ("a", #""a""#),
    ])
    func itIsAJSONString(text: String, json: String) {
        var bytes: [UInt8] = []
        Value.text(ExactText(text)!).append(to: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == json)
    }

    /// Remarks carry names and serial numbers as somebody wrote them.
    @Test func controlCharactersAreEscaped() {
        #expect(JSONString("a\nb\u{1}\u{1F}c\u{7F}").description == "\"a\\nb\\u0001\\u001fc\u{7F}\"")
    }

    /// Registers in hexadecimal, and what they say.
    @Test(arguments: [
        ("4175 746F", "Auto"), ("4175 746F 0000 0000", "Auto"), ("2020 4175 746F 2020", "Auto"),
        ("4175 746F 0058 5858", "Auto"), ("C3BC 0000", "ü"), ("FC20 0000", "ü"), ("4B65 6CE9", "Kelé"),
        ("410D 0A00", "A"), ("4109 4200", "A B"), ("419B 4200", "A B"), ("C285 4120", "A"), ("4100 FFFF", "A"),
        ("4142 FFFF FFFF", "AB"), ("0000 4142", nil), ("FFFF FFFF", nil), ("2020 2020", nil), ("0D0A 0000", nil),
        ("E282 AC31", "€1"),
    ])
    func registersOfCharacters(words: String, text: String?) throws {
        let words = words.split(separator: " ").map { UInt16($0, radix: 16)! }
        for order in WordOrder.allCases {
            let stored = order.swapsBytes ? words.map(\.byteSwapped) : words
            let point = PointDefinition(
                name: "p", quantity: .state, unit: Unit(ucum: "1")!, kind: .state, function: .input, address: 0,
                type: .text, count: words.count, order: order)
            #expect(point.isText)
            let expected: RegisterDecoder.Result = text.map { .value(.text(ExactText($0)!)) } ?? .notAvailable
            #expect(RegisterDecoder(point).decode(stored) == expected)
            // A meter's serial number is read in the same way.
            let register = MeterIdentity.Register(
                function: .input, address: 0, type: .text, count: words.count, order: order)
            #expect(register.text(stored) == text)
            #expect(register.text(Array(stored.dropLast())) == nil)
        }
    }

    /// 60 registers of Latin-1 are the longest text there is.
    @Test func theLongestTextOfRegistersFits() {
        let characters = [UInt8](repeating: 0xFC, count: 120)
        #expect(ExactText(characters: characters)?.utf8.count == ExactText.maximumBytes)
    }

    @Test func digestsTellTextsApart() {
        let time = Timestamp(milliseconds: 1_793_534_400_000)
        func digest(_ text: String) -> UInt64 {
            var digest = ReadingDigest()
            digest.add(time, .text(ExactText(text)!))
            #expect(digest.count == 1 && digest.hash == ReadingDigest.member(time, ExactText(text)!))
            return digest.hash
        }
        let texts = [
            "0", "1", "a", "b", "ab", "ba", "abcdefgh", "abcdefghi", "abcdefgha", "é", "e\u{301}", "aaaaaaaa", "a  a",
        ]
        var hashes = Set(texts.map(digest))
        #expect(hashes.count == texts.count)
        for number in ["0", "1"] { hashes.insert(ReadingDigest.member(time, ExactDecimal(number)!)) }
        #expect(hashes.count == texts.count + 2)
        // Worked out apart from this code, from the formula at ReadingDigest.
        #expect(digest("abcdefghi") == 0xD321A1500BEB5349)
        #expect(ReadingDigest.member(Timestamp(milliseconds: time.milliseconds + 1), ExactText("a")!) != digest("a"))
    }
}
