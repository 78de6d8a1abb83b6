public import Metering

extension Spool {
    /// Something that a log should say.
    public enum Event: Sendable {
        /// Commits began to fail.
        case failing(SpoolError)
        /// Commits go through again.
        case recovered(after: Duration)
        /// The files were damaged, and are mended as far as that goes.
        case mended(SpoolMending)
        /// Its file was removed while it is open, and cannot be copied for now: it is lost when the agent ends.
        case homeless(SpoolError)
        /// There is no room at all, though it was not so far by measure: the oldest that wait are dropped.
        case dropping
        /// It fills up, or has room again: what is done about it has changed.
        case admission(SpoolAdmission.Change)
        /// What is told of `dropping`.
        public static let dropText =
            "there is no room and nothing that can be thinned: the oldest readings that wait are dropped, as gaps"

        /// The spool could be opened, which it could not when points were given their numbers: these have to be asked for
        /// anew.
        case opened
    }

    /// What the spool is doing, as `parthe status` shows it.
    public struct Status: Sendable {
        /// What it holds.
        public var statistics: SpoolStatistics
        /// Why the last commit failed; nil when it did not.
        public var error: SpoolError?
        /// Readings that could not be read back before this agent's start; nil until the spool could be opened.
        public var damagedBefore: Int64?
        /// The same of readings that were dropped for want of room.
        public var droppedBefore: Int64?
        /// The newest events, the newest first.
        public var events: [SpooledEvent] = []
        /// What is done for room.
        public var step = SpoolAdmission.Step.normal
        /// How long readings wait for their commit at most, as things are.
        public var commitInterval = CommitPacing.intervals[0]
        /// What had to be mended since the agent's start; nil where nothing was.
        public var mending: SpoolMending?
    }
}
