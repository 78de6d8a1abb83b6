internal import Glibc
internal import Posix

/// Follows the truth log of the simulated meters: how many values were served, and the newest of each point.
struct TruthTail {
    /// Values served so far; registers by which a meter says "no value" are no values.
    private(set) var served = 0
    /// The newest value of each point, by `METER/POINT`.
    private(set) var newest: [String: String] = [:]

    private let path: String
    private var position: off_t = 0
    private var rest: [UInt8] = []

    init(path: String) {
        self.path = path
    }

    /// Reads what was written since the last call.
    mutating func follow() {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        lseek(descriptor, position, SEEK_SET)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return }
            position += count
            rest.append(contentsOf: buffer[..<count])
            takeLines()
        }
    }

    private mutating func takeLines() {
        let lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for line in lines.dropLast() {
            // The last column is the value; a text may have spaces in it.
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 4)
            guard fields.count == 5, fields[4] != [UInt8(ascii: "-")] else { continue }
            served += 1
            let key = String(decoding: fields[1], as: UTF8.self) + "/" + String(decoding: fields[2], as: UTF8.self)
            newest[key] = String(decoding: fields[4], as: UTF8.self)
        }
        rest = Array(lines.last ?? [])
    }
}
