internal import Metering

/// A range of chunks whose phenomenon times are frozen: all of them have the same clock offset.
struct FrozenRange: Hashable {
    /// Why its times are in doubt, and its readings at best `uncertain`. Raw values stand in the file.
    enum Doubt: Int64 {
        /// They are not.
        case none = 0
        /// The clock said less, but such times were given before.
        case setBack = 1
        /// Nobody had set the clock right, and nothing stood behind it.
        case restored = 2
        /// The clock was never known in this boot: the times lie between bounds.
        case neverKnown = 3
    }

    /// The sequence number of the first reading, the row's key.
    var first: Int64 = 0
    /// The sequence number of the last reading.
    var last: Int64 = 0
    /// The boot whose clock the offset belongs to.
    var boot: Int64
    /// UTC minus boot clock, in ns.
    var offset: Int64
    /// Why the times are in doubt.
    var doubt: Doubt
    /// The latest phenomenon time given in this range or any before, in ms since 1970.
    var latest = Int64.min
    /// The offset that gives the earliest times that can be, and the one that gives the latest; of a clock that was set
    /// back the one that it has now. Nil where none is known.
    var low: Int64?
    var high: Int64?

    /// The phenomenon time of an instant of this range.
    func timestamp(of instant: Instant) -> Timestamp {
        ClockOffset(nanoseconds: offset).timestamp(of: instant)
    }

    func contains(_ sequence: Int64) -> Bool {
        (first...last).contains(sequence)
    }

    /// Whether `range` has the same times and doubts.
    func goesOn(with range: FrozenRange) -> Bool {
        boot == range.boot && offset == range.offset && doubt == range.doubt && low == range.low && high == range.high
    }

    /// What is delivered beside the value of a reading of this range: its remark, and why its time is in doubt.
    func parameters(of instant: Instant, _ members: String?, from: Instant?, to: Instant?) -> ReadingParameters? {
        let all = [members, note(on: instant)].compactMap(\.self)
        guard !all.isEmpty else { return nil }
        return .members(all.joined(separator: ","), from: from.map(timestamp), to: to.map(timestamp))
    }

    /// Why the time of a reading of this range is in doubt, and what is known of it, as members of a JSON object.
    private func note(on instant: Instant) -> String? {
        func member(_ name: String, _ offset: Int64?) -> String {
            offset.map { #","\#(name)":"\#(ClockOffset(nanoseconds: $0).timestamp(of: instant))""# } ?? ""
        }
        return switch doubt {
        case .none: nil
        case .setBack: #""clock":"set-back""# + member("time", high)
        case .restored: #""clock":"not-set""# + member("earliest", low ?? offset)
        case .neverKnown: #""clock":"never-set""# + member("earliest", low) + member("latest", high)
        }
    }
}

extension FrozenRange {
    /// A row of the table `frozen`.
    init(_ cells: [Cell]) {
        self.init(
            first: cells[0].integer, last: cells[1].integer, boot: cells[2].integer, offset: cells[3].integer,
            doubt: Doubt(rawValue: cells[4].integer) ?? .setBack, latest: cells[5].integer, low: cells[6].optional,
            high: cells[7].optional)
    }

    var cells: [Cell] {
        [
            .integer(first), .integer(last), .integer(boot), .integer(offset), .integer(doubt.rawValue),
            .integer(latest), Cell(low), Cell(high),
        ]
    }
}

/// The choice of the clock offset that a stretch of readings keeps for ever.
///
/// Within one boot the instants of a point rise, by at least 1 ms from one reading to the next. So as long as the offset
/// does not fall below one that was given before in the same boot, the times of every point rise too, and nothing
/// need be compared. When the clock was set back (or another boot had a clock that ran ahead), the offset is raised by
/// the least amount that puts the stretch after every time given so far, but never above the boot's highest offset,
/// with which the order holds anyhow. So times stand nearly still until the clock has caught up, rather than repeat or
/// stay wrong for the rest of the boot; what such a window delivers is marked `uncertain`, and carries the time that the
/// clock then had.
enum FrozenTimes {
    /// Offsets that differ by less count as one: two clocks cannot be read at the same moment, and a range that goes on
    /// costs no row. 5 ms is far more than a busy gateway needs and far less than any poll interval.
    static let tolerance = ClockHistory.tolerance.wholeNanoseconds

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
        if last.boot == boot, last.doubt != .setBack, abs(wanted - last.offset) < tolerance { wanted = last.offset }
        if let highest, wanted >= highest { return (wanted, false) }
        let needed = (last.latest + 1) * 1_000_000 - earliest
        var offset = max(wanted, needed)
        if let highest { offset = min(offset, highest) }
        return (offset, offset > wanted)
    }
}
