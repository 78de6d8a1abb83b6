import Configuration
import Metering
import Posix
import Testing

/// Registers of real meters, as manuals and logs show them, decoded by the catalogue's definitions.
///
/// A file in `Cases/frames` belongs to the model whose name it has. Its lines are fields separated by tabs:
///
///     ADDRESS ⇥ WORDS ⇥ VALUE ⇥ SOURCE     the registers of one point, and its value
///     words ⇥ ADDRESS ⇥ WORDS ⇥ SOURCE     registers in which several points lie, with what scales them
///     point ⇥ NAME ⇥ VALUE                 a point in the words before it
///
/// Words are hexadecimal, a value is a decimal or `not available`.
@Suite struct GoldenFrameTests {
    private static let folder =
        #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 }
        + "/ConfigurationTests/Cases/frames"
    private static let models = ((try? File.names(in: folder)) ?? []).map { String($0.dropLast(".txt".count)) }

    @Test func thereAreFramesOfManyModels() {
        #expect(Self.models.count >= 30)
        #expect(Set(Self.models).isSubset(of: Set(Catalogue(share: nil).models().map(\.name))))
    }

    @Test(arguments: models)
    func registersDecodeToWhatTheSourceSays(model: String) throws {
        let definition = try #require(try Catalogue(share: nil).definition(model: model))
        let text = String(decoding: try File.read("\(Self.folder)/\(model).txt"), as: UTF8.self)
        var frame = Frame(address: 0, words: [])
        var checked = 0
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: "\t").map(String.init)
            if fields.first == "words" {
                try #require(fields.count == 4, "\(line)")
                frame = try Frame(fields[1], fields[2])
                continue
            }
            let value: String
            let found: PointDefinition?
            if fields.first == "point" {
                try #require(fields.count == 3, "\(line)")
                value = fields[2]
                found = definition.points.first { $0.name == fields[1] }
            } else {
                try #require(fields.count == 4, "\(line)")
                frame = try Frame(fields[0], fields[1])
                value = fields[2]
                found = definition.points.first { $0.address == frame.address }
                #expect(found?.neededSpan.count == frame.words.count, "\(line)")
            }
            let point = try #require(found, "\(line)")
            try #require(value == "not available" || ExactDecimal(value) != nil, "\(line)")
            let said = try #require(frame.text(of: point), "\(line): registers are missing")
            #expect(said == ExactDecimal(value).map { "\($0.normalized)" } ?? value, "\(line)")
            checked += 1
        }
        #expect(checked >= 1)
    }

    /// Registers from an address on.
    private struct Frame {
        var address: Int
        var words: [UInt16]

        init(address: Int, words: [UInt16]) {
            self.address = address
            self.words = words
        }

        init(_ address: String, _ words: String) throws {
            self.address = try #require(Int(address))
            self.words = try words.split(separator: " ").map { try #require(UInt16($0, radix: 16)) }
        }

        /// What a point's registers say; nil where they are not all here.
        func text(of point: PointDefinition) -> String? {
            let needed = point.neededSpan.addresses
            guard needed.lowerBound >= address, needed.upperBound <= address + words.count else { return nil }
            switch RegisterDecoder(point).decode(words, at: Int(point.address) - address) {
            case .value(let value): return value.normalized.map { "\($0)" } ?? "\(value)"
            case .notAvailable: return "not available"
            case .noNumber: return "no number"
            }
        }
    }
}
