public import FoundationEssentials

/// What the running agent says of itself: the answer on the control socket, and the JSON of `parthe status --json`.
///
/// Keys are stable from version 1.0 on; times are ISO 8601 in UTC, ages and durations in milliseconds. What does not
/// apply is absent.
public struct StatusReport: Codable, Sendable {
    /// Something that is wrong now.
    public struct Problem: Codable, Hashable, Sendable {
        /// What and where: `meter main: no answer in time`.
        public var what: String
        /// What to look at.
        public var hint: String?
    }

    /// Something that happened to a meter or one of its counters, kept in the spool.
    public struct Event: Codable, Hashable, Sendable {
        /// When it was seen.
        public var time: String
        /// The meter, or METER/POINT.
        public var subject: String
        /// What, in a word: `rollover`, `reset`, `reset-withdrawn`, `glitch`, `implausible-increase`, `meter-swap`.
        public var kind: String
        /// What, in words.
        public var text: String
    }

    /// The wall clock.
    public struct Clock: Codable, Sendable {
        /// A setting that it had since the machine was started.
        public struct Change: Codable, Hashable, Sendable {
            /// When it was noticed.
            public var since: String
            /// As `state`.
            public var state: String
            /// As `by`.
            public var by: String
            /// UTC minus boot clock.
            public var offsetMilliseconds: Int64
            /// By how much the clock was set forward; negative: back. Absent for the first.
            public var stepMilliseconds: Int64?
            /// Whether it was a leap second.
            public var leapSecond: Bool?
        }

        /// `synchronised` (now, or since the start of the machine), `set` (by a battery clock or by hand), `restored`
        /// (nothing stands behind it) or `unknown` (it cannot be right).
        public var state: String
        /// Where it is `synchronised`: whether the kernel still says so.
        public var isKept: Bool?
        /// Who set it or keeps it right: `systemd-timesyncd`, `chrony`, `ntpd`, `another program`, `hardware clock`,
        /// `hand`, `nobody`.
        public var by: String?
        /// The same in words.
        public var text: String
        /// Since when that is known.
        public var since: String?
        /// What is added to the boot clock to get the times of readings.
        public var offsetMilliseconds: Int64?
        /// Readings that wait for a clock.
        public var waiting: Int64
        /// When readings get their times though nobody synchronises the clock; absent when they do not wait, or wait for
        /// the clock to be set.
        public var dueMilliseconds: Int64?
        /// By how much the kernel's wall clock is ahead of the times that readings get; absent where it is not.
        public var wallClockAheadMilliseconds: Int64?
        /// The settings that it had, oldest first; at most 32.
        public var changes: [Change]
    }

    /// A bus.
    public struct Bus: Codable, Sendable {
        /// Its name.
        public var id: String
        /// Where it is: `192.168.1.20:502`.
        public var endpoint: String
        /// Whether there is a connection; absent before the first poll.
        public var connected: Bool?
        /// The line's settings, `9600 8N1`; absent for Modbus TCP.
        public var line: String?
        /// The serial port's device, `/dev/ttyUSB0`, while it is open.
        public var device: String?
        /// Who switches the direction of an RS-485 port: `adapter`, `kernel`, `program` or `nobody`; absent without port.
        public var direction: String?
        /// Share of the time that requests take, 0…1.
        public var load: Double
        /// Seconds of every second that all polls take when every meter answers, as far as was measured: above 1 the bus
        /// cannot keep up.
        public var needed: Double
        /// How often gauges are polled: `normal`, or `slow`, every fourth time, while the spool fills up.
        public var pace: String
        /// Requests sent.
        public var requests: UInt64
        /// Requests that nobody answered in time.
        public var timeouts: UInt64
        /// Answers whose checksum was wrong.
        public var crcErrors: UInt64
        /// Answers to earlier requests that were thrown away.
        public var lateAnswers: UInt64
        /// Frames of other units or other masters that were passed over.
        public var foreignFrames: UInt64
        /// Connections made, or ports opened.
        public var connects: UInt64
        /// How often the bus was lent for a look at it, and for how long in all.
        public var loans: UInt64
        /// For how long it was lent in all.
        public var lentMilliseconds: Int64
        /// Polls that were late because it was lent.
        public var loanDelays: UInt64
        /// Slots that passed without a poll because it was lent.
        public var loanMisses: UInt64
    }

