internal import Glibc
public import Logging
internal import Metering
internal import Posix

/// Writes log lines to standard error: with a time and a level for people, with a journal priority under systemd.
///
/// A line is one write(2), so lines of several threads do not mix.
public struct StandardErrorLog: LogHandler {
    /// Lines below this level are not written.
    public var logLevel: Logger.Level
    /// Added to each line as `key=value`.
    public var metadata: Logger.Metadata = [:]

    /// systemd sets JOURNAL_STREAM where standard error is the journal, which has a time of its own (systemd.exec(5)).
    private static let isJournal = getenv("JOURNAL_STREAM") != nil

    /// A log that writes lines of `level` and above.
    public init(level: Logger.Level) {
        logLevel = level
    }

    /// One value of `metadata`.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one line.
    public func log(event: LogEvent) {
        var line = Self.isJournal ? Self.priority(event.level) : Self.stamp(event.level)
        line += event.message.description
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 }).sorted(by: {
            $0.key < $1.key
        }) {
            line += " \(key)=\(value)"
        }
        line += "\n"
        line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static func stamp(_ level: Logger.Level) -> String {
        "\(BootClock.offset.timestamp(of: BootClock.now)) \(level): "
    }

    /// Priorities of syslog(3), as sd-daemon(3) reads them from the start of a line.
    private static func priority(_ level: Logger.Level) -> String {
        switch level {
        case .trace, .debug: "<7>"
        case .info: "<6>"
        case .notice: "<5>"
        case .warning: "<4>"
        case .error: "<3>"
        case .critical: "<2>"
        }
    }
}
