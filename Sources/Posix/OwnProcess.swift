/// What the kernel says of this process.
public enum OwnProcess {
    /// Bytes that it caused to be sent to the disk since its start (`write_bytes` of /proc/self/io, proc(5)): pages that were
    /// dirtied, not bytes passed to write(2). Nil where /proc does not tell.
    public static var writtenBytes: Int64? {
        guard let bytes = try? File.read("/proc/self/io", limit: 4096) else { return nil }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == "write_bytes:" { return Int64(words[1]) }
        }
        return nil
    }
}
