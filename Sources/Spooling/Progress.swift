internal import Metering

/// How far one uplink has come: which sequence numbers are settled, and which are out on a lease.
///
/// Kept as a short sorted list of spans that do not overlap; what no span covers is still to be delivered, in runs whose
/// number is limited (`maximumRuns`). Settled neighbours merge, so the list is as short as the runs and the open leases
/// let it be. It is written whole, in the transaction of the next append, whenever it has changed.
struct Progress {
    /// Most leases of one uplink that are open at once.
    static let maximumOpenLeases = 64

    /// So many runs of free numbers, and a lease of the newest readings makes no further one. (Leases that are released, and
    /// boots that wait for a clock, may make some more.)
    static let maximumRuns = 16

    /// What has become of a span.
    enum State: Hashable {
        /// Done for this uplink; stays so.
        case settled
        /// Out on a lease of this run; settled or released by it. `isDurable`: the mark is committed.
        case taken(isUnclear: Bool, isDurable: Bool)
        /// May have been sent, but nobody holds it: the next lease, with the same readings. Comes from an earlier run.
        case waiting
    }

    struct Span: Hashable {
        var first: Int64
        var last: Int64
        var lease: LeaseID
        var state: State
    }

    /// The uplink's number in the file.
    let id: Int64
    /// The uplink's name in the configuration.
    let name: String
    /// The last sequence number that was held when this name appeared. The platform may have such readings from an
    /// uplink of another name, so it is asked before it gets them.
    let doubtful: Int64
    private(set) var spans: [Span]
    /// Whether the file does not have this list yet.
    var isDirty = false

    init(id: Int64, name: String, doubtful: Int64 = 0, spans: [Span] = []) {
        self.id = id
        self.name = name
        self.doubtful = doubtful
        self.spans = spans
    }

    var openLeases: Int {
        spans.count { if case .taken = $0.state { true } else { false } }
    }

    /// The oldest span that must be asked for before anything new is sent.
    var waiting: Span? {
        spans.first { $0.state == .waiting }
    }

    /// The runs of sequence numbers in `oldest...newest` that no span covers, the oldest first.
    func freeRuns(from oldest: Int64, through newest: Int64) -> [ClosedRange<Int64>] {
        var runs: [ClosedRange<Int64>] = []
        var next = oldest
        for span in spans {
            if span.first > newest { break }
            if span.first > next { runs.append(next...span.first - 1) }
            next = max(next, span.last + 1)
        }
        if next <= newest { runs.append(next...newest) }
        return runs
    }

    /// The last sequence number of the settled run that starts at `oldest`; `oldest` − 1 when there is none.
    func settledThrough(from oldest: Int64) -> Int64 {
        var through = oldest - 1
        for span in spans {
            guard span.first <= through + 1, span.state == .settled else { break }
            through = max(through, span.last)
        }
        return through
    }

    /// The settled runs of sequence numbers.
    var settled: [ClosedRange<Int64>] {
        spans.compactMap { $0.state == .settled ? $0.first...$0.last : nil }
    }

    /// The span of an open lease.
    func span(of lease: LeaseID) -> Span? {
        spans.first { span in
            if case .taken = span.state { span.lease == lease } else { false }
        }
    }

    /// Leases a free span.
    mutating func take(_ first: Int64, through last: Int64, as lease: LeaseID) {
        let span = Span(first: first, last: last, lease: lease, state: .taken(isUnclear: false, isDurable: false))
        let index = spans.firstIndex { $0.first > first } ?? spans.endIndex
        spans.insert(span, at: index)
        isDirty = true
    }

    /// Leases a waiting span again, under its own number; its mark is in the file already.
    mutating func retake(_ lease: LeaseID) {
        change(lease, from: .waiting) { $0.state = .taken(isUnclear: true, isDurable: true) }
    }

    /// Marks a span that nobody has leased as done.
    mutating func skip(_ first: Int64, through last: Int64) {
        take(first, through: last, as: LeaseID(rawValue: 0))
        settle(LeaseID(rawValue: 0))
    }

    /// Marks what of a range no span covers as done: it is gone.
    mutating func pass(over first: Int64, through last: Int64) {
        for run in freeRuns(from: first, through: last) { skip(run.lowerBound, through: run.upperBound) }
    }

    /// Ends a lease: the span is done. Precondition: the lease is open.
    mutating func settle(_ lease: LeaseID) {
        change(lease) { $0.state = .settled }
        merge()
        isDirty = true
    }

    /// Ends a lease without sending: the span is free again, or waits when an earlier run or this one may have sent it.
    mutating func release(_ lease: LeaseID, isUnclear: Bool) {
        guard let span = span(of: lease) else { return }
        // Without a committed mark nothing was sent, whatever the caller believes.
        let wasDurable = span.state != .taken(isUnclear: false, isDurable: false)
        if wasDurable, isUnclear || span.state == .taken(isUnclear: true, isDurable: true) {
            change(lease) { $0.state = .waiting }
        } else {
            spans.removeAll { $0 == span }
            isDirty = true
        }
    }

    /// Releases every open lease; whether what has a committed mark was sent, nobody knows.
    mutating func forsakeLeases() {
        for span in spans {
            if case .taken = span.state { release(span.lease, isUnclear: true) }
        }
    }

    /// The list is in the file.
    mutating func didCommit() {
        isDirty = false
        for index in spans.indices {
            if case .taken(let isUnclear, false) = spans[index].state {
                spans[index].state = .taken(isUnclear: isUnclear, isDurable: true)
            }
        }
    }

    private mutating func change(_ lease: LeaseID, from state: State? = nil, _ body: (inout Span) -> Void) {
        let index = spans.firstIndex { span in
            if let state { return span.lease == lease && span.state == state }
            if case .taken = span.state { return span.lease == lease }
            return false
        }
        guard let index else { preconditionFailure("lease \(lease.rawValue) of \(name) is not in \(spans)") }
        body(&spans[index])
    }

    private mutating func merge() {
        var merged: [Span] = []
        for span in spans {
            if let previous = merged.last, previous.state == .settled, span.state == .settled,
                previous.last + 1 >= span.first
            {
                merged[merged.count - 1].last = max(previous.last, span.last)
            } else {
                merged.append(span)
            }
        }
        spans = merged
    }
}