    /// The polls of one interval.
    public struct Interval: Codable, Sendable {
        /// How often.
        public var milliseconds: Int64
        /// From the beginning of the last slot to the arrival of its last value.
        public var skewMilliseconds: Int64?
        /// The greatest of these since the start.
        public var worstSkewMilliseconds: Int64?
    }

    /// A meter.
    public struct Meter: Codable, Sendable {
        /// Its name.
        public var id: String
        /// The bus it hangs on.
        public var bus: String
        /// Its unit id.
        public var unit: UInt8
        /// How many points are read.
        public var points: Int
        /// Their intervals, the shortest first.
        public var intervals: [Interval]
        /// Age of the last value; absent while none has arrived.
        public var lastReadingAgeMilliseconds: Int64?
        /// How long the last complete poll took.
        public var lastPollMilliseconds: Int64?
        /// From the end of a request to its answer, typically.
        public var turnaroundMilliseconds: Double?
        /// Polls made since the start.
        public var polls: UInt64
        /// Polls that missed some or all values.
        public var failedPolls: UInt64
        /// Slots that passed without a poll because the bus was busy.
        public var overruns: UInt64
        /// Slots without a poll because the meter, or its bus's connection, was away.
        public var omittedPolls: UInt64
        /// Polls skipped because the intake was full.
        public var skippedPolls: UInt64
        /// Readings handed over since the start, after the choice of what is kept.
        public var readings: UInt64
        /// Counters that fell in the last poll: their value is withheld until the next one decides.
        public var withheld: Int
        /// Values of counters that were left out since the start because they fell for one poll.
        public var glitches: UInt64
        /// Its serial number, where its definition says how to read it.
        public var serial: String?
        /// Points the meter had no value for, in its last poll.
        public var notAvailable: Int
        /// What goes wrong now; absent when nothing does.
        public var error: String?
        /// The registers of the request that failed, in both notations: `30001 = input 0, 0x0 ×80`, and its PDU.
        public var asked: String?
        /// What to look at.
        public var hint: String?
        /// For how long there has been no complete poll.
        public var failingForMilliseconds: Int64?
        /// When it is asked again, where it does not answer.
        public var nextTryMilliseconds: Int64?
        /// Points that it refuses whatever is tried; they are asked again after 10 s, then ever more rarely.
        public var droppedPoints: [String]
        /// Runs of registers between its points that it refuses, beside those that its definition names: `holding 4…9`.
        public var learntHoles: [String]
    }

    /// A digital input.
    public struct Input: Codable, Sendable {
        /// Its name.
        public var id: String
        /// The line as the configuration names it.
        public var line: String
        /// Where the line is: chip's label, place there, device; absent while it is not watched.
        public var place: String?
        /// Whether edges that were lost are noticed: not with libgpiod 1.
        public var noticesLosses: Bool
        /// Whether the line is active; absent before it was watched.
        public var active: Bool?
        /// What that is called, for a contact.
        public var state: String?
        /// For how long a contact has been in its state, where that was seen to begin.
        public var stateAgeMilliseconds: Int64?
        /// The total of a pulse input, in `unit`.
        public var total: Decimal?
        /// The unit of the total, its UCUM code.
        public var unit: String?
        /// The unit as people write it: `m³`.
        public var symbol: String?
        /// Pulses ever counted.
        public var pulses: UInt64?
        /// What flows now, in the rate's unit; absent before two pulses were seen.
        public var rate: Double?
        /// The rate's unit as people write it: `m³/h`.
        public var rateSymbol: String?
        /// Age of the last pulse.
        public var lastPulseAgeMilliseconds: Int64?
        /// Width of the last pulse.
        public var widthMilliseconds: Double?
        /// Pulses that were too short, since the start.
        public var tooShort: UInt64
        /// Pulses that were too long, since the start.
        public var tooLong: UInt64
        /// Edges whose level the line had already, since the start: it changed back before the kernel looked.
        public var tooFast: UInt64
        /// Edges that bounced, where not the kernel filters them, since the start.
        public var bounces: UInt64
        /// Edges that the kernel saw and nobody read, since the start.
        public var lostEdges: UInt64
        /// Pulses among them: counted by their number, without their widths.
        public var recovered: UInt64
        /// Changes of a contact, since the start.
        public var changes: UInt64
        /// Readings handed over since the start.
        public var readings: UInt64
        /// Readings that wait for room in the intake.
        public var waiting: Int
        /// Readings that found no room in the intake, since the start.
        public var skipped: UInt64
        /// Why the line is not watched.
        public var error: String?
        /// What to look at.
        public var hint: String?
        /// For how long it has not been watched.
        public var failingForMilliseconds: Int64?
    }

