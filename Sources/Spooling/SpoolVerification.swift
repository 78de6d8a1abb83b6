/// What came of reading everything that a spool has.
public struct SpoolVerification: Hashable, Sendable {
    /// Something that is not as it was written.
    public struct Finding: Hashable, Sendable {
        /// What it is.
        public var what: String
        /// Where: a table and a row, a chunk, a file.
        public var place: String
        /// Readings that cannot be read for it, as far as that is known.
        public var readings: Int64
    }

    /// What is being read.
    public enum Step: Hashable, Sendable {
        /// SQLite's own check of its pages.
        case structure
        /// The rows of a table.
        case table(String)
        /// The chunks: sequence numbers gone through, of how many.
        case chunks(Int64, of: Int64)
    }

    /// Most findings that are told one by one.
    public static let maximumFindings = 200

    /// What was found, at most `maximumFindings`.
    public internal(set) var findings: [Finding] = []
    /// Findings beyond these.
    public internal(set) var more = 0
    /// Pages of the file.
    public internal(set) var pages: Int64 = 0
    /// Rows with a checksum that were read.
    public internal(set) var rows: Int64 = 0
    /// Chunks that were read.
    public internal(set) var chunks: Int64 = 0
    /// Readings that were decoded.
    public internal(set) var readings: Int64 = 0
    /// Readings that are missing, and are listed as gaps.
    public internal(set) var listed: Int64 = 0
    /// The process that had the spool open; nil where none had.
    public internal(set) var holder: Int32?

    /// Whether everything is as it was written.
    public var isSound: Bool { more == 0 && findings.isEmpty }

    /// Readings that are missing or cannot be read, and are listed nowhere.
    public var unlisted: Int64 { findings.reduce(0) { $0 + $1.readings } }

    mutating func add(_ what: String, at place: String, readings: Int64 = 0) {
        guard findings.count < Self.maximumFindings else {
            more += 1
            return
        }
        let finding = Finding(what: what, place: place, readings: readings)
        if findings.last != finding { findings.append(finding) }
    }
}
