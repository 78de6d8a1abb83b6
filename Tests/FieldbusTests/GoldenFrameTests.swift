import Configuration
import Metering
import Posix
import Testing

/// Registers of real meters, as manuals and logs show them, decoded by the catalogue's definitions.
@Suite struct GoldenFrameTests {
    private static let folder =
        #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 }
        + "/ConfigurationTests/Cases/frames"

    @Test(arguments: ["eastron-sdm630", "abb-b23"])
    func registersDecodeToWhatTheSourceSays(model: String) throws {
        let definition = try #require(try Catalogue(share: nil).definition(model: model))
        let text = String(decoding: try File.read("\(Self.folder)/\(model).txt"), as: UTF8.self)
        var checked = 0
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: "\t").map(String.init)
            guard fields.count >= 4, let address = UInt16(fields[0]) else { continue }
            let point = try #require(definition.points.first { $0.address == address }, "\(line)")
            let words = try fields[1].split(separator: " ").map { try #require(UInt16($0, radix: 16)) }
            switch RegisterDecoder(point).decode(words) {
            case .value(let value):
                #expect(value.normalized == ExactDecimal(fields[2])?.normalized, "\(line): \(value)")
            case .notAvailable: #expect(fields[2] == "not available", "\(line)")
            case .noNumber: Issue.record("\(line): not finite")
            }
            checked += 1
        }
        #expect(checked >= 4)
    }
}
