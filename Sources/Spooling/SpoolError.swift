internal import CSQLite
internal import Glibc
internal import Posix

/// Something the spool could not do: what, on which file, why, and what to do next.
public struct SpoolError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: String, Hashable, Sendable {
        /// The spool has reached its limit and everything in it waits for delivery.
        case full
        /// Another agent holds the spool.
        case held
        /// Another program has locked the database file for the moment.
        case busy
        /// The file belongs to another program.
        case foreign
        /// The file was written by a newer version of parthe.
        case newer
        /// The file has an earlier format, and whoever opens it may only read.
        case older
        /// There is no spool in the folder.
        case missing
        /// The folder or the file cannot be made or opened.
        case inaccessible
        /// Whoever only looks may not.
        case unreadable
        /// The file or its file system cannot be written to.
        case readOnly
        /// The file system has no space left.
        case noSpace
        /// The disk failed.
        case inputOutput
        /// The file's content is damaged.
        case damaged
        /// A reading that names a point without a dictionary entry, is not finite or has an impossible time.
        case invalidReading
        /// A lease that is not held: settled or released before, or never given.
        case notHeld
        /// An uplink that the spool was not opened with.
        case unknownUplink
        /// A stated limit was reached: points, or leases that are open at once.
        case tooMany
        /// The spool was closed.
        case closed
        /// SQLite refused for a reason of its own.
        case database
    }

    /// What the caller should do about it.
    public enum Disposition: Hashable, Sendable {
        /// The same call can succeed at once.
        case retry
        /// The same call can succeed later.
        case retryAfter(Duration)
        /// The call is wrong and will stay wrong.
        case reject
        /// The spool cannot go on; a person has to act.
        case fatal
    }

    /// What kind of failure it is.
    public var code: Code
    /// What was being done: `commit`, `open`.
    public var operation: String
    /// The file or folder it was done to.
    public var path: String
    /// What happened, in words.
    public var detail: String
    /// SQLite's extended result code (https://www.sqlite.org/rescode.html), where SQLite was asked.
    public var sqlite: Int32?
    /// The errno of the system call behind it, where there was one.
    public var errno: Int32?
    /// What was mended before this failed, which nobody was told yet.
    public internal(set) var mending: SpoolMending?

    /// A failure with every property given.
    public init(
        _ code: Code, operation: String, path: String, detail: String, sqlite: Int32? = nil, errno: Int32? = nil
    ) {
        self.code = code
        self.operation = operation
        self.path = path
        self.detail = detail
        self.sqlite = sqlite
        self.errno = errno
    }

    /// The same, with what was mended before.
    func telling(_ mending: SpoolMending?) -> SpoolError {
        var error = self
        error.mending = error.mending?.after(mending) ?? mending
        return error
    }

    /// What the caller should do about it.
    public var disposition: Disposition {
        switch code {
        case .full, .busy: .retryAfter(.seconds(1))
        case .readOnly, .noSpace, .inputOutput: .retryAfter(.seconds(10))
        case .invalidReading, .notHeld, .unknownUplink, .tooMany: .reject
        case .held, .foreign, .newer, .older, .missing, .inaccessible, .unreadable, .damaged, .closed, .database:
            .fatal
        }
    }

    /// Whether the disk is at fault, and may be well again later: waiting helps then.
    var isOfDisk: Bool { [.readOnly, .noSpace, .inputOutput, .busy].contains(code) }

    /// What the technician should do next.
    public var hint: String {
        switch code {
        case .full: "readings wait for delivery: look at the uplink, or raise spool.limit"
        case .held: "stop the other agent, or give this one a --state folder of its own"
        case .busy: "close the program that has the file open for writing, for example sqlite3"
        case .foreign: "move the file away, or give the agent another --state folder"
        case .newer: "install the version of parthe that wrote it, or a newer one"
        case .older: "start the agent once: it brings the file forward"
        case .missing: "check the --state folder; the agent makes the spool at its first start"
        case .inaccessible: "check that the folder exists and that the agent's user may write to it"
        case .unreadable:
            "look as the agent's user, as one of its group, or with sudo; while no agent runs, looking needs the right to "
                + "write in the folder"
        case .readOnly: "check the mount options (ro?), the permissions and the health of the disk"
        case .noSpace: "free space on the file system, or raise the quota or size limit"
        case .inputOutput: "look at dmesg for disk errors and replace the card or disk"
        case .damaged:
            "`parthe spool verify` says what is wrong; the agent mends it at its next start, `parthe spool repair` now"
        case .invalidReading: "this is an error in the agent: report it with this message"
        case .notHeld, .unknownUplink, .closed, .database: "restart the agent; if it comes again, report this message"
        case .tooMany: "use fewer meters on this gateway, or wait until open leases are settled"
        }
    }

    /// `/var/lib/parthe/parthe.spool: cannot commit: database or disk is full (SQLite 13)`.
    public var description: String {
        var text = "\(path): cannot \(operation): \(detail)"
        if let sqlite { text += " (SQLite \(sqlite))" }
        // SQLite's words may be the system's already.
        if let errno, errno != 0, !detail.contains(PosixError.text(errno)) { text += " [\(PosixError.text(errno))]" }
        return text
    }
}

extension SpoolError {
    /// SQLITE_IOERR_SHMSIZE (a macro that Swift does not see): the log's index could not be given its size.
    private static var ioErrorSHMSize: Int32 { SQLITE_IOERR | 19 << 8 }

    /// What it says that a file or folder cannot be made or opened.
    private static func code(of errno: Int32) -> Code {
        switch errno {
        case EROFS: .readOnly
        // Without a free inode nothing new can be made, however much room there is.
        case ENOSPC, EDQUOT: .noSpace
        case EIO: .inputOutput
        default: .inaccessible
        }
    }

    /// The failure of a system call that makes, opens or renames a file or folder.
    init(errno: Int32, operation: String, path: String) {
        self.init(
            Self.code(of: errno), operation: operation, path: path, detail: PosixError.text(errno), errno: errno)
    }

    /// The failure behind an extended result code of SQLite.
    init(sqlite code: Int32, errno: Int32, message: String, operation: String, path: String) {
        let kind: Code =
            switch code & 0xFF {
            case SQLITE_BUSY, SQLITE_LOCKED: .busy
            case SQLITE_FULL: .noSpace
            // A log that cannot grow is reported as an I/O error.
            case SQLITE_IOERR
            where [ENOSPC, EDQUOT, EFBIG].contains(errno) || code == Self.ioErrorSHMSize && errno != EIO: .noSpace
            case SQLITE_IOERR where errno == EROFS: .readOnly
            case SQLITE_IOERR: .inputOutput
            case SQLITE_READONLY: .readOnly
            case SQLITE_CANTOPEN: Self.code(of: errno)
            case SQLITE_PERM, SQLITE_AUTH: .inaccessible
            case SQLITE_NOTADB: .foreign
            case SQLITE_CORRUPT: .damaged
            default: .database
            }
        self.init(kind, operation: operation, path: path, detail: message, sqlite: code, errno: errno)
    }
}
