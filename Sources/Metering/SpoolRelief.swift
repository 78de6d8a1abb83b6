/// A chunk of readings that wait: no uplink has leased or settled any of them.
public struct WaitingChunk: Hashable, Sendable {
    /// The number of its first reading.
    public var first: SequenceNumber
    /// The number of its last reading.
    public var last: SequenceNumber
    /// How many readings it has.
    public var count: Int
    /// How far it is thinned.
    public var level: ThinningLevel
    /// The same for chunks that may become one: those of one boot between which nothing is leased or settled.
    public var stretch: Int

    /// A chunk with every property given.
    public init(first: SequenceNumber, last: SequenceNumber, count: Int, level: ThinningLevel, stretch: Int) {
        self.first = first
        self.last = last
        self.count = count
        self.level = level
        self.stretch = stretch
    }
}

/// What makes room in a spool.
public enum SpoolRelief: Hashable, Sendable {
    /// Thin the chunks from one number to another.
    case thin(first: SequenceNumber, last: SequenceNumber, to: ThinningLevel)
    /// Drop the chunk from one number to another, and record a gap.
    case drop(first: SequenceNumber, last: SequenceNumber)
}

/// Chooses what makes room next: everything to 1 min from the oldest on, then to 15 min, then to 1 h; then, where the
/// spool is full, the oldest goes.
///
/// Offer it the chunks that wait, oldest first; leave out the newest, which carries the sequence on, and those whose
/// interval is not over. It looks once and keeps nothing of them. What was thinned is less and was packed anew, so that
/// not many come before the first that was not; with that run the search ends.
public struct ReliefSearch: Hashable, Sendable {
    private struct Run: Hashable {
        var target: ThinningLevel
        var first: SequenceNumber
        var last: SequenceNumber
        var count: Int
        var stretch: Int
        var isOpen = true
    }

    /// Most readings that are thinned at once, unless a single chunk has more: they are one transaction.
    public static let maximumReadings = 65_536

    private let step: SpoolAdmission.Step
    private let hasPreferred: Bool
    private let limit: Int
    private var best: Run?
    private var oldest: WaitingChunk?

    /// The search at `step`; `hasPreferred` as the rules say.
    public init(
        at step: SpoolAdmission.Step, hasPreferred: Bool, maximumReadings: Int = ReliefSearch.maximumReadings
    ) {
        self.step = step
        self.hasPreferred = hasPreferred
        limit = maximumReadings
    }

    /// Looks at the next chunk; returns whether it wants to see more.
    public mutating func look(at chunk: WaitingChunk) -> Bool {
        oldest = oldest ?? chunk
        let target = target(from: chunk.level)
        if let best, best.isOpen, target == best.target, chunk.stretch == best.stretch,
            best.count + chunk.count <= limit
        {
            self.best?.last = chunk.last
            self.best?.count += chunk.count
        } else if let target, best.map({ target < $0.target }) ?? true {
            best = Run(
                target: target, first: chunk.first, last: chunk.last, count: chunk.count, stretch: chunk.stretch)
        } else {
            best?.isOpen = false
        }
        guard let least = self.target(from: .raw) else { return false }
        return best.map { $0.isOpen || $0.target > least } ?? true
    }

    /// What to do, after the last look; nil where nothing can be done.
    public var relief: SpoolRelief? {
        if let best { return .thin(first: best.first, last: best.last, to: best.target) }
        guard step == .drop, let oldest else { return nil }
        return .drop(first: oldest.first, last: oldest.last)
    }

    /// What becomes of chunks of `level` at this step.
    private func target(from level: ThinningLevel) -> ThinningLevel? {
        switch step {
        case .normal: nil
        case .slow: hasPreferred && level < .early ? .early : nil
        case .thin, .drop: ThinningLevel.allCases.first { $0 > max(level, .early) }
        }
    }
}
