internal import Metering

/// How long a silence within a unit's answers may be where nobody states it.
///
/// Waiting for the rest of an answer that is cut takes time from all others on the line, but some meters pause within
/// their answers. So each answer that was cut doubles the usual limit, up to 500 ms; after 64 whole ones it comes back
/// by one step, unless their own pauses came close to it.
struct GapLimit: Hashable {
    /// No unit is waited for longer, unless the line itself is slower.
    static let longest = Duration.milliseconds(500)
    /// So many whole answers bring the limit back by one step.
    static let answersToShorten = 64
    /// A pause may be so many times as long as the longest one seen.
    static let factor = 2

    private var doublings = 0
    private var wholeAnswers = 0
    private var longestGap = Duration.zero

    /// The limit of a unit on a line where `usual` is enough for others.
    func limit(_ usual: Duration) -> Duration {
        max(usual, min(Self.longest, usual * (1 << doublings)))
    }

    /// An answer was cut at the limit.
    mutating func cut(_ usual: Duration) {
        if limit(usual) < Self.longest { doublings += 1 }
        (wholeAnswers, longestGap) = (0, .zero)
    }

    /// A whole answer came, with no silence longer than `gap`.
    mutating func whole(_ usual: Duration, gap: Duration) {
        guard doublings > 0 else { return }
        longestGap = max(longestGap, gap)
        wholeAnswers += 1
        guard wholeAnswers >= Self.answersToShorten else { return }
        if longestGap * Self.factor <= usual * (1 << (doublings - 1)) { doublings -= 1 }
        (wholeAnswers, longestGap) = (0, .zero)
    }
}
