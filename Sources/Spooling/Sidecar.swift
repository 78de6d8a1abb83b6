internal import Glibc
internal import Metering
internal import Posix

/// What stands beside the spool in a small file of its own, for the day when the spool itself cannot be read: how far it
/// was, and the totals of pulses, which no meter remembers.
///
/// It is written once a minute and at a clean end, without waiting for the disk, in turns into two halves of the file,
/// each with a checksum: one of them is whole after any power cut. Text, so that a person can read it.
struct Sidecar: Hashable {
    /// The spool's random name.
    var spoolID: String
    /// How often this was written; the greater is the newer.
    var version: Int64
    /// The next sequence number when it was written.
    var next: Int64
    /// No sequence number from here on was given before it was written anew.
    var ceiling: Int64
    /// Readings that some uplink had not delivered.
    var undelivered: Int64
    /// The boot, and its clock offset in ns; 0 where that was not known.
    var boot: Int64 = 0
    var offset: Int64 = 0
    /// What was remembered under a name that begins with `Sidecar.prefix`: by name its stamp and value.
    var totals: [String: Total] = [:]

    /// Readings that can be missing, at most, where all else is gone: those, and what was committed since.
    var mostUndelivered: Int64 { undelivered + max(0, ceiling - next) }

    struct Total: Hashable {
        var stamp: Int64
        var value: String
    }

    /// Totals of pulses are remembered under such names: see InputLogic.
    static let prefix = "input "
    /// Where the second half begins: more totals than fit here are not kept, and never come about with 64 inputs.
    private static let half = 32_768

    static func file(in directory: String) -> String { directory + "/parthe.totals" }

    // MARK: - Text

    var text: String {
        var text = "parthe totals 1\nspool \(spoolID)\nversion \(version)\nnext \(next)\nceiling \(ceiling)\n"
        text += "undelivered \(undelivered)\nboot \(boot)\noffset \(offset)\n"
        for (name, total) in totals.sorted(by: { $0.key < $1.key }) {
            text += "total \(total.stamp) \(name)\t\(total.value)\n"
        }
        return text + "checksum \(Self.checksum(text))\n"
    }

    private static func checksum(_ text: String) -> UInt32 {
        Array(text.utf8).withUnsafeBytes { CRC32C.checksum($0) }
    }

    /// What a half of the file says; nil where it is not whole.
    init?(_ text: String) {
        guard let mark = text.range(of: "checksum ") else { return nil }
        let content = String(text[..<mark.lowerBound])
        guard UInt32(text[mark.upperBound...].prefix { $0.isNumber }) == Self.checksum(content) else { return nil }
        var fields: [Substring: Substring] = [:]
        var totals: [String: Total] = [:]
        for line in content.split(separator: "\n").dropFirst() {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            guard parts[0] == "total" else {
                fields[parts[0]] = parts[1]
                continue
            }
            let words = parts[1].split(separator: " ", maxSplits: 1)
            guard words.count == 2, let stamp = Int64(words[0]), let tab = words[1].firstIndex(of: "\t") else {
                return nil
            }
            totals[String(words[1][..<tab])] = Total(
                stamp: stamp, value: String(words[1][words[1].index(after: tab)...]))
        }
        guard content.hasPrefix("parthe totals 1\n"), let id = fields["spool"],
            let version = fields["version"].flatMap({ Int64($0) }), let next = fields["next"].flatMap({ Int64($0) }),
            let ceiling = fields["ceiling"].flatMap({ Int64($0) }), (1...ChunkHeader.limit).contains(next),
            (next...ChunkHeader.limit).contains(ceiling)
        else { return nil }
        self.init(
            spoolID: String(id), version: version, next: next, ceiling: ceiling,
            undelivered: fields["undelivered"].flatMap { Int64($0) } ?? 0, totals: totals)
        boot = fields["boot"].flatMap { Int64($0) } ?? 0
        offset = fields["offset"].flatMap { Int64($0) } ?? 0
    }

    init(
        spoolID: String, version: Int64, next: Int64, ceiling: Int64, undelivered: Int64, totals: [String: Total] = [:]
    ) {
        (self.spoolID, self.version, self.next, self.ceiling) = (spoolID, version, next, ceiling)
        (self.undelivered, self.totals) = (undelivered, totals)
    }

    // MARK: - File

    /// The newer half that is whole; nil where there is none.
    static func read(in directory: String) -> Sidecar? {
        guard let bytes = try? File.read(file(in: directory), limit: 2 * half) else { return nil }
        let halves = [bytes.prefix(half), bytes.dropFirst(half)]
        return halves.compactMap { half in
            Sidecar(String(decoding: half.prefix { $0 != 0 }, as: UTF8.self))
        }.max { $0.version < $1.version }
    }

    /// Writes the half whose turn it is. What goes wrong here costs nothing now: the next minute tries again.
    ///
    /// - Parameter waits: whether it has to be on the disk when this returns.
    func write(in directory: String, waits: Bool) {
        let bytes = Array(text.utf8) + [0]
        guard bytes.count <= Self.half else { return }
        let descriptor = open(Self.file(in: directory), O_WRONLY | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        _ = pwrite(descriptor, bytes, bytes.count, off_t(version % 2 == 0 ? 0 : Self.half))
        if waits { fdatasync(descriptor) }
    }
}

extension String {
    /// Where `other` stands first. The standard library has this for collections only from Swift 6.
    fileprivate func range(of other: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(other) { return start..<index(start, offsetBy: other.count) }
            // Only the beginning of a line can be one.
            guard let end = self[start...].firstIndex(of: "\n") else { return nil }
            start = index(after: end)
        }
        return nil
    }
}
