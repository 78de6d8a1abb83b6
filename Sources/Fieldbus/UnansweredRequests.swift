internal import Metering

/// The requests to one unit on a line that were given up without an answer, oldest first: their answers may still come.
///
/// RTU has no transaction id. A late answer of another length is known by its length; one of the same length would be
/// taken for the answer to the next request, and every pair after it would be wrong, for ever (grid-x/modbus #78,
/// telegraf #14317, libmodbus #83; home-assistant #138077: 9 113 kWh in a moment). So before such a request the unit
/// is asked for another length. A unit answers in the order in which it was asked: once it has answered that, no
/// older answer can come.
struct UnansweredRequests: Hashable {
    /// By what an answer is told from another: the function and the bytes of data (0 where the answer alone tells).
    struct Key: Hashable {
        var function: UInt8
        var dataLength: Int
    }

    private struct Entry: Hashable {
        var key: Key
        var since: Instant
    }

    private var entries: [Entry] = []

    /// No converter holds an answer back for longer. Without a limit, a unit that is silent when asked for another
    /// length than usual would never be read again.
    static let horizon = Duration.seconds(10)
    /// More are not remembered: an answer that is eight timeouts late is not waited for.
    private static let capacity = 8

    /// Whether no answer is missing.
    var isEmpty: Bool { entries.isEmpty }

    /// A request was given up at `now`.
    mutating func gaveUp(_ key: Key, at now: Instant) {
        if entries.count == Self.capacity { entries.removeFirst() }
        entries.append(Entry(key: key, since: now))
    }

    /// The newest request got an answer that fits it.
    mutating func answered(_ key: Key, at now: Instant) {
        guard !entries.isEmpty else { return }
        guard let index = entries.firstIndex(where: { $0.key == key }) else {
            entries.removeAll(keepingCapacity: true)
            return
        }
        // It may as well have been the older one's: then the newest one's still comes.
        entries.removeFirst(index + 1)
        entries.append(Entry(key: key, since: now))
    }

    /// The newest request was refused. Exceptions look all alike, so it may have been the oldest that was.
    mutating func refused(_ key: Key, at now: Instant) {
        guard !entries.isEmpty else { return }
        entries.removeFirst()
        entries.append(Entry(key: key, since: now))
    }

    /// A late answer came: `isException` when it was a refusal. Returns whether it was missing.
    mutating func cameLate(_ key: Key, isException: Bool) -> Bool {
        let index = entries.firstIndex { isException ? $0.key.function == key.function : $0.key == key }
        guard let index else { return false }
        entries.removeFirst(index + 1)
        return true
    }

    /// What to ask before `span`, so that no late answer is taken for its; nil when it can be asked at once.
    mutating func probe(before span: RegisterSpan, at now: Instant) -> RegisterSpan? {
        guard !entries.isEmpty else { return nil }
        entries.removeAll { now - $0.since > Self.horizon }
        let key = Key(span)
        guard let newest = entries.lastIndex(where: { $0.key == key }) else { return nil }
        // Two registers are often a whole value; a count that cuts one may be refused, which serves as well.
        let step = span.function.readsBits ? 8 : 1
        let counts = [2, 1, 3, 4, 5, 6, 7, 8, 9, 10].map { ($0 - 1) * step + 1 }
        for count in counts {
            let address = min(Int(span.address), 65_536 - count)
            let probe = RegisterSpan(function: span.function, address: UInt16(address), count: count)
            let other = Key(probe)
            // One that is missing since before `span` would prove nothing.
            if other != key, entries.firstIndex(where: { $0.key == other }) ?? .max > newest { return probe }
        }
        // Not reached: there are more lengths than entries.
        return nil
    }
}

extension UnansweredRequests.Key {
    init(_ request: ReadRequest) {
        self.init(function: request.function, dataLength: request.dataLength ?? 0)
    }

    init(_ span: RegisterSpan) {
        self.init(.registers(span))
    }

    /// The key of the answer in `frame` of `bytes`, with its unit id first.
    init(_ bytes: [UInt8], _ frame: Range<Int>) {
        let function = bytes[frame.lowerBound + 1] & 0x7F
        self.init(function: function, dataLength: (1...4).contains(function) ? Int(bytes[frame.lowerBound + 2]) : 0)
    }
}