    /// The spool.
    public struct Spool: Codable, Sendable {
        /// `working`, `full`, or `degraded` while the disk fails: readings wait in memory then.
        public var state: String
        /// Why the last commit failed.
        public var error: String?
        /// What to do about it.
        public var hint: String?
        /// Readings that wait in the intake for their commit.
        public var waiting: Int
        /// Whether the figures below are known: not while the spool could not be opened since the agent's start.
        public var isKnown: Bool
        /// Readings ever committed.
        public var committed: Int64
        /// Readings in the file, delivered or not.
        public var held: Int64
        /// Readings that the slowest uplink has not delivered.
        public var undelivered: Int64
        /// When the oldest reading held was taken.
        public var oldest: String?
        /// When the newest reading held was taken.
        public var newest: String?
        /// Bytes of the file and its write-ahead log.
        public var bytes: Int64
        /// How large they may grow.
        public var limitBytes: Int64
        /// How long readings wait for their commit at most, as things are: what a power cut can cost.
        public var commitIntervalMilliseconds: Int64
        /// Age of the last commit that went through.
        public var lastCommitAgeMilliseconds: Int64?
        /// Readings that a platform refused, kept for a person to look at.
        public var quarantined: Int64
        /// Readings that could not be read back from the disk, ever.
        public var damaged: Int64
        /// Of these those that were found since the agent's start.
        public var newlyDamaged: Int64
        /// Readings that were dropped because the spool was full, ever.
        public var dropped: Int64
        /// Of these those of this agent's run.
        public var newlyDropped: Int64
        /// What is done for room: `normal`, `slow`, `thin` or `drop`.
        public var step: String
        /// What had to be mended when the spool was opened; absent where nothing was wrong.
        public var mended: String?
        /// Bytes that the agent writes to the disk in a day, as it did since its start; absent in its first minute, and
        /// where the kernel does not tell.
        public var writtenBytesPerDay: Int64?
    }

    /// An uplink.
    public struct Uplink: Codable, Sendable {
        /// Its name.
        public var id: String
        /// The service root.
        public var url: String
        /// What it is doing, in words.
        public var state: String
        /// When it goes on, where it waits.
        public var nextTryMilliseconds: Int64?
        /// Whether it works: readings are accepted, or there is nothing to deliver.
        public var healthy: Bool
        /// Readings that it has not delivered yet.
        public var undelivered: Int64
        /// Readings delivered since the start.
        public var delivered: UInt64
        /// Readings refused for good since the start.
        public var rejected: UInt64
        /// Readings found on the platform when an unclear end was asked for: copies that were avoided.
        public var copiesAvoided: UInt64
        /// Readings that the platform has with another value; it keeps its own.
        public var conflicts: UInt64
        /// By how much the platform's clock is ahead of the times that readings get, to half a second and half a round
        /// trip; negative: behind. Absent where it is not known.
        public var clockAheadMilliseconds: Int64?
        /// When the platform last did what it was asked.
        public var lastSuccessAgeMilliseconds: Int64?
        /// What goes wrong now; absent when nothing does.
        public var error: String?
        /// What to do about it.
        public var hint: String?
    }

    /// The version of the agent.
    public var version: String
    /// The gateway's name.
    public var gateway: String
    /// The agent's process id.
    public var process: Int32
    /// When this was said, by the gateway's clock.
    public var time: String
    /// How long the agent has been running.
    public var uptimeMilliseconds: Int64
    /// What is wrong now, the gravest first; empty when all is well.
    public var problems: [Problem]
    /// The wall clock.
    public var clock: Clock
    /// The buses in the order of the configuration, those without meters left out.
    public var buses: [Bus]
    /// The meters, bus by bus.
    public var meters: [Meter]
    /// The digital inputs in the order of the configuration.
    public var inputs: [Input]
    /// The spool.
    public var spool: Spool
    /// The uplinks in the order of the configuration.
    public var uplinks: [Uplink]
    /// The newest events, the newest first; at most 20.
    public var events: [Event]
}
