import Configuration
import Posix
import Testing

/// Good files, damaged by chance: nothing may crash, and nothing unknown may pass.
@Suite struct MutationTests {
    /// SplitMix64: one seed, one sequence, on every machine.
    struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    static let originals: [[UInt8]] = [
        "good-everything", "good-minimal", "doubtful-overlap", "good-lines", "good-own-points",
    ].compactMap { try? File.read("\(Cases.folder)/\($0)/parthe.yaml") }

    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func damageIsNeverACrash(seed: UInt64) throws {
        var generator = Generator(state: seed)
        try Scratch.with { folder in
            let catalogue = Cases.catalogue(of: folder.path)
            var accepted = 0
            for _ in 0..<700 {
                guard let original = Self.originals.randomElement(using: &generator) else { return }
                let damaged = Self.damage(original, &generator)
                try folder.write(damaged, to: "parthe.yaml")
                let file = folder.path + "/parthe.yaml"
                let (configuration, problems) = ConfigurationReader(catalogue: catalogue).read(file: file)
                #expect((configuration == nil) == problems.contains { $0.severity == .error })
                let lines = damaged.count { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") } + 2
                for problem in problems where problem.file == file {
                    #expect((1...(lines + 1)).contains(problem.line), "\(problem)")
                }
                guard let configuration else { continue }
                accepted += 1
                #expect(summary(of: configuration).split(separator: "\n").allSatisfy { $0.count <= 80 })
                let unknown = Self.keys(in: damaged).map(\.word).filter { !Self.known.contains($0) }
                #expect(unknown.isEmpty, "accepted \(unknown) in:\n\(String(decoding: damaged, as: UTF8.self))")
            }
            // Some damage does no harm (a comment, a digit); if all or none passed, the test would show nothing.
            #expect(accepted > 10 && accepted < 600, "\(accepted) of 700 passed")
        }
    }

    /// Every key of every good file, misspelt in turn.
    @Test func noMisspeltKeyPasses() throws {
        try Scratch.with { folder in
            let catalogue = Cases.catalogue(of: folder.path)
            var tried = 0
            for original in Self.originals {
                for key in Self.keys(in: original) {
                    for wrong in [key.word + "x", String(key.word.dropLast()) + "_", key.word.uppercased()] {
                        var bytes = original
                        bytes.replaceSubrange(key.range, with: wrong.utf8)
                        try folder.write(bytes, to: "parthe.yaml")
                        let problems = ConfigurationReader(catalogue: catalogue).read(
                            file: folder.path + "/parthe.yaml"
                        )
                        .problems
                        let unknown = problems.filter { $0.severity == .error && $0.message == "unknown key" }
                        #expect(unknown.contains { $0.path.hasSuffix(wrong) }, "\(wrong): \(problems)")
                        tried += 1
                    }
                }
            }
            #expect(tried > 900)
        }
    }

    /// Definitions that ship, cut off at every length and with every line left out.
    @Test func damagedDefinitionsAreNeverACrash() throws {
        let file = try #require(Catalogue(share: nil).file(of: "carlo-gavazzi-em340"))
        let whole = try File.read(file)
        try Scratch.with { folder in
            let catalogue = Catalogue(folders: [folder.path])
            var read = 0
            for length in stride(from: 0, to: whole.count, by: 7) {
                try folder.write(Array(whole[..<length]), to: "cut.yaml")
                if (try? catalogue.definition(model: "cut")) != nil { read += 1 }
            }
            let lines = whole.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            for index in lines.indices {
                var rest = lines
                rest.remove(at: index)
                try folder.write(Array(rest.joined(separator: [UInt8(ascii: "\n")])), to: "cut.yaml")
                if (try? catalogue.definition(model: "cut")) != nil { read += 1 }
            }
            #expect(read > 30)
        }
    }

    // MARK: Damage

    private static func damage(_ original: [UInt8], _ generator: inout Generator) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1: bytes[index] = UInt8.random(in: 0...255, using: &generator)
            case 2: bytes.remove(at: index)
            case 3:
                bytes.insert(Array("{}[],:#&*!|>'\"%@`-? \n\t\\".utf8).randomElement(using: &generator) ?? 0, at: index)
            case 4: bytes.removeSubrange(index...)
            case 5:
                var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                lines.remove(at: Int.random(in: 0..<lines.count, using: &generator))
                bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
            case 6:
                let end = min(bytes.count, index + Int.random(in: 1...80, using: &generator))
                bytes.insert(contentsOf: bytes[index..<end], at: Int.random(in: 0..<bytes.count, using: &generator))
            default:
                bytes[index] = (UInt8(ascii: "0")...UInt8(ascii: "9")).randomElement(using: &generator) ?? 0
            }
        }
        return bytes
    }

    // MARK: Keys, found without the reader

    private static let known: Set<String> = [
        "gateway", "buses", "meters", "uplinks", "spool", "id", "location", "latitude", "longitude", "name", "tcp",
        "timeout", "bus", "unit", "model", "interval", "points", "limits", "registers", "gap", "defaults", "function",
        "type", "order", "not_available", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "quantity",
        "register",
        "scale", "offset", "kind", "obis", "sensorthings", "basic", "bearer", "user", "password_file", "token_file",
        "ca_file", "batch", "commit_interval", "clock_wait", "limit", "history", "serial", "rtu_over_tcp", "baud",
        "parity",
        "data_bits", "stop_bits", "rs485", "rts_on_send", "delay_before", "delay_after", "byte_timeout", "pause",
        "after_connect", "timing", "holes", "rated_power", "identity", "vendor", "products", "values", "count", "bits",
        "map", "raw", "value", "scale_by", "as", "max_rate", "interval_class", "fast", "normal", "slow",
    ]

    /// Words before a colon and a blank, outside of comments and quotes.
    private static func keys(in bytes: [UInt8]) -> [(word: String, range: Range<Int>)] {
        var keys: [(String, Range<Int>)] = []
        var start: Int?
        var quote: UInt8?
        var isComment = false
        for (index, byte) in bytes.enumerated() {
            if byte == UInt8(ascii: "\n") { (isComment, quote) = (false, nil) }
            if isComment { continue }
            if let open = quote {
                if byte == open { quote = nil }
                continue
            }
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                start = start ?? index
                continue
            case UInt8(ascii: ":"):
                let next = index + 1 < bytes.count ? bytes[index + 1] : UInt8(ascii: "\n")
                if let start, next == UInt8(ascii: " ") || next == UInt8(ascii: "\n") {
                    keys.append((String(decoding: bytes[start..<index], as: UTF8.self), start..<index))
                }
            case UInt8(ascii: "\""), UInt8(ascii: "'"): quote = byte
            case UInt8(ascii: "#"): isComment = index == 0 || bytes[index - 1] <= UInt8(ascii: " ")
            default: break
            }
            start = nil
        }
        return keys
    }
}
