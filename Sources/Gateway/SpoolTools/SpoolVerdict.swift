internal import Metering
internal import Spooling

/// What `parthe spool verify` tells: whether everything that the spool has is as it was written.
public struct SpoolVerdict: Codable, Sendable {
    /// Something that is not.
    public struct Finding: Codable, Hashable, Sendable {
        /// Where: a table and a row, a chunk, numbers, a file.
        public var place: String
        /// What it is.
        public var what: String
        /// Readings that are missing for it, as far as that is known.
        public var readings: Int64
    }

    /// `ok`, or `damaged`.
    public var result: String
    /// The folder.
    public var folder: String
    /// The process that has it open; absent where none has.
    public var process: Int32?
    /// What was found, in the order in which it was looked at; at most 200.
    public var findings: [Finding]
    /// Damage beyond these.
    public var more: Int
    /// Readings that are missing or cannot be read, and that no gap tells of.
    public var unlisted: Int64
    /// Readings that are missing, at least, of which gaps tell.
    public var listed: Int64
    /// Readings that were decoded.
    public var readings: Int64
    /// Chunks that were read.
    public var chunks: Int64
    /// Other rows that were read.
    public var rows: Int64
    /// Pages of the file.
    public var pages: Int64
    /// What to do; absent where nothing need be done.
    public var next: String?

    /// Reads everything in the spool of the folder `state`; `progress` is told what is read, and how much of it is done.
    public init(state: String, progress: @escaping (String) -> Void = { _ in }) throws(AgentError) {
        do throws(SpoolError) {
            self.init(try SpoolStore.verify(directory: state) { progress(Self.words(for: $0)) }, folder: state)
        } catch {
            throw AgentError(error)
        }
    }

    private init(_ verification: SpoolVerification, folder: String) {
        result = verification.isSound ? "ok" : "damaged"
        self.folder = folder
        process = verification.holder
        findings = verification.findings.map {
            Finding(place: $0.place, what: $0.what, readings: $0.readings)
        }
        (more, unlisted, listed) = (verification.more, verification.unlisted, verification.listed)
        (readings, chunks) = (verification.readings, verification.chunks)
        (rows, pages) = (verification.rows, verification.pages)
        guard !verification.isSound else { return }
        let before = process.map { "stop the agent (process \($0)), then " } ?? ""
        next =
            before + "`parthe spool repair`: what is whole goes into a new file, the damaged one is set aside, what is "
            + "missing is listed as gaps; with --dry-run it tells how much that is"
    }

    private static func words(for step: SpoolVerification.Step) -> String {
        switch step {
        case .structure: "checking the file's pages"
        case .table(let name): "checking the table \(name)"
        case .chunks(let done, let all):
            "checking readings: \(done) of \(all)" + (all > 0 ? ", \(done * 100 / all) %" : "")
        }
    }

    /// The verdict as JSON.
    public var json: [UInt8] { jsonBytes(self) }
}
