internal import Glibc
public import Metering
internal import Posix

/// What stands in the folder of a spool beside the spool itself.
public struct SpoolFiles: Sendable {
    /// A damaged file that was set aside.
    public struct Aside: Hashable, Sendable {
        /// Where it is.
        public var path: String
        /// Its bytes, those of its log included.
        public var bytes: Int64
        /// When it was written last.
        public var modified: Timestamp
    }

    /// The damaged files that were set aside, in the order of their numbers.
    public var aside: [Aside]
    /// What the small file beside the spool says; nil where there is none that is whole.
    public var sidecar: SpoolSidecar?
    /// The process that has the spool open; nil where none has.
    public var holder: Int32?

    /// Looks into the folder `directory`, and opens nothing that an agent has open.
    public init(directory: String) {
        let names = (try? File.names(in: directory)) ?? []
        aside = names.compactMap { name -> (Int, Aside)? in
            guard name.hasPrefix(SpoolFolder.asidePrefix),
                let number = Int(name.dropFirst(SpoolFolder.asidePrefix.count))
            else { return nil }
            let path = directory + "/" + name
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            let modified = Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
            let bytes = Int64(status.st_size) + SpoolFolder.size(path + "-wal")
            return (number, Aside(path: path, bytes: bytes, modified: Timestamp(milliseconds: modified)))
        }.sorted { $0.0 < $1.0 }.map(\.1)
        sidecar = Sidecar.read(in: directory).map(SpoolSidecar.init)
        holder = SpoolFolder.holder(of: directory)
    }
}

extension SpoolFiles {
    /// Whether a path is, or would be, one of the files of the spool in a folder.
    public static func has(_ path: String, in directory: String) -> Bool {
        let names = ((try? File.names(in: directory)) ?? []).filter { isOwn($0[...]) }
        if names.contains(where: { isSame(path, directory + "/" + $0) }) { return true }
        let name = path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path[...]
        return isOwn(name) && isSame(SpoolFolder.folder(of: path), directory)
    }

    private static func isOwn(_ name: Substring) -> Bool {
        ["spool", "lock", "totals", "words", "damaged-", "rescue", "saved", "copy"].contains {
            name.hasPrefix("parthe." + $0)
        }
    }

    /// Whether two paths lead to the same file.
    public static func isSame(_ path: String, _ other: String) -> Bool {
        File.identity(path).map { $0 == File.identity(other) } ?? false
    }
}

/// What stands beside the spool for the day when it cannot be read.
public struct SpoolSidecar: Hashable, Sendable {
    /// The spool that it belongs to.
    public var spoolID: String
    /// The next sequence number when it was written.
    public var next: Int64
    /// Totals of pulses that it has.
    public var totals: Int

    init(_ sidecar: Sidecar) {
        (spoolID, next, totals) = (sidecar.spoolID, sidecar.next, sidecar.totals.count)
    }
}

extension SpoolFolder {
    /// What damaged files are called that were set aside, up to their number.
    static let asidePrefix = "parthe.damaged-"

    /// The process that has the spool in `directory` open, by the kernel's list of locks: trying the lock could keep an
    /// agent from it that starts just then. Nil where there is none, and where this cannot be known.
    static func holder(of directory: String) -> Int32? {
        let path = directory + "/parthe.lock"
        var status = stat()
        guard stat(path, &status) == 0, let bytes = try? File.read("/proc/locks", limit: 1 << 24) else { return nil }
        // `3: FLOCK  ADVISORY  WRITE 1234 fe:00:16277688 0 EOF`; the device may be called otherwise than stat(2) calls it.
        let inode = ":\(status.st_ino)"
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 5, words[1] == "FLOCK", words[3] == "WRITE", words[5].hasSuffix(inode) else { continue }
            return Int32(words[4])
        }
        return nil
    }

    /// The folder that a file is in.
    static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    /// Gives a new file the owner and the rights of an old one, or else the owner of its folder: what root makes, the
    /// agent's user has to be able to open. Does nothing where this is not root.
    static func adopt(_ path: String, like old: String, in directory: String) {
        guard geteuid() == 0 else { return }
        // The folder is another's, who may have put a link there.
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var status = stat()
        if stat(old, &status) == 0, status.st_mode & S_IFMT == S_IFREG {
            _ = fchmod(descriptor, status.st_mode & 0o777)
        } else if stat(directory, &status) != 0 {
            return
        }
        _ = fchown(descriptor, status.st_uid, status.st_gid)
    }
}
