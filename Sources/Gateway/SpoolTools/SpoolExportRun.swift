internal import Configuration
internal import Metering
internal import Posix
internal import Spooling

/// `parthe spool export`: readings as text, some thousand at a time.
public final class SpoolExportRun {
    /// How readings are written.
    public enum Format: String, Sendable, CaseIterable {
        /// Comma-separated values (RFC 4180), with a line of names.
        case csv
        /// A JSON object a line.
        case jsonLines = "jsonl"
    }

    /// Which readings, from where.
    public struct Request: Sendable {
        /// The folder of the spool.
        public var state: String
        /// A spool's file, however damaged, instead of the folder's.
        public var file: String?
        /// Patterns of points.
        public var points: [String]
        /// None before: `2026-11-01`, `2026-11-01T06:00`, `2026-11-01T06:00:00+01:00`.
        public var from: String?
        /// None from then on.
        public var to: String?
        /// How they are written.
        public var format: Format
        /// Whether what only the spool needs is told as well.
        public var isRaw: Bool

        /// A request with every property given.
        public init(
            state: String, file: String?, points: [String], from: String?, to: String?, format: Format, isRaw: Bool
        ) {
            (self.state, self.file, self.points) = (state, file, points)
            (self.from, self.to, self.format, self.isRaw) = (from, to, format, isRaw)
        }
    }

    /// What came of it.
    public struct Summary: Sendable {
        /// Readings that were written.
        public var readings: Int64
        /// Sequence numbers passed that have no reading any more, or one that cannot be read.
        public var missing: Int64
        /// Whether it was ended before its time.
        public var isInterrupted: Bool
    }

    private let request: Request
    private let export: SpoolExport
    private let text: ReadingText
    /// What a file that was collected is like, in words.
    public let remark: String?

    /// Opens the spool.
    public init(_ request: Request) throws(AgentError) {
        self.request = request
        let selection = ReadingSelection(
            points: request.points, from: try Self.time(request.from, "--from"), to: try Self.time(request.to, "--to"))
        do throws(SpoolError) {
            if let file = request.file {
                let (reader, remains) = try SpoolReader.collecting(file: file)
                remark =
                    "\(file): \(remains.kept) readings are whole"
                    + (remains.lostPoints > 0 ? ", the names of \(remains.lostPoints) points are lost" : "")
                export = try reader.export(selection)
            } else {
                remark = nil
                export = try SpoolStore.openForReading(directory: request.state).export(selection)
            }
        } catch {
            throw Self.error(error, request)
        }
        text = ReadingText(format: request.format, isRaw: request.isRaw, spoolID: export.spoolID)
        guard request.points.isEmpty || !export.keys.isEmpty else {
            throw AgentError(
                code: .usage, message: "no point is called \(request.points.joined(separator: " or "))",
                hint: Configuration.hint(for: request.points[0], among: export.allKeys, called: "there are"))
        }
    }

    private static func error(_ error: SpoolError, _ request: Request) -> AgentError {
        var result = AgentError(error)
        if error.code == .damaged, request.file == nil {
            result.hint =
                "`parthe spool export --spool \(request.state)/parthe.spool` collects what is whole; "
                + "`parthe spool verify` says what is not"
        }
        return result
    }

    /// A time as people write it; without a zone it is UTC.
    static func time(_ text: String?, _ option: String) throws(AgentError) -> Timestamp? {
        guard let text else { return nil }
        for rest in ["", "Z", ":00Z", "T00:00:00Z"] {
            if let time = Timestamp(iso8601: text + rest) { return time }
        }
        throw AgentError(
            code: .usage, message: "\(option) \(text) is no time",
            hint: "such as 2026-11-01, 2026-11-01T06:00 (UTC) or 2026-11-01T06:00:00+01:00")
    }

    /// Writes everything to a file, which takes its place when it is whole.
    public func run(
        into path: String, _ interruption: Interruption, progress: (String) -> Void
    ) throws(AgentError) -> Summary {
        if SpoolFiles.has(path, in: request.state) || request.file.map({ SpoolFiles.isSame(path, $0) }) ?? false {
            throw AgentError(
                code: .usage, message: "\(path) is one of the spool's own files",
                hint: "--file names the file to write; --spool names one to read")
        }
        do {
            let file = try ReplacementFile(path)
            var failure: PosixError?
            let summary = try run(interruption, progress: progress) { bytes in
                do throws(PosixError) { try file.write(bytes) } catch { failure = error }
                return failure == nil
            }
            if let failure { throw failure }
            if !summary.isInterrupted { try file.finish() }
            return summary
        } catch let error as AgentError {
            throw error
        } catch {
            throw AgentError(code: .spool, message: "\(error)", hint: "choose another file with --file")
        }
    }

    /// Hands all bytes to `write`, whole lines at a time, until that returns false or somebody wants an end of it.
    public func run(
        _ interruption: Interruption, progress: (String) -> Void, write: ([UInt8]) -> Bool
    ) throws(AgentError) -> Summary {
        var bytes = text.head
        do throws(SpoolError) {
            while let page = try export.page() {
                if interruption.isAsked { return summary(isInterrupted: true) }
                for reading in page { text.append(reading, to: &bytes) }
                if !bytes.isEmpty, !write(bytes) { return summary(isInterrupted: true) }
                bytes.removeAll(keepingCapacity: true)
                if let numbers = export.numbers {
                    let done = (export.next - numbers.lowerBound) * 100 / Int64(numbers.count + 1)
                    progress("\(export.count) readings, \(min(100, max(0, done))) %")
                }
            }
        } catch {
            throw AgentError(error)
        }
        if !bytes.isEmpty { _ = write(bytes) }
        return summary(isInterrupted: false)
    }

    private func summary(isInterrupted: Bool) -> Summary {
        Summary(readings: export.count, missing: export.missing, isInterrupted: isInterrupted)
    }
}
