internal import Metering

/// A range of chunks whose phenomenon times are frozen: all of them have the same clock offset.
struct FrozenRange: Hashable {
    /// The sequence number of the first reading, the row's key.
    var first: Int64
    /// The sequence number of the last reading.
    var last: Int64
    /// The boot whose clock the offset belongs to.
    var boot: Int64
    /// UTC minus boot clock, in ns.
    var offset: Int64
    /// Whether the clock said less: the times are in doubt and their readings at best `uncertain`.
    var isRaised: Bool
    /// The latest phenomenon time given in this range or any before, in ms since 1970.
    var latest: Int64

    /// The phenomenon time of an instant of this range.
    func timestamp(of instant: Instant) -> Timestamp {
        ClockOffset(nanoseconds: offset).timestamp(of: instant)
    }

    func contains(_ sequence: Int64) -> Bool {
        (first...last).contains(sequence)
    }
}

/// The choice of the clock offset that a window of readings keeps for ever.
///
/// Within one boot the instants of a point rise, by at least 1 ms from one reading to the next. So as long as the offset
/// does not fall below one that was given before in the same boot, the times of every point rise too, and nothing
/// need be compared. When the clock was set back (or another boot had a clock that ran ahead), the offset is raised by
/// the least amount that puts the window after every time given so far, but never above the boot's highest offset,
/// with which the order holds anyhow. So times stand nearly still until the clock has caught up, rather than repeat or
/// stay wrong for the rest of the boot; what such a window delivers is marked `uncertain`.
enum FrozenTimes {
    /// Offsets that differ by less count as one: two clocks cannot be read at the same moment, and a range that goes on
    /// costs no row. 5 ms is far more than a busy gateway needs and far less than any poll interval.
    static let tolerance: Int64 = 5_000_000

    /// The least time between two readings of one point, in ns: the platform knows them apart by their millisecond.
    static let minimumStep: Int64 = 1_000_000

    /// The offset for readings of `boot` from the instant `earliest` on.
    ///
    /// - Parameters:
    ///   - wanted: the offset as the clock has it.
    ///   - highest: the highest offset given to this boot before, or nil.
    ///   - last: the range given last, or nil.
    static func choose(
        wanted: Int64, earliest: Int64, boot: Int64, highest: Int64?, last: FrozenRange?
    ) -> (offset: Int64, isRaised: Bool) {
        guard let last else { return (wanted, false) }
        var wanted = wanted
        if last.boot == boot, !last.isRaised, abs(wanted - last.offset) < tolerance { wanted = last.offset }
        if let highest, wanted >= highest { return (wanted, false) }
        let needed = (last.latest + 1) * 1_000_000 - earliest
        var offset = max(wanted, needed)
        if let highest { offset = min(offset, highest) }
        return (offset, offset > wanted)
    }
}
