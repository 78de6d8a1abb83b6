public import Metering

/// What a link counted since it was made.
public struct LinkCounters: Hashable, Sendable {
    /// Requests sent.
    public var requests: UInt64 = 0
    /// Requests that nobody answered in time.
    public var timeouts: UInt64 = 0
    /// Answers whose checksum was wrong.
    public var crcErrors: UInt64 = 0
    /// Answers to earlier requests, thrown away.
    public var lateAnswers: UInt64 = 0
    /// Frames of other units or other masters, passed over.
    public var foreignFrames: UInt64 = 0
    /// Requests that were heard back.
    public var echoes: UInt64 = 0
    /// Bytes that came although nothing was asked.
    public var drainedBytes: UInt64 = 0
    /// Connections made, or ports opened.
    public var connects: UInt64 = 0
}

/// What was heard in place of an answer, for whoever asks why a meter is silent.
public struct LinkEvidence: Hashable, Sendable {
    /// The bytes that came, without the request heard back; at most 256.
    public var bytes: [UInt8] = []
    /// Whether the request was heard back: the adapter hears itself.
    public var isEcho = false
    /// Frames with a wrong checksum.
    public var crcErrors = 0
    /// When the first byte came.
    public var firstByte: Instant?
}

/// A frame, or what came in place of one, as `trace` gets it.
public struct FrameTrace: Hashable, Codable, Sendable {
    /// What it is.
    public enum Verdict: Hashable, Codable, Sendable {
        /// Sent.
        case request
        /// The answer to the request before.
        case answer
        /// The refusal of the request before.
        case exception(UInt8)
        /// The request, heard back.
        case echo
        /// The answer to an earlier request.
        case late
        /// Another unit's, or another master's.
        case foreign
        /// As long as an answer, but the checksum is wrong.
        case crcError
        /// The beginning of an answer that never ended.
        case cut
        /// No frame at all.
        case noise
        /// An answer that does not fit the request; the words say how.
        case malformed(String)
    }

    /// What it is.
    public var verdict: Verdict
    /// The bytes as on the wire, with header or checksum.
    public var bytes: [UInt8]
    /// When its first byte was sent, or its last one received.
    public var instant: Instant

    /// Whether it was sent by this program.
    public var isSent: Bool { verdict == .request }
}

/// What became of a serial port's settings when it was opened.
public struct PortReport: Hashable, Sendable {
    /// Who switches the transceiver's direction.
    public enum Direction: Hashable, Sendable {
        /// The adapter itself: nothing was asked for.
        case automatic
        /// The kernel's driver.
        case kernel
        /// This program, by RTS: the driver refused with this errno. The longer of the two delays holds on both sides.
        case program(refusal: Int32)
        /// Nobody: the driver refused with this errno, and the port's RTS with the other.
        case none(refusal: Int32, rts: Int32)
    }

    /// The path that the configuration names.
    public var path: String
    /// The device behind it: `/dev/ttyUSB0`.
    public var device: String
    /// Who switches the transceiver's direction.
    public var direction: Direction
    /// Whether the driver hands bytes over at once.
    public var isQuick: Bool
}
