internal import CPosix
internal import Glibc
internal import Metering

/// A serial port that exists in software only: what is written to the one end is read at the other, at once.
public enum PseudoTerminal {
    /// Makes one in raw mode. Returns the descriptor of its far end, which reads EIO while nobody has the port open, and
    /// the path of its port.
    public static func open() throws(PosixError) -> (descriptor: Int32, path: String) {
        var name = [CChar](repeating: 0, count: 64)
        let descriptor = cposix_open_pseudo_terminal(&name, name.count)
        guard descriptor >= 0 else { throw PosixError("open", "/dev/ptmx", code: errno) }
        return (descriptor, String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}

extension Poller {
    /// The places of those among `descriptors`, at most eight, that can be read or have failed, after at most `time`. To
    /// some ten microseconds; a signal ends the wait early. Negative descriptors are passed over.
    public static func readable(_ descriptors: [Int32], within time: Duration) -> [Int] {
        precondition(descriptors.count <= 8, "\(descriptors.count) descriptors to wait for")
        var ready = [Int32](repeating: 0, count: descriptors.count)
        cposix_wait_any(descriptors, &ready, Int32(descriptors.count), time.wholeNanoseconds)
        return ready.indices.filter { ready[$0] != 0 }
    }
}
