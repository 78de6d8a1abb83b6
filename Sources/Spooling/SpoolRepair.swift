internal import Glibc
internal import Metering
internal import Posix

/// What a damaged file still holds.
public struct SpoolRemains: Hashable, Sendable {
    /// Readings that are whole.
    public var kept: Int64
    /// What is missing.
    public var gaps: [Gap]
    /// Points whose names are lost.
    public var lostPoints: Int
}

extension SpoolStore {
    /// Does by hand what an agent does at its start when it finds its spool damaged: what is whole goes into a new file, the
    /// damaged one is set aside, and both the gaps and an event tell of it. Where there is no room for a second file,
    /// nothing is done.
    ///
    /// What root makes belongs to the owner of what was there.
    ///
    /// - Parameter reason: what is wrong, in words.
    /// - Throws: `.held` while an agent has the spool; `.noSpace`; `.missing` where there is nothing.
    public static func repair(directory: String, reason: String) throws(SpoolError) -> SpoolMending {
        let path = SpoolFolder.file(in: directory)
        try findDamaged(directory)
        let lock = try SpoolLock(directory: directory)
        // Held until this returns.
        defer { _ = lock }
        SpoolFolder.adopt(directory + "/parthe.lock", like: path, in: directory)
        let bytes = SpoolFolder.size(path) + SpoolFolder.size(path + "-wal")
        guard SpoolFolder.free(directory) > bytes else {
            throw SpoolError(
                .noSpace, operation: "repair", path: path,
                detail: "a second file of \(bytes) bytes has no room beside the damaged one")
        }
        let opened = try SpoolOpening.open(
            directory, maximumBytes: SpoolSettings().maximumBytes,
            suspicion: SpoolError(.damaged, operation: "repair", path: path, detail: reason))
        guard let mending = opened.mending else { preconditionFailure("a repair that mends nothing") }
        try note(mending, opened.connection)
        opened.connection.close()
        SpoolFolder.adopt(path, like: mending.aside ?? directory, in: directory)
        return mending
    }

    /// What a repair would keep, and what it would list as missing. Nothing is changed; a second file is made in the
    /// folder for temporary files, and is gone when this returns.
    public static func rehearseRepair(directory: String) throws(SpoolError) -> SpoolRemains {
        try findDamaged(directory)
        if let holder = SpoolFolder.holder(of: directory) {
            throw SpoolError(
                .held, operation: "repair", path: directory,
                detail: "another agent, process \(holder), has this spool open")
        }
        return try SpoolReader.withRescue(of: SpoolFolder.file(in: directory), Sidecar.read(in: directory)) { $1 }
    }

    /// Refuses what is no damage: another format, rights that are missing, nothing at all.
    private static func findDamaged(_ directory: String) throws(SpoolError) {
        let path = SpoolFolder.file(in: directory)
        do throws(SpoolError) {
            _ = try SpoolReader(file: path)
        } catch {
            if [.newer, .older, .unreadable, .busy].contains(error.code) { throw error }
        }
        guard ![path, path + "-wal", Sidecar.file(in: directory)].contains(where: File.exists) else { return }
        throw SpoolError(.missing, operation: "repair", path: path, detail: "there is no spool")
    }

    /// The agent, and whoever asks it, shall know of it.
    private static func note(_ mending: SpoolMending, _ connection: Connection) throws(SpoolError) {
        let now = BootClock.now
        let place = try Archive(connection).place(of: BootClock.offset.timestamp(of: now))
        let id = (try connection.integer("SELECT max(id) FROM event") ?? 0) + 1
        try connection.transaction { () throws(SpoolError) in
            try connection.write(
                [
                    .integer(id), .integer(place?.boot ?? 1), .integer(place?.instant ?? now.nanoseconds),
                    .text("spool"),
                    .text("spool-mended"), .text(mending.text + ", by hand"),
                ], to: .event)
        }
    }
}

extension SpoolReader {
    /// Collects what is whole of a spool's file, wherever it stands and however damaged it is, and opens that for looking.
    /// Nothing is written beside the file: what was collected is in a second one in the folder for temporary files, which
    /// is gone with the reader.
    public static func collecting(file path: String) throws(SpoolError) -> (reader: SpoolReader, remains: SpoolRemains)
    {
        if let obstacle = File.obstacle(path) {
            throw SpoolError(
                obstacle.code == ENOENT ? .missing : .unreadable, operation: "open", path: path,
                detail: PosixError.text(obstacle.code), errno: obstacle.code)
        }
        guard File.kind(path) == .file else {
            throw SpoolError(.foreign, operation: "open", path: path, detail: "it is no file")
        }
        return try withRescue(of: path, nil) { (copy, remains) throws(SpoolError) in
            (try SpoolReader(file: copy), remains)
        }
    }

    /// Makes a second file of what is whole in one, and removes its name afterwards: who has it open keeps it.
    fileprivate static func withRescue<Result>(
        of path: String, _ sidecar: Sidecar?, _ body: (String, SpoolRemains) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        // Not /tmp, which may be memory.
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"
        let copy = "\(folder)/parthe-\(getpid())-\(SpoolRow.randomID()).spool"
        defer { unlink(copy) }
        let report: Salvage.Report
        do throws(SpoolError) {
            report = try Salvage.rescue(from: path, sidecar: sidecar, into: copy, isForLooking: true)
        } catch {
            guard error.code == .inaccessible || error.code == .noSpace else { throw error }
            var error = error
            error.detail += "; what is whole is collected in \(folder), TMPDIR names another folder"
            throw error
        }
        return try body(
            copy, SpoolRemains(kept: report.kept, gaps: report.gaps, lostPoints: report.lostPoints))
    }
}
