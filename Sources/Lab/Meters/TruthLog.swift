internal import Glibc
internal import Metering

/// A file of what the meters served: one line a point and answer.
///
///     1793491210123 meter-1 voltage-l1 436614ae 230.08078
///
/// The columns are the time in milliseconds since 1970, the meter, the point, its registers in hexadecimal, its value:
/// a number, a text as a JSON string, or `-` for none.
final class TruthLog {
    private let descriptor: Int32
    private let path: String
    private var buffer: [UInt8] = []
    /// Whether the file took everything so far.
    private(set) var failure: String?

    /// Opens `path` for appending.
    init(path: String) throws(LabError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw LabError(.file, "\(path): cannot open: \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        flush()
        close(descriptor)
    }

    func add(_ answer: SimulatedMeter.Answer) {
        for truth in answer.meter.truth(of: answer) { add(truth, of: answer.meter.name, at: answer.time) }
    }

    private func add(_ truth: SimulatedMeter.Truth, of meter: String, at time: Timestamp) {
        buffer.append(contentsOf: "\(time.milliseconds) \(meter) \(truth.point) ".utf8)
        for word in truth.words {
            for shift in [12, 8, 4, 0] as [UInt16] {
                let digit = UInt8(word >> shift & 0xF)
                buffer.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
        buffer.append(UInt8(ascii: " "))
        switch truth.value {
        case .value(let value): value.append(to: &buffer)
        case .notAvailable, .noNumber: buffer.append(UInt8(ascii: "-"))
        }
        buffer.append(UInt8(ascii: "\n"))
    }

    /// Writes what has gathered.
    func flush() {
        var rest = buffer[...]
        while !rest.isEmpty, failure == nil {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count < 0 { failure = "\(path): \(String(cString: strerror(errno)))" }
            rest = rest.dropFirst(max(0, count))
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
