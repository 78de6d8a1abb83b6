/// The points that a meter refuses by themselves, and when it is asked for them again: 10 s after a refusal, then after
/// waits that double up to a day.
///
/// A meter may refuse what it has for some seconds, as some do while they boot, and a point that it has not got may come
/// with new firmware. A meter that refuses everything is asked at least once a minute: nothing else tells of its return.
///
/// Pure: no clock; time comes in.
public struct RefusedPoints: Hashable, Sendable {
    /// The first wait.
    public static let first = Duration.seconds(10)
    /// The longest wait where other points are answered.
    public static let longest = Duration.seconds(24 * 3600)
    /// The longest wait where none is.
    public static let longestForAll = Duration.seconds(60)

    /// The points, by their index among the meter's `count`.
    public private(set) var points: Set<Int> = []
    private let count: Int
    /// How often they were asked again without all of them being answered.
    private var tries = 0
    /// When one was refused for the first time, or they were asked again.
    private var asked: Instant?

    /// Nothing refused yet, of `count` points.
    public init(of count: Int) {
        self.count = count
    }

    /// Whether the meter refuses all that it is asked for.
    public var areAll: Bool { points.count == count }

    /// These were refused at `now`; returns those that were not before.
    public mutating func add(_ refused: [Int], at now: Instant) -> [Int] {
        let new = refused.filter { !points.contains($0) }
        guard !new.isEmpty else { return [] }
        points.formUnion(new)
        // What is refused now has not been asked again yet.
        (tries, asked) = (0, now)
        return new
    }

    /// Only those are refused any longer for which `isRefused`.
    public mutating func keep(where isRefused: (Int) -> Bool) {
        guard !points.isEmpty else { return }
        points = points.filter(isRefused)
    }

    /// Whether the points are to be asked again at `now`: then this counts as done.
    public mutating func isDue(at now: Instant) -> Bool {
        guard !points.isEmpty, let last = asked else { return false }
        let wait = Self.first * (1 << min(tries, 16))
        guard now - last >= min(wait, areAll ? Self.longestForAll : Self.longest) else { return false }
        (tries, asked) = (tries + 1, now)
        return true
    }
}
