internal import Glibc
internal import Posix

/// A copy of the points' names and of the shapes, in a file of its own: few bytes without which none of the others can be
/// read. It grows by a line for each, and each line has a checksum and the name of its spool.
struct Spares {
    /// By number, the points' keys.
    private(set) var points: [Int64: String] = [:]
    /// By number, the sealed bodies of the shapes.
    private(set) var shapes: [Int64: [UInt8]] = [:]

    static func file(in directory: String) -> String { directory + "/parthe.words" }

    /// What the file has for a spool; of a damaged line nothing.
    init(of spoolID: String, in directory: String) {
        Self.lines(in: directory) { spool, kind, number, text in
            switch kind {
            case _ where spool != spoolID: break
            case "point": points[number] = String(text)
            case "shape": shapes[number] = Self.bytes(text)
            default: break
            }
        }
    }

    /// The spool whose words the file has, where it is the only one.
    static func onlySpool(in directory: String) -> String? {
        var names: Set<Substring> = []
        lines(in: directory) { spool, _, _, _ in names.insert(spool) }
        return names.count == 1 ? names.first.map(String.init) : nil
    }

    private static func lines(
        in directory: String, _ take: (_ spool: Substring, _ kind: Substring, _ number: Int64, Substring) -> Void
    ) {
        guard let bytes = try? File.read(file(in: directory), limit: maximumBytes) else { return }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let parts = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 4)
            guard parts.count == 5, let number = Int64(parts[3]), number > 0,
                UInt32(parts[0], radix: 16) == checksum(parts[1...].joined(separator: " "))
            else { continue }
            take(parts[1], parts[2], number, parts[4])
        }
    }

    /// More than all points and shapes there can be need.
    private static let maximumBytes = 64 << 20

    /// Adds what the file does not have yet, on disk when this returns. What goes wrong here costs nothing now.
    mutating func add(
        points keys: [String], shapes bodies: (Int64) -> [UInt8]?, through last: Int64, of spoolID: String,
        in directory: String
    ) {
        var text = ""
        for (index, key) in keys.enumerated() where points[Int64(index + 1)] == nil {
            text += Self.line("\(spoolID) point \(index + 1) \(key)")
            points[Int64(index + 1)] = key
        }
        for number in stride(from: Int64(1), through: last, by: 1) where shapes[number] == nil {
            guard let body = bodies(number) else { continue }
            text += Self.line("\(spoolID) shape \(number) \(Self.digits(body))")
            shapes[number] = body
        }
        SpoolFolder.append(text, to: Self.file(in: directory))
    }

    private static func line(_ text: String) -> String {
        String(checksum(text), radix: 16) + " " + text + "\n"
    }

    private static func checksum(_ text: String) -> UInt32 {
        Array(text.utf8).withUnsafeBytes { CRC32C.checksum($0) }
    }

    /// Two hexadecimal digits for each byte.
    static func digits(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func bytes(_ digits: Substring) -> [UInt8] {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in digits.utf8 {
            let value = digit >= UInt8(ascii: "a") ? digit - UInt8(ascii: "a") + 10 : digit - UInt8(ascii: "0")
            if let first = high {
                bytes.append(first << 4 | value & 15)
                high = nil
            } else {
                high = value & 15
            }
        }
        return bytes
    }
}
